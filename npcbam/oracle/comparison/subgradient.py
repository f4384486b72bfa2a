"""A channel gate that shares tied maxima in a way of its own: is it a subgradient all the same?

Any share of the gradient among the largest entries of a channel is one, as long as none of it is
lost or turned round: topk and sort give all of it to one of them, which one is their own affair.
"""

from __future__ import annotations

import numpy as np

from npcbam.cbam import CBAM
from npcbam.oracle.comparison.pulled import Pulled


def shares_all(cbam: CBAM, given: Pulled) -> bool:
    """Tell whether dx is that of `cbam`, but for who of the tied in a channel gets how much."""
    if not any(pool.ties for pool in cbam.channel.pools) or cbam.order == "spatial-first":
        return False
    x, space = given.x, tuple(range(2, given.x.ndim))
    each = Pulled(given.name, x, given.dy, given.dparams, given.dx, cbam, given.dtype)
    without, room = each.with_gains({"channel max": 0.0})[1], each.tolerance["dx"]
    shares, whole = given.dx - without, each.expected[1] - without
    total = whole.sum(axis=space, keepdims=True)
    lost = np.abs(shares.sum(axis=space, keepdims=True) - total)
    tied = x == x.max(axis=space, keepdims=True)
    nothing_lost = (lost <= room.sum(axis=space, keepdims=True)).all()
    none_elsewhere = (np.abs(shares) <= room)[~tied].all()
    none_turned = (shares * np.sign(total) >= -room).all()
    return bool(nothing_lost and none_elsewhere and none_turned)
