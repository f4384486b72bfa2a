"""An array of another shape than its argument's: not summed, transposed, flattened."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, joined, spell, summed_anyhow
from npcbam.diagnosis.guesses import Guess, Said
from npcbam.diagnosis.wrong import Wrong


def other_shape(seen: object) -> Said | None:
    """Explain a shape that is not the right one, by what makes the right array of it."""
    ws: list[Wrong] = [w for w in seen if w.got.shape != w.want.shape]  # type: ignore[attr-defined]
    if not ws:
        return None
    for guess in _made_right(ws[0]):
        rest = (_same(guess, w) for w in ws[1:])
        if _is_right(ws[0], guess.made) and all(rest):
            return guess.code, guess.tail
    return None


def _same(guess: Guess, w: Wrong) -> bool:
    return any(g.same(guess) and _is_right(w, g.made) for g in _made_right(w))


def _is_right(w: Wrong, made: Array) -> bool:
    """Tell whether this is what should have come."""
    if made.shape != w.want.shape:
        return False
    again = Wrong(w.name, made, w.want, w.limit)
    return bool(w.known.any() and again.fits(np.where(w.known, w.want, np.nan), 4.0))


def _made_right(w: Wrong) -> Iterator[Guess]:
    """Yield what makes the right array of one of another shape."""
    got, shape = w.got, w.want.shape
    came, due = spell(got.shape), spell(shape)
    if got.ndim == len(shape) >= 2:
        for order in itertools.permutations(range(got.ndim)) if got.ndim <= 4 else ():
            plain = "is transposed" if got.ndim == 2 else f"has its axes in the order {order}"
            yield Guess("transposed", f"{plain}: its shape is {came}, not {due}",
                        got.transpose(np.argsort(order)), "order")  # fmt: skip
    if got.size == w.want.size:
        tail = f"has the right numbers in the shape {came}, and {due} is expected"
        more = " (keepdims=True keeps an axis that is summed)" if got.ndim < len(shape) else ""
        yield Guess("shape", tail + more, got.reshape(shape), "reshape")
        tail = f"has the right numbers in the shape {came}, column by column, for {due}"
        yield Guess("shape", tail, got.reshape(shape, order="F"), "fortran")
    yield from _not_summed(w)
    try:
        spread = np.broadcast_to(got, shape)
    except ValueError:
        return
    yield Guess(
        "not-spread", f"has the shape {came}: spread it to {due}, and it is right", spread, "spread"
    )
    if got.size:
        tail = f"has the shape {came}: spread it to {due} and divide by their ratio"
        yield Guess("not-spread", tail, spread * got.size / w.want.size, "spread-mean")


def _not_summed(w: Wrong) -> Iterator[Guess]:
    got, shape = w.got, w.want.shape
    came, due = spell(got.shape), spell(shape)
    if got.ndim == len(shape):
        pairs = list(zip(got.shape, shape, strict=True))
        axes = [i for i, (g, s) in enumerate(pairs) if g != s]
        if all(s in (1, g) for g, s in pairs):
            yield _sum_over(tuple(axes), got.sum(axis=tuple(axes), keepdims=True), came, due)
    for axes_out, total in summed_anyhow(got, shape):
        yield _sum_over(axes_out, total, came, due)
    if got.ndim < len(shape):
        return
    # Summed over another axis than is right: the cotangent itself tells.
    for name, dy in at_hand(w).items():
        if not name.startswith("d") or dy.ndim > 4:
            continue
        for axes_right, right in summed_anyhow(dy, shape):
            for axes_out, total in _all_sums(dy):
                if total.shape == got.shape and np.allclose(total, got, 1e-9, 1e-12):
                    said = f"is {name} summed over {_axes(axes_out)}, not over {_axes(axes_right)}"
                    yield Guess("other-axis", said, right)


def _all_sums(a: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    for many in range(a.ndim):
        for axes in itertools.combinations(range(a.ndim), many):
            yield axes, a.sum(axis=axes)


def _sum_over(axes: tuple[int, ...], total: Array, came: str, due: str) -> Guess:
    tail = (
        f"is not summed over {_axes(axes)}: its shape is {came}, and of what was broadcast in the "
        f"forward each element gets the sum over all that it went to, {due}"
    )
    return Guess("not-summed", tail, total, "sum")


def _axes(axes: tuple[int, ...]) -> str:
    if not axes:
        return "no axis"
    return f"{'axis' if len(axes) == 1 else 'axes'} {joined([str(a) for a in axes])}"
