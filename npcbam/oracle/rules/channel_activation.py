"""The channel gate's rules of what stands in the MLP where ReLU belongs."""

from __future__ import annotations

import functools
import math

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.functions import SIGMOID, SILU, TANH, clip
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
# 0 is no activation at all but ReLU, and 1 is none.
LEAKY = Parameter(
    "activation", (0.01, 0.1, 0.2), lambda slope, weights: leaky(slope), low=-2.0, high=2.0
)

RULES = (
    Rule(
        code="channel-silu",
        stage="channel",
        status=WRONG,
        sentence="SiLU stands in the MLP where ReLU belongs",
        sets={"activation": SILU},
    ),
    Rule(
        code="channel-elu",
        stage="channel",
        status=WRONG,
        sentence="ELU stands in the MLP where ReLU belongs",
        sets={
            "activation": Pointwise("elu", lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))))
        },
    ),
    Rule(
        code="channel-gelu",
        stage="channel",
        status=WRONG,
        sentence="GELU stands in the MLP where ReLU belongs",
        sets={"activation": Pointwise("gelu", lambda z: z * (1 + _erf(z / math.sqrt(2))) / 2)},
    ),
    Rule(
        code="channel-gelu-tanh",
        stage="channel",
        status=WRONG,
        sentence="GELU (by tanh) stands in the MLP where ReLU belongs",
        sets={
            "activation": Pointwise(
                "gelu-tanh",
                lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
            )
        },
    ),
    Rule(
        code="channel-leaky-relu",
        stage="channel",
        status=WRONG,
        sentence="LeakyReLU ({value}) stands in the MLP where ReLU belongs",
        parameter=LEAKY,
        was=("channel-leaky-relu-0.1", "channel-leaky-relu-0.2"),
    ),
    Rule(
        code="channel-tanh-hidden",
        stage="channel",
        status=WRONG,
        sentence="tanh stands in the MLP where ReLU belongs",
        sets={"activation": TANH},
    ),
    Rule(
        code="channel-sigmoid-hidden",
        stage="channel",
        status=WRONG,
        sentence="a sigmoid stands in the MLP where ReLU belongs",
        sets={"activation": SIGMOID},
    ),
    Rule(
        code="channel-relu6",
        stage="channel",
        status=WRONG,
        sentence="ReLU6 stands in the MLP where ReLU belongs",
        sets={"activation": Pointwise("relu6", lambda z: clip(z, 0, 6))},
    ),
    Rule(
        code="channel-hardswish",
        stage="channel",
        status=WRONG,
        sentence="Hardswish stands in the MLP where ReLU belongs",
        sets={"activation": Pointwise("hardswish", lambda z: z * clip(z + 3, 0, 6) / 6)},
    ),
    Rule(
        code="channel-softplus",
        stage="channel",
        status=WRONG,
        sentence="Softplus stands in the MLP where ReLU belongs",
        sets={"activation": SOFTPLUS},
    ),
    Rule(
        code="channel-mish",
        stage="channel",
        status=WRONG,
        sentence="Mish stands in the MLP where ReLU belongs",
        sets={"activation": Pointwise("mish", lambda z: z * np.tanh(SOFTPLUS(z)))},
    ),
    Rule(
        code="channel-selu",
        stage="channel",
        status=WRONG,
        sentence="SELU stands in the MLP where ReLU belongs",
        sets={
            "activation": Pointwise(
                "selu",
                lambda z: (
                    1.0507009873554805
                    * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
                ),
            )
        },
    ),
)
