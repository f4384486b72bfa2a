"""Tensors of torch from NumPy arrays and back, bfloat16 too."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from npcbam.arguments import Array

MISSING = (
    "bfloat16 is run as float32, because NumPy has no such dtype without the package ml_dtypes"
)


def is_real(thing: Any) -> bool:
    """Tell whether a thing is a tensor of real floating numbers."""
    return isinstance(thing, torch.Tensor) and thing.is_floating_point()


def array_of(tensor: torch.Tensor) -> Array:
    """Return a tensor as an array of the same precision, a copy."""
    plain = tensor.detach().to("cpu")
    plain = plain.to_dense() if plain.layout != torch.strided else plain
    plain = plain.resolve_conj().resolve_neg()
    if plain.dtype != torch.bfloat16:
        return np.array(plain.numpy())
    brain = _bfloat16()
    if brain is None:
        warnings.warn(MISSING, stacklevel=2)
        return np.array(plain.float().numpy())
    return np.array(plain.contiguous().view(torch.int16).numpy().view(brain))


def tensor_of(array: Array, device: Any = None) -> torch.Tensor:
    """Return an array as a tensor, on the CPU one that shares its memory.

    Raises
    ------
    TypeError
        torch has no such dtype; or the array is complex, for derivatives are of real arguments.
    """
    if array.dtype.kind == "c":
        raise TypeError(f"expected real numbers, got {array.dtype}")
    if any(step < 0 for step in array.strides) or not array.flags.writeable:
        array = array.copy()
    if array.dtype.name == "bfloat16":
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    return tensor if device is None else tensor.to(device)


def _bfloat16() -> Any:
    try:
        import ml_dtypes
    except ImportError:
        return None
    return np.dtype(ml_dtypes.bfloat16)
