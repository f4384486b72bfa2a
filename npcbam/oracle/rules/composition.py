"""The known ways to put both maps together, Eq. 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Status
from npcbam.oracle.rules.functions import ACTIVATIONS
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG
from npcbam.pointwise import relu, sigmoid

Gate = Callable[[Array], Array]


@dataclass(frozen=True)
class Stages:
    """Both maps as functions of features, and their logits."""

    mc: Gate
    ms: Gate
    zc: Gate
    zs: Gate


def _channel(f: Array, s: Stages) -> Array:
    y: Array = s.mc(f) * f
    return y


def _spatial(f: Array, s: Stages) -> Array:
    y: Array = s.ms(f) * f
    return y


def _first(x: Array, s: Stages) -> Array:
    return _spatial(_channel(x, s), s)


def _last(x: Array, s: Stages) -> Array:
    return _channel(_spatial(x, s), s)


def _parallel(x: Array, s: Stages) -> Array:
    return sigmoid(np.array(s.zc(x) + s.zs(x))) * x


def _full(z: Array, x: Array) -> Array:
    full: Array = z + 0 * x
    return full


COMPOSE: dict[str, tuple[Status, str, Callable[[Array, Stages], Array]]] = {
    "channel-first": (FAITHFUL, "channel first, then spatial, as in Eq. 1", _first),
    "residual": (VARIANT, "x is added to the output", lambda x, s: _first(x, s) + x),
    "spatial-first": (VARIANT, "the spatial gate comes first", _last),
    "spatial-first-residual": (VARIANT, "the spatial gate comes first, and x is added", lambda x, s: _last(x, s) + x),
    "parallel": (VARIANT, "both gates read x and their logits are added, the paper's parallel form", _parallel),
    "parallel-residual": (VARIANT, "the paper's parallel form, and x is added", lambda x, s: _parallel(x, s) + x),
    "channel-only": (VARIANT, "there is no spatial gate", lambda x, s: s.mc(x) * x),
    "channel-only-residual": (VARIANT, "there is no spatial gate, and x is added", lambda x, s: s.mc(x) * x + x),
    "spatial-reads-input": (WRONG, "the spatial map is computed from the raw input and not from F'", lambda x, s: s.mc(x) * s.ms(x) * x),
    "spatial-reads-input-residual": (WRONG, "the spatial map is computed from the raw input and not from F', and x is added", lambda x, s: s.mc(x) * s.ms(x) * x + x),
    "maps-added": (WRONG, "the two maps are computed in parallel and added", lambda x, s: (s.mc(x) + s.ms(x)) * x),
    "maps-averaged": (WRONG, "the two maps are computed in parallel and averaged", lambda x, s: (s.mc(x) + s.ms(x)) * x / 2),
    "maps-added-residual": (WRONG, "the two maps are computed in parallel and added, and x is added", lambda x, s: (s.mc(x) + s.ms(x)) * x + x),
    "spatial-not-applied": (WRONG, "the spatial gate is built but never applied", lambda x, s: s.mc(x) * x),
    "spatial-not-applied-residual": (WRONG, "the spatial gate is built but never applied, and x is added", lambda x, s: s.mc(x) * x + x),
    "channel-not-applied": (WRONG, "the channel gate is built but never applied", lambda x, s: s.ms(x) * x),
    "channel-not-applied-residual": (WRONG, "the channel gate is built but never applied, and x is added", lambda x, s: s.ms(x) * x + x),
    "identity": (WRONG, "neither gate is applied: the output is x", lambda x, s: x),
    "second-gate-on-input": (WRONG, "the spatial map is read off F' but multiplies x: the channel gate is lost", lambda x, s: s.ms(s.mc(x) * x) * x),
    "channel-gate-on-input": (WRONG, "the spatial gate comes first and is lost: Mc multiplies x", lambda x, s: s.mc(s.ms(x) * x) * x),
    "map-only": (WRONG, "only the spatial map is returned", lambda x, s: _full(s.ms(s.mc(x) * x), x)),
    "channel-map-only": (WRONG, "only the channel map is returned", lambda x, s: _full(s.mc(x), x)),
    "maps-only": (WRONG, "the product of the maps is returned, without the features", lambda x, s: s.ms(s.mc(x) * x) * s.mc(x) + 0 * x),
    "spatial-map-of-input-only": (WRONG, "only the spatial map of the input is returned", lambda x, s: _full(s.ms(x), x)),
    "features-squared": (WRONG, "the output is multiplied by x once more", lambda x, s: _first(x, s) * x),
    "channel-features-squared": (WRONG, "the channel gate multiplies its input once more: F' is Mc times x squared", lambda x, s: _spatial(s.mc(x) * x * x, s)),
    "spatial-features-squared": (WRONG, "the spatial gate multiplies its input once more: F'' is Ms times F' squared", lambda x, s: _first(x, s) * s.mc(x) * x),
    "channel-gate-squared": (WRONG, "the channel gate is applied twice", lambda x, s: s.ms(s.mc(x) ** 2 * x) * s.mc(x) ** 2 * x),
    "channel-gate-twice": (WRONG, "the channel attention runs twice", lambda x, s: _first(s.mc(x) * x, s)),
    "spatial-gate-squared": (WRONG, "the spatial gate is applied twice", lambda x, s: _first(x, s) * s.ms(s.mc(x) * x)),
    "spatial-gate-twice": (WRONG, "the spatial attention runs before the channel gate, and again after it", lambda x, s: _first(s.ms(x) * x, s)),
    "channel-gate-last-too": (WRONG, "the channel attention runs before the spatial gate, and again after it", lambda x, s: _channel(_first(x, s), s)),
    "both-residual": (WRONG, "each gate adds its own input back", lambda x, s: _both(x, s)),
    "subtracted": (WRONG, "the output is subtracted from x", lambda x, s: x - _first(x, s)),
    "channel-map-added": (WRONG, "Mc is added to x and not multiplied by it: F' = x + Mc", lambda x, s: _spatial(s.mc(x) + x, s)),
    "spatial-map-added": (WRONG, "Ms is added to F' and not multiplied by it: F'' = F' + Ms", lambda x, s: s.ms(s.mc(x) * x) + s.mc(x) * x),
    "relu-first": (WRONG, "a ReLU cuts the input of the block", lambda x, s: _first(relu(x), s)),
    "final-relu": (WRONG, "a ReLU follows the block", lambda x, s: relu(_first(x, s))),
    "final-relu-residual": (WRONG, "x is added and a ReLU follows: the residual block's own ending is part of the module", lambda x, s: relu(_first(x, s) + x)),
    "final-sigmoid": (WRONG, "a sigmoid follows the block", lambda x, s: np.array(sigmoid(_first(x, s)))),
    "final-silu": (WRONG, "SiLU follows the block", lambda x, s: ACTIVATIONS["silu"](_first(x, s))),
    "halved": (WRONG, "the output is averaged with x", lambda x, s: (_first(x, s) + x) / 2),
}  # fmt: skip


def _both(x: Array, s: Stages) -> Array:
    refined = s.mc(x) * x + x
    y: Array = s.ms(refined) * refined + refined
    return y
