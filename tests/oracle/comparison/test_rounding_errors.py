"""Values with errors: no honest sum is beyond them, and they are not much larger than it needs."""

import numpy as np
import pytest

from npcbam.oracle.comparison.rounding_errors import DEVIATIONS, Near, bilinear
from npcbam.oracle.precision import PRECISIONS, rounded


def near(values, reach):
    sd = np.broadcast_to(np.array(reach) / DEVIATIONS, np.shape(values))
    return Near(np.array(values), sd, PRECISIONS["float32"])


def dots(a, b):
    return (a * b).sum(axis=1, keepdims=True), lambda dy: (dy * b, dy * a)


@pytest.mark.parametrize("n", [2, 16, 256, 4096])
def test_products_may_be_added_one_after_the_other(n):
    a, b = rounded(np.random.default_rng(0).uniform(0.5, 1, (2, 64, n)), "float32")
    node = bilinear(dots, near(a, 0.0), near(b, 0.0))
    got = np.cumsum((a * b).astype(np.float32), axis=1, dtype=np.float32)[:, -1:]
    # The worst of 64 uses a good part.
    assert 0.1 < (np.abs(got - node.value) / node.reach).max() <= 1


def test_errors_of_either_sign_add_as_squares():
    total = near([1.0], 0.3) + near([2.0], 0.4)
    assert total.value.tolist() == [3]
    assert total.reach.item() == pytest.approx(0.5)
