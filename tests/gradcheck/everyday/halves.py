"""All cases, by halves: `FUNCTIONS` holds them once this module is imported."""

import importlib

from everyday.case import FUNCTIONS

FIRST = [
    "losses", "activations", "norms", "pooling", "indexing", "linear_algebra", "sequences",
    "physics", "special", "regression",
]  # fmt: skip
SECOND = [
    "more_losses", "more_activations", "more_norms", "more_pooling", "more_indexing",
    "more_linear_algebra", "more_sequences", "more_physics", "more_special", "more_regression",
]  # fmt: skip

for _half, _topics in (("first", FIRST), ("second", SECOND)):
    for _topic in _topics:
        importlib.import_module(f"everyday.{_half}.{_topic}")

__all__ = ["FUNCTIONS"]
