"""What of the findings is believed when the candidate is asked again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from behaving import Block, C

from npcbam import check
from npcbam.oracle.behaviour import again
from npcbam.oracle.behaviour.again import believed
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.trial import tried

WRONG = [
    Finding("channel", "channel-unknown", "no rule"),
    Finding("effects", "samples-mixed", "samples influence each other"),
    Finding("effects", "writes-input", "it writes to its input"),
]


def trial(module):
    return tried(ModuleCandidate(module, "block"), C)


class Rare(Block):
    """Every thirtieth call or so gives the opposite."""

    def __init__(self, seed=0, most=1.0, odds=1 / 30):
        super().__init__()
        self.rng, self.most, self.odds = np.random.default_rng(seed), most, odds

    def forward(self, x):
        y = super().forward(x)
        return y - 2 * self.most * y if self.rng.random() < self.odds else y


def test_what_comes_again_is_believed():
    assert believed(trial(Block()), WRONG) == WRONG
    assert believed(trial(Block()), []) == []


@pytest.mark.parametrize("seed", range(5))
def test_of_what_chance_gave_only_what_one_call_proves_is_left(seed):
    found = believed(trial(Rare(seed)), WRONG)
    assert [finding.code for finding in found] == ["writes-input", "not-repeatable"]


def test_what_is_slow_is_asked_no_longer_than_that(monkeypatch):
    calls = []

    class Counted(Block):
        def forward(self, x):
            calls.append(len(x))
            return super().forward(x)

    seen, asked = trial(Counted()), []
    for patience in (1e9, 0.0):
        monkeypatch.setattr(again, "PATIENCE", patience)
        calls.clear()
        assert believed(seen, WRONG) == WRONG
        asked.append(len(calls))
    assert asked == [again.FEW + len(seen.seen) + again.MANY, again.FEW + 1]


def test_what_is_known_to_differ_is_not_asked_again():
    unsteady = Finding("effects", "not-repeatable", "two calls differ", "undecided")
    assert believed(trial(Block()), [*WRONG, unsteady]) == [WRONG[-1], unsteady]


def test_a_right_block_is_asked_a_few_times():
    (found,) = believed(trial(Rare(odds=0.5)), [])
    assert (found.code, found.status) == ("not-repeatable", "undecided")


@pytest.mark.parametrize(("most", "codes"), [(1e-7, []), (1e-11, ["not-repeatable"])])
def test_float32_inside_may_sum_in_another_order(most, codes):
    single = replace(trial(Rare(most=most, odds=0.5)), single=True)
    assert [finding.code for finding in believed(single, [])] == codes


class Dropout(torch.nn.Module):
    """A right CBAM, but for what is done to the hidden units and to y."""

    def __init__(self, channels=C, rate=0.1, sign=0.0, noise=0.0):
        super().__init__()
        self.w0 = torch.nn.Linear(channels, 2, bias=False)
        self.w1 = torch.nn.Linear(2, channels, bias=False)
        self.k = torch.nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.rate, self.sign, self.noise = rate, sign, noise

    def mlp(self, f):
        return self.w1(torch.dropout(torch.relu(self.w0(f)), self.rate, True))

    def forward(self, x):
        z = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        f = torch.sigmoid(z)[:, :, None, None] * x
        planes = torch.cat([f.mean(1, True), f.amax(1, True)], 1)
        y = torch.sigmoid(self.k(planes)) * f
        y = -y if torch.rand(()) < self.sign else y
        return y + self.noise * torch.randn_like(y)


@pytest.mark.parametrize(
    "how",
    [{"rate": 0.5}, {"rate": 0.1}, {"rate": 0.0, "sign": 0.1}, {"rate": 0.0, "noise": 1e-12}],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_a_random_block_is_undecided_and_nothing_else(how, seed):
    torch.manual_seed(seed)
    report = check(Dropout(**how), channels=C)
    assert report.verdict == "undecided"
    assert [finding.code for finding in report.findings] == ["not-repeatable"]
