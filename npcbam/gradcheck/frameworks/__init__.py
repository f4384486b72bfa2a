"""Functions of torch and jax as functions of NumPy arrays, with the framework's own backward.

The derivative to judge by stays npcbam's: it moves the NumPy arrays, in float64 where the function
runs so. Only what a user has imported is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from npcbam.gradcheck.forms.hint import demand_function

Framed: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], tuple[str, ...]]


def as_vjp(f: Any, args: tuple[Any, ...], device: Any = None) -> Framed | None:
    """Return f as a function of NumPy arrays that gives (y, pullback); None if it is one already.

    Parameters
    ----------
    f : a torch.autograd.Function or its `apply`, a torch module, a function of tensors; or a
        function of jax arrays, a `custom_vjp`, `custom_jvp`, a compiled function, a callable tree
    args : with arrays of the framework in them, or of NumPy if f itself shows where it belongs
    device : what it runs on; by default where the first tensor or parameter lies

    Returns
    -------
    f_vjp, args, names : the arguments have NumPy arrays in place of floating tensors, and a dict
        `params` more if f has parameters; the rest of them is passed by

    Raises
    ------
    TypeError
        f is no function: a class, or an object for another of the checks.
    ValueError
        A device is given for a function of NumPy arrays.
    """
    if "torch" in sys.modules:
        from npcbam.gradcheck.frameworks import torch

        if torch.is_meant(f, args):
            return _guarded(torch.as_vjp(f, args, device))
    if "jax" in sys.modules:
        from npcbam.gradcheck.frameworks import jax

        if jax.is_meant(f, args):
            return _guarded(jax.as_vjp(f, args, device))
    demand_function(f)
    if device is not None:
        name = getattr(f, "__name__", "f")
        raise ValueError(f"device: {device!r} is for functions of torch or jax, got {name}")
    return None


def _guarded(found: Framed) -> Framed:
    from npcbam.gradcheck.frameworks.nest import guarded

    f, args, names = found
    return guarded(f, args), args, names
