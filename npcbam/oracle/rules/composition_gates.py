"""What goes wrong with a gate as a whole: it is left out, lost, added, or applied twice."""

from __future__ import annotations

from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="spatial-not-applied",
        stage="compose",
        status=WRONG,
        sentence="the spatial gate is built but never applied",
        why="The network carries its kernel, counts it and saves it, and is no better than one with half a CBAM. "
        "The kernel gets no gradient and stays as it was drawn.",
        made=lambda x, maps: maps.mc(x) * x,
        bad="f = channel(x) * x\nms = spatial(f)\ny = f",
        fix=RIGHT,
        sources=("Eq. 1", "seen in public code"),
        was=("spatial-not-applied-residual",),
    ),
    Rule(
        code="channel-not-applied",
        stage="compose",
        status=WRONG,
        sentence="the channel gate is built but never applied",
        why="The network carries the MLP, counts it and saves it, and weighs no channel. W0 and W1 get no gradient "
        "and stay as they were drawn.",
        made=lambda x, maps: maps.ms(x) * x,
        bad="mc = channel(x)\ny = spatial(x) * x",
        fix=RIGHT,
        sources=("Eq. 1",),
        was=("channel-not-applied-residual",),
    ),
    Rule(
        code="identity",
        stage="compose",
        status=WRONG,
        sentence="neither gate is applied: the output is x",
        why="A network with this block trains like one without attention, and nothing looks amiss. No parameter of "
        "the block gets a gradient.",
        sets={"residual": False},
        made=lambda x, maps: x,
        bad="mc = channel(x)\nms = spatial(x)\ny = x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="second-gate-on-input",
        stage="compose",
        status=WRONG,
        sentence="the spatial map is read off F' but multiplies x: the channel gate is lost",
        why="What the channel gate has damped comes back whole. Its MLP has an effect through the spatial map alone.",
        made=lambda x, maps: maps.ms(maps.mc(x) * x) * x,
        bad="f = channel(x) * x\ny = spatial(f) * x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-gate-on-input",
        stage="compose",
        status=WRONG,
        sentence="the spatial gate comes first and is lost: Mc multiplies x",
        why="What the spatial gate has damped comes back whole. Its kernel has an effect through the channel map "
        "alone.",
        made=lambda x, maps: maps.mc(maps.ms(x) * x) * x,
        bad="f = spatial(x) * x\ny = channel(f) * x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-gate-squared",
        stage="compose",
        status=WRONG,
        sentence="the channel gate is applied twice",
        why="Every gate below 1 damps twice as much on a logarithmic scale: a half becomes a quarter. It comes of a "
        "module that applies its map, in a block that multiplies by it again.",
        made=lambda x, maps: maps.ms(maps.mc(x) ** 2 * x) * maps.mc(x) ** 2 * x,
        bad="mc = channel(x)\nf = mc * mc * x\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-gate-twice",
        stage="compose",
        status=WRONG,
        sentence="the channel attention runs twice",
        why="The second run reads features that the first has damped, so that its map is another one. Eq. 1 has each "
        "attention once.",
        made=lambda x, maps: maps.both(maps.mc(x) * x),
        bad="f = channel(x) * x\nf = channel(f) * f\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="spatial-gate-squared",
        stage="compose",
        status=WRONG,
        sentence="the spatial gate is applied twice",
        why="Every position is damped twice as much on a logarithmic scale: a half becomes a quarter. It comes of a "
        "module that applies its map, in a block that multiplies by it again.",
        made=lambda x, maps: maps.both(x) * maps.ms(maps.mc(x) * x),
        bad="f = channel(x) * x\nms = spatial(f)\ny = ms * ms * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="spatial-gate-twice",
        stage="compose",
        status=WRONG,
        sentence="the spatial attention runs before the channel gate, and again after it",
        why="The channel gate then pools features that are damped already, and one kernel has to serve two inputs. "
        "Eq. 1 has each attention once.",
        made=lambda x, maps: maps.both(maps.ms(x) * x),
        bad="s = spatial(x) * x\nf = channel(s) * s\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-gate-last-too",
        stage="compose",
        status=WRONG,
        sentence="the channel attention runs before the spatial gate, and again after it",
        why="One MLP has to serve two inputs, and every channel is damped twice. Eq. 1 has each attention once.",
        made=lambda x, maps: maps.channel(maps.both(x)),
        bad="f = channel(x) * x\ns = spatial(f) * f\ny = channel(s) * s",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-map-added",
        stage="compose",
        status=WRONG,
        sentence="Mc is added to x and not multiplied by it: F' = x + Mc",
        why="A number between 0 and 1 is added to every entry of a channel, so that no channel is damped. A gate "
        "multiplies.",
        made=lambda x, maps: maps.spatial(maps.mc(x) + x),
        bad="f = channel(x) + x\ny = spatial(f) * f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="spatial-map-added",
        stage="compose",
        status=WRONG,
        sentence="Ms is added to F' and not multiplied by it: F'' = F' + Ms",
        why="A number between 0 and 1 is added to every entry of a position, so that no position is damped. A gate "
        "multiplies.",
        made=lambda x, maps: maps.ms(maps.mc(x) * x) + maps.mc(x) * x,
        bad="f = channel(x) * x\ny = spatial(f) + f",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
)
