"""A candidate at one precision beside the CBAM that it follows, and what rounding explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.findings import Finding, Status, evidence
from npcbam.oracle.precision import DTYPES, rounded
from npcbam.oracle.probing.inputs import cotangent

Carry: TypeAlias = Callable[[Mapping[str, Array]], CBAM]
Values: TypeAlias = dict[str, Array]
# What came out, what should have, and what rounding explains, by tensor.
Compared: TypeAlias = dict[str, tuple[Array, Array, Array]]
# The evidence of each tensor that differs by more than that.
Excess: TypeAlias = dict[str, dict[str, object]]

# Sizes of maps, up to three axes of each. All but the first are for blocks of one fixed size.
SPACES = ((7, 5, 4), *((size,) * 3 for size in (7, 8, 14, 16, 28, 32, 56)))
# The leaves of the last layer of either gate's logits.
SPATIAL = ("spatial.conv.w", "spatial.conv.b", "spatial.norm.gamma", "spatial.norm.beta")
OUTER = ("channel.mlp.w1", "channel.mlp.b1")


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate at one precision, and the CBAM that it follows.

    Attributes
    ----------
    candidate, reading, carry, seed : see `numerics`
    feeds : the names of the candidate's arrays that each leaf of the CBAM is laid from
    asked : the highest precision at which the stage "gradient" looks
    space : the size of the maps
    judged_as : the precision whose rounding it is allowed, where that is not its own
    """

    candidate: Candidate
    reading: CBAM
    carry: Carry
    feeds: dict[str, set[str]]
    seed: int
    asked: str
    space: tuple[int, ...] = SPACES[0]
    judged_as: str = ""

    @property
    def dtype(self) -> str:
        """The precision."""
        return self.candidate.dtype

    @property
    def kind(self) -> str:
        """The precision whose rounding it is allowed."""
        return self.judged_as or self.dtype

    def values(self) -> dict[str, Array]:
        """Draw parameters of either sign, none of them 0, and buffers above 0."""
        rng = np.random.default_rng(self.seed)
        drawn = {}
        for name, value in self.candidate.parameters.items():
            fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
            drawn[name] = 2 / math.sqrt(max(fan, 4)) * cotangent(rng, value.shape)
        drawn |= {k: rng.uniform(0.5, 1.5, v.shape) for k, v in self.candidate.buffers.items()}
        return self.rounded(drawn)

    def rounded(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the arrays as the precision has them."""
        return {name: rounded(value, self.kind) for name, value in values.items()}

    def left(self, tensor: str) -> bool:
        """Tell whether what is smoothly wrong with a tensor is left to the stage "gradient"."""
        return tensor != "y" and DTYPES.index(self.dtype) <= DTYPES.index(self.asked)

    def noise(self, samples: int = 3) -> Array:
        """Draw an input."""
        rng = np.random.default_rng(self.seed + 1)
        axes = self.reading.spatial.conv.w.ndim - 2 if self.reading.spatial else 2
        channels = self.reading.channel.mlp.w0.shape[1]
        x = rng.standard_normal((samples, channels, *self.space[:axes]))
        return _untied(rounded(x, self.kind))

    def cotangent(self, x: Array) -> Array:
        """Draw a dy."""
        return rounded(cotangent(np.random.default_rng(self.seed + 2), x.shape), self.kind)

    def runs(self) -> bool:
        """Tell whether the candidate takes maps of this size."""
        return isinstance(attempt(lambda: self.candidate.forward({}, self.noise())), np.ndarray)

    def scaled(self, values: Mapping[str, Array], paths: tuple[str, ...], by: float) -> Values:
        """Return the values with those that become these leaves multiplied."""
        names = {name for path in paths for name in self.feeds.get(path, ())}
        return self.rounded({k: v * by if k in names else v for k, v in values.items()})

    def compare(self, values: Mapping[str, Array], x: Array, gradients: bool = True) -> Compared:
        """Run the candidate beside the reference."""
        cbam = self.carry(values)
        dy = self.cotangent(x)
        y, pullback = cbam.vjp(x)
        got = {"y": self.candidate.forward(values, x.copy())}
        want = {"y": y}
        pulled = self.candidate.vjp(values, x.copy(), dy.copy()) if gradients else None
        room = allowed(cbam, x, None if pulled is None else dy, self.kind)
        if pulled is not None:
            dcbam, want["dx"] = pullback(dy)
            dparameters, got["dx"] = pulled
            learnt = {path for path, names in self.feeds.items() if names <= dparameters.keys()}
            want |= {f"d{path}": leaf for path, leaf in tree.leaves(dcbam) if path in learnt}
            laid = tree.leaves(self.carry(dict(values) | dparameters))
            got |= {f"d{path}": leaf for path, leaf in laid if path in learnt}
        return {name: (got[name], want[name], room[name]) for name in want}

    def finding(
        self, code: str, message: str, seen: Mapping[str, object], status: Status = "wrong"
    ) -> Finding:
        """Return a finding at this precision."""
        return Finding("numerics", code, message, status, {"dtype": self.dtype, **seen})


def _untied(x: Array) -> Array:
    """Return x with one largest entry in every map: who gets dy at a tie is a convention."""
    flat = x.reshape(*x.shape[:2], -1)
    rivals = flat == flat.max(axis=-1, keepdims=True)
    others = rivals & (np.cumsum(rivals, axis=-1) > 1)
    return np.where(others, flat - np.abs(flat), flat).reshape(x.shape)


def trial_of(candidate: Candidate, reading: CBAM, carry: Carry, seed: int) -> Trial | None:
    """Return the trial of a candidate on maps of a size that it takes; None if there is none."""
    feeds = _feeds(candidate, carry)
    rest = feeds, seed, candidate.dtype
    tries = (Trial(candidate, reading, carry, *rest, space) for space in SPACES)
    return next((trial for trial in tries if trial.runs()), None)


def _feeds(candidate: Candidate, carry: Carry) -> dict[str, set[str]]:
    """Return the names of the candidate's arrays that each leaf of the CBAM is laid from."""
    values = candidate.state({})
    feeds: dict[str, set[str]] = {path: set() for path, _ in tree.leaves(carry(values))}
    for name, value in values.items():
        spoilt = carry(values | {name: np.full(value.shape, np.nan)})
        for path, leaf in tree.leaves(spoilt):
            if np.isnan(leaf).any():
                feeds[path].add(name)
    return feeds


def excess(name: str, compared: Compared) -> Excess:
    """Return the evidence of each tensor that differs by more than is allowed."""
    found = {}
    for tensor, (got, want, room) in compared.items():
        if got.shape != want.shape:
            continue  # The effects say so.
        seen = evidence(name, tensor, np.where(np.isinf(room), want, got), want, room)
        if seen["times"] > 1:
            found[tensor] = seen
    return found
