"""A jax function as a function of NumPy arrays; its pullback is that of jax.vjp."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npcbam.gradcheck.frameworks.nest import names_of, own_pullback
from npcbam.gradcheck.frameworks.pytrees import build, fill, flat, is_float, lay, leaves_of

HOMES = ("jax", "jaxlib")
APART = 1024  # roundings by which two ways of computing y may differ
Pullback = Callable[[Any], Any]


def is_meant(f: Any, args: tuple[Any, ...]) -> bool:
    """Tell whether f is one of jax, or gets jax arrays."""
    own = type(f).__module__.partition(".")[0] in HOMES or has_parameters(f)
    return own or any(isinstance(leaf, jax.Array) for leaf in jax.tree_util.tree_leaves(args))


def as_vjp(
    f: Any, args: tuple[Any, ...], device: Any
) -> tuple[Framed, tuple[Any, ...], tuple[str, ...]]:
    """Return f as a function of NumPy arrays, its arguments, and their names."""
    framed = Framed(f, args, device)
    return framed, framed.args, names_of(f, len(args), parameters=has_parameters(f))


def has_parameters(f: Any) -> bool:
    """Tell whether a function is a tree that holds arrays, as a module of equinox is."""
    leaves = jax.tree_util.tree_leaves(f)
    return all(leaf is not f for leaf in leaves) and any(isinstance(x, jax.Array) for x in leaves)


class Framed:
    """A function of NumPy arrays that gives (y, pullback), and runs on jax arrays.

    A tree of arrays is a dict of its leaves by path, whatever jax knows it as; so are the
    parameters of a function that is a tree itself, which come last.
    """

    def __init__(self, f: Any, args: tuple[Any, ...], device: Any) -> None:
        """Lay the arguments out as NumPy arrays."""
        self._f, self._is_tree = f, has_parameters(f)
        self._trees = (*args, f) if self._is_tree else args
        self._device = jax.devices(device)[0] if isinstance(device, str) else device
        self.args = tuple(lay(tree) for tree in self._trees)

    def __call__(self, *args: Any) -> tuple[Any, Pullback]:
        """Run the function on jax arrays made of these."""
        leaves = [leaf for arg in args for leaf in leaves_of(arg)]
        if any(np.iscomplexobj(leaf) for leaf in leaves):
            raise TypeError("expected real numbers, got complex ones")
        with self._scope(leaves):
            result = self._run(args)
            if own_pullback(result):
                y, pullback = result
                return lay(y), lambda dy: self._by_hand(pullback, y, dy, leaves)
            y = lay(result)
        # The pullback is made when it is asked for: most calls only want y.
        return y, lambda dy: self._pulled(args, y, dy, leaves)

    def _run(self, args: Sequence[Any]) -> Any:
        given = [build(tree, arg) for tree, arg in zip(self._trees, args, strict=True)]
        return given[-1](*given[:-1]) if self._is_tree else self._f(*given)

    def _pulled(self, args: tuple[Any, ...], y: Any, dy: Any, leaves: list[Any]) -> Any:
        """Return the cotangents that jax.vjp gives, in the form of the arguments."""
        asked = [leaf for leaf in leaves if is_float(leaf)]

        def run(*values: Any) -> Any:
            given = iter(values)
            return self._run([fill(arg, given) for arg in args])

        with self._scope(leaves):
            again, pullback = jax.vjp(run, *map(jnp.asarray, asked))
            _same(y, lay(again))
            slopes = iter([np.asarray(slope) for slope in pullback(_cotangent(again, dy))])
        return tuple(fill(arg, slopes, otherwise=None) for arg in args)

    def _by_hand(self, pullback: Pullback, y: Any, dy: Any, leaves: list[Any]) -> Any:
        """Return what a pullback of jax arrays gives, as arrays."""
        with self._scope(leaves):
            given = pullback(build(y, dy))
            if isinstance(given, tuple | list) and len(given) == len(self._trees):
                return tuple(lay(cotangent) for cotangent in given)
            return lay(given)

    @contextlib.contextmanager
    def _scope(self, leaves: list[Any]) -> Any:
        """Make float64 possible where it is given, and leave out TF32, which is no float32."""
        wide = any(getattr(leaf, "dtype", None) == np.float64 for leaf in leaves)
        with contextlib.ExitStack() as stack:
            if wide and not jax.config.jax_enable_x64:
                # Since 0.8 it is no experiment.
                home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
                stack.enter_context(home.enable_x64(True))
            if self._device is not None:
                stack.enter_context(jax.default_device(self._device))
            if jax.default_backend() != "cpu":
                stack.enter_context(jax.default_matmul_precision("highest"))
            yield


def _cotangent(y: Any, dy: Any) -> Any:
    """Return dy as jax wants it: whole numbers have a cotangent of a type of their own."""
    _, leaves, structure = flat(y)
    given = [
        jnp.asarray(d, leaf.dtype) if is_float(leaf) else np.zeros(leaf.shape, jax.dtypes.float0)
        for leaf, d in zip(map(jnp.asarray, leaves), leaves_of(dy), strict=True)
    ]
    return structure.unflatten(given)


def _same(y: Any, again: Any) -> None:
    """Raise ValueError if a rule of its own gives another y than the function itself."""
    for one, two in zip(leaves_of(y), leaves_of(again), strict=True):
        if not is_float(one):
            continue
        a, b = (np.asarray(leaf).astype(np.float64) for leaf in (one, two))
        room = APART * float(jnp.finfo(one.dtype).eps) * np.abs(a[np.isfinite(a)]).max(initial=0)
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=room, equal_nan=True):
            raise ValueError("the rule for the derivative gives another y than the function itself")
