"""What misleads a checker: nothing right is called wrong, nothing wrong right, for many seeds."""

import hard_numbers
import numpy as np
import pytest
from hard_case import CASES
from hard_kinks import beside, relu_buffer

from npcbam.gradcheck import examine

PLANTED = [(name, factor) for name, case in CASES.items() for factor in case.factors]


def outcomes(name, factor, seeds):
    """Return what is said of a case, seed by seed."""
    found = []
    for seed in seeds:
        f, args, options = CASES[name].make(np.random.default_rng(seed), factor)
        found.append(examine(f, *args, seed=seed, **options))
    return found


assert hard_numbers  # both files fill the registry when they are imported

# By hand


def test_the_relu_of_the_registry_is_one():
    f, _, _ = relu_buffer(np.random.default_rng(0), 1.0)
    y, pullback = f(np.array([-1.0, 2.0]))
    np.testing.assert_array_equal(y, [0, 2])
    np.testing.assert_array_equal(pullback(np.array([3.0, 5.0])), [0, 5])


# The verdicts


@pytest.mark.parametrize("name", CASES)
def test_right_is_right(name):
    reports = outcomes(name, 1.0, range(4))
    assert [report.outcome for report in reports] == ["right"] * 4, reports


@pytest.mark.parametrize(("name", "factor"), PLANTED)
def test_wrong_is_wrong(name, factor):
    reports = outcomes(name, factor, range(2))
    assert [report.outcome for report in reports] == ["wrong"] * 2, reports


@pytest.mark.parametrize("name", CASES)
def test_what_is_stated_as_caught_is_small_beside_the_gradient(name):
    (report,) = outcomes(name, 1.0, [0])
    for leaf in report.leaves:
        if leaf.how != "joint directions" and leaf.scale > 0:
            assert leaf.caught < 1e-2 * leaf.scale, leaf


@pytest.mark.parametrize("name", CASES)
def test_a_right_report_counts_no_wrong_entry(name):
    (report,) = outcomes(name, 1.0, [1])
    assert [leaf.wrong for leaf in report.leaves] == [0] * len(report.leaves)
    assert report.findings == ()


@pytest.mark.parametrize("seed", range(8))
def test_a_leaf_that_drowns_is_not_called_wrong_and_its_zeros_not_right(seed):
    """Of a sum of 1e9 differences know a derivative of 1 to three digits, more or less."""
    f, args, _ = beside(1e6)(np.random.default_rng(seed), 1.0)
    report = examine(f, *args, seed=seed)
    assert (report.outcome, report.code) in (("right", "right"), ("cannot tell", "resolution"))
    f, args, _ = beside(1e6)(np.random.default_rng(seed), 0.0)
    assert examine(f, *args, seed=seed).outcome == "wrong"
