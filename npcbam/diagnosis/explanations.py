"""All explanations, the simplest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npcbam.diagnosis import (
    blocks,
    cotangents,
    digits,
    factors,
    functions,
    jacobian,
    nonfinite,
    operands,
    order,
    partly,
    routes,
    shapes,
    sums,
    terms,
    values,
    weights,
)
from npcbam.diagnosis.guesses import Explanation, explained_by
from npcbam.diagnosis.wrong import Wrong

# Arrays with more entries are not held against everything: each guess makes a new array.
LARGE = 200_000


@dataclass(frozen=True)
class Entry:
    """One explanation, and how many entries an array may have that it is tried on."""

    explain: Explanation
    largest: int = 1_000_000_000


def explanations(seen: Sequence[Wrong]) -> list[Explanation]:
    """Return the explanations to try, in order."""
    if any(w.got.shape != w.want.shape for w in seen):
        return [shapes.other_shape]
    size = max((w.want.size for w in seen), default=0)
    return [entry.explain for entry in EXPLANATIONS if size <= entry.largest]


EXPLANATIONS: tuple[Entry, ...] = (
    Entry(nonfinite.not_finite),
    Entry(values.constant),
    Entry(factors.multiple),
    Entry(explained_by(order.reordered)),
    Entry(digits.rounded),
    Entry(explained_by(values.itself)),
    Entry(explained_by(values.masked)),
    Entry(explained_by(values.clipped)),
    Entry(explained_by(operands.of_another_operand)),
    Entry(explained_by(cotangents.one_row)),
    Entry(explained_by(jacobian.parts_of_it)),
    Entry(partly.one_entry),
    Entry(explained_by(values.products), LARGE),
    Entry(blocks.along_another_axis, LARGE),
    Entry(blocks.ties),
    Entry(partly.partly),
    Entry(explained_by(values.exchanged_factors), LARGE),
    Entry(blocks.whole_multiples),
    Entry(blocks.copied, LARGE),
    Entry(explained_by(cotangents.of_another_dy)),
    Entry(explained_by(jacobian.ends_of_it)),
    Entry(cotangents.read_elsewhere),
    Entry(explained_by(jacobian.passes)),
    Entry(functions.another_function, LARGE),
    Entry(functions.a_power, LARGE),
    Entry(terms.off_by_one_term, LARGE),
    Entry(blocks.by_index, LARGE),
    Entry(explained_by(functions.slope_times_dy), LARGE),
    Entry(cotangents.as_if),
    Entry(terms.off_by_terms, LARGE),
    Entry(sums.over_another_axis, LARGE),
    Entry(sums.lost_through_a_sum, LARGE),
    Entry(weights.other_weights),
    Entry(routes.rerouted),
    Entry(order.shuffled),
    Entry(blocks.another_mask),
    Entry(digits.nearly),
)
