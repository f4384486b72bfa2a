"""Where an array is NaN or infinite that should be finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.guesses import Said
from npcbam.diagnosis.places import Place, by_value, entries, rows
from npcbam.diagnosis.wrong import Wrong


def not_finite(seen: Sequence[Wrong]) -> Said | None:
    """Tell where entries are NaN or infinite."""
    bad = [w for w in seen if (~np.isfinite(w.got)).any()]
    if not bad:
        return None
    word, shape = _word(bad), bad[0].want.shape
    masks = [~np.isfinite(w.got) for w in bad]
    if all(mask.all() for mask in masks):
        x = bad[0].argument
        at = f", where {bad[0].name[1:]} is all zeros" if x is not None and not x.any() else ""
        return "not-finite", f"is {word} everywhere{at}"
    if any(w.got.shape != shape or w.want.shape != shape for w in bad):
        return "not-finite", f"has {word} entries"
    like = [
        Wrong(w.name, np.where(mask, np.nan, 0.0), np.zeros(shape), 0.0)
        for w, mask in zip(bad, masks, strict=True)
    ]
    for place in by_value(bad[0]):
        if _is(place, bad, masks) and _telling(masks[0]) >= place.chance:
            return "not-finite", f"is {word} {place.said}"
    for place in [*rows(like), *entries(like)]:
        if _is(place, like, masks):
            return "not-finite", f"is {word} {place.said}"
    return "not-finite", f"is {word} in {int(masks[0].sum())} of its entries"


def _word(bad: Sequence[Wrong]) -> str:
    kinds = (("NaN", np.isnan), ("infinite", np.isinf))
    return " or ".join(word for word, test in kinds if any(test(w.got).any() for w in bad))


def _is(place: Place, seen: Sequence[Wrong], masks: Sequence[Array]) -> bool:
    found = [place.where(w) for w in seen]
    return all(
        f is not None and np.array_equal(f, mask) for f, mask in zip(found, masks, strict=True)
    )


def _telling(mask: Array) -> float:
    """Return among how many choices of as many entries these are one."""
    few = int(min(mask.sum(), mask.size - mask.sum()))
    return math.inf if few >= 8 else math.comb(mask.size, few)
