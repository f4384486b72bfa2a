"""A candidate at one precision beside the block that it follows, and what rounding explains."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.one_gate import OneGate, Reference
from npcbam.oracle.findings import Finding, Row, Status, worst
from npcbam.oracle.precision import DTYPES, rounded
from npcbam.oracle.probing.inputs import cotangent
from npcbam.oracle.probing.running import SPACES
from npcbam.oracle.probing.weights import draw
from npcbam.oracle.rules.catalogue import rule

Carry: TypeAlias = Callable[[Mapping[str, Array]], Reference]
Values: TypeAlias = dict[str, Array]
# The worst entry of each tensor that is off by more than rounding explains.
Excess: TypeAlias = dict[str, Row]

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
    candidate, carry, seed, channels, space : see `pair_of`
    asked : the highest precision at which the stage "gradient" looks
    judged_as : the precision whose rounding it is allowed
    """

    candidate: Candidate
    carry: Carry
    seed: int
    channels: int
    space: tuple[int, ...]
    asked: str
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
        """Weights that hide nothing."""
        return self.rounded(draw(self.candidate, np.random.default_rng(self.seed)))

    @functools.cached_property
    def block(self) -> Reference:
        """What the candidate follows, with these values."""
        return self.carry(self.values)

    @functools.cached_property
    def feeds(self) -> dict[str, set[str]]:
        """The names of the candidate's arrays that each leaf of the block is laid from."""
        feeds: dict[str, set[str]] = {path: set() for path, _ in tree.leaves(self.block)}
        for name, value in self.values.items():
            spoilt = self.carry(self.values | {name: np.full(value.shape, np.nan)})
            for path, leaf in tree.leaves(spoilt):
                if np.isnan(leaf).any():
                    feeds[path].add(name)
        return feeds

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
        axes = self.block.spatial.conv.w.ndim - 2 if self.block.spatial else 2
        x = rng.standard_normal((samples, self.channels, *self.space[:axes]))
        return _untied(rounded(x, self.judged_as))

    def cotangent(self, shape: tuple[int, ...]) -> Array:
        """Draw a dy."""
        return rounded(cotangent(np.random.default_rng(self.seed + 2), shape), self.judged_as)

    def factor(self, x: Array) -> Array:
        """Return what the map of the last gate is multiplied by, up to other gates."""
        alone = isinstance(self.block, OneGate) and self.block.gives != "features"
        return np.ones_like(x) if alone else x

    def left(self, tensor: str) -> bool:
        """Tell whether what is smoothly wrong with a tensor is left to the stage "gradient"."""
        return tensor != "y" and DTYPES.index(self.dtype) <= DTYPES.index(self.asked)

    @functools.cached_property
    def ordinary(self) -> dict[str, Compared]:
        """All tensors on an ordinary input."""
        return self.compare(self.values, self.noise())

    @property
    def off(self) -> Excess:
        """What is off there by more than rounding."""
        return excess("noise", self.ordinary)

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


def pair_of(candidate: Candidate, carry: Carry, seed: int, channels: int) -> Pair | None:
    """Return a candidate beside what it follows, on maps that it takes; None if there are none.

    Parameters
    ----------
    candidate : at the highest precision at which its gradients are looked at
    carry : builds the block that it follows from its arrays by name, parameters and buffers; it
        lays them otherwise and does no arithmetic, for gradients are carried too
    seed, channels : of the values and inputs that are drawn
    """
    for space in SPACES:
        pair = Pair(candidate, carry, seed, channels, space, candidate.dtype, candidate.dtype)
        y = attempt(functools.partial(candidate.forward, {}, pair.noise()))
        if not isinstance(y, BaseException):
            return pair
    return None


def _untied(x: Array) -> Array:
    """Return x with one largest entry in every map: who gets dy at a tie is a convention."""
    flat = x.reshape(*x.shape[:2], -1)
    rivals = flat == flat.max(axis=-1, keepdims=True)
    others = rivals & (np.cumsum(rivals, axis=-1) > 1)
    return np.where(others, flat - np.abs(flat), flat).reshape(x.shape)


def excess(name: str, compared: Mapping[str, Compared]) -> Excess:
    """Return the worst entry of each tensor that is off by more than is allowed on an input."""
    rows = {
        tensor: worst(name, tensor, each.got, each.expected, each.tolerance)
        for tensor, each in compared.items()
        if each.got.shape == each.expected.shape  # The effects say so where it is not.
    }
    return {tensor: row for tensor, row in rows.items() if not row.ok}
