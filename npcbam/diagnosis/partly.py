"""What the wrong entries are, and where they lie, in an array that is right elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import factors
from npcbam.diagnosis.guesses import Guess, Said, worst_first
from npcbam.diagnosis.places import describe
from npcbam.diagnosis.values import plain_values, products
from npcbam.diagnosis.wrong import Wrong

# Larger arrays are not held against every product of two.
FACTORS = 100_000
# Of so many entries one that is wrong is a mistake of its own.
MANY = 8


def partly(seen: Sequence[Wrong]) -> Said | None:
    """Explain the wrong entries alone, by what they are and where they lie."""
    if any(w.got.shape != w.want.shape for w in seen) or not any(
        (w.known & ~w.wrong).any() for w in seen
    ):
        return None
    first = worst_first(seen)[0]
    for guess in plain_values(first):
        if not first.fits(guess.made, among=first.wrong):
            continue
        made = [next((g for g in plain_values(w) if g.same(guess)), None) for w in seen]
        if all(g is not None for g in made):
            found = [g.made for g in made if g is not None]
            if all(_fits_wrong(w, m) for w, m in zip(seen, found, strict=True)):
                return _said(seen, guess, found)
    return _by_factor(seen) or _by_constant(seen) or _by_product(seen, first)


def _by_constant(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the wrong entries are all off by the same number."""
    made, numbers, both = [], [], False
    for w in seen:
        if w.wrong.any() and (w.wrong.sum() < 2 or not np.isfinite(w.got).all()):
            return None
        off = np.where(w.wrong, w.got - w.want, 0.0)
        number = float(np.median(np.abs(off[w.wrong]))) if w.wrong.any() else 0.0
        both |= bool((off > 0).any() and (off < 0).any())
        numbers.append(number if both or not (off < 0).any() else -number)
        made.append(w.want + (number * np.sign(off) if both else numbers[-1]))
    if not all(map(_fits_wrong, seen, made)):
        return None
    where = describe(seen, made)
    if where is None:
        return None
    used = [n for n, w in zip(numbers, seen, strict=True) if w.wrong.any()]
    row = _one_a_row(seen, 2 if both else 1)
    same = np.ptp(used) <= 1e-6 * abs(used[0])
    if both and max(int(w.wrong.sum()) for w in seen) < 3:
        return None  # two numbers that have changed places
    # Numbers that change with dy are a matter of each dy, but where one dy goes to all.
    if not same and not row and any(dy.size > 1 for w in seen for dy in w.dy.values()):
        return None
    much = f"{'±' if both else ''}{used[0]:.6g}" if same else "one number for each dy"
    said = f"is off by {much} {where}{row}, and right elsewhere"
    return "added-partly", said


def _one_a_row(seen: Sequence[Wrong], many: int) -> str:
    """Tell whether one entry of each row is wrong, or two: a one-hot is missing, or elsewhere."""
    for axis in range(seen[0].want.ndim):
        if seen[0].want.ndim > 1 and all((w.wrong.sum(axis) == many).all() for w in seen):
            return f", {'one' if many == 1 else 'up and down'} in each row along axis {axis}"
    return ""


def _by_product(seen: Sequence[Wrong], first: Wrong) -> Said | None:
    """Tell whether the wrong entries have a factor too many, or lack one."""
    if first.want.size > FACTORS:
        return None
    for guess in products(first):
        if not first.fits(guess.made, guess.grown, among=first.wrong):
            continue
        made = [next((g for g in products(w) if g.same(guess)), None) for w in seen]
        found = [g.made for g in made if g is not None]
        if len(found) == len(seen) and all(map(_fits_wrong, seen, found)):
            where = describe(seen, found)
            said = f"{guess.tail} {where}, and is right elsewhere"
            return (guess.code, said) if where else None
    return None


def _fits_wrong(w: Wrong, made: Array) -> bool:
    return not w.wrong.any() or w.fits(made, among=w.wrong)


def _said(seen: Sequence[Wrong], guess: Guess, made: Sequence[Array]) -> Said | None:
    if all(w.fits(m) for w, m in zip(seen, made, strict=True)):
        # Where it is right, both are the same.
        return guess.code, f"is {guess.tail}"
    where = describe(seen, made)
    if guess.code == "zero":
        if where is None:
            return None
        kind = _kind_of(where)
        verb = "is missing (zero)" if kind == "rows" else "is zero"
        return f"zero-{kind}", f"{verb} {where}, and should not be"
    if where is None:
        return None
    if guess.tail[1:] in seen[0].y and " = " in where and not where.endswith(" = 0"):
        return "ties", f"gets the whole of {guess.tail} at ties, {where}, and is right elsewhere"
    due = " and should be zero there" if _all_zero(seen) else ""
    return f"{guess.code}-partly", f"is {guess.tail} {where}{due}, and right elsewhere"


def _all_zero(seen: Sequence[Wrong]) -> bool:
    return all(not w.want[w.wrong].any() for w in seen)


def _kind_of(where: str) -> str:
    return "where" if where.startswith("where") else "rows" if "along" in where else "entries"


def _by_factor(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the wrong entries are off by one factor."""
    wrong = [w for w in seen if w.wrong.any()]
    found = factors.factors_of(wrong, [w.wrong for w in wrong])
    if found is None:
        return None
    alone = all(int(w.wrong.sum()) < 2 for w in wrong)
    if not alone and not math.isclose(min(found), max(found), rel_tol=1e-5):
        return None
    doubt = max(factors.doubt_of(w, w.wrong & (w.want != 0)) for w in wrong)
    words = factors.named(wrong, found, alone, sources=False, doubt=doubt)
    if words is None:
        return None
    made = [found[0] * w.want for w in seen]
    where = describe(seen, made) or f"at {_count(wrong[0])}"
    words = "the negative of what it should be" if words == "-1" else words
    return "factor-partly", f"is {words} {where}, and right elsewhere"


def _count(w: Wrong) -> str:
    return f"{int(w.wrong.sum())} of its {int(w.known.sum())} entries"


def one_entry(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether one entry alone is wrong, of many, and by no factor that it keeps."""
    places = {tuple(map(tuple, np.argwhere(w.wrong))) for w in seen if w.wrong.any()}
    if len(places) != 1 or min(int(w.known.sum()) for w in seen) < MANY:
        return None
    (found,) = places
    if len(found) != 1:
        return None
    (at,) = found
    ratios = [float(w.got[at] / w.want[at]) if w.want[at] else math.nan for w in seen]
    if all(math.isclose(r, ratios[0], rel_tol=1e-6) for r in ratios):
        return None
    place, known = ", ".join(str(int(i)) for i in at), int(seen[0].known.sum())
    return "one-entry", f"is wrong in one entry alone of {known}, [{place}]"
