"""A spatial gate with more planes than Eq. 3 has: each is read off alone, the others' taps at 0."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.roles import MORE_PLANES
from npcbam.oracle.rules import SPATIAL_PAPER, Row, Run, spatial_map
from npcbam.oracle.rules.functions import POOLS
from npcbam.oracle.rules.spatial import PLANES

# Of PyTorch and of Keras.
EPS = (1e-5, 1e-3)


def rows_of_planes(run: Run, flat: Mapping[str, Array], x: Array, room: float) -> Iterator[Row]:
    """Yield the row of a gate with more planes than two, if each is one that is known.

    Parameters
    ----------
    run : y of the candidate for weights (by their keys) and an input
    flat : weights with which the channel map is one constant
    x, room : as in `identify`
    """
    for eps, each in _read(run, flat, x, room):
        pools = tuple(itertools.takewhile(bool, each))
        if len(pools) == flat["k"].shape[1]:
            yield Row(_code(pools), "wrong", _said(pools), {"pools": pools, "eps": eps})


def finding_of_planes(run: Run, flat: Mapping[str, Array], x: Array, room: float) -> Finding | None:
    """Say which planes go into the gate, known or not; None if they are no more than two."""
    read = [tuple(each) for _, each in _read(run, flat, x, room)]
    if not read:
        return None
    pools = max(read, key=lambda each: sum(map(bool, each)))
    return Finding("spatial", _code(pools), _said(pools))


def _read(
    run: Run, flat: Mapping[str, Array], x: Array, room: float
) -> Iterator[tuple[float, Iterator[str]]]:
    """Yield what the norm's eps may be, and with it the pool of each plane; nothing for two."""
    planes = flat["k"].shape[1] if "k" in flat else 0
    for eps in EPS if "var" in flat else EPS[:1]:
        if planes in MORE_PLANES:
            yield eps, (_pool(run, flat, x, plane, eps, room) for plane in range(planes))


def _pool(
    run: Run, flat: Mapping[str, Array], x: Array, plane: int, eps: float, room: float
) -> str:
    """Return which pool a plane is, "" if it is none that is known."""
    others = np.arange(flat["k"].shape[1]) != plane
    alone, one = flat["k"].copy(), {**flat, "k": flat["k"][:, [plane]]}
    alone[:, others] = 0
    y = run({**flat, "k": alone}, x)
    # The channel gate, now one half, may come first or last; and x may be added.
    for pool, read, gated in itertools.product((*POOLS, *PLANES), (x / 2, x), (y, y - x)):
        ms = spatial_map({**SPATIAL_PAPER, "pools": (pool,), "eps": eps}, one, read)
        if np.abs(ms * x / 2 - gated).max() <= room * np.abs(x).max():
            return str(pool)
    return ""


def _code(pools: tuple[str, ...]) -> str:
    return f"{MORE_PLANES[len(pools)]}-planes"


def _said(pools: tuple[str, ...]) -> str:
    said = f"{MORE_PLANES[len(pools)]} planes go into the convolution"
    if any(pools):
        said += f", [{', '.join(pool or '?' for pool in pools)}]"
    said += ", where Eq. 3 has two, [avg, max]"
    return said + ("" if all(pools) else "; one or more are no pool that is known")
