"""When two results differ, and when a candidate is unsteady."""

import numpy as np
import pytest
from behaving import Block, C

from npcbam.oracle.behaviour.watched import Watched, failure
from npcbam.oracle.candidates.torch import ModuleCandidate


def watched(module, dtype="float64"):
    candidate = ModuleCandidate(module, "block").at(dtype)
    x = np.ones((2, C, 3, 3))
    first = candidate.observe({}, x.copy())
    return Watched(candidate, {}, x, first, (dtype,), np.random.default_rng(0))


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 2.0**-24), ("bfloat16", 2.0**-8)])
def test_rounding_is_no_difference(dtype, unit):
    seen, expected = watched(Block(), dtype), np.array([1.0, 0.0, -4.0])
    assert not seen.differs(expected + 4 * 1000 * unit, expected)
    found = seen.differs(expected + np.array([0, 4 * 1100 * unit, 0]), expected)
    assert found["index"] == [1]
    assert 1 < found["times"] < 1.1


def test_nothing_and_another_shape():
    seen = watched(Block())
    assert not seen.differs(np.zeros(3), np.zeros(3))
    assert seen.differs(np.full(1, 1e-300), np.zeros(1))
    assert seen.differs(np.zeros(3), np.zeros(4))["got"] == [3]
    assert not seen.differs(np.full(1, np.nan), np.full(1, np.nan))


def test_what_changes_from_call_to_call():
    class Counts(Block):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x) * self.calls

    counts, steady = watched(Counts()), watched(Block())
    assert counts.changes(counts.x, counts.first.y)["times"] > 1
    assert not steady.changes(steady.x, steady.first.y)
    assert not steady.unsteady(steady.x, steady.first.y)


def test_what_came_once_is_not_believed():
    # The first call alone is set apart, or the other one alone.
    seen = watched(Block())
    assert seen.unsteady(seen.x, 2 * seen.first.y)["times"] > 1
    object.__setattr__(seen.first, "y", 2 * seen.first.y)
    assert seen.unsteady(seen.x, seen.first.y / 2)["times"] > 1


def test_a_call_that_fails_the_second_time_changes():
    class Once(Block):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 1:
                raise ValueError("no more")
            return super().forward(x)

    seen = watched(Once())
    assert seen.changes(seen.x, seen.first.y) == {
        "input": "noise",
        "tensor": "y",
        "error": "ValueError: no more",
    }


def test_a_run_at_a_precision_that_it_has_not_fails():
    seen = watched(Block())
    assert seen.run_at("float32").dtype == "torch.float32"
    assert isinstance(seen.run_at("float8"), Exception)


def test_a_failure_says_where_and_why():
    found = failure("fails-on-single", (1, 8, 7, 5), ValueError("no"))
    assert (found.code, found.evidence["shape"]) == ("fails-on-single", [1, 8, 7, 5])
    assert found.message.startswith("it fails on a batch of one sample: ")
    assert found.evidence["error"] in found.message
