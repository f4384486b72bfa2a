"""All explanations, the simplest first."""

from __future__ import annotations

from npcbam.diagnosis import digits, factors, order, places, shapes, values
from npcbam.diagnosis.guesses import Explanation, explained_by

EXPLANATIONS: tuple[Explanation, ...] = (
    places.not_finite,
    values.constant,
    factors.multiple,
    explained_by(order.reordered),
    digits.rounded,
    explained_by(values.itself),
    explained_by(values.products),
    places.partly,
    order.shuffled,
    digits.nearly,
)
# Those of an array that has another shape than it should.
OF_SHAPES: tuple[Explanation, ...] = (shapes.other_shape,)
