"""The derivative of a product takes its other operand: transposed, flipped, at another index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import order
from npcbam.diagnosis.guesses import Guess
from npcbam.diagnosis.jacobian import flat, pull, usable
from npcbam.diagnosis.wrong import Wrong


def of_another_operand(w: Wrong) -> Iterator[Guess]:
    """Yield what comes if an argument that the Jacobian holds is taken in another order.

    Where y is linear in the argument, the numbers of the Jacobian are those of another argument:
    of a convolution's dx the kernel, of a product's da the matrix b.
    """
    if not usable(w) or w.slopes is None:
        return
    j, d = w.slopes, flat(w)
    own = w.name[1:]
    for name, a in w.arguments.items():
        if name == own or a.size < 2 or a.dtype.kind != "f":
            continue
        index = _places(j, a.reshape(-1))
        if index is None:
            continue
        for other, (_, tail), key in order.orders(a):
            values = np.append(other.reshape(-1), 0.0)
            said = f"is right for {'an' if name[0] in 'aefhilmnorsx' else 'a'} {name} that {tail}"
            yield Guess("operand-order", said, pull(w, d, values[index]), f"{name} {key}")


def _places(j: Array, values: Array) -> Array | None:
    """Return where in an array each number of the Jacobian stands, -1 for 0; None if one does not.

    A number that stands several times in the array has no place.
    """
    if not np.isfinite(j).all():
        return None
    by_value = np.argsort(values)
    ordered = values[by_value]
    if not np.diff(ordered).all():
        return None
    near = np.clip(np.searchsorted(ordered, j), 1, len(ordered) - 1)
    near = np.where(np.abs(ordered[near - 1] - j) < np.abs(ordered[near] - j), near - 1, near)
    fits = np.abs(ordered[near] - j) <= 1e-9 * np.abs(values).max()
    if not (fits | (j == 0)).all() or not (fits & (j != 0)).any():
        return None
    return np.where(j == 0, -1, by_value[near])
