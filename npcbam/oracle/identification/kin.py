"""Is it one of CBAM's kin? Its arrays are placed by shape, and y is compared with that of each kin.

Weights are drawn once and the candidate runs on two inputs, whatever the number of ways: a kin is
named where it gives the same y on both, and nothing is said otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.kin_arrays import placements
from npcbam.oracle.identification.reading import close
from npcbam.oracle.precision import CLOSE, rounded
from npcbam.oracle.probing.weights import draw
from npcbam.oracle.rules import kin_bam, kin_of_channels, kin_of_positions
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.kin_of_channels import eca_kernel
from npcbam.oracle.rules.kin_value import Formula, Kin, Weights

# In half precision other blocks give as near a y.
SURE = ("float64", "float32")
# Maps of unequal sides, and square ones for code that takes no others.
SPACES = (((9, 7), (8, 11)), ((8, 8), (11, 11)))
Seen = list[tuple[Array, Array]]


def kin_of(candidate: Candidate, channels: int, seed: int) -> Finding | None:
    """Return which kin of CBAM the candidate is; None if it is none that is known.

    Parameters
    ----------
    channels : how many it has where no array tells
    seed : of the weights and inputs
    """
    own, rng = candidate.itself, np.random.default_rng(seed)
    values = _drawn(own, rng)
    looked: dict[int, tuple[Seen, float]] = {}
    for kin in _alike(values):
        for width, weights in placements(kin, values, channels):
            if width not in looked:
                looked[width] = _look(own, values, width, rng)
            seen, allowed = looked[width]
            for formula in kin.formulas if seen else ():
                found = _found(formula, weights, seen, allowed)
                if found is not None:
                    return _named(kin, found, weights, width)
    return None


def _drawn(candidate: Candidate, rng: np.random.Generator) -> dict[str, Array]:
    """Draw all arrays, with none of them 0 and above 0 what may be a variance."""
    values = draw(candidate, rng)
    return {name: np.abs(v) if "var" in name.lower() else v for name, v in values.items()}


@functools.cache
def _every() -> tuple[Kin, ...]:
    families = (
        *(kin_of_channels.ecas, kin_of_channels.gated, kin_of_channels.gaussians),
        *(kin_of_positions.scses, kin_of_positions.simams, kin_of_positions.coordinates),
        kin_bam.bams,
    )
    return tuple(kin for family in families for kin in family())


def _alike(values: Mapping[str, Array]) -> Iterator[Kin]:
    """Yield the kin that have as many arrays."""
    if any(value.size == 0 for value in values.values()):
        return
    yield from (kin for kin in _every() if len(kin.arrays) == len(values))


def _look(
    candidate: Candidate, values: Weights, channels: int, rng: np.random.Generator
) -> tuple[Seen, float]:
    """Return two inputs with what the candidate makes of them, none if it fails; how near is near.

    It runs at the widest precision that it has.
    """
    for dtype in (dtype for dtype in SURE if dtype in candidate.dtypes):
        wide = candidate.at(dtype)
        for spaces in SPACES:
            seen: Seen = []
            for space in spaces:
                x = rounded(_telling(rng, channels, space), dtype)
                y = _run(wide, values, x)
                if y is None:
                    break
                seen.append((x, y))
            else:
                return seen, CLOSE[dtype]
    return [], 0.0


def _telling(rng: np.random.Generator, channels: int, space: tuple[int, ...]) -> Array:
    """Draw x with averages large enough to wake hidden units, and to put them to sleep."""
    average = rng.choice([-1.0, 1.0], (4, channels, 1, 1)) * rng.uniform(
        0.2, 2, (4, channels, 1, 1)
    )
    average *= np.reshape([1, 1, 2, 4], (4, 1, 1, 1))
    x = np.concatenate([average, -average]) + rng.standard_normal((8, channels, *space))
    return x


def _run(candidate: Candidate, values: Weights, x: Array) -> Array | None:
    """Return y; None where it fails, or gives no features, or what is no number."""
    try:
        with np.errstate(all="ignore"):
            y = candidate.forward(values, x.copy())
    except (Exception, SystemExit):
        return None
    if candidate.stage == "channel" and np.shape(y) != x.shape:
        # A channel gate that gives its map gives as much as one that gives features.
        y = y.reshape(*y.shape[:2], *[1] * (x.ndim - 2)) * x if y.size == x[..., 0, 0].size else y
    return y if np.shape(y) == x.shape and np.isfinite(y).all() else None


def _found(
    formula: Formula, weights: Weights, seen: Seen, allowed: float
) -> dict[str, object] | None:
    """Return what is said of a formula that gives the same y, and its number; else None."""
    number: dict[str, float] = {}
    with np.errstate(all="ignore"):
        if formula.solved:
            number = {formula.solved: formula.solve(*seen[0])}
            if not formula.low <= number[formula.solved] <= formula.high:
                return None
        for x, y in seen:
            if not close(formula.y(weights, x, *number.values()), y, allowed):
                return None
    return {**formula.said, **{name: float(f"{value:.6g}") for name, value in number.items()}}


def _named(kin: Kin, said: dict[str, object], weights: Weights, channels: int) -> Finding:
    """Return the finding, with the sizes that the arrays tell."""
    sizes: dict[str, object] = {"channels": channels}
    if kin.code == "eca":
        sizes |= {"kernel": len(weights["k"]), "kernel by its rule": eca_kernel(channels)}
    hidden = next((w for key, w in weights.items() if kin.arrays[key] == ("h", "C")), None)
    sizes |= {} if hidden is None else {"hidden": len(hidden)}
    return rule(kin.code).finding({**sizes, **said})
