"""All cases, by halves: `FUNCTIONS` holds them once this module is imported."""

import importlib

from everyday.case import FUNCTIONS

FIRST = [
    "losses", "activations", "norms", "pooling", "indexing", "linear_algebra", "sequences",
    "physics", "special", "regression",
]  # fmt: skip
SECOND = []

for _half, _topics in (("first", FIRST), ("second", SECOND)):
    for _topic in _topics:
        importlib.import_module(f"everyday.{_half}.{_topic}")

__all__ = ["FUNCTIONS"]
