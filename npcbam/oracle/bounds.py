"""How far honest rounding may take every entry of a CBAM's results from its exact value.

First-order rounding analysis: beside each value goes a bound of its error. An operation passes on
the bounds of what it reads, times its derivative, and adds its own rounding. Backward is the same
again, operation by operation, so that an entry is allowed what *it* costs, on this input with these
weights. Where a maximum or a relu may switch within the error of what it reads, the bound of its
derivative spans both sides.

A sum of n terms may lose √n units of the sum of the magnitudes. Roundings of either sign add up
like a random walk: adding one after the other, of terms of one sign, loses a third of that, and
every other order of the terms less, down to log₂ n / √n of it when added pairwise. The worst case
n, which nobody meets, would hide faults. So it is with the errors that the terms of a sum of
products bring with them: weights and cotangents are of either sign, as the oracle draws them, and
four standard deviations of the sum hold. Up to 16 terms that is no less than the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam import checks, pooling, tree
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.checks import Array
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.pointwise import relu_vjp, scale_vjp, sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention


@dataclass(frozen=True)
class Precision:
    """What one rounding costs.

    Attributes
    ----------
    unit : the largest relative error of a result
    least : the absolute error of a result that is nearly 0. Where hardware may take all below
        the normal numbers for 0, that is the smallest of them
    most : the largest finite number
    factor : the relative error of a factor before it is multiplied within a sum, as TF32 has it
    """

    unit: float
    least: float
    most: float
    factor: float = 0.0


# Of the reference too, which is compared with and rounds itself.
_OWN = 2.0**-53
PRECISIONS = {
    "float64": Precision(2.0**-53 + _OWN, 2.0**-1022, float(np.finfo(np.float64).max)),
    "float32": Precision(2.0**-24 + _OWN, 2.0**-126, float(np.finfo(np.float32).max)),
    "float16": Precision(2.0**-11 + _OWN, 2.0**-25, 65504.0),
    "bfloat16": Precision(2.0**-8 + _OWN, 2.0**-126, 255 * 2.0**120),
    "tf32": Precision(2.0**-24 + _OWN, 2.0**-126, float(np.finfo(np.float32).max), 2.0**-11),
}
# How many units an honest exp or log may be off, and what is made of it on the way.
ELEMENTARY = 4
# How many standard deviations the errors in a sum may add up to.
DEVIATIONS = 4

Axes: TypeAlias = Sequence[int]
Pullback: TypeAlias = Callable[[Array], tuple[Array, Array]]
# A bilinear map: f(a, b) gives y and the pullback from dy to (da, db).
Bilinear: TypeAlias = Callable[[Array, Array], tuple[Array, Pullback]]


def at_precision(value: Array, dtype: str) -> Array:
    """Round an array to a precision, to nearest and ties to even, and widen it to float64.

    >>> at_precision(np.array([1 + 2**-8, 1 + 3 * 2**-8, 1e39]), "bfloat16")
    array([1.      , 1.015625,      inf])
    """
    checks.choice("dtype", dtype, PRECISIONS)
    kind = PRECISIONS[dtype]
    value = np.asarray(value, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        if dtype not in ("bfloat16", "tf32"):
            return value.astype(dtype).astype(np.float64)
        digits = 8 if dtype == "bfloat16" else 11
        # A step from one number to the next; denormals, below 2⁻¹²⁶, have one step.
        step = np.ldexp(1.0, np.maximum(np.frexp(value)[1], -125) - digits)
        near: Array = np.rint(value / step) * step
    return np.where(np.abs(near) > kind.most, np.copysign(np.inf, value), near)


@dataclass(frozen=True, eq=False)
class Near:
    """A value, a bound of its error, and how cotangents go back to what it was computed from."""

    value: Array
    bound: Array
    kind: Precision
    parents: tuple[Near, ...] = ()
    pull: Callable[[Near], tuple[Near, ...]] = lambda dy: ()

    @property
    def size(self) -> Array:
        """The magnitude."""
        return np.abs(self.value)

    def __add__(self, other: Near) -> Near:
        """Add arrays of one rank, broadcast to each other. Any order of several sums is covered."""
        value, bound = self.value + other.value, self.bound + other.bound

        def add_pull(dy: Near) -> tuple[Near, ...]:
            return _to_shape(dy, self.value.shape), _to_shape(dy, other.value.shape)

        terms = self.size + other.size
        return self.then(value, bound, terms, (self, other), add_pull)

    def __mul__(self, other: Near) -> Near:
        """Multiply arrays of one shape."""
        return bilinear(lambda a, b: (a * b, lambda dy: (dy * b, dy * a)), self, other)

    def times(self, factor: float) -> Near:
        """Multiply by an exact number."""

        def times_pull(dy: Near) -> tuple[Near, ...]:
            return (dy.times(factor),)

        bound = abs(factor) * self.bound
        return self.then(self.value * factor, bound, None, (self,), times_pull)

    def then(
        self,
        value: Array,
        bound: Array,
        terms: Array | None = None,
        parents: tuple[Near, ...] = (),
        pull: Callable[[Near], tuple[Near, ...]] = lambda dy: (),
    ) -> Near:
        """Return a result that is rounded: by units of itself, or of the `terms` in it."""
        size = np.abs(value)
        terms = size if terms is None else terms
        bound = bound + self.kind.unit * terms + self.kind.least * (terms != 0)
        # What may be too large for the precision may be infinite.
        bound = np.where(size + bound > self.kind.most, np.inf, bound)
        return Near(value, bound, self.kind, parents, pull)


def allowed(cbam: CBAM, x: Array, dy: Array | None, dtype: str) -> dict[str, Array]:
    """Return how far rounding may take y and all gradients of a CBAM from their exact values.

    Parameters
    ----------
    cbam : in float64, in evaluation; its parameters and `x` and `dy` are taken as exact, so round
        them to the precision before
    x, dy : (N, C, *S), finite; None for dy leaves the gradients out
    dtype : "float64", "float32", "float16", "bfloat16" or "tf32"

    Returns
    -------
    The largest |got - expected|, entry by entry, of "y", "dx" and, with a "d" before it, of every
    leaf of `cbam`, as in "dchannel.mlp.w0"; infinite where the precision may overflow

    >>> x = np.random.default_rng(0).normal(size=(2, 32, 6, 5))
    >>> bounds = allowed(CBAM.init(0, channels=32), x, x, "float32")
    >>> bool(bounds["y"].max() < 1e-5), bounds["dchannel.mlp.w0"].shape
    (True, (2, 32))
    """
    checks.choice("dtype", dtype, PRECISIONS)
    kind = PRECISIONS[dtype]

    def exact(a: Array) -> Near:
        return Near(np.asarray(a, np.float64), np.zeros(a.shape), kind)

    leaves = {path: exact(leaf) for path, leaf in tree.leaves(cbam)}
    start = exact(x)
    # Infinite bounds times 0 are of no matter: they stay infinite.
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        y = _cbam(cbam, leaves, start)
        bounds = {"y": y.bound}
        if dy is not None:
            found = backward(y, exact(dy))
            wanted = {"dx": start} | {f"d{path}": leaf for path, leaf in leaves.items()}
            bounds |= {name: found[id(node)].bound for name, node in wanted.items()}
    return {name: np.where(np.isnan(bound), np.inf, bound) for name, bound in bounds.items()}


def backward(y: Near, dy: Near) -> dict[int, Near]:
    """Return the cotangent of every node that y was computed from, by its id."""
    order: list[Near] = []

    def visit(node: Near) -> None:
        if not any(node is seen for seen in order):
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(y)
    found = {id(y): dy}
    for node in reversed(order):
        for parent, d in zip(node.parents, node.pull(found[id(node)]), strict=True):
            found[id(parent)] = found[id(parent)] + d if id(parent) in found else d
    return found


def _cbam(cbam: CBAM, leaves: dict[str, Near], x: Near) -> Near:
    def channel(f: Near) -> Near:
        return _channel_logits(cbam.channel, leaves, f)

    def spatial(f: Near) -> Near:
        assert cbam.spatial is not None
        return _spatial_logits(cbam.spatial, leaves, f)

    steps = [channel] if cbam.spatial is None else [channel, spatial]
    if cbam.order == "parallel" and cbam.spatial is not None:
        y = bilinear(scale_vjp, sigmoid(channel(x) + spatial(x)), x)
    else:
        y = x
        for logits in steps[::-1] if cbam.order == "spatial-first" else steps:
            y = bilinear(scale_vjp, sigmoid(logits(y)), y)
    return y + x if cbam.residual else y


def _channel_logits(channel: ChannelAttention, leaves: dict[str, Near], x: Near) -> Near:
    w0, w1, b0, b1 = (leaves.get(f"channel.mlp.{name}") for name in ("w0", "w1", "b0", "b1"))
    assert w0 is not None
    assert w1 is not None
    zs = []
    for f in _descriptors(channel, x, tuple(range(2, x.value.ndim))):
        a = bilinear(_linear_vjp, w0, reshape(f, x.value.shape[:2]))
        h = relu(a if b0 is None else a + reshape(b0, (1, -1)))
        z = bilinear(_linear_vjp, w1, h)
        zs.append(z if b1 is None else z + reshape(b1, (1, -1)))
    ones = (1,) * (x.value.ndim - 2)
    return reshape(_total(zs), (*x.value.shape[:2], *ones))


def _spatial_logits(spatial: SpatialAttention, leaves: dict[str, Near], x: Near) -> Near:
    planes = stack(_descriptors(spatial, x, (1,)))
    z = bilinear(_conv_vjp, leaves["spatial.conv.w"], planes)
    column = (1,) * x.value.ndim
    if spatial.conv.b is not None:
        z = z + reshape(leaves["spatial.conv.b"], column)
    return z if spatial.norm is None else _norm(spatial.norm, leaves, z)


def _norm(norm: BatchNorm, leaves: dict[str, Near], z: Near) -> Near:
    # As γ/√v z + (β - γ/√v mean), which loses no less than γ (z - mean)/√v + β.
    gamma, beta, mean, var = (
        reshape(leaves[f"spatial.norm.{name}"], (1,) * z.value.ndim)
        for name in ("gamma", "beta", "mean", "var")
    )
    slope = gamma * reciprocal_root(var, norm.eps)
    shift = beta + (slope * mean).times(-1.0)
    return bilinear(scale_vjp, slope, z) + shift


def _descriptors(attention: ChannelAttention | SpatialAttention, x: Near, axes: Axes) -> list[Near]:
    pools = {"avg": mean, "max": maximum, "lp": lp, "lse": logsumexp}
    pooled = [pools[name](x, axes, attention.ties) for name in attention.pools]
    return [_total(pooled).times(1 / len(pooled))] if attention.blend else pooled


def _total(nears: Sequence[Near]) -> Near:
    total = nears[0]
    for near in nears[1:]:
        total = total + near
    return total


def bilinear(f_vjp: Bilinear, a: Near, b: Near) -> Near:
    """Compute f(a, b), linear in either: sums of products, which f itself counts."""
    kind, unit_a, unit_b = a.kind, _scale(a), _scale(b)
    value, pullback = f_vjp(a.value, b.value)
    terms, terms_pullback = f_vjp(a.size, b.size)
    count, count_pullback = f_vjp(np.ones_like(a.value), np.ones_like(b.value))

    def squares(a_part: Array, b_part: Array) -> tuple[Array, Pullback]:
        return f_vjp(np.square(a_part / unit_a), np.square(b_part / unit_b))

    by_a, a_pullback = squares(a.bound, b.size + b.bound)
    by_b, b_pullback = squares(a.size, b.bound)
    _, pullback_of_squares = squares(a.size, b.size)

    def rounding(terms: Array, count: Array) -> Array:
        # One product, the sum, and in TF32 both factors.
        sums = np.where(count > 1, np.sqrt(count), 0.0)
        lost: Array = terms * (1 + sums + (count > 1) * 2 * kind.factor / kind.unit)
        return lost

    def bilinear_pull(dy: Near) -> tuple[Near, ...]:
        values, sizes = pullback(dy.value), terms_pullback(dy.size)
        counts, unit = count_pullback(np.ones_like(dy.value)), _scale(dy)
        # da reads dy and b, and db reads dy and a, each with its error.
        from_dy = pullback_of_squares(np.square(dy.bound / unit))
        whole = np.square((dy.size + dy.bound) / unit)
        da = unit * unit_b * _together(counts[0], from_dy[0], b_pullback(whole)[0])
        db = unit * unit_a * _together(counts[1], from_dy[1], a_pullback(whole)[1])
        return (
            dy.then(values[0], da, rounding(sizes[0], counts[0])),
            dy.then(values[1], db, rounding(sizes[1], counts[1])),
        )

    bound = unit_a * unit_b * _together(count, by_a, by_b)
    return a.then(value, bound, rounding(terms, count), (a, b), bilinear_pull)


def _together(count: Array, *squares: Array) -> Array:
    """Bound sums of `count` errors by their summed squares, for each reason that they have."""
    deviations = np.minimum(np.sqrt(count), DEVIATIONS)
    bound: Array = deviations * np.sqrt(squares).sum(axis=0)
    return bound


def _scale(near: Near) -> float:
    """Return the scale in which squares do not underflow."""
    finite = near.size[np.isfinite(near.size)]
    return float(finite.max(initial=0)) or 1.0


def relu(z: Near) -> Near:
    """Rectify. Where the sign of z is not sure, nor is the slope."""
    value, pullback = relu_vjp(z.value)
    bound = np.where(z.value + z.bound > 0, z.bound, 0)
    unsure = (z.size <= z.bound) & (z.bound > 0)

    def relu_pull(dy: Near) -> tuple[Near, ...]:
        kept = np.where(unsure, dy.size + dy.bound, pullback(dy.bound))
        return (Near(pullback(dy.value), kept, z.kind),)

    return Near(value, bound, z.kind, (z,), relu_pull)


def sigmoid(z: Near) -> Near:
    """Squash. The slope is that of an honest y (1 - y), which loses digits where y is nearly 1."""
    unit = z.kind.unit
    value, pullback = sigmoid_vjp(z.value)
    slope = pullback(np.ones_like(value))
    nearest = np.maximum(z.size - z.bound, 0)
    steepest = sigmoid_vjp(nearest)[1](np.ones_like(value))
    # Two units of 1, for (1 + tanh(z/2)) / 2; and where exp(-z) overflows, y is 0.
    own = unit * (ELEMENTARY * slope + 2) + 1 / z.kind.most
    bound = np.minimum(steepest * z.bound, 1) + own
    slope_bound = np.abs(1 - 2 * value) * bound + np.square(bound) + ELEMENTARY * unit * slope
    steep = Near(slope, slope_bound, z.kind)
    return z.then(value, bound, None, (z,), lambda dy: (dy * steep,))


def reciprocal_root(v: Near, eps: float) -> Near:
    """Compute 1/√(v + eps)."""
    inv = 1 / np.sqrt(v.value + eps)
    bound = inv**3 / 2 * v.bound + ELEMENTARY * v.kind.unit * inv
    slope = v.then(-(inv**3) / 2, 3 * np.square(inv) / 2 * bound + v.kind.unit * inv**3)
    return v.then(inv, bound, None, (v,), lambda dy: (dy * slope,))


def mean(x: Near, axes: Axes, ties: str = "first") -> Near:
    """Average over `axes`, kept with size 1."""
    value, pullback = pooling.mean_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    terms = np.abs(value) + math.sqrt(n) * pooling.mean(x.size, axes)

    def mean_pull(dy: Near) -> tuple[Near, ...]:
        return (dy.then(pullback(dy.value), pullback(dy.bound)),)

    return x.then(value, pooling.mean(x.bound, axes), terms, (x,), mean_pull)


def maximum(x: Near, axes: Axes, ties: str) -> Near:
    """Take the largest over `axes`. Where several may be the largest, none is sure of its dy."""
    value, pullback = pooling.max_vjp(x.value, axes, ties)
    lowest = pooling.max(x.value - x.bound, axes)
    highest = pooling.max(x.value + x.bound, axes)
    bound = np.maximum(highest - value, value - lowest)
    rivals = x.value + x.bound >= lowest
    # Ties of exact numbers are settled by the rule.
    blurred = (rivals & (x.bound > 0)).any(axis=tuple(axes), keepdims=True)
    several = rivals.sum(axis=tuple(axes), keepdims=True) > 1
    unsure = rivals & blurred & several

    def max_pull(dy: Near) -> tuple[Near, ...]:
        bound = np.where(unsure, dy.size + dy.bound, pullback(dy.bound))
        return (dy.then(pullback(dy.value), bound),)

    return Near(value, bound, x.kind, (x,), max_pull)


def lp(x: Near, axes: Axes, ties: str = "first") -> Near:
    """Take √Σ x² over `axes`; an error of x counts at most in full."""
    value, _ = pooling.lp_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    unit, floor = x.kind.unit, math.sqrt(n * x.kind.least)
    bound = pooling.lp(x.bound, axes) + floor * (value != 0) + unit * value * (1 + math.sqrt(n) / 2)
    safe = np.where(value > 0, value, 1)
    ratio = np.where(value > 0, x.value / safe, 0)
    unsure = np.where(bound > 0, (x.bound + np.abs(ratio) * bound) / safe, 0)
    direction = x.then(ratio, np.where(value > bound, np.minimum(unsure, 2), 2 * (bound > 0)))

    def lp_pull(dy: Near) -> tuple[Near, ...]:
        return (direction * spread(dy, x.value.shape),)

    return x.then(value, bound, None, (x,), lp_pull)


def logsumexp(x: Near, axes: Axes, ties: str = "first") -> Near:
    """Take log Σ exp x over `axes`, shifted by the maximum."""
    value, pullback = pooling.logsumexp_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    share = pullback(np.ones_like(value))
    # exp(x - top) has the error of its argument, in units of itself.
    top = pooling.max(x.value, axes)
    off = x.bound + x.kind.unit * (np.abs(x.value - top) + ELEMENTARY)
    total = (share * off).sum(axis=tuple(axes), keepdims=True) + x.kind.unit * math.sqrt(n)
    bound = total + x.kind.unit * (np.abs(top) + ELEMENTARY * np.abs(value - top))
    softmax = x.then(share, share * (off + bound))

    def logsumexp_pull(dy: Near) -> tuple[Near, ...]:
        return (softmax * spread(dy, x.value.shape),)

    return x.then(value, bound, None, (x,), logsumexp_pull)


def reshape(x: Near, shape: tuple[int, ...]) -> Near:
    """Lay the same numbers in another shape."""
    value, bound = x.value.reshape(shape), x.bound.reshape(shape)
    return Near(value, bound, x.kind, (x,), lambda dy: (reshape(dy, x.value.shape),))


def spread(x: Near, shape: tuple[int, ...]) -> Near:
    """Repeat a pooled cotangent where it was pooled."""
    return Near(np.broadcast_to(x.value, shape), np.broadcast_to(x.bound, shape), x.kind)


def stack(planes: Sequence[Near]) -> Near:
    """Join planes (N, 1, *S) along the channels."""

    def stack_pull(dy: Near) -> tuple[Near, ...]:
        parts = [slice(i, i + 1) for i in range(len(planes))]
        return tuple(Near(dy.value[:, part], dy.bound[:, part], dy.kind) for part in parts)

    value = np.concatenate([plane.value for plane in planes], axis=1)
    bound = np.concatenate([plane.bound for plane in planes], axis=1)
    return Near(value, bound, planes[0].kind, tuple(planes), stack_pull)


def _to_shape(dy: Near, shape: tuple[int, ...]) -> Near:
    """Sum a cotangent over the axes along which its argument was broadcast."""
    axes = tuple(axis for axis, n in enumerate(shape) if n != dy.value.shape[axis])
    if not axes:
        return dy
    n = math.prod(dy.value.shape[axis] for axis in axes)
    value, bound, terms = (a.sum(axis=axes, keepdims=True) for a in (dy.value, dy.bound, dy.size))
    return dy.then(value, bound, terms * math.sqrt(n))


def _linear_vjp(w: Array, f: Array) -> tuple[Array, Pullback]:
    def linear_pullback(dz: Array) -> tuple[Array, Array]:
        return dz.T @ f, dz @ w

    return f @ w.T, linear_pullback


def _conv_vjp(w: Array, x: Array) -> tuple[Array, Pullback]:
    y, pullback = Conv(w).vjp(x)

    def conv_pullback(dy: Array) -> tuple[Array, Array]:
        dconv, dx = pullback(dy)
        return dconv.w, dx

    return y, conv_pullback
