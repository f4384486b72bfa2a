"""Shares of a tied maximum: what is a subgradient and what is none."""

from dataclasses import replace

import numpy as np
import pytest

from npcbam import CBAM, tree
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.subgradient import shares_all
from npcbam.routes import pulled


def given(share, elsewhere=0.0, order="channel-first"):
    """Return a block, and a dx in which three tied positions get `share` of the gradient."""
    rng = np.random.default_rng(2)
    # Weights above 0, so that no hidden unit is off.
    cbam = tree.map(np.abs, replace(CBAM.init(3, channels=4, reduction_ratio=2), order=order))
    x, dy = rng.normal(size=(2, 2, 4, 3, 5))
    x[:, :, 0, :3] = 4.0
    without = pulled(cbam, x, dy, {"channel max": 0.0})[1]
    whole = (pulled(cbam, x, dy)[1] - without).sum(axis=(2, 3), keepdims=True)
    dx = without.copy()
    dx[:, :, 0, :3] += whole[:, :, 0] * np.array(share)
    dx[:, :, 2, 4] += whole[:, :, 0, 0] * elsewhere
    return cbam, Pulled("ties", x, dy, {}, dx, cbam)


@pytest.mark.parametrize(
    ("share", "elsewhere", "right"),
    [
        ([1.0, 0.0, 0.0], 0.0, True),
        ([0.0, 0.0, 1.0], 0.0, True),
        ([0.2, 0.3, 0.5], 0.0, True),
        ([1.0, 1.0, 1.0], 0.0, False),
        ([0.5, 0.0, 0.0], 0.0, False),
        ([0.0, 0.0, 0.0], 0.0, False),
        ([2.0, -1.0, 0.0], 0.0, False),
        ([0.5, 0.0, 0.0], 0.5, False),
    ],
)
def test_all_of_it_goes_to_the_tied(share, elsewhere, right):
    assert shares_all(*given(share, elsewhere)) == right


def test_where_the_gate_reads_other_features_nothing_is_told():
    assert not shares_all(*given([1.0, 0.0, 0.0], order="spatial-first"))
