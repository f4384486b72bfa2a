"""What goes wrong at the ends of the block: maps for features, x once more, a function before or after."""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.functions import SILU
from npcbam.oracle.rules.rule import WRONG, Rule
from npcbam.pointwise import relu, sigmoid


def _full(z: Array, x: Array) -> Array:
    """Return a map in the shape of the features."""
    full: Array = z + 0 * x
    return full


RULES = (
    Rule(
        code="map-only",
        stage="compose",
        status=WRONG,
        sentence="only the spatial map is returned",
        why="The map says where to look, and the features that it is to weigh are gone. A layer behind it may "
        "broadcast one map over all channels without a word.",
        sets={"residual": False},
        made=lambda x, maps: _full(maps.ms(maps.mc(x) * x), x),
        alone=("spatial",),
        bad="f = channel(x) * x\ny = spatial(f)",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        supersedes=("output-shape",),
    ),
    Rule(
        code="channel-map-only",
        stage="compose",
        status=WRONG,
        sentence="only the channel map is returned",
        why="The map says which channels matter, and the features that it is to weigh are gone. A layer behind it may "
        "broadcast one number over all positions without a word.",
        sets={"residual": False},
        made=lambda x, maps: _full(maps.mc(x), x),
        alone=("channel",),
        bad="ms = spatial(channel(x) * x)\ny = channel(x)",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        supersedes=("output-shape",),
    ),
    Rule(
        code="maps-only",
        stage="compose",
        status=WRONG,
        sentence="the product of the maps is returned, without the features",
        why="Every entry of y lies between 0 and 1, whatever the features are. The block has to return the features, "
        "weighed.",
        sets={"residual": False},
        made=lambda x, maps: maps.ms(maps.mc(x) * x) * maps.mc(x) + 0 * x,
        bad="mc = channel(x)\ny = spatial(mc * x) * mc",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="spatial-map-of-input-only",
        stage="compose",
        status=WRONG,
        sentence="only the spatial map of the input is returned",
        why="The channel gate has no effect at all, and the features that the map is to weigh are gone.",
        sets={"residual": False},
        made=lambda x, maps: _full(maps.ms(x), x),
        bad="mc = channel(x)\ny = spatial(x)",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        supersedes=("output-shape",),
    ),
    Rule(
        code="features-squared",
        stage="compose",
        status=WRONG,
        sentence="the output is multiplied by x once more",
        why="The sign of every feature is lost, small ones vanish and large ones explode. It comes of a gate module "
        "that multiplies by its input, in a block that multiplies again.",
        made=lambda x, maps: maps.both(x) * x,
        bad="f = channel(x) * x\ny = spatial(f) * f * x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-features-squared",
        stage="compose",
        status=WRONG,
        sentence="the channel gate multiplies its input once more: F' is Mc times x squared",
        why="F' has no sign left, so that the spatial gate pools magnitudes. It comes of a gate module that "
        "multiplies by its input, in a block that multiplies again.",
        made=lambda x, maps: maps.spatial(maps.mc(x) * x * x),
        alone=("channel",),
        bad="f = channel(x) * x * x\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
    ),
    Rule(
        code="spatial-features-squared",
        stage="compose",
        status=WRONG,
        sentence="the spatial gate multiplies its input once more: F'' is Ms times F' squared",
        why="The sign of every feature is lost, small ones vanish and large ones explode. It comes of a gate module "
        "that multiplies by its input, in a block that multiplies again.",
        made=lambda x, maps: maps.both(x) * maps.mc(x) * x,
        alone=("spatial",),
        bad="f = channel(x) * x\ny = spatial(f) * f * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="subtracted",
        stage="compose",
        status=WRONG,
        sentence="the output is subtracted from x",
        why="What the gates let through is taken away, so that the block damps what matters. Eq. 1 keeps it.",
        sets={"residual": False},
        made=lambda x, maps: x - maps.both(x),
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\ny = x - spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="halved",
        stage="compose",
        status=WRONG,
        sentence="the output is averaged with x",
        why="No entry can be damped below one half of what it was. Eq. 1 adds nothing, and divides by nothing.",
        sets={"residual": False},
        made=lambda x, maps: (maps.both(x) + x) / 2,
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\ny = (spatial(f) * f + x) / 2",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="relu-first",
        stage="compose",
        status=WRONG,
        sentence="a ReLU cuts the input of the block",
        why="Negative features never reach the gates or the output, although they come from a batch norm and are half "
        "of all. The paper refines them as they are; the ReLU follows the shortcut.",
        made=lambda x, maps: maps.both(relu(x)),
        alone=("channel", "spatial"),
        bad="x = relu(x)\nf = channel(x) * x\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1", "Fig. 3"),
    ),
    Rule(
        code="final-relu",
        stage="compose",
        status=WRONG,
        sentence="a ReLU follows the block",
        why="The branch of a residual block could then only add to its shortcut, never subtract. The ReLU of such a "
        "block stands after the sum.",
        made=lambda x, maps: relu(maps.both(x)),
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\ny = relu(spatial(f) * f)",
        fix=RIGHT,
        sources=("Eq. 1", "Fig. 3"),
    ),
    Rule(
        code="final-relu-residual",
        stage="compose",
        status=WRONG,
        sentence="x is added and a ReLU follows: the residual block's own ending is part of the module",
        why="Put into a residual block, which adds its shortcut and has a ReLU itself, both are done twice. The module "
        "should return F'' and leave the ending to the block.",
        sets={"residual": True},
        made=lambda x, maps: relu(maps.both(x) + x),
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\ny = relu(spatial(f) * f + x)",
        fix=RIGHT,
        sources=("Eq. 1", "Fig. 3"),
    ),
    Rule(
        code="final-sigmoid",
        stage="compose",
        status=WRONG,
        sentence="a sigmoid follows the block",
        why="Every feature ends between 0 and 1, and the gradient shrinks to a quarter at most. The sigmoids of "
        "Eqs. 2 and 3 belong to the maps.",
        made=lambda x, maps: np.array(sigmoid(maps.both(x))),
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\ny = sigmoid(spatial(f) * f)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="final-silu",
        stage="compose",
        status=WRONG,
        sentence="SiLU follows the block",
        why="Negative features are squeezed to nearly 0, where Eq. 1 only weighs them. An activation belongs after the "
        "shortcut is added.",
        made=lambda x, maps: SILU(maps.both(x)),
        alone=("channel", "spatial"),
        bad="f = channel(x) * x\nf = spatial(f) * f\ny = f * sigmoid(f)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
)
