"""Functions of tensors as functions of NumPy arrays."""

from __future__ import annotations

from typing import Any


def as_vjp(f: Any, args: tuple[Any, ...], device: Any = None) -> Any:
    """Return f as a function of NumPy arrays, or None if it is one."""
    return None
