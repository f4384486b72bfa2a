"""The routes of dx: that they add up, go where their names say, and are drawn so."""

import numpy as np
import pytest
from plotted import block

from npcbam import CBAM
from npcbam.cbam import ORDERS
from npcbam.plots import gradient_routes, plot_gradient_routes

PRESETS = ("paper", "paper_biased", "seed", "timm", "timm_light", "se")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_routes_add_up_to_dx(x, preset, order):
    cbam = block(preset, order=order)
    dy = np.random.default_rng(5).normal(size=x.shape)
    dx = cbam.vjp(x)[1](dy)[1]
    routes = gradient_routes(cbam, x, dy)
    np.testing.assert_allclose(sum(routes.values()), dx, rtol=0, atol=1e-13)
    pools = [f"Mc by {pool}" for pool in ("mean", "max")[: len(cbam.channel.pools)]]
    if cbam.spatial is not None:
        pools += ["Ms by mean", "Ms by max"]
    rest = ["residual"] if cbam.residual else []
    assert sorted(routes) == sorted(["product", *pools, *rest])


def test_each_route_goes_where_it_says(x):
    dy = np.zeros_like(x)
    dy[:, :, 2, 3] = np.random.default_rng(6).normal(size=5)
    cbam = block("seed", channel=CBAM.init(7, 5, 1).channel)
    mc = cbam.channel(x)
    ms = cbam.spatial(mc * x)
    routes = {name: route[0] for name, route in gradient_routes(cbam, x, dy).items()}
    np.testing.assert_allclose(routes["product"], (mc * ms * dy)[0], rtol=1e-14)
    np.testing.assert_array_equal(routes["residual"], dy[0])
    by_mean = routes["Mc by mean"]
    np.testing.assert_allclose(by_mean, np.broadcast_to(by_mean[:, :1, :1], by_mean.shape))
    tops = [int(i) for d in routes["Mc by max"] for i in np.flatnonzero(d)]
    assert tops == x[0].reshape(5, -1).argmax(axis=1).tolist()
    near = np.zeros((6, 7), bool)
    near[1:4, 2:5] = True  # what a 3 × 3 kernel sees from there
    for name in ("Ms by mean", "Ms by max"):
        assert (routes[name].any(axis=0) == near).all()
    assert (np.count_nonzero(routes["Ms by max"], axis=0) == near).all()
    # The mean gives each channel of F' the same, and Mc scales it.
    np.testing.assert_allclose(np.ptp(routes["Ms by mean"] / mc[0], axis=0), 0, atol=1e-15)


def test_the_picture_of_routes_shows_norms_and_shares(ax, x):
    cbam, dy = block("seed"), np.random.default_rng(5).normal(size=x.shape)
    assert plot_gradient_routes(cbam, x, dy, ax=ax) is ax
    routes = gradient_routes(cbam, x, dy)
    shown = [np.asarray(image.get_array()) for image in ax.get_images()]
    wanted = [*routes.values(), cbam.vjp(x)[1](dy)[1]]
    for panel, route in zip(shown, wanted, strict=True):
        np.testing.assert_allclose(panel, np.linalg.norm(route[0], axis=0), rtol=1e-12)
    said = [text.get_text() for text in ax.texts]
    assert [line.partition("\n")[0] for line in said] == [*routes, "dx"]
    shares = [float(line.rpartition(" ")[2]) for line in said[:-1]]
    assert sum(shares) == pytest.approx(1, abs=0.01 * len(shares))
    assert len({image.norm.vmax for image in ax.get_images()}) == 1


@pytest.mark.parametrize("factor", [0.0, np.inf])
def test_there_must_be_a_gradient_to_draw(ax, x, factor):
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match="dy: expected one whose dx is finite and not 0"),
    ):
        plot_gradient_routes(block(), x, np.full_like(x, factor), ax=ax)
