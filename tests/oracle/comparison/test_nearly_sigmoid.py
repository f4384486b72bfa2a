"""Is an error of a gate a smooth function of its logit?"""

import numpy as np
import pytest

from npcbam.oracle.comparison.nearly_sigmoid import _function_of
from npcbam.pointwise import sigmoid

RNG = np.random.default_rng(0)
Z = RNG.normal(size=2000) * 2
UNIT = 2.0**-53


@pytest.mark.parametrize(
    ("gate", "nearly"),
    [
        (lambda z: np.clip(z / 6 + 0.5, 0, 1), True),
        (lambda z: 0.5 + 0.5 * z / (1 + np.abs(z)), True),
        (lambda z: sigmoid(z + 0.1), False),
        (lambda z: sigmoid(1.01 * z), False),
        (lambda z: 1.01 * sigmoid(z) + 0.02, False),
        (lambda z: sigmoid(z) + 1e-3 * RNG.normal(size=z.shape), False),
        (lambda z: sigmoid(z), False),
    ],
    ids=["hard", "softsign", "shifted", "scaled", "affine", "noise", "right"],
)
def test_functions_of_the_logit(gate, nearly):
    error = gate(Z) - sigmoid(Z)
    # Small shifts and scales of the logit are errors of it, to first order.
    assert _function_of(Z, 1e-3 * error, UNIT) == nearly
