"""A museum of public bugs in hand-written backward passes, each beside its repaired twin.

>>> f, args = exhibit("row-not-summed").vjp(seed=0, wrong=True)
>>> y, pullback = f(*args)
>>> [db.shape for db in pullback(y)]
[(3, 4), (3, 4)]

`npcbam museum` shows them. Read `exhibit` (what one is), then any file of a kind, then `page`.
"""

from __future__ import annotations

import difflib

from npcbam.gradcheck.museum import (
    broadcasting,
    buffers,
    by_design,
    convolution,
    cotangent,
    factors,
    indices,
    masks,
    nan,
    normalisation,
    order,
    other_functions,
    precision,
    routes,
    softmax_attention,
    state,
    ties,
    writes,
    zeros,
)
from npcbam.gradcheck.museum.exhibit import EXHIBITS, Exhibit

__all__ = ["EXHIBITS", "Exhibit", "exhibit"]

ROOMS = (
    broadcasting,
    buffers,
    by_design,
    convolution,
    cotangent,
    factors,
    indices,
    masks,
    nan,
    normalisation,
    order,
    other_functions,
    precision,
    routes,
    softmax_attention,
    state,
    ties,
    writes,
    zeros,
)


def exhibit(name: str) -> Exhibit:
    """Return the exhibit of that name; a ValueError says which names are near."""
    if name in EXHIBITS:
        return EXHIBITS[name]
    near = difflib.get_close_matches(name, EXHIBITS, n=3)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"name: expected an exhibit, as `npcbam museum` lists them, got {name!r}{meant}"
    )
