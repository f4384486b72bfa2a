"""What wrong entries are: zero, a constant, the cotangent itself, a factor too many or too few."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, spread, summed, summed_anyhow
from npcbam.diagnosis.guesses import Guess, Said, worst_first
from npcbam.diagnosis.wrong import Wrong


def constant(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the array is zero, or one number everywhere: an unwritten buffer."""
    if all(not w.got.any() for w in seen):
        return "zero", "is all zeros, and should not be"
    w = worst_first(seen)[0]
    value = w.got.reshape(-1)[0]
    if w.got.size < 2 or not all((v.got == value).all() for v in seen):
        return None
    if np.ptp(w.want[w.known]) == 0:
        return None
    return "unwritten", f"is {value:.6g} everywhere: as if nothing was written to it"


def plain_values(w: Wrong) -> Iterator[Guess]:
    """Yield what entries may be, one array for each: numbers, cotangents, results, arguments."""
    shape = w.want.shape
    yield Guess("zero", "zero", np.zeros(shape))
    yield Guess("sign", "the negative of what it should be", -w.want)
    for name, a in copies(w):
        yield Guess(_code(w, name), name, a)
    for name, dy in w.dy.items():
        if dy.shape == shape and dy.ndim:
            for said, a in at_hand(w).items():
                out = None if said == f"d{name}" or a.ndim == 0 else spread(a, shape)
                if out is not None:
                    yield Guess("another-function", f"d{name} times {said}", dy * out)
            yield Guess("cotangent-squared", f"d{name} squared", dy * dy)
            yield Guess("cotangent-size", f"the size of d{name}, without its sign", np.abs(dy))
            yield Guess("cotangent-sign", f"the sign of d{name}, without its size", np.sign(dy))


def _code(w: Wrong, name: str) -> str:
    if any(name.split(" ")[0].lstrip("-") == f"d{result}" for result in w.dy):
        return "cotangent"
    return "other-cotangent" if name.startswith("what ") else "other-array"


def copies(w: Wrong) -> Iterator[tuple[str, Array]]:
    """Yield arrays that may have been returned in place of the gradient, by their names."""
    shape = w.want.shape
    for name, a in at_hand(w).items():
        if a.shape == shape:
            yield name, a
            if name[1:] in w.y:
                yield f"-{name}", -a
            continue
        if name[1:] not in w.y:
            continue
        for what, other in _brought(a, shape):
            yield f"{name} {what}", other
            yield f"-{name} {what}", -other
    for name, a in w.others.items():
        if a.shape == shape and name != w.name:
            yield f"what {name} should be", a


def _brought(a: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Yield a cotangent brought to another shape: spread, or summed."""
    if (out := spread(a, shape)) is not None:
        yield f"spread to {shape}", out
    right = summed(a, shape)
    if right is not None:
        yield "summed", right
    for axes, total in summed_anyhow(a, shape):
        word = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
        if right is None or not np.array_equal(total, right):
            yield f"summed over {word}", total


def itself(w: Wrong) -> Iterator[Guess]:
    """Yield what the whole array may be in place of a gradient."""
    for guess in plain_values(w):
        if guess.code in ("zero", "sign", "another-function"):
            continue  # looked for before, and after what is simpler
        said, right = f"is {guess.tail}", w.known & ~w.wrong
        if guess.code == "other-array":
            said = f"is what {guess.tail} is"
        if guess.tail[1:] in w.y:
            said += " itself: the derivative is not multiplied in"
            if right.any() and w.wrong.any() and not w.want[w.wrong].any():
                said = f"is {guess.tail} itself: it should be zero in {_some(w)}"
        yield Guess(guess.code, said, guess.made, guess.tail)


def masked(w: Wrong) -> Iterator[Guess]:
    """Yield a cotangent where the sign of an array lets it pass, and zero elsewhere."""
    for name, dy in w.dy.items():
        if dy.shape != w.want.shape:
            continue
        for said, a in at_hand(w).items():
            out = spread(a, dy.shape)
            for sign, mask in () if out is None else ((">", out > 0), ("<", out < 0)):
                tail = f"is d{name} where {said} {sign} 0, and zero elsewhere"
                if 1 < mask.sum() < mask.size - 1:
                    yield Guess("mask", tail, dy * mask)


def clipped(w: Wrong) -> Iterator[Guess]:
    """Yield the right array clipped to the largest numbers that came."""
    low, high = float(w.got.min(initial=0)), float(w.got.max(initial=0))
    near = np.isclose(w.got, high, 1e-6, 0) | np.isclose(w.got, low, 1e-6, 0)
    hit = w.wrong & near
    if int(hit.sum()) >= 3 and (w.wrong == hit).all():
        said = (
            f"±{high:.6g}"
            if math.isclose(low, -high, rel_tol=1e-6)
            else f"{low:.6g} and {high:.6g}"
        )
        yield Guess("clipped", f"is clipped at {said}", np.clip(w.want, low, high))


def _some(w: Wrong) -> str:
    return f"{int(w.wrong.sum())} of its {int(w.known.sum())} entries"


def products(w: Wrong) -> Iterator[Guess]:
    """Yield the right array with one factor too many, or one too few."""
    shape = w.want.shape
    for name, a in factors_at_hand(w):
        if (out := spread(a, shape)) is None:
            continue
        if np.isin(out, (-1.0, 0.0, 1.0)).all():
            continue  # a mask, and no factor
        with np.errstate(all="ignore"):
            yield Guess("factor-twice", f"is multiplied by {name} once too often", w.want * out,
                        grown=out)  # fmt: skip
            lacks = np.where(out != 0, w.want / np.where(out == 0, 1, out), np.nan)
            yield Guess("factor-missing", f"lacks the factor {name}", lacks, grown=1 / np.abs(out))


def factors_at_hand(w: Wrong) -> Iterator[tuple[str, Array]]:
    """Yield arrays, and simple functions of them, that a derivative may have as a factor."""
    for name, a in at_hand(w).items():
        if a.dtype.kind not in "fiu":
            continue
        a = a.astype(float)
        for shaped in _fitting(a, w.want.shape):
            yield name, shaped
            with np.errstate(all="ignore"):
                for said, f in FUNCTIONS:
                    made = f(shaped)
                    if np.isfinite(made).all():
                        yield said.format(name), made


def exchanged_factors(w: Wrong) -> Iterator[Guess]:
    """Yield the right array with one array as a factor where another is due."""
    hand = [(name, np.asarray(a, dtype=float)) for name, a in at_hand(w).items()
            if a.dtype.kind == "f" and a.size > 1]  # fmt: skip
    fits = [(name, out) for name, a in hand if (out := spread(a, w.want.shape)) is not None]
    for (came, one), (due, two) in itertools.permutations(fits, 2):
        with np.errstate(all="ignore"):
            made = np.where(two != 0, w.want / np.where(two == 0, 1, two) * one, np.nan)
        tail = f"has the factor {came} where {due} is due"
        yield Guess("factor-exchanged", tail, made, grown=np.abs(one / two))


def _fitting(a: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield an array with axes put in so that it broadcasts to a shape, at least one longer."""
    if a.ndim == len(shape) or (a.ndim > len(shape)):
        if spread(a, shape) is not None:
            yield a
        return
    for at in itertools.combinations(range(len(shape)), a.ndim):
        if all(a.shape[i] in (1, shape[axis]) for i, axis in enumerate(at)):
            full = [1] * len(shape)
            for i, axis in enumerate(at):
                full[axis] = a.shape[i]
            yield a.reshape(full)


FUNCTIONS = (
    ("{}²", np.square),
    ("1 - {}", lambda a: 1 - a),
    ("1 + {}", lambda a: 1 + a),
    ("1 - {}²", lambda a: 1 - a * a),
    ("{0} (1 - {0})", lambda a: a * (1 - a)),
    ("exp({})", np.exp),
    ("the root of {}", lambda a: np.sqrt(np.where(a < 0, np.nan, a))),
    ("|{}|", np.abs),
    ("tanh({})", np.tanh),
    ("sigmoid({})", special.expit),
    ("silu({})", lambda a: a * special.expit(a)),
)
