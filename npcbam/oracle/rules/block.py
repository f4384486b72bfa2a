"""A block of the family: its stages, and how their maps may be put together.

A CBAM, either gate of it alone, and a block without a spatial gate are the same thing to whatever
asks: stages and compositions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from npcbam.arguments import Array
from npcbam.oracle.rules import channel, compositions, spatial
from npcbam.oracle.rules.channel import CHANNEL_PAPER, channel_gated, channel_logits
from npcbam.oracle.rules.composition import Gate, Maps
from npcbam.oracle.rules.rule import FAITHFUL, Axes, Rule, Weights
from npcbam.oracle.rules.spatial import SPATIAL_PAPER, spatial_gated, spatial_logits
from npcbam.oracle.rules.stage import Composition, Stage, computed, constant, numbered

# By what logits before a norm are multiplied, so that none of its usual eps is lost beside them.
SMALL = 2.0**-5


@dataclass(frozen=True, eq=False)
class Block:
    """A block: its stages, and what may be done with their maps.

    Attributes
    ----------
    part : "whole", or the half of a CBAM that it is, "channel" or "spatial"
    stages : in the order of Eq. 1
    compositions : what may be done with the maps; a map that no stage gives is 1
    usual : the codes of those that are tried first
    missing : what is said of parameters that cannot be its
    """

    part: str
    stages: tuple[Stage, ...]
    compositions: tuple[Composition, ...]
    usual: tuple[str, ...]
    missing: str

    def maps(self, gates: Mapping[str, Gate]) -> Maps:
        """Return the maps of all stages from those that there are, by name."""
        one, nought = constant([1.0]), constant([0.0])
        return Maps(**{"mc": one, "ms": one, "zc": nought, "zs": nought} | dict(gates))

    def alone(self, stage: Stage, weights: Weights) -> dict[str, Array]:
        """Return the weights with which one stage alone is left to tell."""
        found = dict(weights)
        for other in self.stages:
            if other is not stage:
                found = other.silenced(found)
        return found

    def stage(self, name: str) -> Stage | None:
        """Return the stage of this name, if it has one."""
        return next((stage for stage in self.stages if stage.name == name), None)


def _channel_fits(axes: Axes, weights: Weights) -> bool:
    have = (
        "none" if "w0" not in weights
        else "single" if "w1" not in weights
        else "separate" if "w0'" in weights
        else "shared"
    )  # fmt: skip
    biased = axes["b1"] == CHANNEL_PAPER["b1"] or "b1" in weights
    return biased and have == str(axes["mlps"]).replace("swapped", "separate")


def _spatial_fits(axes: Axes, weights: Weights) -> bool:
    planes, kept = len(axes["pools"]), "mean" in weights
    # Without statistics that are kept, those of the batch or the sample alone can be used.
    own = str(axes["norm"]).startswith(("batch", "sample"))
    usual = axes["norm"] == "running" and "gamma" not in weights
    norm = (own or usual) and axes["eps"] == SPATIAL_PAPER["eps"]
    return bool(weights["k"].shape[1] == planes and (norm or kept))


def last_layer(weights: Weights) -> tuple[str, str]:
    """Return the keys of the MLP's last layer, and of its bias."""
    return ("w1", "b1") if "w1" in weights else ("w0", "b0")


def _without_channel(weights: Weights) -> dict[str, Array]:
    last = last_layer(weights)
    return {name: 0 * w if name.rstrip("'") in last else w for name, w in weights.items()}


def _without_spatial(weights: Weights) -> dict[str, Array]:
    nought = {"k", "kb", "beta", "mean"}
    return {name: 0 * w if name in nought else w for name, w in weights.items()}


def _small(weights: Weights) -> dict[str, Array]:
    """Return the weights with logits before a norm so small that its eps shows in the map."""
    if "var" not in weights:
        return dict(weights)
    powers = {"k": 1, "kb": 1, "mean": 1, "var": 2}
    return {name: SMALL ** powers.get(name, 0) * w for name, w in weights.items()}


CHANNEL_STAGE = Stage(
    "channel", "c", CHANNEL_PAPER, computed(channel.RULES), numbered(channel.RULES),
    channel_logits, channel_gated,
    _channel_fits, _without_channel, dict, everywhere=True,
)  # fmt: skip
SPATIAL_STAGE = Stage(
    "spatial", "s", SPATIAL_PAPER, computed(spatial.RULES), numbered(spatial.RULES),
    spatial_logits, spatial_gated,
    _spatial_fits, _without_spatial, _small, everywhere=False,
)  # fmt: skip


def _composed(*rules: Rule) -> tuple[Composition, ...]:
    """Return the compositions of some rules, with x added too where a rule does not settle that."""
    return tuple(
        Composition(rule, residual)
        for rule in rules
        for residual in ((False,) if "residual" in rule.sets else (False, True))
    )


_KNOWN = {rule.code: rule for rule in compositions.RULES if rule.made is not None}


def _half(stage: Stage, only: str, missing: str) -> Block:
    """Return one gate as a block: it may give the features that it refines, or its map alone."""
    told = [rule for rule in _KNOWN.values() if stage.name in rule.alone]
    right = [replace(rule, status=FAITHFUL) if rule.code == only else rule for rule in told]
    compositions = _composed(_KNOWN["channel-first"], *right)
    return Block(stage.name, (stage,), compositions, ("channel-first", only), missing)


NO_MLP = "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r)"
NO_KERNEL = "none of its parameters can be the kernel (1, 2, k, k)"
CBAM = Block(
    "whole",
    (CHANNEL_STAGE, SPATIAL_STAGE),
    _composed(*(rule for rule in _KNOWN.values() if "spatial" not in rule.sets)),
    ("channel-first", "spatial-reads-input", "spatial-first", "parallel", "maps-added"),
    NO_MLP,
)
CHANNEL_HALF = _half(CHANNEL_STAGE, "channel-map-only", NO_MLP)
SPATIAL_HALF = _half(SPATIAL_STAGE, "map-only", NO_KERNEL)
# A whole block that has no kernel.
CHANNEL_ONLY = replace(
    CHANNEL_HALF,
    part="whole",
    compositions=_composed(
        _KNOWN["channel-only"], *(rule for rule in _KNOWN.values() if "channel" in rule.alone)
    ),
    usual=("channel-only",),
)
BLOCKS = {"whole": CBAM, "channel": CHANNEL_HALF, "spatial": SPATIAL_HALF}
