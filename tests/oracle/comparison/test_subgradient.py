"""Shares of a tied maximum: what is a subgradient, in either gate, and what is none."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_same

from npcbam import CBAM, tree
from npcbam.cbam import ORDERS
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.subgradient import as_shared, sharing
from npcbam.oracle.comparison.tie_rules import IN_TURN, LAST, rules_of, with_maxima
from npcbam.oracle.probing.inputs import battery
from npcbam.pooling import MAX, MAX_EVEN, max_vjp
from npcbam.routes import pulled

EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)


def block(order="channel-first"):
    # Weights above 0, so that no hidden unit is off.
    return tree.map(np.abs, replace(CBAM.init(3, channels=8, reduction_ratio=2), order=order))


def given(share, elsewhere=0.0, order="channel-first"):
    """Return a block, and a dx in which three tied positions get `share` of the gradient."""
    rng, cbam = np.random.default_rng(2), block(order)
    x, dy = rng.normal(size=(2, 2, 8, 3, 5))
    x[:, :, 0, :3] = 4.0
    without = pulled(cbam, x, dy, {"channel max": 0.0})[1]
    whole = pulled(cbam, x, dy)[1] - without  # at the first
    dx = without.copy()
    dx[:, :, 0, :3] += whole[:, :, 0, :1] * np.array(share)
    dx[:, :, 2, 4] += whole[:, :, 0, 0] * elsewhere
    return cbam, Pulled("ties", x, dy, {}, dx, cbam)


@pytest.mark.parametrize(
    ("share", "elsewhere", "right"),
    [
        ([1.0, 0.0, 0.0], 0.0, True),
        ([0.0, 0.0, 1.0], 0.0, True),
        ([0.2, 0.3, 0.5], 0.0, True),
        ([1.0, 1.0, 1.0], 0.0, False),
        ([0.5, 0.0, 0.0], 0.0, False),
        ([0.0, 0.0, 0.0], 0.0, False),
        ([2.0, -1.0, 0.0], 0.0, False),
        ([0.5, 0.0, 0.0], 0.5, False),
        ([0.2, 0.3, 0.5], 1e-9, False),
    ],
)
@pytest.mark.parametrize("order", ["channel-first", "parallel"])
def test_all_of_it_goes_to_the_tied(share, elsewhere, right, order):
    found = as_shared(*given(share, elsewhere, order))
    assert (found is not None) == right


def lots(x, reads, rng):
    """Return fractions: one of the tied, drawn by lot, has all, in space and in channels."""
    found = []
    for features, axes in ((x, (2, 3)), (reads, (1,))):
        tied = features == features.max(axes, keepdims=True)
        found.append(max_vjp(tied * rng.uniform(1, 2, x.shape), axes)[1](
            np.ones([1 if a in axes else n for a, n in enumerate(x.shape)])))  # fmt: skip
    return found


@EVERY_ORDER
def test_any_choice_in_both_gates_is_one(order):
    """As of a topk in either: the input of the oracle has ties that no gate breaks."""
    rng, cbam = np.random.default_rng(5), block(order)
    x = next(each.x for each in battery(rng, 8) if each.name == "ties")
    dy = rng.normal(size=x.shape)
    channel, spatial = lots(x, x, rng)
    both = with_maxima(cbam, sharing(channel), sharing(spatial))
    for rules, name in [
        (both, "other"),
        (with_maxima(cbam, sharing(channel), MAX_EVEN), "other+even"),
        (with_maxima(cbam, IN_TURN[0], sharing(spatial)), "even-in-turn+other"),
        (with_maxima(cbam, sharing(channel), LAST), "other+last"),
    ]:
        _, dx = rules.vjp(x)[1](dy)
        found = as_shared(cbam, Pulled("ties", x, dy, {}, dx, cbam))
        assert rules_of(found) == name
        np.testing.assert_allclose(found.vjp(x)[1](dy)[1], dx, rtol=0, atol=1e-13)
        wrong = dx + 1e-6 * (x == x.max((2, 3), keepdims=True))
        assert as_shared(cbam, Pulled("ties", x, dy, {}, wrong, cbam)) is None


@pytest.mark.parametrize("name", ["channel", "spatial"])
def test_one_gate_alone_is_asked_the_same(name):
    rng, cbam = np.random.default_rng(5), block()
    one = OneGate(**{name: getattr(cbam, name)})
    x = next(each.x for each in battery(rng, 8) if each.name == "ties")
    dy = rng.normal(size=x.shape)
    odd = with_maxima(one, *map(sharing, lots(x, x, rng)))
    dx = odd.vjp(x)[1](dy)[1]
    found = as_shared(one, Pulled("ties", x, dy, {}, dx, one))
    assert rules_of(found) == "other"
    np.testing.assert_allclose(found.vjp(x)[1](dy)[1], dx, rtol=0, atol=1e-13)
    lost = dx - 0.5 * (dx - with_maxima(one, *[sharing(np.zeros(x.shape))] * 2).vjp(x)[1](dy)[1])
    assert as_shared(one, Pulled("ties", x, dy, {}, lost, one)) is None


def test_what_is_not_finite_is_none():
    cbam, each = given([1.0, 0.0, 0.0])
    for value in (np.nan, np.inf):
        assert as_shared(cbam, replace(each, dx=np.full_like(each.dx, value))) is None


def test_sharing_by_hand():
    x, dy = np.array([[[[2.0, 2.0, 1.0]], [[0.0, 3.0, 0.0]]]]), np.array([[[[8.0]], [[5.0]]]])
    pool = sharing(np.full(x.shape, 0.25))
    y, pullback = pool.vjp(x, (2, 3))
    assert y.ravel().tolist() == [2, 3]
    assert pullback(dy).tolist() == [[[[2, 2, 0]], [[0, 5, 0]]]]
    # Of other features the first gets it.
    assert_same(pool.vjp(x[..., :2], (2, 3))[1](dy), MAX.vjp(x[..., :2], (2, 3))[1](dy))
