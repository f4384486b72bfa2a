"""A spatial gate with more planes than Eq. 3 has: each is read off alone, the others' taps at 0."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.one_stage import Alone
from npcbam.oracle.probing.roles import MORE_PLANES
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.functions import POOLS
from npcbam.oracle.rules.rule import Rule, Run
from npcbam.oracle.rules.spatial import PLANES

# Of PyTorch and of Keras.
EPS = (1e-5, 1e-3)


def rules_of_planes(each: Alone, run: Run) -> Iterator[Rule]:
    """Yield the rule of a gate with more planes than two, if each is one that is known.

    Parameters
    ----------
    each : what the candidate gave with its spatial gate alone
    run : y of the candidate for weights (by their keys) and an input
    """
    for eps, planes in _read(each, run):
        pools = tuple(itertools.takewhile(bool, planes))
        if len(pools) == each.weights["k"].shape[1]:
            sets = {"pools": pools, "eps": eps}
            yield replace(rule("more-planes"), sentence=_finding(pools).message, sets=sets)


def finding_of_planes(each: Alone, run: Run) -> Finding | None:
    """Say which planes go into the gate, known or not; None if they are no more than two."""
    read = [tuple(planes) for _, planes in _read(each, run)]
    if not read:
        return None
    return _finding(max(read, key=lambda planes: sum(map(bool, planes))))


def _read(each: Alone, run: Run) -> Iterator[tuple[float, Iterator[str]]]:
    """Yield what the norm's eps may be, and with it the pool of each plane; nothing for two."""
    planes = each.weights["k"].shape[1] if "k" in each.weights else 0
    for eps in EPS if "var" in each.weights else EPS[:1]:
        if planes in MORE_PLANES:
            yield eps, (_pool(each, run, plane, eps) for plane in range(planes))


def _pool(each: Alone, run: Run, plane: int, eps: float) -> str:
    """Return which pool a plane is, "" if it is none that is known."""
    kernel, stage = each.weights["k"], each.stage
    others = np.arange(kernel.shape[1]) != plane
    alone, one = kernel.copy(), {**each.weights, "k": kernel[:, [plane]]}
    alone[:, others] = 0
    y = run({**each.weights, "k": alone}, each.x)
    for pool, (gated, scale, read) in itertools.product((*POOLS, *PLANES), each.seen(y)):
        ms = stage.map({**stage.paper, "pools": (pool,), "eps": eps}, one, read)
        if np.abs(ms * scale - gated).max() <= each.tolerance * np.abs(each.x).max():
            return str(pool)
    return ""


def _finding(pools: tuple[str, ...]) -> Finding:
    listed = f"[{', '.join(pool or '?' for pool in pools)}]"
    said = listed if all(pools) else f"{listed} (? is no pool that is known)"
    return rule("more-planes").finding(count=MORE_PLANES[len(pools)], pools=said)
