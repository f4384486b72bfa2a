"""The mistakes that are made in public code, as data: what each computes in place of CBAM.

`Block` is CBAM once more, forward only and as plain as it goes; a mistake swaps a step of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npcbam.checks import Array
from npcbam.presets import PRESETS, Preset

CONV, NORM = "spatial.conv.w", "spatial.norm.mean"


class Block:
    """CBAM in plain NumPy, of arrays `p` under the paths of `presets.shapes`."""

    def __init__(self, p: Mapping[str, Array], how: Preset) -> None:
        self.p, self.how = p, how

    def __call__(self, x: Array) -> Array:
        """Return y of x (N, C, *S)."""
        f = self.mc(x) * x
        y = f if self.how.planes is None else self.ms(f) * f
        return y + x if self.how.residual else y

    def mc(self, x: Array) -> Array:
        """Return the channel map (N, C, 1, ...)."""
        z = self.logits(x)
        return self.gate(z.reshape(*z.shape, *[1] * (x.ndim - 2)))

    def logits(self, x: Array) -> Array:
        """Return the channel logits (N, C)."""
        fs = [getattr(self, pool)(x) for pool in self.how.pools]
        if self.how.blend:
            return self.mlp(np.mean(fs, axis=0))
        return functools.reduce(np.add, map(self.mlp, fs))

    def avg(self, x: Array) -> Array:
        """Return the average over space (N, C)."""
        mean: Array = x.mean(_space(x))
        return mean

    def max(self, x: Array) -> Array:
        """Return the maximum over space (N, C)."""
        top: Array = x.max(_space(x))
        return top

    def mlp(self, f: Array) -> Array:
        """Map a descriptor (N, C) to logits."""
        h = self.act(self.biased(f @ self.p["channel.mlp.w0"].T, "channel.mlp.b0"))
        return self.out(self.biased(h @ self.p["channel.mlp.w1"].T, "channel.mlp.b1"))

    def biased(self, z: Array, path: str) -> Array:
        """Add the bias, if there is one."""
        return z + self.p[path] if path in self.p else z

    def act(self, a: Array) -> Array:
        """Activate the hidden layer."""
        return np.maximum(a, 0)

    def out(self, z: Array) -> Array:
        """Activate the second layer: nothing."""
        return z

    def gate(self, z: Array) -> Array:
        """Turn channel logits into the map."""
        return sigmoid(z)

    def ms(self, f: Array) -> Array:
        """Return the spatial map (N, 1, *S)."""
        z = self.correlate(self.planes(f))
        return self.squash(self.norm(z) if NORM in self.p else z)

    def planes(self, f: Array) -> Array:
        """Return the planes (N, P, *S), in the order of the convention."""
        pools = {"avg": self.plane_avg, "max": self.plane_max}
        found = np.stack([pools[name](f) for name in self.how.planes or ()], axis=1)
        return found.mean(1, keepdims=True) if self.how.blend else found

    def plane_avg(self, f: Array) -> Array:
        """Return the average over the channels (N, *S)."""
        mean: Array = f.mean(1)
        return mean

    def plane_max(self, f: Array) -> Array:
        """Return the maximum over the channels (N, *S)."""
        top: Array = f.max(1)
        return top

    def correlate(self, planes: Array) -> Array:
        """Return the kernel's response (N, 1, *S)."""
        w = self.kernel(self.p[CONV])[0]
        margin = [(size // 2, size // 2) for size in w.shape[1:]]
        padded = self.pad(planes, [(0, 0), (0, 0), *margin])
        windows = sliding_window_view(padded, w.shape[1:], axis=_space(planes))
        taps = tuple(range(-w.ndim + 1, 0))
        z = np.tensordot(windows, w, axes=((1, *taps), (0, *taps)))[:, None]
        return self.biased(z, "spatial.conv.b")

    def kernel(self, w: Array) -> Array:
        """Return the kernel as it is used."""
        return w

    def pad(self, planes: Array, margin: list[tuple[int, int]]) -> Array:
        """Return the planes with what stands around them: zeros."""
        return np.pad(planes, margin)

    def norm(self, z: Array) -> Array:
        """Normalise by the running statistics."""
        mean, var = (self.p[f"spatial.norm.{part}"] for part in ("mean", "var"))
        return self.affine((z - mean) / np.sqrt(var + var.dtype.type(1e-5)))

    def affine(self, z: Array) -> Array:
        """Scale and shift."""
        return z * self.p["spatial.norm.gamma"] + self.p["spatial.norm.beta"]

    def squash(self, z: Array) -> Array:
        """Turn spatial logits into the map."""
        return sigmoid(z)


@dataclass(frozen=True)
class Mistake:
    """A known way to get CBAM wrong.

    Attributes
    ----------
    code, stage, sentence : its stable name, "channel", "spatial" or "compose", and what it does
    steps : the methods of `Block` that it swaps
    needs : the path of a weight without which it cannot be made
    """

    code: str
    stage: str
    sentence: str
    steps: Mapping[str, Callable[..., Array]] = field(repr=False)
    needs: str = ""

    def __call__(
        self, weights: Mapping[str, Array], x: Array, how: Preset = PRESETS["paper"]
    ) -> Array | None:
        """Return its y, or None where the weights lack what it gets wrong.

        `weights` are arrays under the paths of `presets.shapes`, `how` is their convention.
        """
        if self.needs and self.needs not in weights:
            return None
        block: Block = type("Mistaken", (Block,), dict(self.steps))(weights, how)
        return block(x)


def right(weights: Mapping[str, Array], x: Array, how: Preset = PRESETS["paper"]) -> Array:
    """Return y of the block without a mistake."""
    return Block(weights, how)(x)


def sigmoid(z: Array) -> Array:
    """Return σ(z)."""
    y: Array = (1 + np.tanh(z / 2)) / 2
    return y


def _space(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _column(f: Array, x: Array) -> Array:
    return f.reshape(*f.shape, *[1] * (x.ndim - 2))


def _hard(z: Array) -> Array:
    return np.clip(z / 6 + 0.5, 0, 1)


def _silu(z: Array) -> Array:
    y: Array = z * sigmoid(z)
    return y


def _maps(b: Block, x: Array) -> tuple[Array, Array]:
    """Return both maps of x, as blocks in parallel read them."""
    return b.mc(x), b.ms(x)


def _added(b: Block, x: Array, y: Array) -> Array:
    return y + x if b.how.residual else y


def _each_gated(b: Block, x: Array) -> Array:
    gates = [b.gate(b.mlp(getattr(b, pool)(x))) for pool in b.how.pools]
    return _column(np.asarray(sum(gates)), x)


def _over_channels(b: Block, x: Array) -> Array:
    one = x.mean(1).reshape(len(x), -1)[:, :1]
    return np.broadcast_to(one, x.shape[:2])


def _corner(b: Block, x: Array) -> Array:
    corner: tuple[Any, ...] = (..., *[slice(2)] * (x.ndim - 2))
    top: Array = x[corner].max(_space(x))
    return top


def _centre(b: Block, w: Array) -> Array:
    inner: tuple[Any, ...] = (..., *[slice(size // 2 - 1, size // 2 + 2) for size in w.shape[2:]])
    centre: Array = w[inner]
    return centre


def _padding(mode: str) -> Callable[..., Array]:
    def pad(b: Block, planes: Array, margin: list[tuple[int, int]]) -> Array:
        padded: Array = np.pad(planes, margin, mode=mode)  # type: ignore[call-overload]
        return padded

    return pad


def _sequence_reversed(b: Block, x: Array) -> Array:
    f = b.ms(x) * x
    return _added(b, x, b.mc(f) * f)


def _one_sigmoid(b: Block, x: Array) -> Array:
    zs = b.correlate(b.planes(x))
    zs = b.norm(zs) if NORM in b.p else zs
    return _added(b, x, sigmoid(_column(b.logits(x), x) + zs) * x)


CHANNEL = (
    Mistake(
        "channel-average-twice",
        "channel",
        "the channel gate pools the average twice: the maximum has no effect on Mc",
        {"max": lambda b, x: b.avg(x)},
    ),
    Mistake(
        "channel-average-only",
        "channel",
        "the channel gate has no maximum branch",
        {"logits": lambda b, x: b.mlp(b.avg(x))},
    ),
    Mistake(
        "channel-maximum-only",
        "channel",
        "the channel gate has no average branch",
        {"logits": lambda b, x: b.mlp(b.max(x))},
    ),
    Mistake(
        "channel-pools-merged",
        "channel",
        "the average and the maximum are added before the MLP, which runs once",
        {"logits": lambda b, x: b.mlp(b.avg(x) + b.max(x))},
    ),
    Mistake(
        "channel-two-sigmoids",
        "channel",
        "a sigmoid on each branch, then summed: the channel gate runs to 2",
        {"mc": _each_gated},
    ),
    Mistake(
        "channel-relu-after-second",
        "channel",
        "a ReLU after the second layer: the channel gate never goes below 1/2",
        {"out": lambda b, z: np.maximum(z, 0)},
    ),
    Mistake(
        "channel-second-sigmoid",
        "channel",
        "a second sigmoid on the channel map, which keeps it between 0.5 and 0.73",
        {"gate": lambda b, z: sigmoid(sigmoid(z))},
    ),
    Mistake(
        "channel-no-sigmoid", "channel", "the channel map is no sigmoid: the bare logits gate",
        {"gate": lambda b, z: z},
    ),
    Mistake(
        "channel-hard-sigmoid", "channel", "a hard sigmoid for the channel map",
        {"gate": lambda b, z: _hard(z)},
    ),
    Mistake(
        "channel-no-relu", "channel", "no activation between the layers: the MLP is one matrix",
        {"act": lambda b, a: a},
    ),
    Mistake(
        "channel-silu", "channel", "SiLU in place of ReLU in the MLP",
        {"act": lambda b, a: _silu(a)},
    ),
    Mistake(
        "channel-elu", "channel", "ELU in place of ReLU in the MLP",
        {"act": lambda b, a: np.maximum(a, 0) + np.expm1(np.minimum(a, 0))},
    ),
    Mistake(
        "channel-leaky-relu", "channel", "LeakyReLU in place of ReLU in the MLP",
        {"act": lambda b, a: np.maximum(a, a / 100)},
    ),
    Mistake(
        "channel-fixed-window",
        "channel",
        "the maximum is that of a window of 2 positions an axis, and not of the whole map",
        {"max": _corner},
    ),
    Mistake(
        "channel-wrong-axis",
        "channel",
        "the average is over the channels of one position, and not over space",
        {"avg": _over_channels},
    ),
    Mistake(
        "channel-no-bias", "channel", "the biases of the MLP are left out",
        {"biased": lambda b, z, path: Block.biased(b, z, "" if "mlp" in path else path)},
        "channel.mlp.b0",
    ),
)  # fmt: skip

SPATIAL = (
    Mistake(
        "spatial-no-sigmoid", "spatial", "the spatial map is no sigmoid: the bare logits gate",
        {"squash": lambda b, z: z},
        CONV,
    ),
    Mistake(
        "spatial-silu", "spatial", "SiLU in place of the sigmoid of the spatial map",
        {"squash": lambda b, z: _silu(z)},
        CONV,
    ),
    Mistake(
        "spatial-tanh", "spatial", "tanh in place of the sigmoid of the spatial map",
        {"squash": lambda b, z: np.tanh(z)},
        CONV,
    ),
    Mistake(
        "spatial-hard-sigmoid", "spatial", "a hard sigmoid for the spatial map",
        {"squash": lambda b, z: _hard(z)},
        CONV,
    ),
    Mistake(
        "spatial-second-sigmoid", "spatial", "a second sigmoid on the spatial map",
        {"squash": lambda b, z: sigmoid(sigmoid(z))},
        CONV,
    ),
    Mistake(
        "spatial-minimum", "spatial", "the minimum in place of the average over the channels",
        {"plane_avg": lambda b, f: f.min(1)},
        CONV,
    ),
    Mistake(
        "spatial-sum", "spatial", "the sum in place of the average over the channels",
        {"plane_avg": lambda b, f: f.sum(1)},
        CONV,
    ),
    Mistake(
        "spatial-planes-swapped",
        "spatial",
        "the two planes are in the other order than the kernel expects",
        {"planes": lambda b, f: Block.planes(b, f)[:, ::-1]},
        CONV,
    ),
    Mistake(
        "spatial-from-input",
        "spatial",
        "the spatial map is computed from the raw input and not from F'",
        {"__call__": lambda b, x: _added(b, x, b.ms(x) * b.mc(x) * x)},
        CONV,
    ),
    Mistake(
        "spatial-one-number", "spatial", "the spatial map is averaged to one number a sample",
        {"ms": lambda b, f: Block.ms(b, f).mean(_space(f), keepdims=True)},
        CONV,
    ),
    Mistake(
        "spatial-kernel-flipped",
        "spatial",
        "the kernel is flipped: a convolution as in mathematics, where networks correlate",
        {"kernel": lambda b, w: np.flip(w, _space(w))},
        CONV,
    ),
    Mistake(
        "spatial-kernel-transposed", "spatial", "the axes of the kernel are exchanged",
        {"kernel": lambda b, w: w.transpose(0, 1, *_space(w)[::-1])},
        CONV,
    ),
    Mistake(
        "spatial-kernel-3", "spatial", "only the inner 3 taps an axis of the kernel are used",
        {"kernel": _centre},
        CONV,
    ),
    Mistake(
        "spatial-replicate-padding", "spatial", "the border is repeated, where zeros belong",
        {"pad": _padding("edge")},
        CONV,
    ),
    Mistake(
        "spatial-reflect-padding", "spatial", "the border is reflected, where zeros belong",
        {"pad": _padding("reflect")},
        CONV,
    ),
    Mistake(
        "spatial-circular-padding", "spatial", "the border wraps around, where zeros belong",
        {"pad": _padding("wrap")},
        CONV,
    ),
    Mistake(
        "spatial-no-bias", "spatial", "the bias of the convolution is left out",
        {"biased": lambda b, z, path: Block.biased(b, z, "" if "conv" in path else path)},
        "spatial.conv.b",
    ),
    Mistake(
        "spatial-norm-left-out", "spatial", "the norm in the spatial gate is left out",
        {"norm": lambda b, z: z},
        NORM,
    ),
    Mistake(
        "spatial-norm-not-affine", "spatial", "gamma and beta of the norm are left out",
        {"affine": lambda b, z: z},
        NORM,
    ),
    Mistake(
        "spatial-norm-by-variance",
        "spatial",
        "the norm divides by the variance, and not by its root",
        {"norm": lambda b, z: b.affine(
            (z - b.p[NORM]) / (b.p["spatial.norm.var"] + z.dtype.type(1e-5))
        )},
        NORM,
    ),
    Mistake(
        "spatial-norm-by-batch",
        "spatial",
        "the norm takes the statistics of the batch, where the running ones belong",
        {"norm": lambda b, z: b.affine((z - z.mean()) / np.sqrt(z.var() + z.dtype.type(1e-5)))},
        NORM,
    ),
    Mistake(
        "spatial-never-applied", "spatial", "the spatial gate is built but never applied",
        {"__call__": lambda b, x: _added(b, x, b.mc(x) * x)},
        CONV,
    ),
)  # fmt: skip

COMPOSE = (
    Mistake(
        "compose-residual",
        "compose",
        "x is added back where the convention does not, or not where it does",
        {"__call__": lambda b, x: Block.__call__(b, x) + (-x if b.how.residual else x)},
    ),
    Mistake(
        "compose-squared", "compose", "the features are squared: y is multiplied by x once more",
        {"__call__": lambda b, x: x * Block.__call__(b, x)},
    ),
    Mistake(
        "compose-spatial-first", "compose", "the spatial gate comes first",
        {"__call__": _sequence_reversed},
        CONV,
    ),
    Mistake(
        "compose-one-sigmoid",
        "compose",
        "both gates read x, and one sigmoid is taken of the sum of their logits",
        {"__call__": _one_sigmoid},
        CONV,
    ),
    Mistake(
        "compose-maps-added", "compose", "both maps are applied to x in parallel, and added",
        {"__call__": lambda b, x: _added(b, x, sum(_maps(b, x)) * x)},
        CONV,
    ),
    Mistake(
        "compose-spatial-map-only", "compose", "only the spatial map is returned",
        {"__call__": lambda b, x: b.ms(b.mc(x) * x)},
        CONV,
    ),
    Mistake(
        "compose-channel-map-only", "compose", "only the channel map is returned",
        {"__call__": lambda b, x: b.mc(x)},
    ),
    Mistake(
        "compose-gate-only", "compose", "the product of both maps is returned, without x",
        {"__call__": lambda b, x: (m := b.mc(x)) * b.ms(m * x)},
        CONV,
    ),
    Mistake(
        "compose-final-relu", "compose", "a ReLU on the output",
        {"__call__": lambda b, x: np.maximum(Block.__call__(b, x), 0)},
    ),
    Mistake(
        "compose-samples-mixed", "compose", "the channel map is averaged over the samples",
        {"mc": lambda b, x: Block.mc(b, x).mean(0, keepdims=True)},
    ),
)  # fmt: skip

MISTAKES = (*CHANNEL, *SPATIAL, *COMPOSE)
