"""A trial: weights, inputs, and what came out, as the block is seen."""

import numpy as np
import pytest

from npcbam import CBAM, ChannelAttention, SharedMLP
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.candidate import CannotRun
from npcbam.oracle.probing.roles import assignments
from npcbam.oracle.probing.trial import FailureError, tried, with_a_column, with_constants

RNG = np.random.default_rng(0)
WEIGHTS = {"w0": RNG.normal(size=(2, 16)), "w1": RNG.normal(size=(16, 2))}


def flat(params, x):
    gate = ChannelAttention(SharedMLP(params["w0"], params["w1"]))
    return gate(x)[:, :, 0, 0]


def test_every_input_is_run_forward_and_backward():
    trial = tried(adapt(CBAM.init(0, 16)), 64)
    assert trial.channels == 16
    assert trial.outcomes[0].input.name == "noise"
    assert all(each.error is None for each in trial.outcomes)
    assert all(each.cotangents[1].shape == each.input.x.shape for each in trial.seen)
    assert "point" not in {each.input.name for each in trial.large}


def test_weights_go_in_by_role_and_one_sample_at_a_time():
    def mixing(params, x):
        return CBAM.init(0, 16)(x) + 0 * params["w0"].sum() + len(x)

    candidate = adapt(mixing, 16, parameters=WEIGHTS)
    trial = tried(candidate, 16)
    roles = assignments(candidate.parameters, {})[0]
    x = RNG.normal(size=(3, 16, 4, 3))
    together = trial.runs(roles)(trial.weights(roles), x)
    alone = type(trial)(**vars(trial) | {"alone": True})
    np.testing.assert_allclose(together - alone.runs(roles)(trial.weights(roles), x), 2)


def test_a_flat_map_gets_axes_for_the_positions():
    candidate = with_a_column(adapt(flat, 16, parameters=WEIGHTS, stage="channel"))
    trial = tried(candidate, 16)
    assert trial.seen[0].y.shape == (3, 16, 1, 1)
    assert trial.seen[0].dy.shape == (3, 16, 1, 1)


def test_what_runs_on_no_input():
    def fails(params, x):
        raise ValueError("no")

    with pytest.raises(CannotRun, match=r"^fails fails on shape \(3, 16, 7, 5\): ValueError: no$"):
        tried(adapt(fails, 16, parameters=WEIGHTS), 16)


def test_purposes_draw_numbers_of_their_own():
    trial = tried(adapt(CBAM.init(0, 16)), 64)
    one, two = (trial.draws(purpose).normal(size=3) for purpose in (0, 1))
    assert not (one == two).any()
    assert (trial.draws(0).normal(size=3) == one).all()


def refusing(refused, where=lambda params, x: x):
    def block(params, x):
        assert not refused(where(params, x)), "no"
        return (params["w0"].sum() + params["w1"].sum()) * x

    return tried(adapt(block, 16, parameters=WEIGHTS), 16)


def test_samples_that_it_takes_one_by_one():
    trial = refusing(lambda x: (x < -1e9).any())
    x = RNG.normal(size=(4, 16, 2, 3))
    taken, failed = trial.taken(x)
    assert taken is x
    assert failed is None
    x[1::2] = -1e10
    taken, failed = trial.taken(x)
    assert np.array_equal(taken, x[::2])
    assert failed.finding().message == "it fails on 2 of 4 samples of 2 x 3: AssertionError: no"
    with pytest.raises(FailureError, match=r"^on 2 samples of 2 x 3$"):
        trial.taken(x[1::2])


def test_other_weights_that_it_refuses():
    trial = refusing(lambda w0: w0[0, 0] == 3, where=lambda params, x: params["w0"])
    x, other = RNG.normal(size=(4, 16, 2, 3)), dict(trial.values)
    assert trial.forward(other, x).shape == x.shape
    other["w0"] = np.full_like(other["w0"], 3)
    with pytest.raises(FailureError, match=r"^on 4 samples of 2 x 3 with other weights$") as failed:
        trial.forward(other, x)
    assert failed.value.finding().code == "raises"


def test_a_buffer_without_a_role_is_a_constant():
    seen = adapt(CBAM.init(0, 16, preset="official"))
    assert with_constants(seen) is seen
    mean, var = seen.buffers
    seen.buffers = {"t": np.ones(()), mean: seen.buffers[mean], "mask": np.ones((1, 2, 7, 7)),
                    var: seen.buffers[var]}  # fmt: skip
    kept = with_constants(seen)
    assert kept.buffers.keys() == {mean, var}
    assert kept.constants.keys() == {"t", "mask"}
