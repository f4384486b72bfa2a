"""What is a wrong array? By a factor, transposed, masked, with one route missing ...

`diagnose` takes one array as it was seen at one place or several and says what it is, or None: it
names a mistake only if that makes all the numbers that came. `diagnose_all` takes several arrays of
one backward. The explanations stand in `explanations`, the simplest first, each in the file of its
kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.diagnosis import several
from npcbam.diagnosis.explanations import explanations
from npcbam.diagnosis.guesses import Explanation
from npcbam.diagnosis.wrong import Diagnosis, Wrong

__all__ = ["Diagnosis", "Wrong", "diagnose", "diagnose_all"]


def diagnose(seen: Sequence[Wrong], tried: Sequence[Explanation] | None = None) -> Diagnosis | None:
    """Return what is wrong with an array, or None if nothing explains all its numbers.

    Parameters
    ----------
    seen : the array at one or several places; an explanation holds in all of them
    tried : explanations, in this order; by default all

    >>> want = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> diagnose([Wrong("dw", want.T, want, 1e-12)]).sentence
    'dw is transposed'
    """
    if not seen:
        return None
    same = all(w.got.shape == w.want.shape for w in seen)
    if same and not any(w.wrong.any() or (~np.isfinite(w.got)).any() for w in seen):
        return None
    with np.errstate(all="ignore"):
        for explain in explanations(seen) if tried is None else tried:
            said = explain(seen)
            if said is not None:
                code, tail = said
                return Diagnosis(code, f"{seen[0].name} {tail}", (seen[0].name,))
    return None


def diagnose_all(seen: Mapping[str, Sequence[Wrong]]) -> list[Diagnosis]:
    """Return what is wrong with several arrays of one backward; what has no name is left out.

    >>> a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    >>> found = diagnose_all({"da": [Wrong("da", 2 * a, a, 1e-12)],
    ...                       "db": [Wrong("db", 2 * b, b, 1e-12)]})
    >>> found[0].sentence
    'da and db: each is 2 times what it should be'
    """
    with np.errstate(all="ignore"):
        found = several.exchanged(seen)
    swapped = {name for each in found for name in each.names}
    for name, places in seen.items():
        if name not in swapped and (one := diagnose(places)) is not None:
            found.append(one)
    return several.merged(found)
