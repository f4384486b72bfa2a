"""What else a candidate does: writes, state, randomness, sizes, batches."""
