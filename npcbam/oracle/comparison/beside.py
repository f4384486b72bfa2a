"""A candidate at one precision beside the block that it follows, and what rounding explains."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.findings import Finding, Status, evidence
from npcbam.oracle.precision import DTYPES, rounded
from npcbam.oracle.probing.inputs import cotangent
from npcbam.oracle.rules.catalogue import rule

Carry: TypeAlias = Callable[[Mapping[str, Array]], CBAM | OneGate]
Values: TypeAlias = dict[str, Array]
# The evidence of each tensor that is off by more than rounding explains.
Excess: TypeAlias = dict[str, dict[str, object]]

# Sizes of maps, up to three axes of each. All but the first are for blocks of one fixed size.
SPACES = ((7, 5, 4), *((size,) * 3 for size in (7, 8, 14, 16, 28, 32, 56)))
# The leaves of the last layer of either gate's logits, which are 0 where those are.
LAST = {
    "channel": ("channel.mlp.w1", "channel.mlp.b1"),
    "spatial": ("spatial.conv.w", "spatial.conv.b", "spatial.norm.gamma", "spatial.norm.beta"),
}


@dataclass(frozen=True, eq=False)
class Compared:
    """A tensor that came out, what should have, and how far rounding may take each entry."""

    got: Array
    expected: Array
    tolerance: Array

    @property
    def share(self) -> float:
        """The largest error, of the largest entry; infinite where there is NaN."""
        error = np.abs(self.got - self.expected).max()
        share = float(error / (np.abs(self.expected).max() or 1))
        return share if np.isfinite(share) else np.inf


@dataclass(frozen=True, eq=False)
class Pair:
    """A candidate at one precision, and the block that it follows.

    Attributes
    ----------
    candidate, reading, carry, seed : see `numerics`
    channels : of the inputs
    feeds : the names of the candidate's arrays that each leaf of the block is laid from
    asked : the highest precision at which the stage "gradient" looks
    space : the size of the maps
    judged_as : the precision whose rounding it is allowed
    """

    candidate: Candidate
    reading: CBAM | OneGate
    carry: Carry
    seed: int
    channels: int
    feeds: dict[str, set[str]]
    asked: str
    space: tuple[int, ...]
    judged_as: str

    @property
    def dtype(self) -> str:
        """The precision that the candidate runs at."""
        return self.candidate.dtype

    def at(self, dtype: str, judged_as: str = "") -> Pair:
        """Return the pair at another precision, whose rounding it is allowed if not another's."""
        return replace(self, candidate=self.candidate.at(dtype), judged_as=judged_as or dtype)

    @functools.cached_property
    def values(self) -> Values:
        """Parameters of either sign, none of them 0, and buffers above 0."""
        rng = np.random.default_rng(self.seed)
        drawn = {}
        for name, value in self.candidate.parameters.items():
            fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
            drawn[name] = 2 / math.sqrt(max(fan, 4)) * cotangent(rng, value.shape)
        drawn |= {k: rng.uniform(0.5, 1.5, v.shape) for k, v in self.candidate.buffers.items()}
        return self.rounded(drawn)

    def rounded(self, values: Mapping[str, Array]) -> Values:
        """Return the arrays as the precision has them."""
        return {name: rounded(value, self.judged_as) for name, value in values.items()}

    def silenced(self, gate: str) -> Values:
        """Return the values with the logits of a gate at 0."""
        return self.scaled(self.values, LAST[gate], 0.0)

    def scaled(self, values: Values, paths: tuple[str, ...], by: float) -> Values:
        """Return the values with those that become these leaves multiplied."""
        names = {name for path in paths for name in self.feeds.get(path, ())}
        return self.rounded({k: v * by if k in names else v for k, v in values.items()})

    def noise(self, samples: int = 3) -> Array:
        """Draw an input."""
        rng = np.random.default_rng(self.seed + 1)
        axes = self.reading.spatial.conv.w.ndim - 2 if self.reading.spatial else 2
        x = rng.standard_normal((samples, self.channels, *self.space[:axes]))
        return _untied(rounded(x, self.judged_as))

    def cotangent(self, shape: tuple[int, ...]) -> Array:
        """Draw a dy."""
        return rounded(cotangent(np.random.default_rng(self.seed + 2), shape), self.judged_as)

    def factor(self, x: Array) -> Array:
        """Return what the map of the last gate is multiplied by, up to other gates."""
        alone = isinstance(self.reading, OneGate) and self.reading.gives != "features"
        return np.ones_like(x) if alone else x

    def left(self, tensor: str) -> bool:
        """Tell whether what is smoothly wrong with a tensor is left to the stage "gradient"."""
        return tensor != "y" and DTYPES.index(self.dtype) <= DTYPES.index(self.asked)

    @functools.cached_property
    def ordinary(self) -> dict[str, Compared]:
        """All tensors on an ordinary input."""
        return self.compare(self.values, self.noise())

    def compare(self, values: Values, x: Array, gradients: bool = True) -> dict[str, Compared]:
        """Run the candidate beside the reference, and return all tensors by name."""
        block = self.carry(values)
        y, pullback = block.vjp(x)
        dy = self.cotangent(y.shape)
        got = {"y": self.candidate.forward(values, x.copy())}
        expected = {"y": y}
        pulled = self.candidate.vjp(values, x.copy(), dy.copy()) if gradients else None
        bounds = allowed(block, x, None if pulled is None else dy, self.judged_as)
        if pulled is not None:
            dblock, expected["dx"] = pullback(dy)
            dparameters, got["dx"] = pulled
            learnt = {path for path, names in self.feeds.items() if names <= dparameters.keys()}
            expected |= {f"d{path}": leaf for path, leaf in tree.leaves(dblock) if path in learnt}
            laid = tree.leaves(self.carry(values | dparameters))
            got |= {f"d{path}": leaf for path, leaf in laid if path in learnt}
        return {name: Compared(got[name], expected[name], bounds[name]) for name in expected}

    def finding(
        self,
        code: str,
        seen: Mapping[str, object],
        status: Status | None = None,
        **words: object,
    ) -> Finding:
        """Return a finding at this precision, which its sentence may name as {dtype}."""
        at = {"dtype": self.dtype}
        return rule(code).finding(at | dict(seen), status, **at, **words)


def pair_of(
    candidate: Candidate, reading: CBAM | OneGate, carry: Carry, seed: int, channels: int = 0
) -> Pair | None:
    """Return a candidate beside what it follows, on maps that it takes; None if there are none.

    Parameters
    ----------
    candidate, reading, carry, seed : see `numerics`
    channels : how many a block has that has no matrix to tell it
    """
    if reading.channel is not None:
        channels = reading.channel.mlp.w0.shape[1]
    feeds, dtype = _feeds(candidate, carry), candidate.dtype
    rest = candidate, reading, carry, seed, channels, feeds, dtype
    for space in SPACES:
        pair = Pair(*rest, space=space, judged_as=dtype)
        x = pair.noise()
        if isinstance(attempt(lambda x=x: candidate.forward({}, x)), np.ndarray):  # type: ignore[misc]
            return pair
    return None


def _untied(x: Array) -> Array:
    """Return x with one largest entry in every map: who gets dy at a tie is a convention."""
    flat = x.reshape(*x.shape[:2], -1)
    rivals = flat == flat.max(axis=-1, keepdims=True)
    others = rivals & (np.cumsum(rivals, axis=-1) > 1)
    return np.where(others, flat - np.abs(flat), flat).reshape(x.shape)


def _feeds(candidate: Candidate, carry: Carry) -> dict[str, set[str]]:
    """Return the names of the candidate's arrays that each leaf of the block is laid from."""
    values = candidate.state({})
    feeds: dict[str, set[str]] = {path: set() for path, _ in tree.leaves(carry(values))}
    for name, value in values.items():
        spoilt = carry(values | {name: np.full(value.shape, np.nan)})
        for path, leaf in tree.leaves(spoilt):
            if np.isnan(leaf).any():
                feeds[path].add(name)
    return feeds


def excess(name: str, compared: Mapping[str, Compared]) -> Excess:
    """Return the evidence of each tensor that differs by more than is allowed on an input."""
    found = {}
    for tensor, each in compared.items():
        if each.got.shape != each.expected.shape:
            continue  # The effects say so.
        # What may overflow may be anything.
        got = np.where(np.isinf(each.tolerance), each.expected, each.got)
        seen = evidence(name, tensor, got, each.expected, each.tolerance)
        if seen["times"] > 1:
            found[tensor] = seen
    return found
