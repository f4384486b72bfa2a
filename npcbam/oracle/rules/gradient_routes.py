"""What goes wrong on the routes on which dy goes back to x: one carries nothing, or too much.

The axes of the stage "gradient" are the routes of `npcbam.routes`, and their values the gains: a
number; "positions" or "channels" for how many there are; "any" for what is read off.
"""

from __future__ import annotations

from npcbam.oracle.rules.rule import WRONG, Rule

# Lines of a right backward.
DMS = "dms = (dy * f).sum(1, keepdims=True)"
DMC = "dmc = (df * x).sum((2, 3), keepdims=True)"
DF = "df = ms * dy + dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)"
DX = "dx = mc * df + column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))"
ADDED = "# torch\ny = spatial(f) * f + x"


def _scaled(
    route: str, gains: tuple[str, ...], what: str, equation: str, bad: str, fix: str
) -> Rule:
    return Rule(
        code=f"{route}-scaled",
        stage="gradient",
        status=WRONG,
        sentence=f"the gradient {what} is {{times}} what it should be",
        why="One route to x carries another share than its derivative, so that training goes another way than the "
        "loss says. Twice as much comes of a route that is counted twice, one half of a mean for a sum.",
        sets=dict.fromkeys(gains, "any"),
        bad=bad,
        fix=fix,
        sources=(equation,),
    )


RULES = (
    Rule(
        code="channel-map-detached",
        stage="gradient",
        status=WRONG,
        sentence="no gradient flows through the channel map",
        why="The MLP then never learns, although the forward is right. It comes of a `detach`, of `no_grad` around the "
        "gate, or of a backward that takes the gate for a constant.",
        sets={"channel map": 0.0},
        bad="dmc = np.zeros_like(mc)",
        fix=DMC,
        sources=("Eq. 2", "LunaBlack/KGAT-pytorch#15"),
    ),
    Rule(
        code="spatial-map-detached",
        stage="gradient",
        status=WRONG,
        sentence="no gradient flows through the spatial map",
        why="The kernel then never learns, although the forward is right. It comes of a `detach`, of `no_grad` around "
        "the gate, or of a backward that takes the gate for a constant.",
        sets={"spatial map": 0.0},
        bad="dms = np.zeros_like(ms)",
        fix=DMS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="channel-max-detached",
        stage="gradient",
        status=WRONG,
        sentence="the max branch of the channel gate has no gradient",
        why="The largest entry of each channel is not told that the gate reads it. The layers below learn as if the "
        "gate pooled the average alone.",
        sets={"channel max": 0.0},
        bad="dx = mc * df + column(df_avg) / x[0, 0].size",
        fix=DX,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-avg-detached",
        stage="gradient",
        status=WRONG,
        sentence="the average branch of the channel gate has no gradient",
        why="Of each channel the largest entry alone is told that the gate reads it. The layers below learn as if the "
        "gate pooled the maximum alone.",
        sets={"channel avg": 0.0},
        bad="dx = mc * df + column(df_max) * to_top(x, (2, 3))",
        fix=DX,
        sources=("Eq. 2",),
    ),
    Rule(
        code="spatial-max-detached",
        stage="gradient",
        status=WRONG,
        sentence="the max plane of the spatial gate has no gradient",
        why="The largest channel of each position is not told that the gate reads it. What is below learns as if the "
        "gate had the average plane alone.",
        sets={"spatial max": 0.0},
        bad="df = ms * dy + dplanes[:, :1] / f.shape[1]",
        fix=DF,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-avg-detached",
        stage="gradient",
        status=WRONG,
        sentence="the average plane of the spatial gate has no gradient",
        why="Of each position the largest channel alone is told that the gate reads it. What is below learns as if the "
        "gate had the max plane alone.",
        sets={"spatial avg": 0.0},
        bad="df = ms * dy + dplanes[:, 1:] * to_top(f, 1)",
        fix=DF,
        sources=("Eq. 3",),
    ),
    Rule(
        code="channel-pools-detached",
        stage="gradient",
        status=WRONG,
        sentence="no gradient flows through the descriptors of the channel gate",
        why="The MLP learns, and the layers below are not told that their features decide over the gate. It comes of "
        "pools of a copy, or of a backward that ends at the MLP.",
        sets={"channel max": 0.0, "channel avg": 0.0},
        bad="dx = mc * df",
        fix=DX,
        sources=("Eq. 2", "guxinqian/AP3D#9"),
    ),
    Rule(
        code="spatial-pools-detached",
        stage="gradient",
        status=WRONG,
        sentence="no gradient flows through the planes of the spatial gate",
        why="The kernel learns, and what is below is not told that its features decide over the gate. It comes of "
        "pools of a copy, or of a backward that ends at the convolution.",
        sets={"spatial max": 0.0, "spatial avg": 0.0},
        bad="df = ms * dy",
        fix=DF,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-features-detached",
        stage="gradient",
        status=WRONG,
        sentence="F' has no gradient as a factor of F''",
        why="F'' is a product of two factors that both depend on x, and the backward goes to one. What is lost is the "
        "larger part by far.",
        sets={"spatial features": 0.0},
        bad="df = dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)",
        fix=DF,
        sources=("Eq. 1",),
    ),
    Rule(
        code="channel-features-detached",
        stage="gradient",
        status=WRONG,
        sentence="F has no gradient as a factor of F'",
        why="F' is a product of two factors that both depend on x, and the backward goes to one. What is lost is the "
        "larger part by far.",
        sets={"channel features": 0.0},
        bad="dx = column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))",
        fix=DX,
        sources=("Eq. 1",),
    ),
    Rule(
        code="residual-detached",
        stage="gradient",
        status=WRONG,
        sentence="the x that is added back has no gradient",
        why="The shortcut is there so that gradients pass unweakened through a deep network. Cut, it carries features "
        "up and nothing down.",
        sets={"residual": 0.0},
        bad="# torch\ny = spatial(f) * f + x.detach()",
        fix=ADDED,
        sources=("Fig. 3",),
    ),
    Rule(
        code="channel-avg-not-divided",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of the average is not divided by the number of positions",
        why="Each position is one of H times W that share the average, and gets as much as if it were alone. A map of "
        "56 x 56 gets 3136 times too much.",
        sets={"channel avg": "positions"},
        bad="dx = mc * df + column(df_avg) + column(df_max) * to_top(x, (2, 3))",
        fix=DX,
        sources=("Eq. 2",),
        supersedes=("channel-avg-scaled",),
    ),
    Rule(
        code="spatial-avg-not-divided",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of the average is not divided by the number of channels",
        why="Each channel is one of C that share the average, and gets as much as if it were alone. 512 channels get "
        "512 times too much.",
        sets={"spatial avg": "channels"},
        bad="df = ms * dy + dplanes[:, :1] + dplanes[:, 1:] * to_top(f, 1)",
        fix=DF,
        sources=("Eq. 3",),
        supersedes=("spatial-avg-scaled",),
    ),
    _scaled(
        route="channel-map",
        gains=("channel map",),
        what="through the channel map",
        equation="Eq. 2",
        bad=DMC.replace("= ", "= 2 * "),
        fix=DMC,
    ),
    _scaled(
        route="spatial-map",
        gains=("spatial map",),
        what="through the spatial map",
        equation="Eq. 3",
        bad=DMS.replace("= ", "= 2 * "),
        fix=DMS,
    ),
    _scaled(
        route="channel-max",
        gains=("channel max",),
        what="through the max branch of the channel gate",
        equation="Eq. 2",
        bad=DX.replace("column(df_max)", "column(df_max) / 2"),
        fix=DX,
    ),
    _scaled(
        route="channel-avg",
        gains=("channel avg",),
        what="through the average branch of the channel gate",
        equation="Eq. 2",
        bad=DX.replace("column(df_avg)", "column(df_avg) / 2"),
        fix=DX,
    ),
    _scaled(
        route="spatial-max",
        gains=("spatial max",),
        what="through the max plane of the spatial gate",
        equation="Eq. 3",
        bad=DF.replace("dplanes[:, 1:]", "dplanes[:, 1:] / 2"),
        fix=DF,
    ),
    _scaled(
        route="spatial-avg",
        gains=("spatial avg",),
        what="through the average plane of the spatial gate",
        equation="Eq. 3",
        bad=DF.replace("dplanes[:, :1]", "dplanes[:, :1] / 2"),
        fix=DF,
    ),
    _scaled(
        route="channel-pools",
        gains=("channel max", "channel avg"),
        what="through the descriptors of the channel gate",
        equation="Eq. 2",
        bad="of_pools = column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))\n"
        "dx = mc * df + 2 * of_pools",
        fix=DX,
    ),
    _scaled(
        route="spatial-pools",
        gains=("spatial max", "spatial avg"),
        what="through the planes of the spatial gate",
        equation="Eq. 3",
        bad="of_planes = dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)\n"
        "df = ms * dy + 2 * of_planes",
        fix=DF,
    ),
    _scaled(
        route="spatial-features",
        gains=("spatial features",),
        what="of F' as a factor",
        equation="Eq. 1",
        bad=DF.replace("ms * dy", "2 * ms * dy"),
        fix=DF,
    ),
    _scaled(
        route="channel-features",
        gains=("channel features",),
        what="of F as a factor",
        equation="Eq. 1",
        bad=DX.replace("mc * df", "2 * mc * df"),
        fix=DX,
    ),
    _scaled(
        route="residual",
        gains=("residual",),
        what="of the x that is added back",
        equation="Fig. 3",
        bad="# torch\ny = spatial(f) * f + (x + x.detach()) / 2",
        fix=ADDED,
    ),
)
