"""Kin whose gates differ from place to place: scSE, SimAM and coordinate attention."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.kin_value import (
    CHANNEL,
    EPS,
    HIDDEN,
    ONE,
    Formula,
    Kin,
    Shape,
    Weights,
    average,
    column,
    gate,
    linear,
    norm,
    norm_arrays,
)
from npcbam.pointwise import relu

# Concurrent spatial and channel squeeze and excitation.


def _scse(w: Weights, x: Array, merge: str) -> Array:
    channel: Array = x * column(gate(linear(w, "fc2", relu(linear(w, "fc1", average(x))))))
    spatial: Array = x * gate(linear(w, "conv", x))
    if merge == "maximum":
        return np.maximum(channel, spatial)
    y: Array = channel + spatial if merge == "sum" else channel * spatial
    return y


def scses() -> Iterator[Kin]:
    """Yield scSE with biases and without; its two halves are merged in one of three ways."""
    merges = ("sum", "maximum", "product")
    formulas = tuple(
        Formula(lambda w, x, merge=merge: _scse(w, x, merge), {"merge": merge}) for merge in merges
    )
    for of_mlp, of_conv in itertools.product((False, True), repeat=2):
        arrays: dict[str, Shape] = {"fc1.w": ("h", "C"), "fc2.w": ("C", "h"), "conv.w": (1, "C")}
        arrays |= {"fc1.b": HIDDEN, "fc2.b": CHANNEL} if of_mlp else {}
        yield Kin("scse", arrays | ({"conv.b": ONE} if of_conv else {}), formulas)


# SimAM: each entry's distance from the mean of its channel, beside the variance.


def _simam(w: Weights, x: Array, least: float) -> Array:
    squares = np.square(x - column(average(x)))
    variance = squares.sum(axis=(2, 3), keepdims=True) / (x[0, 0].size - 1)
    return x * gate(squares / (4 * (variance + least)) + 0.5)


def _lambda(x: Array, y: Array) -> float:
    """Return what is added to the variance, read off the entry that tells it best."""
    squares = np.square(x - column(average(x)))
    variance = squares.sum(axis=(2, 3), keepdims=True) / (x[0, 0].size - 1)
    at = np.unravel_index(np.argmax(squares / variance), x.shape)
    share = y[at] / x[at]
    logit = np.log(share / (1 - share)) - 0.5
    return float(squares[at] / (4 * logit) - np.broadcast_to(variance, x.shape)[at])


def simams() -> Iterator[Kin]:
    """Yield SimAM, which has no arrays; its lambda is read off."""
    yield Kin("simam", {}, (Formula(_simam, {}, "lambda", _lambda, high=1.0),))


# Coordinate attention: averages of rows and of columns, through one layer, then through two.


def _coordinate(w: Weights, x: Array, act: Callable[[Array], Array], eps: float) -> Array:
    lines = np.concatenate([x.mean(axis=3), x.mean(axis=2)], axis=2)
    h = act(norm(w, "bn", linear(w, "conv", lines), eps))
    height = x.shape[2]
    rows = gate(linear(w, "rows", h[:, :, :height]))[:, :, :, None]
    columns = gate(linear(w, "columns", h[:, :, height:]))[:, :, None]
    return x * rows * columns


def _h_swish(z: Array) -> Array:
    swish: Array = z * np.clip(z + 3, 0, 6) / 6
    return swish


def coordinates() -> Iterator[Kin]:
    """Yield coordinate attention with a norm or without, and with any of its biases."""
    acts = {"h_swish": _h_swish, "relu": relu, "silu": lambda z: z * gate(z)}
    for normed, first, last in itertools.product((True, False), (True, False), (True, False)):
        formulas = tuple(
            Formula(lambda w, x, act=acts[name], eps=eps: _coordinate(w, x, act, eps),
                {"activation": name} | ({"eps": eps} if normed else {}))
            for name, eps in itertools.product(acts, EPS if normed else EPS[:1])
        )  # fmt: skip
        arrays: dict[str, Shape] = {"conv.w": ("h", "C")} | ({"conv.b": HIDDEN} if first else {})
        arrays |= norm_arrays("bn", HIDDEN) if normed else {}
        arrays |= {"rows.w": ("C", "h"), "columns.w": ("C", "h")}
        arrays |= {"rows.b": CHANNEL, "columns.b": CHANNEL} if last else {}
        yield Kin("coordinate-attention", arrays, formulas)
