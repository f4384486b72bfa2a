"""What is timed, in which turns, and beside which floor."""

import numpy as np
import pytest

from npcbam.bench import measure

SHAPE = (2, 8, 5, 4)


def test_all_take_turns_and_inputs_rotate():
    calls = []
    timed = {name: lambda i, name=name: calls.append((name, i)) for name in "abc"}
    times = measure.interleaved(timed, 0.0)
    assert list(times) == ["a", "b", "c"]
    rounds = [calls[i : i + 3] for i in range(0, len(calls), 3)]
    assert len(rounds) == measure.WARM + 5
    for at, one in enumerate(rounds):
        assert sorted(name for name, _ in one) == ["a", "b", "c"]
        assert {i for _, i in one} == {at % measure.INPUTS}
    assert [one[0][0] for one in rounds[:4]] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("mode", measure.MODES)
def test_the_floor_moves_every_byte(monkeypatch, threads, mode):
    made = []
    empty = np.empty_like
    monkeypatch.setattr(np, "empty_like", lambda a: made.append(empty(a)) or made[-1])
    x, dy = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("f4")
    measure.floor(mode, [x], [dy], threads)(0)
    np.testing.assert_array_equal(made[0], x)
    if mode == "both":
        np.testing.assert_array_equal(made[1], x + dy)
