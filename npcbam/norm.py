"""Batch normalisation: by running statistics in evaluation, by the batch's own in training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.types import LayerPullback, Stepped


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Normalise each channel, then scale by gamma and shift by beta.

    Parameters
    ----------
    gamma, beta : (C,) scale and shift
    mean, var : (C,) running statistics
    eps : added to the variance
    momentum : share of the batch in the next running statistics

    Raises
    ------
    TypeError
        A parameter is no array, of an unsupported dtype, or of another dtype than `gamma`.
    ValueError
        A shape does not fit, or eps or momentum is out of range.

    Source: Ioffe and Szegedy 2015; eps and momentum as in PyTorch's BatchNorm.

    >>> zero, one = np.zeros(1), np.ones(1)
    >>> norm = BatchNorm(gamma=one, beta=zero, mean=zero, var=one, eps=0.0)
    >>> x = np.array([[[2.0, 4.0, 6.0, 4.0]]])
    >>> norm(x)
    array([[[2., 4., 6., 4.]]])
    >>> y, pullback, stepped = norm.train_vjp(x)
    >>> y.round(3), stepped.mean
    (array([[[-1.414,  0.   ,  1.414,  0.   ]]]), array([0.4]))
    """

    gamma: Array
    beta: Array
    mean: Array
    var: Array
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        gamma = arguments.shaped("gamma", self.gamma, ("C",))
        if gamma.size == 0:
            raise ValueError(f"gamma: expected at least one channel, got {gamma.shape}")
        for name in ("beta", "mean", "var"):
            arguments.shaped(name, getattr(self, name), gamma.shape, like=("gamma", gamma))
        arguments.number("eps", self.eps, 0, np.inf)
        arguments.number("momentum", self.momentum, 0, 1)

    @classmethod
    def init(
        cls,
        channels: int,
        *,
        gamma: float = 1.0,
        momentum: float = 0.1,
        dtype: npt.DTypeLike = np.float64,
    ) -> Self:
        """Return the norm at the start, with beta = 0, mean = 0 and var = 1."""
        arguments.positive("channels", channels)
        arguments.dtype("dtype", dtype)
        scale, zero, one = (np.full(channels, value, dtype) for value in (gamma, 0, 1))
        return cls(scale, zero, zero, one, momentum=momentum)

    def __call__(self, x: Array) -> Array:
        """Return `x` normalised by the running statistics; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Normalise by the running statistics: y = gamma (x - mean) / √(var + eps) + beta.

        Parameters
        ----------
        x : (N, C, *S)

        Saved for backward: the normalised x.

        Returns
        -------
        y, pullback : y is (N, C, *S); `dnorm, dx = pullback(dy)`, in which dnorm.mean and
            dnorm.var are the derivatives by the running statistics, that y depends on here
        """
        x = arguments.feature_map(x, ("gamma", self.gamma), self.gamma.size)
        return self._normalise(x - _column(self.mean, x), self.var)

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Normalise by the batch's own statistics, and step the running ones.

        Parameters
        ----------
        x : (N, C, *S), with at least two elements a channel

        Saved for backward: x centred, and normalised.

        Returns
        -------
        y, pullback, stepped : `dnorm, dx = pullback(dy)` takes the gradient through the batch
            statistics, and dnorm.mean and dnorm.var are 0; `stepped` is this layer with
            mean and var moved by momentum towards the batch's mean and unbiased variance

        Raises
        ------
        ValueError
            A channel has fewer than two elements, of which there is no variance.
        """
        x = arguments.feature_map(x, ("gamma", self.gamma), self.gamma.size)
        arguments.batch(x)
        axes, size = _others(x), x.size // x.shape[1]
        mean = x.mean(axis=axes)  # (C,)
        centred = x - _column(mean, x)  # (N, C, *S)
        # A large mean is known to its own last digit only; what is left of it after the first
        # centring is known to that of the spread.
        left = centred.mean(axis=axes)  # (C,)
        mean, centred = mean + left, centred - _column(left, x)
        # (x - mean)² and not |x - mean|²: complex x must stay analytic.
        var = np.square(centred).mean(axis=axes)  # (C,)
        y, fixed_pullback = self._normalise(centred, var)

        def train_pullback(dy: Array) -> tuple[Self, Array]:
            dfixed, dx = fixed_pullback(dy)
            # mean = Σ x / M and var = Σ (x - mean)² / M, with dvar/dmean = 0:
            # each x has the share dmean / M + 2 (x - mean) dvar / M besides its own.
            share = x.dtype.type(1) / x.dtype.type(size)
            dmean = _column(dfixed.mean * share, x)
            dvar = _column(dfixed.var * share, x)
            dx = dx + dmean + 2 * dvar * centred
            still = tree.zeros_like(self)
            return dataclasses.replace(dfixed, mean=still.mean, var=still.var), dx

        unbiased = var * x.dtype.type(size) / x.dtype.type(size - 1)
        step = x.dtype.type(self.momentum)
        stepped = dataclasses.replace(
            self,
            mean=(1 - step) * self.mean + step * mean,
            var=(1 - step) * self.var + step * unbiased,
        )
        return y, train_pullback, stepped

    def in_training(self) -> TrainingNorm:
        """Return the layer that normalises by the statistics of the batch it is given."""
        return TrainingNorm(**vars(self))

    def stepped(self, x: Array) -> Self:
        """Return this layer with the running statistics moved towards the batch's."""
        return self.train_vjp(x)[2]

    def _normalise(self, x: Array, var: Array) -> tuple[Array, LayerPullback[Self]]:
        """Normalise an x that is already centred."""
        inv = 1 / np.sqrt(var + var.dtype.type(self.eps))  # (C,)
        xhat = x * _column(inv, x)  # (N, C, *S)
        y = _column(self.gamma, x) * xhat + _column(self.beta, x)

        def norm_pullback(dy: Array) -> tuple[Self, Array]:
            dy = arguments.cotangent(dy, y)
            axes = _others(x)
            dgamma, dbeta = (dy * xhat).sum(axis=axes), dy.sum(axis=axes)  # (C,), (C,)
            dx = dy * _column(self.gamma * inv, x)
            # xhat = x inv, in which x was centred, and d inv / d var = -inv³ / 2
            dmean = -dbeta * self.gamma * inv
            dvar = -dgamma * self.gamma * np.square(inv) / 2
            return dataclasses.replace(self, gamma=dgamma, beta=dbeta, mean=dmean, var=dvar), dx

        return y, norm_pullback


class TrainingNorm(BatchNorm):
    """A norm by the batch's own statistics: what a layer holds for one call in training.

    >>> norm = BatchNorm.init(1).in_training()
    >>> norm(np.array([[[2.0, 4.0, 6.0, 4.0]]])).round(3)
    array([[[-1.414,  0.   ,  1.414,  0.   ]]])
    """

    # The gradient of a CBAM in training is a CBAM as any other: no norm in training is in it.
    def vjp(self, x: Array) -> tuple[Array, LayerPullback[BatchNorm]]:  # type: ignore[override]
        """Return what `BatchNorm.train_vjp` does; the gradient is a BatchNorm."""
        return BatchNorm(**vars(self)).train_vjp(x)[:2]


def _others(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(value: Array, x: Array) -> Array:
    """Lay a (C,) value along the channels of `x`."""
    return value.reshape(-1, *[1] * (x.ndim - 2))
