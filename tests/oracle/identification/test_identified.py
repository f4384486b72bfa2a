"""What is identified: the reading, the roles, and what has no effect."""

import numpy as np

from npcbam import CBAM, ChannelAttention, SharedMLP
from npcbam.oracle.candidates import adapt
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.identified import identified
from npcbam.oracle.probing.trial import tried
from npcbam.oracle.rules.block import CBAM as WHOLE
from npcbam.oracle.rules.block import CHANNEL_ONLY

RIGHT = CBAM.init(0, 16, 4, preset="official")


def test_a_right_block():
    found = identified(tried(adapt(RIGHT), 64))
    assert found.reading.known
    assert found.reading.block is WHOLE
    assert {role.key for role in found.roles} == found.weights.keys()
    assert found.dead == set()
    assert found.findings() == []


def test_without_a_kernel_it_is_a_channel_gate():
    found = identified(tried(adapt(CBAM.init(0, 16, 4, preset="se")), 64))
    assert found.reading.block is CHANNEL_ONLY
    assert [way.rules[0].code for way in found.reading.ways.values()] == ["channel-avg-only"]


def test_an_array_without_effect_is_said():
    w0, w1 = RIGHT.channel.mlp.w0, RIGHT.channel.mlp.w1
    parameters = {"w0": w0, "w1": w1, "k": RIGHT.spatial.conv.w, "idle": np.ones(3)}

    def block(params, x):
        from npcbam import ChannelAttention, SharedMLP, SpatialAttention
        from npcbam.conv import Conv

        channel = ChannelAttention(SharedMLP(params["w0"], params["w1"]))
        return CBAM(channel, SpatialAttention(Conv(params["k"])))(x)

    found = identified(tried(adapt(block, 16, parameters=parameters), 16))
    assert [(f.code, f.message) for f in found.findings()] == [
        ("dead-parameter", "idle has no effect on y")
    ]


def test_what_fails_where_it_would_show_is_said():
    def block(params, x):
        assert len(x) != 18, "not eighteen"
        return params["w0"].sum() * x + params["w1"].sum() * x

    arrays = {"w0": np.ones((4, 16)), "w1": np.ones((16, 4))}
    found = identified(tried(adapt(block, 16, parameters=arrays), 16))
    assert isinstance(found, Finding)
    assert found.message == "it fails on 18 samples of 6 x 5: AssertionError: not eighteen"


def test_what_fails_with_other_weights_is_said():
    known = []

    def block(params, x):
        assert not known or np.array_equal(params["w0"], known[0]), "another"
        return params["w0"].sum() * x + params["w1"].sum() * x

    arrays = {"w0": np.ones((4, 16)), "w1": np.ones((16, 4))}
    trial = tried(adapt(block, 16, parameters=arrays), 16)
    known.append(trial.values["w0"].copy())
    found = identified(trial)
    assert isinstance(found, Finding)
    where = "on 18 samples of 6 x 5 with other weights"
    assert found.message == f"it fails {where}: AssertionError: another"


def test_samples_that_it_fails_on_are_left_out():
    def block(params, x):
        assert not (x < 0).all((1, 2, 3)).any(), "below"
        return CBAM(ChannelAttention(SharedMLP(params["w0"], params["w1"])), None)(x)

    arrays = {"w0": np.ones((4, 16)), "w1": np.ones((16, 4))}
    found = identified(tried(adapt(block, 16, parameters=arrays), 16))
    (failed,) = found.findings()
    assert failed.message.startswith("it fails on 4 of 18 samples of 6 x 5: AssertionError: below")
    assert found.reading.known
    assert len(found.x) == 14
