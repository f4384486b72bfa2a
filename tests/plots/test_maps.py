"""The picture of both maps: that it shows those that are applied."""

import numpy as np
from plotted import block

from npcbam.plots import plot_maps


def drawn(ax):
    """Return the map and the gates of the picture."""
    above, below = ax.child_axes
    shown = above.get_images()[0].get_array()
    return np.asarray(shown), [bar.get_height() for bar in below.patches]


def test_the_maps_are_those_that_are_applied(ax, x):
    cbam = block()
    assert plot_maps(cbam, x, ax=ax) is ax
    ms, mc = drawn(ax)
    gates = np.reshape(mc, (1, 5, 1, 1))
    np.testing.assert_allclose(gates * ms * x, cbam(x), rtol=1e-14)


def test_the_maps_of_other_orders(ax, x):
    cbam = block(order="spatial-first")
    ms, mc = drawn(plot_maps(cbam, x, ax=ax))
    np.testing.assert_allclose(np.reshape(mc, (1, 5, 1, 1)) * ms * x, cbam(x), rtol=1e-14)
    ax.clear()
    cbam = block(order="parallel")
    ms, mc = drawn(plot_maps(cbam, x, ax=ax))
    logits = np.reshape([np.log(g / (1 - g)) for g in mc], (1, 5, 1, 1)) + np.log(ms / (1 - ms))
    np.testing.assert_allclose(x / (1 + np.exp(-logits)), cbam(x), rtol=1e-13)


def test_an_image_is_features_whose_channels_come_last(ax, x):
    plot_maps(block(), x[0], ax=ax)
    ms, mc = drawn(ax)
    ax.clear()
    plot_maps(block(), np.moveaxis(x[0], 0, -1), ax=ax)
    np.testing.assert_array_equal(drawn(ax)[0], ms)
    assert drawn(ax)[1] == mc


def test_without_a_spatial_gate_there_are_bars(ax, x):
    cbam = block("se")
    plot_maps(cbam, x, ax=ax)
    assert [bar.get_height() for bar in ax.patches] == cbam.channel(x).ravel().tolist()
