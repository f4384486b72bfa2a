"""One gate alone: no formula is tried twice, and a search in vain ends soon."""

import mistakes
import pytest
import torch
from drawn_weights import KERNELS, MLPS, X
from torch import nn

import npcbam
from npcbam.oracle.identification import reading as choosing
from npcbam.oracle.identification.reading import Reading, single
from npcbam.oracle.identification.single_gate import Alone, Effort, efforts, look, ways
from npcbam.oracle.rules import CHANNEL, COMPOSE

WEIGHTS = MLPS["shared"] | KERNELS["two planes"]


def test_what_comes_to_the_same_is_tried_once():
    known = set()
    names = ("channel-first", "spatial-reads-input", "channel-only", "parallel")
    assert ways(True, Effort(False, names, (0.5, 1.0)), known) == [
        ("channel-first", [0.5, 1.0]),
        ("parallel", [0.5]),
    ]
    assert ways(True, Effort(False, names, (1.0, 2.0)), known) == [("channel-first", [2.0])]
    # Logits are none of the map's, and a map of F' is none of x.
    assert ways(False, Effort(False, names[:2], (0.5, 1.0)), set()) == [
        ("channel-first", [0.5, 1.0]),
        ("spatial-reads-input", [0.5]),
    ]


def seen_of(compose):
    """Return the channel gate of a right block in a composition, alone, and its first effort."""
    reading = Reading(single(True)[0], single(False)[0], compose)
    seen = look(reading.predict, WEIGHTS, X)
    return Alone(seen, X, True, 1e-9), [*efforts(seen, X, "wide")]


@pytest.mark.parametrize("compose", ["channel-first", "residual", "channel-features-squared"])
def test_the_row_is_found_with_its_composition(compose):
    alone, several = seen_of(compose)
    effort = next(each for each in several if compose in each.compositions)
    fits = [*alone.explain(CHANNEL, effort)]
    assert [fit.choice.rows[0].code for fit in fits] == ["channel-paper"]
    assert compose in fits[0].compositions
    assert len(fits[0].compositions) < len(COMPOSE) / 2


class LearnedAlpha(mistakes.Right):
    """F' and x are mixed by a number that is learnt, so that no constant explains either gate."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.alpha = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        f = (self.alpha * self.mc(x) + 1 - self.alpha) * x
        return self.ms(f) * f


def test_a_search_in_vain_ends_soon(monkeypatch):
    """It takes 8000 maps; were every row tried beside every other one, it would take 50,000."""
    maps = 0

    def counted(f):
        def counting(*args):
            nonlocal maps
            maps += 1
            return f(*args)

        return counting

    for name in ("channel_map", "spatial_map"):
        monkeypatch.setattr(choosing, name, counted(getattr(choosing, name)))
    report = npcbam.check(LearnedAlpha, channels=16)
    assert "spatial-unknown" in [f.code for f in report.findings]
    assert 1000 < maps < 10_000
