"""Wrong pullbacks, one of each kind that hand-written code is known for.

Each fault is a function of no arguments that returns (f, args), f with a right forward and a wrong
pullback; the place is smooth unless the fault is one of ties.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from npcbam import CBAM, BatchNorm, ChannelAttention, Conv, SharedMLP, SpatialAttention, tree
from npcbam.pointwise import relu_vjp, scale_vjp, sigmoid, sigmoid_vjp
from npcbam.pooling import logsumexp_vjp, lp_vjp, max_vjp, mean_vjp

FAULTS: dict[str, Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]] = {}
SPACE = (2, 3)


def fault(make):
    """Register a fault under its name."""
    FAULTS[make.__name__.replace("_", " ")] = make
    return make


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def features() -> np.ndarray:
    return draw(2, 4, 3, 5, seed=2)


def cbam(preset: str = "paper_biased", **changes: Any) -> CBAM:
    drawn = CBAM.init(3, 4, 2, 3, preset)
    moved = tree.map(lambda leaf: leaf + 0.3 * np.abs(draw(*leaf.shape, seed=4)), drawn)
    return dataclasses.replace(moved, **changes)


def tampered(f: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """Return f with `change` applied to what its pullback gives."""

    def tampered_f(*args: Any) -> Any:
        y, pullback = f(*args)
        return y, lambda dy: change(*pullback(dy), args, dy)

    return tampered_f


def on_dx(f: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of one array with `change` applied to its cotangent."""

    def on_dx_f(x: Any) -> Any:
        y, pullback = f(x)
        return y, lambda dy: change(pullback(dy))

    return on_dx_f


# Pooling


@fault
def one_over_HW_forgotten():  # noqa: N802
    return on_dx(lambda x: mean_vjp(x, SPACE), lambda dx: 15 * dx), (features(),)


@fault
def one_over_H_in_place_of_HW():  # noqa: N802
    return on_dx(lambda x: mean_vjp(x, SPACE), lambda dx: 5 * dx), (features(),)


def tied() -> np.ndarray:
    return np.array([[[[1.0, 3.0, 3.0], [3.0, 0.0, 2.0]], [[2.0, 1.0, 2.0], [0.0, -1.0, 1.5]]]])


@fault
def every_tie_gets_all():
    def f(x):
        y = x.max(axis=SPACE, keepdims=True)
        return y, lambda dy: dy * (x == y)

    return f, (tied(),)


@fault
def no_tie_gets_any():
    def f(x):
        y = x.max(axis=SPACE, keepdims=True)
        once = (x == y).sum(axis=SPACE, keepdims=True) == 1
        return y, lambda dy: dy * (x == y) * once

    return f, (tied(),)


@fault
def maximum_routed_to_the_minimum():
    def f(x):
        y, _ = max_vjp(x, SPACE)
        _, pullback = max_vjp(-x, SPACE)
        return y, pullback

    return f, (features(),)


@fault
def logsumexp_not_normalised():
    def f(x):
        y, _ = logsumexp_vjp(x, SPACE)
        return y, lambda dy: dy * np.exp(x - x.max(axis=SPACE, keepdims=True))

    return f, (features(),)


@fault
def norm_divided_twice():
    def f(x):
        y, pullback = lp_vjp(x, SPACE)
        return y, lambda dy: pullback(dy) / y

    return f, (features(),)


# Pointwise


@fault
def sigmoid_slope_from_z():
    return lambda z: (sigmoid(z), lambda dy: dy * z * (1 - z)), (features(),)


@fault
def sigmoid_slope_of_sigmoid():
    def f(z):
        y = sigmoid(z)
        return y, lambda dy: dy * sigmoid(y) * (1 - sigmoid(y))

    return f, (features(),)


@fault
def sigmoid_slope_missing():
    return lambda z: (sigmoid(z), lambda dy: dy), (features(),)


@fault
def factor_1_001():
    return on_dx(sigmoid_vjp, lambda dz: 1.001 * dz), (features(),)


@fault
def sign():
    return on_dx(sigmoid_vjp, lambda dz: -dz), (features(),)


@fault
def relu_masked_by_dy():
    return lambda z: (relu_vjp(z)[0], lambda dy: dy * (dy > 0)), (features(),)


@fault
def relu_not_masked():
    return lambda z: (relu_vjp(z)[0], lambda dy: dy), (features(),)


@fault
def one_entry_in_ten_thousand_wrong_by_a_twentieth():
    def change(dz):
        dz = dz.copy()
        dz[71, 33] *= 1.05
        return dz

    return on_dx(sigmoid_vjp, change), (draw(100, 100),)


@fault
def small_entries_flushed_to_zero():
    return on_dx(sigmoid_vjp, lambda dz: np.where(np.abs(dz) < 0.1, 0, dz)), (features(),)


@fault
def nan_in_one_entry():
    def change(dz):
        dz = dz.copy()
        dz[0, 1, 2, 3] = np.nan
        return dz

    return on_dx(sigmoid_vjp, change), (features(),)


@fault
def computed_in_single_precision():
    def change(dz):
        return dz.astype(np.float32).astype(np.float64)

    return on_dx(sigmoid_vjp, change), (features(),)


@fault
def cotangent_clipped():
    def f(z):
        y, pullback = sigmoid_vjp(z)
        return y, lambda dy: pullback(np.clip(dy, -2, 2))

    return f, (features(),)


@fault
def cotangent_taken_as_ones():
    def f(z):
        y, pullback = sigmoid_vjp(z)
        return y, lambda dy: pullback(np.ones_like(dy))

    return f, (features(),)


@fault
def constant_added():
    return on_dx(sigmoid_vjp, lambda dz: dz + 1e-12), (features(),)


@fault
def small_gradient_wrong_beside_a_large_result():
    def f(a, b):
        return (1e8 * a, 1e-9 * b), lambda dy: (1e8 * dy[0], -3e-9 * dy[1])

    return f, (draw(4), draw(4, seed=9))


@fault
def scalar_result():
    return lambda x: ((x**2).sum(), lambda dy: 2.001 * x * dy), (draw(4),)


# Scale: two routes


@fault
def gate_gets_no_sum_but_a_mean():
    def change(dgate, dx, args, dy):
        return dgate / 15, dx

    return tampered(scale_vjp, change), (draw(2, 4, 1, 1), features())


@fault
def gate_detached():
    f = tampered(scale_vjp, lambda dgate, dx, args, dy: (np.zeros_like(dgate), dx))
    return f, (draw(2, 4, 1, 1), features())


@fault
def samples_permuted_in_backward():
    f = tampered(scale_vjp, lambda dgate, dx, args, dy: (dgate[::-1].copy(), dx))
    return f, (draw(2, 4, 1, 1), features())


# The shared MLP


def mlp() -> SharedMLP:
    return SharedMLP(draw(4, 4), draw(4, 4, seed=5), np.full(4, 2.0), draw(4, seed=6))


@fault
def weight_transposed():
    def change(dmlp, df, args, dy):
        return dataclasses.replace(dmlp, w0=dmlp.w0.T.copy()), df

    return tampered(SharedMLP.vjp, change), (mlp(), draw(3, 4))


@fault
def bias_averaged_over_the_batch():
    def change(dmlp, df, args, dy):
        return dataclasses.replace(dmlp, b1=dmlp.b1 / len(dy)), df

    return tampered(SharedMLP.vjp, change), (mlp(), draw(3, 4))


@fault
def last_sample_alone_in_the_weight():
    def change(dmlp, df, args, dy):
        layer, f = args
        alone, _ = layer.vjp(f[-1:])[1](dy[-1:])
        return dataclasses.replace(dmlp, w1=alone.w1), df

    return tampered(SharedMLP.vjp, change), (mlp(), draw(3, 4))


# Channel attention


def channel() -> ChannelAttention:
    return ChannelAttention(mlp())


def one_branch(layer: ChannelAttention, x: np.ndarray, dmc: np.ndarray, pool: str) -> Any:
    """Return the pullback through one of the two pools."""
    logits = layer.logits_vjp(x)[0]
    dz = sigmoid_vjp(logits)[1](dmc)
    return dataclasses.replace(layer, pools=(pool,)).logits_vjp(x)[1](dz)


@fault
def max_branch_dropped():
    def change(dlayer, dx, args, dmc):
        return dlayer, one_branch(*args, dmc, "avg")[1]

    return tampered(ChannelAttention.vjp, change), (channel(), features())


@fault
def second_cotangent_of_the_shared_weight_lost():
    def change(dlayer, dx, args, dmc):
        return dataclasses.replace(dlayer, mlp=one_branch(*args, dmc, "max")[0].mlp), dx

    return tampered(ChannelAttention.vjp, change), (channel(), features())


@fault
def state_overwritten_by_the_second_call():
    saved = {}

    def f(z):
        y, saved["pullback"] = sigmoid_vjp(z)
        return y, lambda dy: saved["pullback"](dy)

    return f, (features(),)


# Convolution and spatial attention


def conv() -> Conv:
    return Conv(draw(2, 2, 3, 3), draw(2))


@fault
def kernel_not_flipped_for_dx():
    def change(dconv, dx, args, dy):
        layer = args[0]
        flipped = Conv(np.flip(layer.w, axis=(2, 3)).copy(), layer.b)
        return dconv, flipped.vjp(args[1])[1](dy)[1]

    return tampered(Conv.vjp, change), (conv(), draw(2, 2, 4, 5))


@fault
def kernel_gradient_flipped():
    def change(dconv, dx, args, dy):
        return dataclasses.replace(dconv, w=np.flip(dconv.w, axis=(2, 3)).copy()), dx

    return tampered(Conv.vjp, change), (conv(), draw(2, 2, 4, 5))


@fault
def kernel_axes_transposed():
    def change(dconv, dx, args, dy):
        return dataclasses.replace(dconv, w=dconv.w.swapaxes(2, 3).copy()), dx

    return tampered(Conv.vjp, change), (conv(), draw(2, 2, 4, 5))


@fault
def dx_off_by_one_pixel():
    f = tampered(Conv.vjp, lambda dconv, dx, args, dy: (dconv, np.roll(dx, 1, axis=3)))
    return f, (conv(), draw(2, 2, 4, 5))


@fault
def planes_swapped_in_backward():
    def change(dspatial, dx, args, dy):
        conv_of = dataclasses.replace(dspatial.conv, w=dspatial.conv.w[:, ::-1].copy())
        return dataclasses.replace(dspatial, conv=conv_of), dx

    return tampered(SpatialAttention.vjp, change), (cbam().spatial, features())


# Batch normalisation


def norm() -> BatchNorm:
    return BatchNorm(draw(4), draw(4, seed=7), draw(4, seed=8), np.full(4, 0.7))


@fault
def batch_statistics_taken_as_constants():
    def f(layer, x):
        y, pullback, _ = layer.train_vjp(x)

        def train_pullback(dy):
            axes = (0, 2, 3)
            fixed = dataclasses.replace(layer, mean=x.mean(axis=axes), var=x.var(axis=axes))
            return pullback(dy)[0], fixed.vjp(x)[1](dy)[1]

        return y, train_pullback

    return f, (norm(), features())


@fault
def gradient_through_the_variance_forgotten():
    def f(layer, x):
        y, pullback, _ = layer.train_vjp(x)

        def train_pullback(dy):
            inv = 1 / np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + layer.eps)
            dxhat = dy * layer.gamma.reshape(1, -1, 1, 1)
            return pullback(dy)[0], inv * (dxhat - dxhat.mean(axis=(0, 2, 3), keepdims=True))

        return y, train_pullback

    return f, (norm(), features())


# The whole


@fault
def residual_forgotten_in_backward():
    f = tampered(CBAM.vjp, lambda dcbam, dx, args, dy: (dcbam, dx - dy))
    return f, (cbam("seed"), features())


@fault
def map_detached_from_the_features():
    def change(dcbam, dx, args, dy):
        layer, x = args
        mc = layer.channel(x)
        return dcbam, layer.spatial(mc * x) * mc * dy

    return tampered(CBAM.vjp, change), (cbam(), features())


@fault
def spatial_backward_at_the_raw_input():
    def change(dcbam, dx, args, dy):
        layer, x = args
        mc = layer.channel(x)
        dspatial = layer.spatial.vjp(x)[1]((dy * mc * x).sum(axis=1, keepdims=True))[0]
        return dataclasses.replace(dcbam, spatial=dspatial), dx

    return tampered(CBAM.vjp, change), (cbam(), features())


# Broken contracts: the last word of each name is the code of the report


@fault
def second_call_differs():
    def f(z):
        y, pullback = sigmoid_vjp(z)
        total = np.zeros_like(z)

        def accumulating(dy):
            nonlocal total
            total += pullback(dy)
            return total

        return y, accumulating

    return f, (features(),)


@fault
def first_result_overwritten_by_the_second_call():
    def f(z):
        y, pullback = sigmoid_vjp(z)
        buffer = np.empty_like(z)

        def reusing(dy):
            buffer[...] = pullback(dy)
            return buffer

        return y, reusing

    return f, (features(),)


@fault
def writes_to_x():
    def f(z):
        y, pullback = sigmoid_vjp(z.copy())

        def writing(dy):
            dz = pullback(dy)
            z[0] = 0
            return dz

        return y, writing

    return f, (features(),)


@fault
def writes_to_dy():
    def f(z):
        y, pullback = sigmoid_vjp(z)

        def writing(dy):
            dz = pullback(dy)
            dy *= 2
            return dz

        return y, writing

    return f, (features(),)


@fault
def one_cotangent_too_few():
    def f(gate, x):
        y, pullback = scale_vjp(gate, x)
        return y, lambda dy: pullback(dy)[1]

    return f, (draw(2, 4, 1, 1), features())


@fault
def shape_not_summed_back():
    f = tampered(scale_vjp, lambda dgate, dx, args, dy: (dy * args[1], dx))
    return f, (draw(2, 4, 1, 1), features())


@fault
def dtype_changed():
    return on_dx(sigmoid_vjp, lambda dz: dz.astype(np.float32)), (features(),)


@fault
def none_in_place_of_a_cotangent():
    f = tampered(scale_vjp, lambda dgate, dx, args, dy: (None, dx))
    return f, (draw(2, 4, 1, 1), features())


CODES = {
    "second call differs": "impure",
    "writes to x": "writes",
    "writes to dy": "writes",
    "state overwritten by the second call": "stale",
    "one cotangent too few": "count",
    "shape not summed back": "shape",
    "dtype changed": "dtype",
    "none in place of a cotangent": "structure",
    "nan in one entry": "nan",
    "cotangent clipped": "nonlinear",
    "small entries flushed to zero": "nonlinear",
    "cotangent taken as ones": "nonlinear",
    "constant added": "nonlinear",
    "first result overwritten by the second call": "impure",
}
