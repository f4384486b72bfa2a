"""From a primitive of autograd to f(*arrays) -> (y, pullback)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from autograd.core import primitive_vjps, vspace
from autograd.extend import SparseObject
from running import Case


@dataclass(frozen=True)
class Given:
    """A callable that a primitive takes as it is."""

    value: Callable[..., Any]


def case(
    name: str,
    fun: Callable[..., Any],
    *args: Any,
    pick: int | None = None,
    domain: Any = None,
    asked: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Case:
    """Return the case of `fun`: callable arguments are drawn and judged, others are given as are.

    Parameters
    ----------
    name : of the primitive, and what is special after a blank
    args : `draw(rng)` gives an array that is judged (a complex one as two real planes)
    pick : judge one result of several alone
    domain, asked : what `examine` is asked besides
    kwargs : handed to the primitive
    """
    at = tuple(i for i, arg in enumerate(args) if callable(arg))

    def make(rng: np.random.Generator) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        drawn = [arg(rng) if i in at else getattr(arg, "value", arg) for i, arg in enumerate(args)]
        return handed(fun, drawn, at, pick, kwargs), tuple(planes(drawn[i]) for i in at)

    options = dict(asked or {}, **({"domain": domain} if domain else {}))
    options["names"] = tuple(f"x{i}" for i in at)
    pairs = tuple((name.split(" ")[0], i) for i in at)
    return Case(name, make, pairs, options)


def handed(
    fun: Callable[..., Any],
    drawn: list[Any],
    at: tuple[int, ...],
    pick: int | None,
    kwargs: dict[str, Any],
) -> Callable[..., Any]:
    """Return f of the arguments `at`, whose pullback is the vjp that autograd registers."""
    whether = [np.iscomplexobj(drawn[i]) for i in at]
    sample = fun(*drawn, **kwargs)
    split = [np.iscomplexobj(part) for part in parts(sample)]

    def f(*moving: Any) -> tuple[Any, Callable[[Any], Any]]:
        full = list(drawn)
        for i, twofold, value in zip(at, whether, moving, strict=True):
            full[i] = value[0] + 1j * value[1] if twofold else np.array(value)
        ans = fun(*full, **kwargs)
        whole_y = zip(parts(ans), split, strict=True)
        y = [planes(part, True) if s else np.asarray(part) for part, s in whole_y]

        def autograd_pullback(dy: Any) -> Any:
            given = dy if pick is None and isinstance(dy, tuple) else (dy,)
            if pick is not None:
                given = tuple(dy if i == pick else np.zeros_like(part) for i, part in enumerate(y))
            # autograd pairs complex numbers without conjugation: df = Re(g dz)
            g = [d[0] - 1j * d[1] if s else d for d, s in zip(given, split, strict=True)]
            whole = g[0] if not isinstance(ans, tuple | list) else type_like(ans, g)
            back = tuple(primitive_vjps[fun](at, ans, tuple(full), kwargs)(whole))
            out = tuple(
                real_planes(c, t, full[i]) for c, t, i in zip(back, whether, at, strict=True)
            )
            return out if len(at) > 1 else out[0]

        picked = y[pick] if pick is not None else tuple(y) if len(y) > 1 else y[0]
        return picked, autograd_pullback

    return f


def parts(ans: Any) -> list[Any]:
    """Return the results of a primitive that may have several."""
    return list(ans) if isinstance(ans, tuple | list) else [ans]


def type_like(ans: Any, g: list[Any]) -> Any:
    """Return cotangents in the container that autograd would have them in."""
    return list(g) if isinstance(ans, list) else tuple(g)


def planes(x: Any, always: bool = False) -> Any:
    """Return the real and the imaginary part of a complex array, stacked; a real one as it is."""
    if np.iscomplexobj(x) or always:
        return np.stack([np.real(x), np.imag(x)])
    return np.asarray(x)


def real_planes(cotangent: Any, twofold: bool, x: Any) -> Any:
    """Return a cotangent of autograd's as one of the real planes that f takes."""
    if isinstance(cotangent, SparseObject):
        cotangent = cotangent.mut_add(vspace(x).zeros())
    if twofold:
        cotangent = np.asarray(cotangent)
        return np.stack([np.real(cotangent), -np.imag(cotangent)])
    return np.asarray(cotangent)
