"""All explanations, the simplest first."""

from __future__ import annotations

from npcbam.diagnosis import (
    blocks,
    cotangents,
    digits,
    factors,
    functions,
    jacobian,
    operands,
    order,
    places,
    routes,
    shapes,
    terms,
    values,
)
from npcbam.diagnosis.guesses import Explanation, explained_by

EXPLANATIONS: tuple[Explanation, ...] = (
    places.not_finite,
    values.constant,
    factors.multiple,
    explained_by(order.reordered),
    digits.rounded,
    explained_by(values.itself),
    explained_by(values.masked),
    explained_by(values.clipped),
    explained_by(operands.of_another_operand),
    explained_by(cotangents.one_row),
    explained_by(jacobian.parts_of_it),
    explained_by(values.products),
    places.partly,
    blocks.ties,
    blocks.whole_multiples,
    blocks.along_another_axis,
    blocks.copied,
    blocks.by_index,
    explained_by(cotangents.of_another_dy),
    explained_by(jacobian.ends_of_it),
    cotangents.read_elsewhere,
    functions.another_function,
    functions.a_power,
    explained_by(functions.slope_times_dy),
    cotangents.as_if,
    terms.off_by_a_term,
    terms.over_another_axis,
    terms.lost_through_a_sum,
    routes.rerouted,
    order.shuffled,
    digits.nearly,
)
# Those of an array that has another shape than it should.
OF_SHAPES: tuple[Explanation, ...] = (shapes.other_shape,)
