"""One array in many layouts: what lies otherwise in memory is equal all the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from npcbam import arguments
from npcbam.arguments import Array


def layouts(x: Array) -> st.SearchStrategy[Array]:
    """Draw an array equal to `x`, entry by entry, that lies otherwise in memory.

    It is in C order, in Fortran order, spread with gaps, backwards (negative strides), with the
    axes shuffled, not aligned, read-only, or, along an axis on which `x` does not vary, broadcast
    from one entry.

    >>> from hypothesis import given, settings
    >>> x = np.arange(6.0).reshape(1, 2, 3)
    >>> @settings(max_examples=5)
    ... @given(layouts(x))
    ... def test_same_values(odd):
    ...     assert (odd == x).all()
    >>> test_same_values()
    """
    arguments.array("x", x)
    found: list[Callable[[Array], Array]] = [
        np.copy, _fortran, _spread, _backwards, _shuffled, _unaligned, _read_only
    ]  # fmt: skip
    for axis, size in enumerate(x.shape):
        # Bit for bit, because -0 == 0 and NaN != NaN.
        first = x[(slice(None),) * axis + (slice(0, 1),)]
        if size > 1 and np.broadcast_to(first, x.shape).tobytes() == x.tobytes():
            found.append(lambda x, first=first: np.broadcast_to(first, x.shape))  # type: ignore[misc]
    return st.sampled_from(found).map(lambda lay: lay(x))


def _fortran(x: Array) -> Array:
    return np.array(x, order="F")


def _spread(x: Array) -> Array:
    wide = np.zeros([2 * size for size in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def _backwards(x: Array) -> Array:
    back = (slice(None, None, -1),) * x.ndim
    return x[back].copy()[back]


def _shuffled(x: Array) -> Array:
    rolled = (*range(1, x.ndim), 0)
    return x.transpose(rolled).copy().transpose(np.argsort(rolled))


def _unaligned(x: Array) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x
