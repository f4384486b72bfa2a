"""What is asked is looked at before anything is loaded."""

import pytest

from npcbam.oracle.question import Question


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"channels": 0}, ValueError, "channels: expected at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed: expected a seed of at least 0, got -1"),
        ({"seed": "a"}, TypeError, "seed: expected a whole number, got 'a'"),
        ({"stage": "half"}, ValueError, "stage: expected 'whole', 'channel' or 'spatial', got"),
        ({"dtype": "int8"}, ValueError, "dtype: expected 'float64', 'float32', 'float16' or "),
        ({"expect": "right"}, ValueError, "expect: expected 'faithful', 'paper', "),
    ],
)
def test_what_is_out_of_range(asked, kind, said):
    with pytest.raises(kind) as caught:
        Question(**asked)
    assert str(caught.value).startswith(said)


def test_what_is_asked_by_default():
    question = Question()
    assert (question.channels, question.expect, question.stage) == (64, "faithful", "whole")
