"""Pools on values with errors: what is honest is within them, and the errors are no idle ones."""

import numpy as np
import pytest

from npcbam import pooling
from npcbam.oracle.comparison import pooled_errors
from npcbam.oracle.comparison.errors import DEVIATIONS, Near
from npcbam.oracle.precision import PRECISIONS, rounded
from npcbam.pooling import MAX, MAX_EVEN


def near(values, reach):
    sd = np.broadcast_to(np.array(reach) / DEVIATIONS, np.shape(values))
    return Near(np.array(values), sd, PRECISIONS["float32"])


@pytest.mark.parametrize("n", [2, 16, 256, 4096])
def test_terms_may_be_added_one_after_the_other(n):
    a = rounded(np.random.default_rng(0).uniform(0.5, 1, (64, n)), "float32")
    node = pooled_errors.mean(near(a, 0.0), (1,))
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
        y = pooled_errors.maximum(near(values, reach), (1,), MAX)
        (dx,) = y.pull(dy)
        assert dx.value.tolist() == (np.eye(3)[[np.argmax(values)]] * 7).tolist()
        assert (dx.reach[0] >= 7).tolist() == unsure
    even = pooled_errors.maximum(near([[3.0, 1.0, 3.0]], 0.0), (1,), MAX_EVEN)
    assert even.pull(dy)[0].value.tolist() == [[3.5, 0, 3.5]]
    apart = pooled_errors.maximum(near([[2.9, 3.0]], [[0.3, 0.1]]), (1,), MAX)
    assert apart.reach.item() == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["lp", "logsumexp"])
def test_single_precision_is_within_the_errors(name):
    a = rounded(np.random.default_rng(0).normal(size=(64, 40)), "float32")
    node = getattr(pooled_errors, name)(near(a, 0.0), (1,))
    y, pullback = getattr(pooling, f"{name}_vjp")(a.astype(np.float32), (1,))
    assert 0 < (np.abs(y - node.value) / node.reach).max() <= 1
    dy = np.ones_like(node.value)
    (dx,) = node.pull(near(dy, 0.0))
    times = np.abs(pullback(dy.astype(np.float32)) - dx.value) / dx.reach
    assert 0 < times.max() <= 1
    assert (1e-5 * np.abs(node.value) > node.reach).any()  # a fault so small is none of rounding
