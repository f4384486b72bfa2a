"""The eps of a norm, read off what it divides by."""

import numpy as np
import pytest

from npcbam.oracle.rules.spatial_norm import EPS


@pytest.mark.parametrize("var", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("eps", [1e-3, 1e-4])
def test_eps_is_what_is_left_beside_the_variance(var, eps):
    weights = {"var": np.array([var])}
    u = 1 / np.sqrt(var + eps)
    assert EPS.spelled is not None
    assert EPS.spelled(u, weights) == pytest.approx(eps, rel=1e-9)
    assert EPS.set_to(u, weights) == EPS.spelled(u, weights)


def test_the_usual_numbers_make_sense():
    assert all(EPS.low <= number <= EPS.high for number in EPS.values)
    assert [EPS.setting(number) for number in EPS.values] == list(EPS.values)
