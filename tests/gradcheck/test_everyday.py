"""Everyday code, right and planted wrong: what the checker says of a slice of it, and of all."""

import numpy as np
import pytest
from everyday import measure
from everyday.case import BEHAVIOUR, gradients
from everyday.halves import FUNCTIONS
from everyday.stencil import failures
from everyday.trees import floats

HALF = "first"
CHECKABLE = [case for case in FUNCTIONS.values() if case.truth == "right"]


def sizes(case):
    """Return the two sizes of the quick slice that the case is made at, the smaller first."""
    return [size for size in (7, 100) if case.fits(size, "float64")]


# By hand


def test_the_slope_of_a_leaky_relu_by_hand():
    f, _, _ = FUNCTIONS["leaky relu"].make(0, 7, "float64")
    y, pullback = f(np.array([2.0, -1.0]))
    np.testing.assert_array_equal(y, [2, -0.01])
    np.testing.assert_array_equal(pullback(np.array([3.0, 5.0])), [3, 0.05])


def test_the_corpus_is_of_some_size():
    assert len(FUNCTIONS) >= 60
    assert sum(len(case.faults) for case in FUNCTIONS.values()) >= 150
    assert all(case.faults for case in FUNCTIONS.values())


# The derivative, by differences that know nothing of the package


@pytest.mark.parametrize("case", CHECKABLE, ids=lambda case: case.name)
def test_right_is_right(case):
    for size in sizes(case):
        assert failures(case, 1, size) == []


@pytest.mark.parametrize("case", CHECKABLE, ids=lambda case: case.name)
def test_dtypes_are_kept_and_faults_are_faults(case):
    size = sizes(case)[-1]
    shown = set()
    for dtype in case.dtypes:
        f, args, _ = case.make(2, size, dtype)
        assert {g.dtype.name for g in gradients(f, args)} == {dtype}
        shown |= set(case.wrongs(2, size, dtype))
    assert shown | set(BEHAVIOUR) >= set(case.faults)


def test_the_stencil_sees_a_planted_fault():
    case = FUNCTIONS["huber"]
    wrong = case.wrongs(1, 100, "float64")["slope"]
    planted = case.__class__(**{**vars(case), "factory": lambda fault: wrong})
    assert failures(planted, 1, 100, count=100)


# Laws: the verdicts


def fair(verdicts):
    """Hold that no verdict is false, and few are undecided."""
    assert [str(verdict) for verdict in verdicts if verdict.false] == []
    undecided = [str(verdict) for verdict in verdicts if verdict.undecided]
    assert len(undecided) <= 0.02 * len(verdicts), undecided


def test_no_verdict_of_small_float64_is_false():
    # Of every fourth function: the second tier has all.
    todo = measure.tasks(HALF, 1, (7,), ("float64",))[::4]
    fair([verdict for task in todo for verdict in measure.check(task)])


def test_right_float32_is_right():
    todo = measure.tasks(HALF, 1, (100,), ("float32",))
    fair([verdict for task in todo for verdict in measure.check(task, planted=False)])


@pytest.mark.second_tier
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dtype", measure.DTYPES)
@pytest.mark.parametrize("size", [size for size in measure.SIZES if size <= 1000])
def test_no_verdict_of_the_corpus_is_false(size, dtype, seed):
    todo = [task for task in measure.tasks("all", 2, (size,), (dtype,)) if task[-1] == seed]
    fair([verdict for task in todo for verdict in measure.check(task)])


# Errors


def test_right_functions_leave_their_arguments_alone():
    for case in CHECKABLE:
        f, args, _ = case.make(3, sizes(case)[0], "float64")
        before = [np.array(leaf) for leaf in floats(args)]
        gradients(f, args)
        for old, new in zip(before, floats(args), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=case.name)
