"""Values with errors: no honest sum is beyond them, and they are not much larger than it needs."""

import numpy as np
import pytest

from npcbam.oracle.comparison import errors
from npcbam.oracle.comparison.errors import DEVIATIONS, Near, backward
from npcbam.oracle.precision import PRECISIONS, rounded


def near(values, reach):
    sd = np.broadcast_to(np.array(reach) / DEVIATIONS, np.shape(values))
    return Near(np.array(values), sd, PRECISIONS["float32"])


def dots(a, b):
    return (a * b).sum(axis=1, keepdims=True), lambda dy: (dy * b, dy * a)


@pytest.mark.parametrize("n", [2, 16, 256, 4096])
def test_products_may_be_added_one_after_the_other(n):
    a, b = rounded(np.random.default_rng(0).uniform(0.5, 1, (2, 64, n)), "float32")
    node = errors.bilinear(dots, near(a, 0.0), near(b, 0.0))
    got = np.cumsum((a * b).astype(np.float32), axis=1, dtype=np.float32)[:, -1:]
    # The worst of 64 uses a good part.
    assert 0.1 < (np.abs(got - node.value) / node.reach).max() <= 1


def test_relu_may_switch_within_its_error():
    z = errors.relu(near([-2.0, -0.1, 0.0, 0.1, 2.0], 0.5))
    assert z.reach.tolist() == [0, 0.5, 0.5, 0.5, 0.5]
    (dz,) = z.pull(near([3.0] * 5, 0.25))
    assert dz.reach.tolist() == [0, 6.25, 6.25, 6.25, 0.25]
    (exact,) = errors.relu(near([0.0, 1.0], 0.0)).pull(near([3.0, 3.0], 0.0))
    assert exact.reach.tolist() == [0, 0]


def test_what_is_repeated_gets_the_sum_of_its_cotangents():
    gate = near([[[0.5]], [[0.25]]], 0.125)
    wide = errors.broadcast(gate, (2, 1, 3))
    assert wide.value[:, 0].tolist() == [[0.5] * 3, [0.25] * 3]
    assert (wide.reach == 0.125).all()
    found = backward(wide, near(np.array([[[1.0, 2, 4]], [[1, 1, 1]]]), 0.0))[id(gate)]
    assert found.value.ravel().tolist() == [7, 3]


def test_errors_of_either_sign_add_as_squares():
    total = near([1.0], 0.3) + near([2.0], 0.4)
    assert total.value.tolist() == [3]
    assert total.reach.item() == pytest.approx(0.5)
