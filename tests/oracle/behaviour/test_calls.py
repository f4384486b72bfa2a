"""What a call writes, prints and leaves behind."""

import numpy as np
import pytest
import torch
from behaving import Block, C, codes
from torch import nn

from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.reports.html import to_html
from npcbam.oracle.reports.report import Report


class WritesInput(Block):
    def forward(self, x):
        return super().forward(x.mul_(2))


class WritesParameters(Block):
    def forward(self, x):
        self.fc1.bias.data.mul_(2)
        return super().forward(x)


class Dropout(Block):
    def mc(self, x):
        return super().mc(nn.functional.dropout(x, 0.2, training=True))


class Counts(Block):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) / self.calls


class FailsTwice(Counts):
    def forward(self, x):
        if self.calls:
            raise RuntimeError("the cache is full")
        return super().forward(x)


class Prints(Block):
    def forward(self, x):
        print("shape of x:", tuple(x.shape))
        return super().forward(x)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (WritesInput, {"writes-input": "wrong"}),
        (WritesParameters, {"writes-parameters": "wrong"}),
        (Dropout, {"not-repeatable": "undecided"}),
        (Counts, {"not-repeatable": "undecided"}),
        (Prints, {"prints": "note"}),
    ],
)
def test_it_is_found_and_nothing_else(module, expected):
    torch.manual_seed(0)
    assert codes(module()) == expected


def test_second_call_that_fails():
    assert codes(FailsTwice())["second-call-fails"] == "undecided"


def test_evidence_says_where():
    candidate = ModuleCandidate(WritesInput(), "block")
    x = np.full((2, C, 4, 4), 3.0)
    (found,) = effects(candidate, x, {})
    assert found.evidence["tensor"] == "x"
    assert (found.evidence["got"], found.evidence["expected"]) == (6.0, 3.0)
    assert (x == 3).all()


@pytest.mark.parametrize("module", [WritesInput, WritesParameters])
def test_no_error_is_allowed_of_what_is_written(module):
    values = {"fc1.bias": np.ones(3)}
    (found,) = effects(ModuleCandidate(module(), "block"), np.full((2, C, 4, 4), 3.0), values)
    assert found.evidence.keys() == {"input", "tensor", "index", "got", "expected"}
    report = Report("block", "wrong", findings=(found,))
    assert f"got {2 * found.evidence['expected']:g}, expected" in str(report)
    assert "allowed" not in str(report)
    assert "<td>got</td>" in to_html(report)
    assert "times" not in to_html(report)


def test_two_effects_are_both_found():
    class Both(Prints, Dropout):
        pass

    assert codes(Both()).keys() == {"prints", "not-repeatable"}
