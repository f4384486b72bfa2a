"""Placing: which way to see the arrays is the candidate's is settled by what they reach."""

import pytest
import torch
from planted import base, channel_gates, channel_mlps
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

import npcbam
from npcbam.oracle.candidates import adapt
from npcbam.oracle.probing.inputs import telling
from npcbam.oracle.probing.placement import placed
from npcbam.oracle.probing.roles import assignments
from npcbam.oracle.probing.trial import tried


class FeaturesFirst(base.Right):
    """Its matrices are used as f @ w."""

    def __init__(self, channels=64, hidden=4):
        super().__init__(channels)
        del self.fc1, self.fc2
        self.one = nn.Parameter(torch.randn(channels, hidden))
        self.two = nn.Parameter(torch.randn(hidden, channels))

    def mlp(self, f):
        return F.relu(f @ self.one) @ self.two


class FeaturesFirstNeverApplied(FeaturesFirst):
    def forward(self, x):
        return self.mc(x) * x


class Shut(base.Biased):
    """Where its kernel is at 0 its map is, so that no weight of the MLP reaches anything."""

    squash = staticmethod(lambda z: z)


class Square(base.Right):
    """Shapes do not tell which matrix is which, nor whether both are used."""

    def __init__(self, channels=64):
        super().__init__(channels, 1)


def ways(block):
    """Return the keys of the first two weights in every way that the shapes allow, and of those
    that are left."""
    candidate = adapt(block, 16)
    trial = tried(candidate, 16)
    known = assignments(candidate.parameters, candidate.buffers, sizes=trial.sizes)
    left = placed(known, trial, telling(trial.draws(0), 16, 6, 5))
    return [[{role.name: (role.key, role.axes) for role in each} for each in these]
            for these in (known, left)]  # fmt: skip


@pytest.mark.parametrize(
    ("block", "few", "last"),
    [
        (base.Right, 1, ("fc2.weight", ("w1", (0, 1)))),
        (FeaturesFirst, 1, ("two", ("w1", (1, 0)))),
        (channel_mlps.OneLayer, 1, ("fc1.weight", ("w0", (0, 1)))),
        (Square, 3, ("fc2.weight", ("w1", (0, 1)))),
    ],
)
def test_the_last_layer_is_found(block, few, last):
    known, left = ways(block)
    assert len(known) > len(left) == few
    assert last in left[0].items()


def test_where_every_weight_reaches_all_channels_each_way_is_left():
    known, left = ways(channel_gates.SoftmaxOverChannels)
    assert len(known) > 1
    assert left == known


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (FeaturesFirst, None),
        (FeaturesFirstNeverApplied, "spatial-not-applied"),
        (Shut, "spatial-no-sigmoid"),
    ],
)
def test_the_right_way_is_among_them(block, code):
    found = [f.code for f in npcbam.check(block).findings if f.status != "note"]
    assert found == ([code] if code else [])


def test_where_a_gate_is_shut_other_ways_tell_which_matrix_is_which():
    known, left = ways(Shut)
    assert {each["fc2.weight"][0] for each in known} == {"w0", "w1"}
    assert {each["fc2.weight"][0] for each in left} == {"w1"}
