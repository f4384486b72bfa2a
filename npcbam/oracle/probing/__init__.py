"""Inputs with reasons, weights that hide nothing, which array is what, and a run of it all."""
