"""What goes wrong on the routes on which dy goes back to x: one carries nothing, or too much.

The axes of the stage "gradient" are the routes of `npcbam.routes`, and their values the gains: a
number, or a function that gives it for the shape (N, C, *S) of x; `ANY` for what is read off.
"""

from __future__ import annotations

import math

from npcbam.oracle.rules.rule import WRONG, Rule

ANY = "any"

# Lines of a right backward.
DMS = "dms = (dy * f).sum(1, keepdims=True)"
DMC = "dmc = (df * x).sum((2, 3), keepdims=True)"
DF = "df = ms * dy + dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)"
DX = "dx = mc * df + column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))"
ADDED = "# torch\ny = spatial(f) * f + x"


# What shuts a route.
DETACHED = (
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
)
# What lets a share of its own through.
SHARES = (
    Rule(
        code="channel-avg-not-divided",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of the average is not divided by the number of positions",
        why="Each position is one of H times W that share the average, and gets as much as if it were alone. A map of "
        "56 x 56 gets 3136 times too much.",
        sets={"channel avg": lambda shape: math.prod(shape[2:])},
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
        sets={"spatial avg": lambda shape: shape[1]},
        bad="df = ms * dy + dplanes[:, :1] + dplanes[:, 1:] * to_top(f, 1)",
        fix=DF,
        sources=("Eq. 3",),
        supersedes=("spatial-avg-scaled",),
    ),
)
# For each route that can be shut: what of the gradient it is, and lines that scale it.
SCALED = {
    "channel-map": ("through the channel map", DMC.replace("= ", "= 2 * ")),
    "spatial-map": ("through the spatial map", DMS.replace("= ", "= 2 * ")),
    "channel-max": (
        "through the max branch of the channel gate",
        DX.replace("column(df_max)", "column(df_max) / 2"),
    ),
    "channel-avg": (
        "through the average branch of the channel gate",
        DX.replace("column(df_avg)", "column(df_avg) / 2"),
    ),
    "spatial-max": (
        "through the max plane of the spatial gate",
        DF.replace("dplanes[:, 1:]", "dplanes[:, 1:] / 2"),
    ),
    "spatial-avg": (
        "through the average plane of the spatial gate",
        DF.replace("dplanes[:, :1]", "dplanes[:, :1] / 2"),
    ),
    "channel-pools": (
        "through the descriptors of the channel gate",
        "of_pools = column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))\n"
        "dx = mc * df + 2 * of_pools",
    ),
    "spatial-pools": (
        "through the planes of the spatial gate",
        "of_planes = dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)\n"
        "df = ms * dy + 2 * of_planes",
    ),
    "spatial-features": ("of F' as a factor", DF.replace("ms * dy", "2 * ms * dy")),
    "channel-features": ("of F as a factor", DX.replace("mc * df", "2 * mc * df")),
    "residual": (
        "of the x that is added back",
        "# torch\ny = spatial(f) * f + (x + x.detach()) / 2",
    ),
}


def _scaled(shut: Rule) -> Rule:
    """Return the rule by which a route that can be shut lets any other share through."""
    route = shut.code.removesuffix("-detached")
    what, bad = SCALED[route]
    return Rule(
        code=f"{route}-scaled",
        stage="gradient",
        status=WRONG,
        sentence=f"the gradient {what} is {{times}} what it should be",
        why="One route to x carries another share than its derivative, so that training goes another way than the "
        "loss says. Twice as much comes of a route that is counted twice, one half of a mean for a sum.",
        sets=dict.fromkeys(shut.sets, ANY),
        bad=bad,
        fix=shut.fix,
        sources=shut.sources[:1],
    )


# Any share comes last: one that is known tells more.
RULES = (*DETACHED, *SHARES, *map(_scaled, DETACHED))
