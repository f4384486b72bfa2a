"""The channel gate's rules of what stands in the MLP where ReLU belongs."""

from __future__ import annotations

import functools
import math

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.functions import MLP, SIGMOID, SILU, TANH, clip
from npcbam.oracle.rules.rule import WRONG, Parameter, Pointwise, Rule


def _erf(z: Array) -> Array:
    from scipy.special import erf

    value: Array = erf(z)
    return value


def _softplus(z: Array) -> Array:
    # ln(1 + eᶻ) = z + ln(1 + e⁻ᶻ), of which one does not overflow.
    large = z.real > 0
    value: Array = np.where(large, z, 0) + np.log1p(np.exp(np.where(large, -z, z)))
    return value


@functools.cache
def leaky(slope: float) -> Pointwise:
    """Return LeakyReLU: the slope is that below 0."""
    return Pointwise(f"leaky-{slope:g}", lambda z: np.where(z > 0, z, slope * z))


SOFTPLUS = Pointwise("softplus", _softplus)
# Klambauer et al., 2017: these keep a mean of 0 and a variance of 1 from layer to layer.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# Usual slopes below 0, PyTorch's first; logits are affine in it. At 0 it is ReLU, and at 1 nothing.
SLOPE = Parameter(
    "activation",
    (0.01, 0.1, 0.2),
    lambda slope, weights: leaky(slope),
    low=-2.0,
    high=2.0,
    others=(0.0, 1.0),
)


def _mlp(activated: str) -> str:
    return f"def mlp(f):\n    h = f @ w0.T\n    return {activated} @ w1.T"


RULES = (
    Rule(
        code="channel-silu",
        stage="channel",
        status=WRONG,
        sentence="SiLU stands in the MLP where ReLU belongs",
        why="It comes with blocks that were written for networks whose activation is SiLU everywhere, as YOLO's. "
        "Weights that were trained with ReLU give another gate: below 0 SiLU goes down to -0.28 before it fades.",
        sets={"activation": SILU},
        bad=_mlp("(h * sigmoid(h))"),
        fix=MLP,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-elu",
        stage="channel",
        status=WRONG,
        sentence="ELU stands in the MLP where ReLU belongs",
        why="Hidden units below 0 count, down to -1, where ReLU leaves them out. "
        "Weights that were trained with ReLU give another gate.",
        sets={
            "activation": Pointwise("elu", lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))))
        },
        bad=_mlp("np.where(h > 0, h, np.expm1(h))"),
        fix=MLP,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-gelu",
        stage="channel",
        status=WRONG,
        sentence="GELU stands in the MLP where ReLU belongs",
        why="It comes with blocks that were written for transformers. "
        "Weights that were trained with ReLU give another gate: near 0 GELU is half of z.",
        sets={"activation": Pointwise("gelu", lambda z: z * (1 + _erf(z / math.sqrt(2))) / 2)},
        bad="from scipy.special import erf\n" + _mlp("(h * (1 + erf(h / 2**0.5)) / 2)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-gelu-tanh",
        stage="channel",
        status=WRONG,
        sentence="GELU (by tanh) stands in the MLP where ReLU belongs",
        why="It is the formula by which JAX computes GELU where nothing else is asked for, and parts from GELU itself by up to 0.0005. "
        "Weights that were trained with ReLU give another gate.",
        sets={
            "activation": Pointwise(
                "gelu-tanh",
                lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
            )
        },
        bad=_mlp("(h * (1 + np.tanh((2 / np.pi) ** 0.5 * (h + 0.044715 * h**3))) / 2)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-leaky-relu",
        stage="channel",
        status=WRONG,
        sentence="LeakyReLU ({value}) stands in the MLP where ReLU belongs",
        why="A hidden unit below 0 is passed on, scaled by the slope, where ReLU leaves it out. "
        "Weights that were trained with ReLU give another gate, and the more so the larger the slope.",
        bad=_mlp("np.where(h > 0, h, 0.01 * h)"),
        fix=MLP,
        sources=("Eq. 2", "seen in public code"),
        parameter=SLOPE,
        was=("channel-leaky-relu-0.1", "channel-leaky-relu-0.2"),
    ),
    Rule(
        code="channel-tanh-hidden",
        stage="channel",
        status=WRONG,
        sentence="tanh stands in the MLP where ReLU belongs",
        why="Hidden units are bounded by -1 and 1, so that strong answers all look alike, and have next to no gradient. "
        "Weights that were trained with ReLU give another gate.",
        sets={"activation": TANH},
        bad=_mlp("np.tanh(h)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-sigmoid-hidden",
        stage="channel",
        status=WRONG,
        sentence="a sigmoid stands in the MLP where ReLU belongs",
        why="A hidden unit of 0 gives one half, so that the logits have a constant in them that no feature has asked for. "
        "Large answers all look alike, and have next to no gradient.",
        sets={"activation": SIGMOID},
        bad=_mlp("sigmoid(h)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-relu6",
        stage="channel",
        status=WRONG,
        sentence="ReLU6 stands in the MLP where ReLU belongs",
        why="It is MobileNet's activation, a ReLU that is cut off at 6, and the same as ReLU until a hidden unit gets larger. "
        "With small features nothing shows, and with large ones the gate stops to follow them.",
        sets={"activation": Pointwise("relu6", lambda z: clip(z, 0, 6))},
        bad=_mlp("np.clip(h, 0, 6)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-hardswish",
        stage="channel",
        status=WRONG,
        sentence="Hardswish stands in the MLP where ReLU belongs",
        why="It is MobileNetV3's activation, and coordinate attention's. "
        "Weights that were trained with ReLU give another gate: between -3 and 3 it is a parabola.",
        sets={"activation": Pointwise("hardswish", lambda z: z * clip(z + 3, 0, 6) / 6)},
        bad=_mlp("(h * np.clip(h + 3, 0, 6) / 6)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-softplus",
        stage="channel",
        status=WRONG,
        sentence="Softplus stands in the MLP where ReLU belongs",
        why="It is a ReLU without a corner, and at 0 it is 0.69 and not 0. "
        "Every hidden unit is then open, so that the logits have a constant in them that no feature has asked for.",
        sets={"activation": SOFTPLUS},
        bad=_mlp("np.logaddexp(0, h)"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-mish",
        stage="channel",
        status=WRONG,
        sentence="Mish stands in the MLP where ReLU belongs",
        why="It comes with blocks that were written for YOLOv4, whose activation is Mish. "
        "Weights that were trained with ReLU give another gate: below 0 Mish goes down to -0.31 before it fades.",
        sets={"activation": Pointwise("mish", lambda z: z * np.tanh(SOFTPLUS(z)))},
        bad=_mlp("(h * np.tanh(np.logaddexp(0, h)))"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-selu",
        stage="channel",
        status=WRONG,
        sentence="SELU stands in the MLP where ReLU belongs",
        why="Its two constants keep the spread of many plain layers in a row, which an MLP with one hidden layer does not need. "
        "Hidden units below 0 count, down to -1.76, where ReLU leaves them out.",
        sets={
            "activation": Pointwise(
                "selu",
                lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
            )
        },
        bad=_mlp("(1.0507009873554805 * np.where(h > 0, h, 1.6732632423543772 * np.expm1(h)))"),
        fix=MLP,
        sources=("Eq. 2",),
    ),
)
