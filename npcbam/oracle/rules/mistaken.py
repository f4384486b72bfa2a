"""What each rule makes of x where weights and conventions are given: the mistakes of a right block.

Golden vectors and exercises have given weights. Some rules tell nothing there, such as an MLP of its
own for each descriptor; and those of `given_weights` can be told there alone: another kernel or bias
might have been learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from npcbam.arguments import Array
from npcbam.oracle.rules import channel, compositions, given_weights, spatial
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.oracle.rules.rule import FAITHFUL, WRONG, Rule, counted


def _of_channel(rule: Rule) -> bool:
    return bool(rule.sets) and rule.status != FAITHFUL and "mlps" not in rule.sets


def _of_spatial(rule: Rule) -> bool:
    """Tell whether planes and eps as they are given allow it."""
    other = rule.status != FAITHFUL and rule.sets.get("pools") != ("blend",)
    return len(rule.sets) == 1 and (other or "eps" in rule.sets)


def _of_composition(rule: Rule) -> bool:
    # That there is no spatial gate is, where a kernel is given, that it is not applied.
    return rule.status != FAITHFUL and "spatial" not in rule.sets


# With its number, one that has several stands here once for each; the most usual first.
MISTAKES: tuple[Rule, ...] = (
    *filter(_of_channel, counted(channel.RULES)),
    *filter(_of_spatial, counted(spatial.RULES)),
    *filter(_of_composition, compositions.RULES),
    *given_weights.RULES,
)


OF_WEIGHTS = frozenset(rule.code for rule in given_weights.RULES)


def mistaken(right: RightBlock, x: Array) -> Iterator[tuple[Rule, Array]]:
    """Yield each mistake that can be made of a block, and its y."""
    for rule in MISTAKES:
        y = made(rule, right, x)
        if y is not None:
            yield rule, y


def made(rule: Rule, right: RightBlock, x: Array) -> Array | None:
    """Return y of a rule, or None where the block leaves nothing to get wrong."""
    if rule.code in OF_WEIGHTS:
        y: Array | None = rule.made(right, x) if rule.made else None
        return y
    if rule.stage == "compose":
        return _composed(rule, right, x)
    return _channel(rule, right, x) if rule.stage == "channel" else _spatial(rule, right, x)


def _channel(rule: Rule, right: RightBlock, x: Array) -> Array | None:
    pools, axes = right.channel["pools"], {**right.channel, **rule.sets}
    other = len(axes["pools"]) != len(pools) and rule.status == WRONG
    if other or axes == right.channel or ("merge" in rule.sets and len(pools) == 1):
        return None
    if "b1" in rule.sets and "b1" not in right.weights:
        return None
    return replace(right, channel=axes)(x)


def _spatial(rule: Rule, right: RightBlock, x: Array) -> Array | None:
    norm = "norm" in rule.sets or "eps" in rule.sets
    if "k" not in right.weights or (norm and "mean" not in right.weights):
        return None
    if "pools" in rule.sets and not _exchanges(rule.sets["pools"], right.spatial["pools"]):
        return None
    axes = {**right.spatial, **rule.sets}
    return None if axes == right.spatial else replace(right, spatial=axes)(x)


def _exchanges(planes: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Tell whether `planes` are as many as a block's own, and none of those has moved."""
    if len(planes) != len(own):
        return False
    kept = any(one == two for one, two in zip(planes, own, strict=True))
    return kept or not set(planes) & set(own)


def _composed(rule: Rule, right: RightBlock, x: Array) -> Array | None:
    if rule.made is None:
        # It is that x is added.
        return None if right.residual else replace(right, residual=True)(x)
    if "k" not in right.weights and "channel" not in rule.alone:
        return None
    if rule.sets.get("residual") and not right.residual:
        return None
    residual = right.residual and "residual" not in rule.sets
    return replace(right, compose=rule.made, residual=residual)(x)
