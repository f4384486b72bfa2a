"""A candidate that is another one, seen in another way."""

import numpy as np

from npcbam import CBAM
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.wrapped import FlatMap, WithConstants, Wrapped

RNG = np.random.default_rng(0)
X, DY = RNG.normal(size=(2, 5, 4, 3)), RNG.normal(size=(2, 5, 1, 1))


def flat(params, x):
    """Return one number a channel, linear in x and in its weights."""
    y = params["a"] * x.mean((2, 3))

    def pullback(dy):
        dx = np.broadcast_to((dy * params["a"])[:, :, None, None] / 12, x.shape)
        return {"a": (dy * x.mean((2, 3))).sum(0)}, dx

    return y, pullback


CANDIDATE = adapt(flat, 5, parameters={"a": np.ones(5)}, stage="channel")
PARAMS = {"a": RNG.normal(size=5)}


def test_all_is_passed_on():
    seen = Wrapped(CANDIDATE)
    assert np.array_equal(seen.forward(PARAMS, X), CANDIDATE.forward(PARAMS, X))
    assert seen.at("float32").inner.dtype == seen.at("float32").dtype == "float32"
    assert seen.itself is CANDIDATE
    assert (seen.own(PARAMS), seen.index((1, 2))) == (PARAMS, (1, 2))
    assert seen.replay("p", "x") == CANDIDATE.replay("p", "x")


def test_a_flat_map_has_axes_for_the_positions():
    seen = FlatMap(CANDIDATE)
    y = seen.forward(PARAMS, X)
    assert y.shape == (2, 5, 1, 1)
    assert seen.observe(PARAMS, X).y.shape == y.shape
    assert seen.index((1, 2, 0, 0)) == (1, 2)
    dparams, dx = seen.vjp(PARAMS, X, DY)
    # Linear in x and in the weights: each gives <dy, y>.
    assert np.isclose((dx * X).sum(), (DY * y).sum())
    assert np.isclose((dparams["a"] * PARAMS["a"]).sum(), (DY * y).sum())


def test_constants_are_no_buffers_and_are_kept():
    inner = adapt(CBAM.init(0, 16, preset="official"))
    mean, var = inner.buffers
    seen = WithConstants(inner, [mean])
    assert seen.buffers.keys() == {var}
    assert seen.constants.keys() == {mean}
    assert seen.state({}).keys() == inner.state({}).keys()
    assert seen.at("float32").state({}).keys() == inner.state({}).keys()
    x = RNG.normal(size=(2, 16, 4, 3))
    values = {name: value + 0.5 for name, value in (seen.parameters | seen.buffers).items()}
    moved = inner.forward({**values, mean: inner.buffers[mean] + 0.5}, x)
    assert np.array_equal(seen.forward(values, x), inner.forward(values, x))
    assert not np.array_equal(seen.forward(values, x), moved)
