"""What verdicts mean."""

import typing

import pytest

from npcbam.oracle.findings import Status
from npcbam.oracle.rules.verdicts import BY_CODE, to_dict, to_text, word


def test_each_has_its_meaning():
    assert set(BY_CODE) == set(typing.get_args(Status))


def test_in_words():
    lines = to_text(word("UNDECIDED")).splitlines()
    assert lines[:3] == [
        "UNDECIDED: it cannot be told what it computes",
        "  code    undecided",
        "  stage   the verdict of a report: `npcbam check`",
    ]
    assert lines[-1] == "  advice  Take away the reason, and check again."
    assert "the status of a finding" in to_text(word("note"))


@pytest.mark.parametrize("each", BY_CODE.values(), ids=lambda each: each.code)
def test_as_data(each):
    assert list(to_dict(each)) == ["code", "stage", "status", "sentence", "why", "advice"]
    assert each.why.endswith(".")
    assert each.advice.endswith(".")


def test_another_word_is_none():
    assert word("right") is None
