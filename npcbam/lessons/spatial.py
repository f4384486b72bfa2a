"""The exercise on the spatial map, `spatial_attention_vjp`."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.lessons.correlation import correlate_vjp, unflipped
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal, walk
from npcbam.oracle.rules.rule import FAITHFUL, Rule, counted
from npcbam.oracle.rules.spatial import RULES, SPATIAL_PAPER, spatial_map
from npcbam.pointwise import sigmoid, sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention


def spatial_attention_vjp(w: Array, x: Array) -> Answer:
    """Return the right spatial map, and its pullback."""
    ms, pullback = SpatialAttention(Conv(w)).vjp(x)

    def spatial_pullback(dms: Array) -> tuple[Array, ...]:
        dspatial, dx = pullback(dms)
        return dspatial.conv.w, dx

    return ms, spatial_pullback


def _forward(rule: Rule) -> Mistake:
    """Return the mistake that a rule of the oracle makes of the map."""
    axes = {**SPATIAL_PAPER, **rule.sets}
    return Mistake(rule.code, rule.sentence, lambda v: {"ms": spatial_map(axes, {"k": v.w}, v.x)})


def _fits(rule: Rule) -> bool:
    """Tell whether a rule is a mistake here: with two planes, and without a norm."""
    planes, of_norm = rule.sets.get("pools", ("avg", "max")), {"norm", "eps"} & rule.sets.keys()
    return bool(rule.sets) and rule.status != FAITHFUL and len(planes) == 2 and not of_norm


# The pullback of the spatial map, a step at a time, as a wrong one swaps them.
STEPS = {
    "planes": lambda t: np.concatenate([_mean(t)[0], _max(t)[0]], axis=1),
    "z": lambda t: Conv(t.w)(t.planes),
    "dz": lambda t: sigmoid_vjp(t.z)[1](t.dms),
    "dw": lambda t: correlate_vjp(t.w, t.planes)[1](t.dz)[0],
    "dplanes": lambda t: correlate_vjp(t.w, t.planes)[1](t.dz)[1],
    "by_mean": lambda t: _mean(t)[1](t.dplanes[:, :1]),
    "by_max": lambda t: _max(t)[1](t.dplanes[:, 1:]),
    "dx": lambda t: t.by_mean + t.by_max,
}


def _mean(t: Values) -> Any:
    return pooling.mean_vjp(t.x, (1,))


def _max(t: Values) -> Any:
    return pooling.max_vjp(t.x, (1,))


def _gives(*names: str, **swapped: Any) -> Any:
    """Return what a pullback with other steps gives, as a mistake has it."""
    return lambda v: {name: getattr(walk(v, STEPS, **swapped), name) for name in names}


SPATIAL_ATTENTION = Exercise(
    "spatial_attention_vjp",
    {"w": "(1, 2, K, K)", "x": "(N, C, H, W)"},
    "ms",
    "(N, 1, H, W)",
    spatial_attention_vjp,
    {
        "noise": normal(0, (1, 2, 3, 3), (2, 4, 5, 6)),
        "wide kernel": normal(1, (1, 2, 7, 7), (3, 3, 6, 4)),
        "one sample": normal(2, (1, 2, 5, 5), (1, 6, 7, 5)),
    },
    (
        Mistake(
            "spatial-order", "the planes are [max, mean]: here the mean comes first",
            lambda v: {"ms": spatial_attention_vjp(v.w[:, ::-1], v.x)[0]},
        ),
        *[_forward(rule) for rule in counted(RULES) if _fits(rule)],
        Mistake(
            "spatial-slope-missing",
            "σ' is missing: ms = σ(z), so that dz is dms times ms·(1 - ms)",
            _gives("dw", "dx", dz=lambda t: t.dms),
        ),
        Mistake(
            "spatial-slope-of-map",
            "σ' is taken at ms, and not at z: σ'(z) = ms·(1 - ms), in which ms is the sigmoid "
            "already",
            _gives("dw", "dx", dz=lambda t: t.dms * sigmoid(t.ms) * (1 - sigmoid(t.ms))),
        ),
        Mistake(
            "spatial-slope-of-logits", "the slope is z·(1 - z), where ms·(1 - ms) belongs",
            _gives("dw", "dx", dz=lambda t: t.dms * t.z * (1 - t.z)),
        ),
        Mistake(
            "spatial-slope-half", "dz is dms·ms: σ' is ms·(1 - ms), the second factor is missing",
            _gives("dw", "dx", dz=lambda t: t.dms * t.ms),
        ),
        Mistake(
            "spatial-slope-other-half",
            "dz is dms·(1 - ms): σ' is ms·(1 - ms), the first factor is missing",
            _gives("dw", "dx", dz=lambda t: t.dms * (1 - t.ms)),
        ),
        Mistake(
            "spatial-no-max-route",
            "dx is off by exactly the maximum's route: what reaches the max plane never reaches x",
            _gives("dx", by_max=lambda t: 0),
        ),
        Mistake(
            "spatial-no-mean-route",
            "dx is off by exactly the average's route: what reaches the mean plane never reaches x",
            _gives("dx", by_mean=lambda t: 0),
        ),
        Mistake(
            "spatial-mean-undivided",
            "through the mean plane every channel gets the whole cotangent: the 1/C is missing",
            _gives("dx", by_mean=lambda t: t.dplanes[:, :1]),
        ),
        Mistake(
            "spatial-wrong-count",
            "through the mean plane the cotangent is divided by H·W: that mean is over C channels",
            _gives("dx", by_mean=lambda t: t.dplanes[:, :1] / t.x[0, 0].size),
        ),
        Mistake(
            "spatial-max-everywhere",
            "through the max plane every channel gets the cotangent: only the largest does",
            _gives("dx", by_max=lambda t: t.dplanes[:, 1:]),
        ),
        Mistake(
            "spatial-max-as-mean", "the cotangent of the max plane is spread as if it were a mean",
            _gives("dx", by_max=lambda t: _mean(t)[1](t.dplanes[:, 1:])),
        ),
        Mistake(
            "spatial-planes-exchanged",
            "the planes' cotangents have changed places: the mean got the maximum's",
            _gives(
                "dx",
                by_mean=lambda t: _mean(t)[1](t.dplanes[:, 1:]),
                by_max=lambda t: _max(t)[1](t.dplanes[:, :1]),
            ),
        ),
        Mistake(
            "spatial-dx-not-flipped", "the kernel is not flipped on the way back to the planes",
            _gives("dx", dplanes=lambda t: unflipped(t.w, t.dz)),
        ),
        Mistake(
            "spatial-dw-flipped", "dw is flipped: it has the taps in the order of w",
            lambda v: {"dw": np.flip(v.dw, (2, 3))},
        ),
        Mistake(
            "spatial-dw-exchanged", "dw has the taps of the two planes exchanged",
            lambda v: {"dw": v.dw[:, ::-1]},
        ),
    ),
    (
        "Go back through the lines of the forward in reverse: the sigmoid, the correlation, and "
        "the two pools, which both read x. What does x get that was read twice?",
        "dz = dms·ms·(1 - ms). `correlate_vjp` makes dw and two dplanes of it. The first goes "
        "back through the mean over channels, /C to each; the second to the largest channel of "
        "each pixel; and both add up to dx.",
        "dz = dms * ms * (1 - ms)\n"
        "dw, dplanes = correlate_pullback(dz)\n"
        "dx = np.zeros_like(x)\n"
        "np.put_along_axis(dx, index, dplanes[:, 1:], axis=1)\n"
        "dx = dx + dplanes[:, :1] / x.shape[1]",
    ),
)  # fmt: skip
