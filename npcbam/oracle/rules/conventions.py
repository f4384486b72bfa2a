"""How a candidate settles each question, beside the paper and its authors' code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from npcbam.oracle.rules.block import CBAM, CHANNEL_ONLY, CHANNEL_STAGE, SPATIAL_STAGE
from npcbam.pooling import POOLS, TIES
from npcbam.presets import PRESETS

FAITHFUL = "faithful"
# The rules for ties of a maximum that frameworks have, whole or made of their own.
RULES = (*TIES, "even-in-turn", "even-in-turn-from-last", "first-in-turn")
# None of these, and a subgradient all the same.
OTHER = "other"
# Axis: what the paper says and what the authors' code does; "open" where the paper leaves it so.
AXES = {
    "order": ("channel-first", "channel-first"),
    "residual": ("no", "no"),
    "channel-pools": ("avg+max", "avg+max"),
    "channel-merge": ("logits", "logits"),
    "hidden": ("C/r", "C/r"),
    "mlp-biases": ("open", "b0+b1"),
    "planes": ("avg+max", "max+avg"),
    "kernel": ("7x7", "7x7"),
    "conv-bias": ("open", "no"),
    "norm": ("open", "batch"),
    "eps": ("open", "1e-05"),
    "ties": ("open", "first"),
    "layout": ("open", "NCHW"),
}
# Of these the paper leaves no choice, but for the order of the planes.
BINDING = ("order", "residual", "channel-pools", "channel-merge", "planes", "kernel")
NOT_SEEN = "not-seen"
# The values that --expect may ask for; those of the other axes stand in the tables.
VALUES = {
    "residual": ("no", "yes"),
    "mlp-biases": ("none", "b0+b1", "b0", "b1"),
    "conv-bias": ("no", "yes"),
    "norm": ("none", "batch"),
    # Of both pools, or of the channel gate's and the spatial gate's where they differ.
    "ties": (
        *RULES,
        *(f"{one}+{two}" for one in RULES for two in TIES if one != two),
        *(OTHER, *(f"{OTHER}+{two}" for two in TIES), *(f"{one}+{OTHER}" for one in RULES)),
        "none",
        NOT_SEEN,
    ),
    "layout": ("NCHW", "NHWC"),
}
PATTERNS = {
    "hidden": ("units of channels, such as '4 of 64'", r"\d+ of \d+"),
    "kernel": ("sizes, such as 7x7", r"\d+(x\d+)*"),
    "eps": ("a number, such as 1e-05", r"\d[\d.]*(e-?\d+)?"),
}
# Whose values are those of an axis of a stage.
SET_BY = {
    "channel-pools": (CHANNEL_STAGE, "pools"),
    "channel-merge": (CHANNEL_STAGE, "merge"),
    "planes": (SPATIAL_STAGE, "pools"),
}
# What can be told of one half alone.
OF_BOTH = ("residual", "ties", "layout")
OF_STAGE = {
    "channel": ("channel-pools", "channel-merge", "hidden", "mlp-biases", *OF_BOTH),
    "spatial": ("planes", "kernel", "conv-bias", "norm", "eps", *OF_BOTH),
}


@dataclass(frozen=True)
class Convention:
    """One axis: what the candidate does, what the paper says, what the authors' code does."""

    axis: str
    value: str
    paper: str
    authors: str

    @property
    def departs(self) -> bool:
        """Whether it sets the candidate apart from Eqs. 1 to 3."""
        if self.axis == "planes" and self.value == "max+avg":
            return False
        return self.axis not in AXES or (self.axis in BINDING and self.value != self.paper)

    def is_of(self, part: str) -> bool:
        """Tell whether it is about a part of a CBAM: "whole", or one half."""
        return part == "whole" or _is_of(self.axis, part)


def usual(pool: str) -> int:
    """Return the place of a pool in the usual order."""
    return [*POOLS].index(pool) if pool in POOLS else len(POOLS)


def _is_of(axis: str, stage: str) -> bool:
    return axis in OF_STAGE[stage] or axis.startswith(f"{stage}-")


def preset_axes(name: str) -> dict[str, str]:
    """Return the value of each axis that a preset settles."""
    how = PRESETS[name]
    found = {
        "order": "channel-first" if how.planes else "channel-only",
        "residual": "yes" if how.residual else "no",
        "channel-pools": "+".join(pool.name for pool in how.pools),
        "channel-merge": "mean" if how.blend else "logits",
        "mlp-biases": "b0+b1" if how.mlp_bias else "none",
    }
    if how.planes:
        found |= {
            "planes": "blend" if how.blend else "+".join(pool.name for pool in how.planes),
            "conv-bias": "yes" if how.conv_bias else "no",
            "norm": "none" if how.norm_momentum is None else "batch",
        }
    ties = next((pool.ties for pool in how.pools if pool.ties), None)
    return found | ({"ties": ties} if ties else {})


def asked(expect: str) -> dict[str, str]:
    """Return the axes that an expectation settles; nothing for "faithful".

    >>> asked("residual=yes,ties=even")
    {'residual': 'yes', 'ties': 'even'}
    """
    if expect == FAITHFUL:
        return {}
    if expect in PRESETS:
        return preset_axes(expect)
    pairs = {}
    for part in expect.split(","):
        axis, _, value = (word.strip() for word in part.partition("="))
        if axis not in AXES:
            known = ", ".join(map(repr, (FAITHFUL, *PRESETS)))
            raise ValueError(
                f"expect: expected {known} or AXIS=VALUE,... of the axes {', '.join(AXES)}, "
                f"got {expect!r}"
            )
        known_values, pattern = _known_values(axis)
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expect: {axis}: expected {known_values}, got {value!r}")
        pairs[axis] = value
    return pairs


def _known_values(axis: str) -> tuple[str, str]:
    """Return the values that an axis may have: in words, and as a pattern."""
    if axis in PATTERNS:
        return PATTERNS[axis]
    names: Iterable[str] = VALUES.get(axis, ())
    if axis == "order":
        names = (each.rule.code for each in (*CBAM.compositions, *CHANNEL_ONLY.compositions))
    if axis in SET_BY:
        stage, key = SET_BY[axis]
        values = [rule.sets.get(key, stage.paper[key]) for rule in stage.rules]
        if axis == "channel-pools":
            values = [sorted(pools, key=usual) for pools in values]
        names = (value if isinstance(value, str) else "+".join(value) for value in values)
    known = list(dict.fromkeys(names))
    return ", ".join(known), "|".join(map(re.escape, known))


def unmet(rows: Iterable[Convention], expect: str, stage: str = "whole") -> list[str]:
    """Say in which axes the conventions are not those asked for, or depart though none asks it.

    A preset has any size of kernel, and tie rules that were not seen are not held against it. Of a
    half, only its own axes are, and a preset without a spatial gate is none of a spatial half.
    """
    if stage == "spatial" and expect in PRESETS and PRESETS[expect].planes is None:
        return [f"there is a spatial gate, and `{expect}` has none"]
    wanted, found = asked(expect), {row.axis: row for row in rows}
    if stage != "whole" and expect in PRESETS:
        wanted = {axis: value for axis, value in wanted.items() if _is_of(axis, stage)}
    if "ties" in found and found["ties"].value == NOT_SEEN and expect in PRESETS:
        wanted.pop("ties", None)
    given = set(wanted) | ({"kernel"} if expect in PRESETS else set())
    other = [f"{row.axis} is {row.value}, not {row.paper}" for row in found.values()
             if row.departs and row.axis not in given]  # fmt: skip
    values = {axis: found[axis].value if axis in found else "not there" for axis in wanted}
    return [
        f"{axis} is {values[axis]}, not {value}"
        for axis, value in wanted.items()
        if values[axis] != value
    ] + other


def meets(rows: Iterable[Convention], expect: str, stage: str = "whole") -> bool:
    """Tell whether the conventions are those asked for, and depart in nothing else."""
    return not unmet(rows, expect, stage)


def presets_of(rows: Iterable[Convention], stage: str = "whole") -> tuple[str, ...]:
    """Return the presets that compute the same, of any reduction and kernel size."""
    rows = tuple(rows)
    return tuple(name for name in PRESETS if meets(rows, name, stage))
