"""When does an explanation account for what came?"""

import numpy as np
import pytest
from arrays_seen import draw
from hypothesis import given
from hypothesis import strategies as st

from npcbam.diagnosis import Diagnosis, Wrong

WANT = np.array([1.0, 2.0, np.nan, 4.0])


def test_what_is_wrong_is_counted_where_the_right_value_is_known():
    w = Wrong("dx", np.array([1.0, 2.5, 7.0, np.nan]), WANT, 0.1)
    assert w.known.tolist() == [True, True, False, True]
    assert w.wrong.tolist() == [False, True, False, True]
    assert w.off.tolist() == [0, 0.5, 0, np.inf]
    assert w.scale == 4


@pytest.mark.parametrize(
    ("made", "fits"),
    [
        ([1.0, 3.0, 7.0, 4.0], True),
        ([1.0, 3.0, np.nan, np.nan], True),  # of the last two nothing is said
        ([1.0, np.nan, 7.0, 4.0], False),  # a wrong entry is not explained
        ([1.0, 3.0, 7.5, 4.0], False),  # an entry that is not known came otherwise
        ([1.5, 3.0, 7.0, 4.0], False),  # a right entry would be wrong
        ([1.0, 2.9, 7.0, 4.0], False),  # nearly is not enough
        ([1.0, 2.0, 7.0, 4.0], False),
    ],
)
def test_an_explanation_explains_every_entry(made, fits):
    w = Wrong("dx", np.array([1.0, 3.0, 7.0, 4.0]), WANT, 1e-9)
    assert w.fits(np.array(made)) is fits


def test_a_shape_that_is_another_fits_nothing():
    assert not Wrong("dx", np.ones(3), np.ones(4), 0.0).fits(np.ones(4))


def test_what_rounding_explains_needs_no_other_explanation():
    want = draw(50)
    got = want + 3e-4 * draw(50, seed=2)
    w = Wrong("dx", got, want, 2e-4)
    assert w.wrong.any()
    assert not w.fits(want + 1e-4 * draw(50, seed=3))


def test_the_rounding_of_a_jacobian_is_no_slope():
    j = np.array([[1.0, 1e-17], [1e-16, 2.0]])
    w = Wrong("dx", np.ones(2), np.ones(2), 0.0, jacobian=j)
    assert w.slopes.tolist() == [[1, 0], [0, 2]]


@given(st.integers(0, 1000), st.floats(-3, 3).filter(lambda f: abs(f - 1) > 1e-3))
def test_a_multiple_fits_and_another_does_not(seed, factor):
    want = draw(300, seed=seed)
    w = Wrong("dx", factor * want, want, 1e-12)
    assert w.fits(factor * want)
    assert not w.fits((factor + 0.01) * want)


def test_a_diagnosis_is_a_value():
    assert Diagnosis("sign", "dx has the wrong sign", ("dx",)) == Diagnosis(
        "sign", "dx has the wrong sign", ("dx",)
    )
