"""How far rounding may take a tensor: by moving all inputs."""

import numpy as np
import pytest

from npcbam import CBAM
from npcbam.oracle.precision import DTYPES, PRECISIONS, STEPS, rounded
from npcbam.oracle.probing.inputs import battery
from npcbam.oracle.vectors.cases import draw, tensors
from npcbam.oracle.vectors.rounding import allowed, sensitivity

RNG = np.random.default_rng(0)
CBAM_, X, DY = CBAM.init(0, 8, 4), RNG.normal(size=(2, 8, 5, 4)), RNG.normal(size=(2, 8, 5, 4))


def test_a_product_moves_by_both_its_factors():
    def compute(cbam, x, dy):
        return {"square": x * x, "dead": 0 * x, "shift": x + 100}

    found = sensitivity(compute, CBAM_, X, DY)
    largest = np.abs(X).max()
    assert found["square"] == pytest.approx(2 * largest**2, rel=1e-6)
    assert found["dead"] == 0
    # No less than rounding the result itself.
    assert found["shift"] == pytest.approx(np.abs(X + 100).max(), rel=1e-6)


def test_equal_values_move_together():
    def compute(cbam, x, dy):
        return {"gap": x[0, 0, 0, 0] - x[0, 0, 0, 1] + np.zeros(1)}

    x = X.copy()
    x[0, 0, 0, 1] = x[0, 0, 0, 0]
    assert sensitivity(compute, CBAM_, x, DY)["gap"] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_allowed_grows_with_the_unit(dtype):
    kind = PRECISIONS[dtype]
    assert allowed({"y": 3.0}, dtype)["y"] == pytest.approx(
        STEPS * 3 * kind.rounding, rel=0.01, abs=0
    )
    assert allowed({"y": 0.0}, dtype)["y"] > 0


# In bfloat16 two maxima may be rounded to one.
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rounding_all_that_comes_in_stays_within(dtype):
    drawn = draw("paper", battery(np.random.default_rng(0), 8)[0], 0)
    cbam, x, dy = drawn.cbam, drawn.input.x, drawn.dy
    limits = allowed(sensitivity(tensors, cbam, x, dy), dtype)
    exact, got = tensors(cbam, x, dy), tensors(cbam, rounded(x, dtype), rounded(dy, dtype))
    assert all(np.abs(got[k] - exact[k]).max() < limits[k] for k in limits)
