"""The last exercise: `cbam_vjp`, all of Eq. 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal
from npcbam.lessons.steps import SPACE, gives, one_branch, pools
from npcbam.lessons.structure import close
from npcbam.oracle.rules.mistaken import MISTAKES, made
from npcbam.oracle.rules.right_block import right_block
from npcbam.oracle.rules.rule import Rule
from npcbam.presets import PRESETS
from npcbam.routes import pulled
from npcbam.spatial_attention import SpatialAttention

PATHS = {"w0": "channel.mlp.w0", "w1": "channel.mlp.w1", "w": "spatial.conv.w"}


def _block(w0: Array, w1: Array, w: Array) -> CBAM:
    return CBAM(ChannelAttention(SharedMLP(w0, w1)), SpatialAttention(Conv(w)))


def cbam_vjp(w0: Array, w1: Array, w: Array, x: Array) -> Answer:
    """Return the right CBAM without biases, and its pullback."""
    y, pullback = _block(w0, w1, w).vjp(x)

    def cbam_pullback(dy: Array) -> tuple[Array, ...]:
        dcbam, dx = pullback(dy)
        return *(leaf for _, leaf in tree.leaves(dcbam)), dx

    return y, cbam_pullback


def _dark(w0: Array, w1: Array, w: Array, x: Array) -> tuple[Array, ...]:
    """Return a point where some channels are negative everywhere, and hidden units are large."""
    return w0, w1 / 8, w / 4, x + np.array([-6.0, 6, -4, 4, -5, 5])[:, None, None]


POINTS = {
    "noise": normal(0, (3, 6), (6, 3), (1, 2, 3, 3), (2, 6, 5, 4)),
    "wide kernel": normal(1, (4, 4), (4, 4), (1, 2, 7, 7), (3, 4, 6, 7)),
    "one sample": normal(3, (4, 5), (5, 4), (1, 2, 5, 5), (1, 5, 4, 4)),
    "dark channels": _dark(*normal(4, (4, 6), (6, 4), (1, 2, 3, 3), (2, 6, 3, 5))),
}


def _made(rule: Rule, w0: Array, w1: Array, w: Array, x: Array) -> Array | None:
    """Return what a rule of the oracle makes of x."""
    weights = dict(zip(PATHS.values(), (w0, w1, w), strict=True))
    return made(rule, right_block(weights, PRESETS["paper"]), x)


def _forward() -> list[Mistake]:
    """Return the oracle's rules that show in a block with neither bias nor norm."""

    def making(rule: Rule) -> Any:
        return lambda v: {"y": _made(rule, v.w0, v.w1, v.w, v.x)}

    shown = (each for each in MISTAKES if any(_shows(each, *args) for args in POINTS.values()))
    # Its sentence on a shortcut is for a block that may have one.
    return [Mistake(r.code, r.sentence, making(r)) for r in shown if r.code != "residual"]


def _shows(rule: Rule, *args: Array) -> bool:
    y = _made(rule, *args)
    return y is not None and not close(y, cbam_vjp(*args)[0])


def _shut(code: str, sentence: str, *shut: str) -> Mistake:
    """Return the mistake that lets nothing flow on some routes."""

    def make(v: Values) -> dict[str, Array]:
        leaves, dx = pulled(_block(v.w0, v.w1, v.w), v.x, v.dy, dict.fromkeys(shut, 0.0))
        return {"dx": dx} | {f"d{name}": leaves[path] for name, path in PATHS.items()}

    return Mistake(code, sentence, make)


CBAM_WHOLE = Exercise(
    "cbam_vjp",
    {"w0": "(C/r, C)", "w1": "(C, C/r)", "w": "(1, 2, K, K)", "x": "(N, C, H, W)"},
    "y",
    "(N, C, H, W)",
    cbam_vjp,
    POINTS,
    (
        Mistake(
            "cbam-residual", "y has x added to it: Eq. 1 ends with Ms ⊗ F'",
            lambda v: {"y": v.y + v.x},
        ),
        *_forward(),
        _shut(
            "channel-route",
            "dx is off by exactly the channel gate's route: dF'·x never reaches Mc",
            "channel map",
        ),
        _shut(
            "spatial-route",
            "dx is off by exactly the spatial gate's route: dy·F' never reaches Ms",
            "spatial map",
        ),
        _shut(
            "both-routes",
            "both maps are taken as constants: dx is Mc·Ms·dy, and no gate's route reaches x",
            "spatial map", "channel map",
        ),
        _shut(
            "channel-max-route", "what reaches Mc never reaches x through the maximum over space",
            "channel max",
        ),
        _shut(
            "channel-mean-route", "what reaches Mc never reaches x through the mean over space",
            "channel avg",
        ),
        _shut(
            "spatial-max-route", "what reaches Ms never reaches F' through the max plane",
            "spatial max",
        ),
        _shut(
            "spatial-mean-route", "what reaches Ms never reaches F' through the mean plane",
            "spatial avg",
        ),
        _shut(
            "spatial-factor", "F' has no gradient as a factor of F'': the term Ms·dy is missing",
            "spatial features",
        ),
        _shut(
            "channel-factor", "x has no gradient as a factor of F': the term Mc·dF' is missing",
            "channel features",
        ),
        Mistake(
            "map-from-x", "dMs is the sum of dy·x: Ms multiplied F', so that it is that of dy·F'",
            gives(dms=lambda t: (t.dy * t.x).sum(1, keepdims=True)),
        ),
        Mistake(
            "map-from-dy",
            "dMc is the sum of dy·x: what Mc multiplied went on through the spatial gate, so that "
            "it is that of dF'·x",
            gives(dmc=lambda t: (t.dy * t.x).sum(SPACE, keepdims=True)),
        ),
        Mistake(
            "map-from-features", "dMc is the sum of dF'·F': Mc multiplied x, so that it is dF'·x",
            gives(dmc=lambda t: (t.df * t.f).sum(SPACE, keepdims=True)),
        ),
        Mistake(
            "map-averaged", "dMs is the mean of dy·F' over the channels: it is the sum",
            gives(dms=lambda t: (t.dy * t.f).mean(1, keepdims=True)),
        ),
        Mistake(
            "channel-map-averaged", "dMc is the mean of dF'·x over space: it is the sum",
            gives(dmc=lambda t: (t.df * t.x).mean(SPACE, keepdims=True)),
        ),
        Mistake(
            "map-without-features", "dMs is the sum of dy alone: it is that of dy·F'",
            gives(dms=lambda t: t.dy.sum(1, keepdims=True)),
        ),
        Mistake(
            "channel-map-without-features", "dMc is the sum of dF' alone: it is that of dF'·x",
            gives(dmc=lambda t: t.df.sum(SPACE, keepdims=True)),
        ),
        Mistake(
            "factor-from-dy", "dx has Mc·dy where Mc·dF' belongs: F' lies between",
            gives(dx=lambda t: t.mc * t.dy + t.back_c[1]),
        ),
        Mistake(
            "shortcut", "dx has dy added, as for a shortcut, which the forward does not have",
            gives(dx=lambda t: t.mc * t.df + t.back_c[1] + t.dy),
        ),
        Mistake(
            "pools-exchanged", "the mean's pullback gets df_max, and the maximum's df_avg",
            gives(dx=lambda t: t.mc * t.df + pools(t, "max", "avg")),
        ),
        Mistake(
            "pools-average", "the mean's and the maximum's pullback both get df_avg",
            gives(dx=lambda t: t.mc * t.df + pools(t, "avg", "avg")),
        ),
        Mistake(
            "pools-maximum", "the mean's and the maximum's pullback both get df_max",
            gives(dx=lambda t: t.mc * t.df + pools(t, "max", "max")),
        ),
        Mistake(
            "spatial-slope", "σ' of the spatial map is missing: dz is dMs·Ms·(1 - Ms)",
            gives(dzs=lambda t: t.dms),
        ),
        Mistake(
            "spatial-slope-other-half",
            "σ' of the spatial map is Ms·(1 - Ms): the factor Ms is missing",
            gives(dzs=lambda t: t.dms * (1 - t.ms)),
        ),
        Mistake(
            "spatial-slope-half",
            "σ' of the spatial map is Ms·(1 - Ms): the factor 1 - Ms is missing",
            gives(dzs=lambda t: t.dms * t.ms),
        ),
        Mistake(
            "channel-slope", "σ' of the channel map is missing: dz is dMc·Mc·(1 - Mc)",
            gives(dzc=lambda t: t.dmc),
        ),
        Mistake(
            "channel-slope-other-half",
            "σ' of the channel map is Mc·(1 - Mc): the factor Mc is missing",
            gives(dzc=lambda t: t.dmc * (1 - t.mc)),
        ),
        Mistake(
            "channel-slope-half",
            "σ' of the channel map is Mc·(1 - Mc): the factor 1 - Mc is missing",
            gives(dzc=lambda t: t.dmc * t.mc),
        ),
        Mistake(
            "spatial-gate-ignored", "dF' has dy where Ms·dy belongs: the gate scales what returns",
            gives(df=lambda t: t.dy + t.back_s[1]),
        ),
        Mistake(
            "channel-gate-ignored", "dx has dF' where Mc·dF' belongs: the gate scales what returns",
            gives(dx=lambda t: t.df + t.back_c[1]),
        ),
        Mistake(
            "weight-average-only",
            "the MLP's weights have one branch's gradient only, the average's: both add up",
            one_branch("avg"),
        ),
        Mistake(
            "weight-maximum-only",
            "the MLP's weights have one branch's gradient only, the maximum's: both add up",
            one_branch("max"),
        ),
    ),
    (
        "Eq. 1 is `scale` twice: F' = Mc ⊗ x, then y = Ms ⊗ F'. Go back through the second first. "
        "How many routes lead from dy to F', and from dF' to x?",
        "Two each, and they add: as the factor that the map multiplies, and through the map, which "
        "was computed from it. dMs = sum of dy·F' over channels goes through spatial attention; "
        "dMc = sum of dF'·x over space goes through σ', the shared MLP and both pools.",
        "dms, df_factor = ms_scale_pullback(dy)\n"
        "dw, df_map = spatial_pullback(dms)\n"
        "dmc, dx_factor = mc_scale_pullback(df_factor + df_map)\n"
        "dz = (dmc * mc * (1 - mc))[:, :, 0, 0]\n"
        "dw0, dw1, df_avg, df_max = mlp_pullback(dz)\n"
        "dx = dx_factor + mean_pullback(df_avg[..., None, None])\n"
        "dx = dx + max_pullback(df_max[..., None, None])",
    ),
)  # fmt: skip
