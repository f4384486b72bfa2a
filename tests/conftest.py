"""Stands here so that pytest puts this directory on the path of the tests in those below."""

# A script to run by hand: it imports jax, which the tests do without.
collect_ignore = ["gradcheck/peers.py"]
