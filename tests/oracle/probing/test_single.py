"""Rounding jumps, and all else moves smoothly."""

import numpy as np
import pytest

from npcbam.oracle import examples
from npcbam.oracle.candidates import adapt
from npcbam.oracle.precision import rounded
from npcbam.oracle.probing.single import only_single

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 32, 6, 5))
VALUES = {"w": RNG.normal(size=32)}


def rounding(dtype):
    """Return a block that computes smoothly, but for one rounding inside."""

    def block(params, x):
        z = (params["w"][:, None, None] * x).sum(1, keepdims=True)
        return np.sin(z if dtype is None else rounded(z, dtype)) * x

    return adapt(block, 32, parameters=VALUES)


@pytest.mark.parametrize(
    ("dtype", "single"),
    [(None, False), ("float64", False), ("float32", True), ("float16", False), ("bfloat16", False)],
)
def test_float32_is_told_from_finer_and_coarser(dtype, single):
    assert only_single(rounding(dtype), VALUES, X, None) == single


def test_a_right_block_has_all_digits():
    candidate = adapt(examples.right, 32)
    assert not only_single(candidate, candidate.parameters, X, RNG.normal(size=X.shape))


def test_what_fails_tells_nothing():
    def block(params, x):
        raise ValueError("not today")

    assert not only_single(adapt(block, 32, parameters=VALUES), VALUES, X, None)
