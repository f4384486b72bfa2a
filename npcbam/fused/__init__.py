"""The same CBAM for speed: one walk through memory.

CBAM does little arithmetic with each number, so that its time goes where its numbers come from. The
readable layers walk the whole feature map once for every step. Here all steps are done on a few
samples while these are in the cache, and the next samples come after that. Backward nothing as
large as the map was kept: what it needs is computed again, which is quicker than to fetch it.

Read `group`, which does these steps, then what it is made of: `pools`, `kernels`, `products`,
`banded`; and `threads`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.fused.group import Pull, Spatial, group_vjp
from npcbam.fused.kernels import aligned
from npcbam.fused.threads import each
from npcbam.types import LayerPullback

# What a group may hold, in bytes. Larger groups call NumPy less often, smaller ones leave more of
# themselves in the cache from one step to the next, and keep more threads busy.
GROUP, SMALL = 2**23, 2**20
QUICK = (np.float32, np.float64)


def fused_forward(cbam: CBAM, x: Array, threads: int = 1) -> Array:
    """Return `cbam(x)`; see `fused_vjp`."""
    return fused_vjp(cbam, x, threads)[0]


def fused_vjp(cbam: CBAM, x: Array, threads: int = 1) -> tuple[Array, LayerPullback[CBAM]]:
    """Compute `cbam.vjp(x)`, in less time and memory.

    Parameters
    ----------
    cbam : any CBAM. Quick are float32 and float64 with the channels first or alone, as in all
        presets; others take the readable layers, group by group
    x : (N, C, *S), of the dtype of the parameters; N may be 0
    threads : how many groups of samples are worked on at once, see `threads`; the result has the
        same bits for any number of them

    Saved for backward: x, and of each sample its descriptors, its planes and its two maps. `x` is
    not copied: leave it as it is until the last pullback.

    Returns
    -------
    y, pullback : as from `cbam.vjp`, up to rounding

    Raises
    ------
    TypeError, ValueError
        As `cbam.vjp` does; or `threads` is no integer of at least 1.

    >>> cbam = CBAM.init(0, channels=32)
    >>> x = np.random.default_rng(1).normal(size=(2, 32, 8, 6))
    >>> y, pullback = fused_vjp(cbam, x)
    >>> bool(np.allclose(y, cbam(x)))
    True
    >>> dcbam, dx = pullback(np.ones_like(y))
    >>> dx.shape, dcbam.channel.mlp.w0.shape
    ((2, 32, 8, 6), (2, 32))
    """
    arguments.layer("cbam", cbam, CBAM)
    arguments.positive("threads", threads)
    x = arguments.feature_map(x, ("w0", cbam.channel.mlp.w0), cbam.channel.mlp.w0.shape[1])
    if cbam.spatial is not None:
        w = cbam.spatial.conv.w
        arguments.feature_map(x, ("conv.w", w), ndim=w.ndim)
    y, groups = aligned(x.shape, x.dtype), list(_groups(cbam, x))
    refine = _refine(cbam, x)
    pulls = each(lambda at: refine(x[at], y[at]), groups, threads)

    def fused_pullback(dy: Array) -> tuple[CBAM, Array]:
        dy = arguments.cotangent(dy, x)  # x looks as y does, which need not be kept
        dx = aligned(x.shape, x.dtype)
        pairs = list(zip(pulls, groups, strict=True))
        dcbams = each(lambda pair: pair[0](dy[pair[1]], dx[pair[1]]), pairs, threads)
        # In the order of the groups, whichever was done first.
        return functools.reduce(tree.add, dcbams or [tree.zeros_like(cbam)]), dx

    return y, fused_pullback


def _groups(cbam: CBAM, x: Array) -> Iterator[slice]:
    """Yield slices of samples, which do not depend on the threads.

    Two at least, for two threads, unless that is not worth reading the weights again.
    """
    weights = cbam.channel.mlp.w0.nbytes + cbam.channel.mlp.w1.nbytes
    size = max(1, GROUP // max(1, x[:1].nbytes))
    least = 2 if x.nbytes > 2 * max(SMALL, weights) else 1
    count = min(len(x), max(math.ceil(len(x) / size), least))
    for i in range(count):
        yield slice(i * len(x) // count, (i + 1) * len(x) // count)


def _refine(cbam: CBAM, x: Array) -> Callable[[Array, Array], Pull]:
    """Return what refines a group of `x`."""
    if x.dtype not in QUICK or (cbam.spatial is not None and cbam.order != "channel-first"):
        return functools.partial(_readable_vjp, cbam)
    spatial = None if cbam.spatial is None else Spatial.of(cbam.spatial, x.shape[2:])
    return functools.partial(group_vjp, cbam, spatial)


def _readable_vjp(cbam: CBAM, x: Array, y: Array) -> Pull:
    """Take the readable layers for one group, as `group_vjp` takes its own steps."""
    y[...] = cbam(x)

    def readable_pull(dy: Array, dx: Array) -> CBAM:
        dcbam, dx[...] = cbam.vjp(x)[1](dy)
        return dcbam

    return readable_pull
