"""Steps of a CBAM on values with errors: what is honest is within them, and none are idle."""

import numpy as np
import pytest

from npcbam import pooling
from npcbam.oracle.comparison import layer_errors
from npcbam.oracle.comparison.rounding_errors import DEVIATIONS, Near, backward
from npcbam.oracle.precision import PRECISIONS, rounded
from npcbam.pooling import MAX, MAX_EVEN


def near(values, reach):
    sd = np.broadcast_to(np.array(reach) / DEVIATIONS, np.shape(values))
    return Near(np.array(values), sd, PRECISIONS["float32"])


@pytest.mark.parametrize("n", [2, 16, 256, 4096])
def test_terms_may_be_added_one_after_the_other(n):
    a = rounded(np.random.default_rng(0).uniform(0.5, 1, (64, n)), "float32")
    node = layer_errors.mean(near(a, 0.0), (1,))
    got = np.cumsum(a.astype(np.float32), axis=1, dtype=np.float32)[:, -1:] / np.float32(n)
    # The worst of 64 uses a good part.
    assert 0.1 < (np.abs(got - node.value) / node.reach).max() <= 1


def test_maximum_may_switch_within_its_errors():
    dy = near([[7.0]], 0.0)
    for values, reach, unsure in [
        ([[1.0, 2.0, 3.0]], 0.1, [False, False, False]),
        ([[1.0, 2.9, 3.0]], 0.1, [False, True, True]),
        ([[3.0, 1.0, 3.0]], 0.1, [True, False, True]),
        # The rule settles ties of exact numbers.
        ([[3.0, 1.0, 3.0]], 0.0, [False, False, False]),
    ]:
        y = layer_errors.maximum(near(values, reach), (1,), MAX)
        (dx,) = y.pull(dy)
        assert dx.value.tolist() == (np.eye(3)[[np.argmax(values)]] * 7).tolist()
        assert (dx.reach[0] >= 7).tolist() == unsure
    even = layer_errors.maximum(near([[3.0, 1.0, 3.0]], 0.0), (1,), MAX_EVEN)
    assert even.pull(dy)[0].value.tolist() == [[3.5, 0, 3.5]]
    apart = layer_errors.maximum(near([[2.9, 3.0]], [[0.3, 0.1]]), (1,), MAX)
    assert apart.reach.item() == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["lp", "logsumexp"])
def test_single_precision_is_within_the_errors(name):
    a = rounded(np.random.default_rng(0).normal(size=(64, 40)), "float32")
    node = getattr(layer_errors, name)(near(a, 0.0), (1,))
    y, pullback = getattr(pooling, f"{name}_vjp")(a.astype(np.float32), (1,))
    assert 0 < (np.abs(y - node.value) / node.reach).max() <= 1
    dy = np.ones_like(node.value)
    (dx,) = node.pull(near(dy, 0.0))
    times = np.abs(pullback(dy.astype(np.float32)) - dx.value) / dx.reach
    assert 0 < times.max() <= 1
    assert (1e-5 * np.abs(node.value) > node.reach).any()  # a fault so small is none of rounding


def test_relu_may_switch_within_its_error():
    z = layer_errors.relu(near([-2.0, -0.1, 0.0, 0.1, 2.0], 0.5))
    assert z.reach.tolist() == [0, 0.5, 0.5, 0.5, 0.5]
    (dz,) = z.pull(near([3.0] * 5, 0.25))
    assert dz.reach.tolist() == [0, 6.25, 6.25, 6.25, 0.25]
    (exact,) = layer_errors.relu(near([0.0, 1.0], 0.0)).pull(near([3.0, 3.0], 0.0))
    assert exact.reach.tolist() == [0, 0]


def test_what_is_repeated_gets_the_sum_of_its_cotangents():
    gate = near([[[0.5]], [[0.25]]], 0.125)
    wide = layer_errors.broadcast(gate, (2, 1, 3))
    assert wide.value[:, 0].tolist() == [[0.5] * 3, [0.25] * 3]
    assert (wide.reach == 0.125).all()
    found = backward(wide, near(np.array([[[1.0, 2, 4]], [[1, 1, 1]]]), 0.0))[id(gate)]
    assert found.value.ravel().tolist() == [7, 3]
