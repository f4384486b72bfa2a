"""Which known mistakes compute just what a result holds?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.comparison.backward import explains, name_dx, name_weight
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.tie_rules import tie_rules
from npcbam.oracle.rules.mistaken import MISTAKES
from npcbam.oracle.vectors.cases import mistaken
from npcbam.oracle.vectors.entries import Entry
from npcbam.routes import Gains

# By code, the sentence of each mistake that may have been made, the nearest first.
Named: TypeAlias = Mapping[str, str]
KNOWN = {rule.code: rule.stage for rule in MISTAKES}
OTHER_TIES = "gradient-ties", "dx follows the other rule for ties of a maximum"


def mistakes_in(entry: Entry, got: Mapping[str, Array], bad: Collection[str]) -> dict[str, Named]:
    """Name what was made wrong in one case.

    Parameters
    ----------
    got : the results, by tensor
    bad : the names of those that differ

    Returns
    -------
    For each tensor that tells something, what it may be. Where y is wrong its gradients are those
    of another function, and tell nothing more; with one position or one channel routes are alike.
    """
    weights = {t.path: entry.values(name) for name, t in entry.tensors.items() if t.path}
    if "y" in bad:
        return {"y": _of_y(entry, weights, got["y"])}
    x = entry.values("x")
    if 1 in (x.shape[1], x[0, 0].size):
        return {}
    whole = {name: a for name, a in got.items() if a.shape == entry.tensors[name].shape}
    return _of_gradients(entry, CBAM.build(entry.preset, weights), whole, whole.keys() & bad)


def _of_y(entry: Entry, weights: Mapping[str, Array], y: Array) -> Named:
    expected, limit = entry.values("y"), entry.tensors["y"].allowed
    sizes = zip(y.shape, expected.shape, strict=False)
    if y.ndim != expected.ndim or not all(n in (1, m) for n, m in sizes):
        return {}
    # A map alone is spread over the features.
    y = np.broadcast_to(y, expected.shape)
    near: dict[str, tuple[float, str]] = {}
    for rule, other in mistaken(weights, entry.values("x"), entry.preset):
        # A mistake that makes y larger makes its rounding larger.
        larger = max(1.0, float(np.abs(other).max() / np.abs(expected).max()))
        gap = float(np.abs(y - other).max()) / (2 * limit * larger)
        near[rule.code] = min((gap, rule.sentence), near.get(rule.code, (np.inf, "")))
    found = sorted((code for code in near if near[code][0] <= 1), key=lambda code: near[code][0])
    return {code: near[code][1] for code in found}


def _of_gradients(
    entry: Entry, cbam: CBAM, got: Mapping[str, Array], bad: Collection[str]
) -> dict[str, Named]:
    paths = {f"d{name}": t.path for name, t in entry.tensors.items() if t.path}
    given = {path: got[name] for name, path in paths.items() if name in got}
    x, dy, dx = entry.values("x"), entry.values("dy"), got.get("dx", entry.values("dx"))
    pulled = Pulled(entry.name, x, dy, given, dx, cbam, entry.dtype)
    found: dict[str, Named] = {}
    gains: Gains = {}
    if "dx" in bad:
        halves = {name: path.partition(".")[0] for name, path in paths.items() if name in got}
        wrong = {half for name, half in halves.items() if name in bad}
        named = _of_dx(entry, pulled, set(halves.values()) - wrong)
        if named is None:
            return {}
        found["dx"], gains = named
    for name, path in paths.items():
        if name in bad and not (gains and explains(gains, path, pulled)):
            code, sentence = name_weight(path, pulled, gains)
            found[name] = {code: sentence.replace(path, name.removeprefix("d"))}
    return found


def _of_dx(entry: Entry, pulled: Pulled, right: Collection[str]) -> tuple[Named, Gains] | None:
    """Return what explains dx, and the gains that do, given the attentions that are right."""
    limit = entry.tensors["dx"].allowed
    for cbam in tie_rules(pulled.cbam):
        if (np.abs(pulled.dx - pulled.dx_of(cbam)) <= limit).all():
            return dict([OTHER_TIES]), {}
    named = name_dx([pulled], right)
    return None if named is None else ({named.code: named.message}, named.gains.get(entry.name, {}))
