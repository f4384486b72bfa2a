"""The known ways to put both maps together, Eq. 1: in which order, and what is added.

A rule makes y of x and of both `Maps`. That x is added to y is a rule of its own, "residual", which
goes with any of them but those that settle it themselves: they set the axis "residual". The axis
"spatial" is whether there is a spatial gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Rule
from npcbam.pointwise import sigmoid

Gate: TypeAlias = Callable[[Array], Array]
# Eq. 1, as the lines of a rule.
RIGHT = "f = channel(x) * x\ny = spatial(f) * f"


@dataclass(frozen=True)
class Maps:
    """Both maps as functions of features, and their logits."""

    mc: Gate
    ms: Gate
    zc: Gate
    zs: Gate

    def channel(self, f: Array) -> Array:
        """Return features that the channel gate refined."""
        y: Array = self.mc(f) * f
        return y

    def spatial(self, f: Array) -> Array:
        """Return features that the spatial gate refined."""
        y: Array = self.ms(f) * f
        return y

    def both(self, x: Array) -> Array:
        """Return F'' of x, Eq. 1."""
        return self.spatial(self.channel(x))


def _parallel(x: Array, maps: Maps) -> Array:
    return sigmoid(np.array(maps.zc(x) + maps.zs(x))) * x


def _both_residual(x: Array, maps: Maps) -> Array:
    f: Array = maps.channel(x) + x
    y: Array = maps.spatial(f) + f
    return y


RULES = (
    Rule(
        code="channel-first",
        stage="compose",
        status=FAITHFUL,
        sentence="channel first, then spatial, as in Eq. 1",
        why="The paper tried three arrangements and kept this one: what matters is settled first, and then where. "
        "The spatial map is read off features that the channel gate has refined already.",
        made=lambda x, maps: maps.both(x),
        bad=RIGHT,
        fix=RIGHT,
        sources=("Eq. 1", "Table 3"),
    ),
    Rule(
        code="residual",
        stage="compose",
        status=VARIANT,
        sentence="x is added to the output",
        why="The block can then only add to its input, and its gates no longer damp. In a residual network the "
        "shortcut is added after the block: adding x inside as well counts the branch twice.",
        sets={"residual": True},
        bad=RIGHT + " + x",
        fix=RIGHT,
        sources=("Eq. 1", "Fig. 3", "kobiso/CBAM-tensorflow#2", "seen in public code"),
    ),
    Rule(
        code="spatial-first",
        stage="compose",
        status=VARIANT,
        sentence="the spatial gate comes first",
        why="The paper measured this order, and it does a little worse: 22.78 for 22.66 percent of error on ImageNet. "
        "Weights that were trained in one order mean nothing in the other.",
        made=lambda x, maps: maps.channel(maps.spatial(x)),
        bad="f = spatial(x) * x\ny = channel(f) * f",
        fix=RIGHT,
        sources=("Table 3",),
        was=("spatial-first-residual",),
    ),
    Rule(
        code="parallel",
        stage="compose",
        status=VARIANT,
        sentence="both gates read x and their logits are added, the paper's parallel form",
        why="The paper measured this arrangement, which does worst of the three: 22.95 for 22.66 percent of error. "
        "Neither gate sees what the other refined.",
        made=_parallel,
        bad="zc = column(mlp(avg(x)) + mlp(top(x)))\nzs = conv(x.mean(1), x.max(1))\ny = sigmoid(zc + zs) * x",
        fix=RIGHT,
        sources=("Table 3",),
        was=("parallel-residual",),
    ),
    Rule(
        code="channel-only",
        stage="compose",
        status=VARIANT,
        sentence="there is no spatial gate",
        why="This is half of a CBAM: it says what matters, and not where. The paper measured it too, 22.80 for 22.66 "
        "percent of error.",
        sets={"spatial": False},
        made=lambda x, maps: maps.mc(x) * x,
        bad="y = channel(x) * x",
        fix=RIGHT,
        sources=("Table 2",),
        was=("channel-only-residual",),
    ),
    Rule(
        code="spatial-reads-input",
        stage="compose",
        status=WRONG,
        sentence="the spatial map is computed from the raw input and not from F'",
        why="Eq. 1 reads Ms off F', which the channel gate has refined. Read off x, the spatial gate weighs channels "
        "that the other gate has just shut.",
        made=lambda x, maps: maps.mc(x) * maps.ms(x) * x,
        bad="y = spatial(x) * channel(x) * x",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        was=("spatial-reads-input-residual",),
    ),
    Rule(
        code="maps-added",
        stage="compose",
        status=WRONG,
        sentence="the two maps are computed in parallel and added",
        why="The sum runs from 0 to 2, so that the block can double its input, and one open gate lets through what the "
        "other shuts. The paper's parallel form adds the logits, before one sigmoid.",
        made=lambda x, maps: (maps.mc(x) + maps.ms(x)) * x,
        bad="y = (channel(x) + spatial(x)) * x",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        was=("maps-added-residual",),
    ),
    Rule(
        code="maps-averaged",
        stage="compose",
        status=WRONG,
        sentence="the two maps are computed in parallel and averaged",
        why="A gate that is shut still lets half through, if the other is open. Eq. 1 multiplies, one after the other.",
        made=lambda x, maps: (maps.mc(x) + maps.ms(x)) * x / 2,
        bad="y = (channel(x) + spatial(x)) / 2 * x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="both-residual",
        stage="compose",
        status=WRONG,
        sentence="each gate adds its own input back",
        why="F' is then Mc times x plus x, so that the spatial gate reads features that were never damped, and the "
        "output grows up to four times. Eq. 1 adds nothing.",
        sets={"residual": False},
        made=_both_residual,
        bad="f = channel(x) * x + x\ny = spatial(f) * f + f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
)
