"""A torch function as a function of NumPy arrays; its pullback is torch's backward."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch

from npcbam.arguments import Array
from npcbam.gradcheck.frameworks.modules import Module, plain
from npcbam.gradcheck.frameworks.nest import Path, mapped, names_of, own_pullback, walk
from npcbam.gradcheck.frameworks.tensors import array_of, is_real, tensor_of

Pullback = Callable[[Any], Any]


def is_meant(f: Any, args: tuple[Any, ...]) -> bool:
    """Tell whether f is one of torch, or gets tensors."""
    own = isinstance(f, torch.nn.Module) or _function_of(f) is not None
    return own or any(isinstance(leaf, torch.Tensor) for _, leaf in walk(args))


def as_vjp(
    f: Any, args: tuple[Any, ...], device: Any
) -> tuple[Framed, tuple[Any, ...], tuple[str, ...]]:
    """Return f as a function of NumPy arrays, its arguments, and their names."""
    function = _function_of(f)
    if isinstance(f, torch.nn.Module):
        module = Module(f)
        given = (*args, module.parameters)
        wanted = _wanted(args) | {(len(args), name) for name in module.parameters}
        framed = Framed(module, given, wanted, device, arrays=True)
        return framed, framed.args, names_of(plain(f).forward, len(args), parameters=True)
    if function is not None:
        framed = Framed(function.apply, args, _wanted(args), device, arrays=True)
        return framed, framed.args, _without_context(function, len(args))
    framed = Framed(f, args, _wanted(args), device, arrays=False)
    return framed, framed.args, names_of(f, len(args), parameters=False)


class Framed:
    """A function of NumPy arrays that gives (y, pullback), and runs on tensors.

    The tensors at the paths `wanted` are asked about; with `arrays` NumPy arrays stand for
    tensors.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        wanted: Collection[Path],
        device: Any,
        arrays: bool,
    ) -> None:
        """Lay the arguments out as NumPy arrays."""
        held = {p: leaf for p, leaf in walk(args) if isinstance(leaf, torch.Tensor)}
        first = next(iter(held.values()), None)
        self._call, self._arrays, self._wanted = call, arrays, wanted
        self._device = device if device is not None else getattr(first, "device", None)
        self._dtypes = {p: held[p].dtype for p in wanted}
        self._has_own = False
        self.args = mapped(self._to_array, args)

    def _to_array(self, path: Path, leaf: Any) -> Any:
        if path in self._wanted:
            return array_of(leaf)
        return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf

    def __call__(self, *args: Any) -> tuple[Any, Pullback]:
        """Run the function on tensors made of these arrays."""
        tensors = {p: self._tensor(leaf) for p, leaf in walk(args) if self._is_array(p, leaf)}
        casts = {self._dtypes[p]: tensors[p].dtype for p in self._wanted}
        sources = {p: t for p, t in tensors.items() if is_real(t)}

        def place(path: Path, leaf: Any) -> Any:
            if path in tensors:
                # A copy, for a function may write to what it is given, which a leaf forbids.
                return tensors[path] if self._has_own else tensors[path].clone()
            return self._passed(leaf, casts)

        with _scope(self._device), torch.enable_grad():
            if not self._has_own:
                for tensor in sources.values():
                    tensor.requires_grad_()
            result = self._call(*mapped(place, args))
        if own_pullback(result):
            if not self._has_own:
                self._has_own = True
                return self(*args)
            return _to_arrays(result[0]), lambda dy: self._by_hand(result[1], dy)
        return _to_arrays(result), lambda dy: self._pulled(result, dy, sources, args)

    def _is_array(self, path: Path, leaf: Any) -> bool:
        return isinstance(leaf, np.ndarray) and (self._arrays or path in self._wanted)

    def _tensor(self, array: Array) -> torch.Tensor:
        return tensor_of(array, self._device)

    def _passed(self, leaf: Any, casts: Mapping[torch.dtype, torch.dtype]) -> Any:
        """Return what is passed by: tensors in the precision that those asked about are in."""
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.to(self._device, casts.get(leaf.dtype, leaf.dtype))

    def _by_hand(self, pullback: Pullback, dy: Any) -> Any:
        """Return what a pullback of tensors gives, as arrays."""
        given = mapped(lambda _, d: self._tensor(d) if isinstance(d, np.ndarray) else d, dy)
        with _scope(self._device):
            return _to_arrays(pullback(given))

    def _pulled(
        self, y: Any, dy: Any, sources: Mapping[Path, torch.Tensor], args: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Return the cotangents that torch's backward gives; None where it gives none."""
        given = dict(walk(dy))
        results = {p: t for p, t in walk(y) if isinstance(t, torch.Tensor) and t.requires_grad}
        found: dict[Path, Any] = {}
        if results and sources:
            grads = [self._tensor(np.asarray(given[p])) for p in results]
            with _scope(self._device):
                slopes = torch.autograd.grad(
                    [*results.values()],
                    [*sources.values()],
                    [g.to(t.dtype) for g, t in zip(grads, results.values(), strict=True)],
                    retain_graph=True,
                    allow_unused=True,
                )
            found = dict(zip(sources, slopes, strict=True))
        return tuple(
            mapped(lambda p, _: None if found.get(p) is None else array_of(found[p]), arg, (i,))
            for i, arg in enumerate(args)
        )


def _wanted(args: tuple[Any, ...]) -> set[Path]:
    """Return where the floating tensors are that require a gradient, or all if none does."""
    real = {p: leaf for p, leaf in walk(args) if is_real(leaf)}
    return {p for p, leaf in real.items() if leaf.requires_grad} or set(real)


def _to_arrays(tree: Any) -> Any:
    return mapped(lambda _, leaf: array_of(leaf) if isinstance(leaf, torch.Tensor) else leaf, tree)


def _function_of(f: Any) -> Any:
    """Return the torch.autograd.Function that f is, or whose `apply` it is; else None."""
    for thing in (f, getattr(f, "__self__", None)):
        if inspect.isclass(thing) and issubclass(thing, torch.autograd.Function):
            return thing
    return None


def _without_context(function: Any, count: int) -> tuple[str, ...]:
    """Return the names of the arguments of a Function, whose forward may take a context first."""
    setup = torch.autograd.function._SingleLevelFunction.setup_context
    if getattr(function, "setup_context", setup) is not setup:
        return names_of(function.forward, count, parameters=False)
    return names_of(function.forward, count + 1, parameters=False)[1:]


@contextlib.contextmanager
def _scope(device: Any) -> Any:
    """Leave out TF32, whose rounding is no part of float32, on devices that have it."""
    if device is None or torch.device(device).type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
