"""The exercises on pooling over space: `mean_vjp` and `max_vjp`."""

from __future__ import annotations

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal

SPACE = (2, 3)


def mean_vjp(x: Array) -> Answer:
    """Return the right mean over space, and its pullback."""
    y, pullback = pooling.mean_vjp(x, SPACE)
    return y, lambda dy: (pullback(dy),)


def max_vjp(x: Array) -> Answer:
    """Return the right maximum over space, and its pullback."""
    y, pullback = pooling.max_vjp(x, SPACE)
    return y, lambda dy: (pullback(dy),)


def _over(v: Values, array: Array) -> Array:
    """Spread one number a channel over all of its pixels."""
    return np.broadcast_to(array, v.x.shape)


def _pixels(v: Values) -> int:
    return int(v.x[0, 0].size)


def _even(v: Values) -> Array:
    dx: Array = pooling.max_vjp(v.x, SPACE, ties="even")[1](v.dy)
    return dx


def _last(v: Values) -> Array:
    dx: Array = pooling.max_vjp(v.x[..., ::-1, ::-1].copy(), SPACE)[1](v.dy)
    return dx[..., ::-1, ::-1]


def _shared_place(v: Values) -> Array:
    """Put every dy where the first channel of the first sample has its maximum."""
    first = v.x[0, 0]
    place = np.arange(first.size).reshape(first.shape) == first.argmax()
    return np.asarray(_over(v, v.dy) * place)


MEAN = Exercise(
    "mean_vjp",
    {"x": "(N, C, H, W)"},
    "y",
    "(N, C, 1, 1)",
    mean_vjp,
    {
        "noise": normal(0, (2, 3, 4, 5)),
        "other sizes": normal(1, (3, 2, 5, 7)),
        "one sample": normal(2, (1, 3, 2, 3)),
    },
    (
        Mistake(
            "mean-over-channels",
            "y is the mean over the channels, axis 1: Eq. 2 pools over space, axes 2 and 3",
            lambda v: {"y": v.x.mean(1, keepdims=True)},
        ),
        Mistake(
            "mean-over-batch",
            "y is the mean over the samples too: each sample has a mean of its own",
            lambda v: {"y": v.x.mean((0, 2, 3), keepdims=True)},
        ),
        Mistake(
            "mean-one-axis", "y is the mean over one of the two axes of space only",
            lambda v: {"y": v.x.mean(3, keepdims=True)},
        ),
        Mistake(
            "mean-is-sum", "y is the sum: it is not divided by the H·W pixels",
            lambda v: {"y": v.y * _pixels(v)},
        ),
        Mistake(
            "mean-is-max", "y is the maximum, and not the mean",
            lambda v: {"y": pooling.max(v.x, SPACE)},
        ),
        Mistake(
            "mean-undivided",
            "every pixel gets the whole of dy: the 1/(H·W) of the mean is missing in dx",
            lambda v: {"dx": _over(v, v.dy)},
        ),
        Mistake(
            "mean-wrong-count",
            "dx is divided by the number of channels: a mean over space has H·W terms",
            lambda v: {"dx": _over(v, v.dy / v.x.shape[1])},
        ),
        Mistake(
            "mean-all-counted",
            "dx is divided by all N·C·H·W elements of x: each mean has H·W terms",
            lambda v: {"dx": _over(v, v.dy / v.x.size)},
        ),
        Mistake(
            "mean-twice-divided", "dx is divided by H·W twice",
            lambda v: {"dx": v.dx / _pixels(v)},
        ),
        Mistake(
            "mean-cotangent-ignored",
            "dx is 1/(H·W) everywhere whatever dy is: the mean's slope, which dy must multiply",
            lambda v: {"dx": np.full(v.x.shape, 1 / _pixels(v))},
        ),
        Mistake(
            "mean-by-value",
            "dx is multiplied by x: the mean is linear, so that its slope does not depend on x",
            lambda v: {"dx": v.x * v.dx},
        ),
        Mistake(
            "mean-of-y", "dx is made of y, the value, where dy, the cotangent, belongs",
            lambda v: {"dx": _over(v, v.y / _pixels(v))},
        ),
        Mistake(
            "mean-dy-summed",
            "every channel gets the sum of all dy: each pixel hears of one mean alone",
            lambda v: {"dx": np.full(v.x.shape, v.dy.sum() / _pixels(v))},
        ),
    ),
    (
        "Move one pixel by a little: by how much does the mean of its channel move?",
        "Each of the H·W pixels has the slope 1/(H·W), the same for all. So dx is dy times that, "
        "spread over the shape of x.",
        "dx = np.broadcast_to(dy / (x.shape[2] * x.shape[3]), x.shape)",
    ),
)  # fmt: skip

MAX = Exercise(
    "max_vjp",
    {"x": "(N, C, H, W)"},
    "y",
    "(N, C, 1, 1)",
    max_vjp,
    {
        "noise": normal(0, (2, 3, 4, 5)),
        "other sizes": normal(1, (3, 2, 5, 7)),
        "below zero": (-1 - np.abs(normal(2, (1, 3, 2, 3))[0]),),
        # Two to four equal maxima in each channel, none of them in the first pixel alone.
        "ties": (np.tile([[0.0, 2, 1], [2, 1, 2]], (2, 3, 1, 1)) + np.arange(3)[:, None, None],),
    },
    (
        Mistake(
            "max-over-channels",
            "y is the maximum over the channels, axis 1: Eq. 2 pools over space, axes 2 and 3",
            lambda v: {"y": v.x.max(1, keepdims=True)},
        ),
        Mistake(
            "max-over-all", "y is one maximum for all: each channel of each sample has its own",
            lambda v: {"y": np.full_like(v.y, v.x.max())},
        ),
        Mistake(
            "max-is-mean", "y is the mean, and not the maximum",
            lambda v: {"y": pooling.mean(v.x, SPACE)},
        ),
        Mistake(
            "max-of-magnitude", "y is the largest magnitude: a maximum keeps the sign",
            lambda v: {"y": pooling.max(np.abs(v.x), SPACE)},
        ),
        Mistake(
            "max-from-zero", "y never goes below 0: of negative pixels the maximum is negative",
            lambda v: {"y": np.maximum(v.y, 0)},
        ),
        Mistake(
            "max-ties-all",
            "every tied pixel gets the whole gradient: of equal maxima one takes dy, or they share",
            lambda v: {"dx": np.where(v.x == v.y, v.dy, 0)},
        ),
        Mistake(
            "max-ties-even",
            "tied pixels share dy evenly, as in torch.amax and jnp.max; torch.max gives it to the "
            "first of them, and either is right",
            lambda v: {"dx": _even(v)},
            accepted=True,
        ),
        Mistake(
            "max-ties-last",
            "of tied pixels the last takes dy; torch.max has the first, and either is right",
            lambda v: {"dx": _last(v)},
            accepted=True,
        ),
        Mistake(
            "max-everywhere",
            "every pixel gets dy: only the largest of a channel moves the maximum, the rest get 0",
            lambda v: {"dx": _over(v, v.dy)},
        ),
        Mistake(
            "max-as-mean",
            "dy is spread over all pixels as if y were the mean: only the largest gets it",
            lambda v: {"dx": _over(v, v.dy / _pixels(v))},
        ),
        Mistake(
            "max-cotangent-ignored",
            "dx is 1 at the maximum whatever dy is: that is the slope, which dy must multiply",
            lambda v: {"dx": np.where(v.dx != 0, 1.0, 0)},
        ),
        Mistake(
            "max-mask-only",
            "dx is the mask, 1 at every maximum, whatever dy is: dy must multiply it",
            lambda v: {"dx": np.where(v.x == v.y, 1.0, 0)},
        ),
        Mistake(
            "max-by-value",
            "dx is multiplied by x: the slope of the maximum is 1, whatever its value",
            lambda v: {"dx": v.x * v.dx},
        ),
        Mistake(
            "max-value",
            "dx has the maximum itself where dy belongs: the value in place of the cotangent",
            lambda v: {"dx": np.where(v.dx != 0, v.y, 0)},
        ),
        Mistake(
            "max-one-for-all",
            "only the largest pixel of all gets a gradient: each channel has a maximum",
            lambda v: {"dx": np.where(v.x == v.x.max(), v.dx, 0)},
        ),
        Mistake(
            "max-one-place",
            "all channels get dy at the pixel where the first has its maximum: each has its own",
            lambda v: {"dx": _shared_place(v)},
        ),
    ),
    (
        "Move one pixel by a little: does the maximum of its channel move, and by how much? "
        "Which pixels have no influence at all?",
        "Remember in the forward where the maximum stands: argmax over the H·W pixels of each "
        "channel, laid in one row. Backward, dy goes there whole, and 0 everywhere else. argmax "
        "takes the first of several, so that a tie takes care of itself; a mask x == y does not.",
        "rows = x.reshape(*x.shape[:2], -1)\n"
        "index = rows.argmax(-1)[..., None]\n"
        "drows = np.zeros_like(rows)\n"
        "np.put_along_axis(drows, index, dy.reshape(index.shape), axis=-1)\n"
        "dx = drows.reshape(x.shape)",
    ),
)  # fmt: skip
