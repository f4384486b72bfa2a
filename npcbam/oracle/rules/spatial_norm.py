"""The spatial gate's rules of the norm after its convolution."""

from __future__ import annotations

from npcbam.oracle.rules.rule import FAITHFUL, WRONG, Parameter, Rule, Weights, one_of


def _eps(u: float, weights: Weights) -> float:
    """Return the eps of a norm that divides by 1/u."""
    eps: float = (u**-2 - weights["var"]).item()
    return eps


# The logits are affine in 1/sqrt(var + eps), and what is said is eps: so are the usual ones,
# Keras's first, and what makes sense.
EPS = Parameter("eps", (1e-3, 1e-4, 1e-6, 1e-12), _eps, low=1e-13, high=0.1, spelled=_eps)

RULES = (
    Rule(
        code="spatial-eps",
        stage="spatial",
        status=FAITHFUL,
        sentence="the norm has eps {value}",
        parameter=EPS,
        was=("spatial-eps-0.001", "spatial-eps-0.0001", "spatial-eps-1e-06", "spatial-eps-1e-12"),
    ),
    Rule(
        code="spatial-no-eps",
        stage="spatial",
        status=WRONG,
        sentence="the norm has no eps: where the variance is 0 it divides by 0",
        sets={"eps": 0.0},
    ),
    Rule(
        code="spatial-batch-statistics",
        stage="spatial",
        status=WRONG,
        sentence="the norm uses the batch's statistics in evaluation mode",
        parameter=one_of("norm", "batch", "batch-unbiased"),
        was=("spatial-batch-statistics-unbiased",),
    ),
    Rule(
        code="spatial-sample-statistics",
        stage="spatial",
        status=WRONG,
        sentence="the norm uses each sample's own statistics, as InstanceNorm and GroupNorm do",
        parameter=one_of("norm", "sample", "sample-unbiased"),
        was=("spatial-sample-statistics-unbiased",),
    ),
    Rule(
        code="spatial-norm-ignored",
        stage="spatial",
        status=WRONG,
        sentence="the norm is built but not applied",
        sets={"norm": "ignored"},
    ),
    Rule(
        code="spatial-norm-sqrt",
        stage="spatial",
        status=WRONG,
        sentence="the norm divides by the variance and not by its root",
        sets={"norm": "variance"},
    ),
)
