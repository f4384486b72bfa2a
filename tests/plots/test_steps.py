"""The error of a derivative against its step."""

import numpy as np
import pytest

from npcbam import CBAM, sigmoid_vjp
from npcbam.plots import plot_step_curve


def errors(ax):
    return {line.get_label(): np.array(line.get_ydata()) for line in ax.get_lines()}


def test_the_step_curve_is_a_v_and_the_complex_step_is_not(ax):
    assert plot_step_curve(np.sin, np.array([0.3, 1.0, 2.0]), ax=ax) is ax
    found = errors(ax)
    for name, best in {"forward difference": 1e-7, "central difference": 1e-9}.items():
        lowest = found[name].argmin()
        assert 0 < lowest < len(found[name]) - 1
        assert found[name][lowest] < best
        assert found[name][-1] > 1e3 * found[name][lowest]
    assert found["complex step"][-1] < 1e-14
    assert (np.diff(found["complex step"][:10]) <= 0).all()


def test_single_precision_has_its_v_further_left(ax):
    x = np.array([0.3, 1.0, 2.0])
    plot_step_curve(np.sin, x, ax=ax)
    fine = errors(ax)["central difference"].min()
    ax.clear()
    plot_step_curve(np.sin, x.astype(np.float32), ax=ax)
    assert errors(ax)["central difference"].min() > 100 * fine
    assert "float32" in ax.get_title()


def test_layers_and_functions_with_a_pullback(ax):
    x = np.random.default_rng(0).normal(size=(1, 4, 3, 5))

    def of_cbam(cbam):
        return cbam(x.astype(cbam.channel.mlp.w0.dtype))

    plot_step_curve(of_cbam, CBAM.init(0, 4, 2, 3), ax=ax)
    plot_step_curve(sigmoid_vjp, x, ax=ax)
    assert len(ax.get_lines()) == 6


def test_the_same_seed_draws_the_same(ax):
    for seed in (1, 1, 2):
        plot_step_curve(np.exp, np.array([0.5, 1.0]), seed=seed, ax=ax)
    first, again, other = (line.get_ydata() for line in ax.get_lines()[::3])
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("f", "x"), [(np.log, [0.01, 0.02]), (lambda x: np.exp(50 * x), [14.0])], ids=["nan", "inf"]
)
def test_steps_out_of_the_domain_are_not_drawn(ax, f, x):
    plot_step_curve(f, np.array(x), ax=ax)
    found = errors(ax)
    assert np.isnan(found["central difference"][0])
    assert np.nanmin(found["central difference"]) < 1e-6
    assert not any(np.isinf(line).any() for line in found.values())


def test_axes_are_labelled(ax):
    plot_step_curve(np.sin, np.array([1.0]), ax=ax)
    assert "step" in ax.get_xlabel()
    assert "error" in ax.get_ylabel()
    assert ax.get_legend() is not None


@pytest.mark.parametrize("x", [[1.0], np.array([1]), np.array([1j])])
def test_bad_input_of_the_step_curve(x):
    with pytest.raises(TypeError, match="x: expected"):
        plot_step_curve(np.sin, x)


def test_a_point_without_a_derivative():
    with pytest.raises(ValueError, match="x: expected a point where f has a finite derivative"):
        plot_step_curve(np.log, np.array([np.nan, 1.0]))
