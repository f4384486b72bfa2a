"""One half of a CBAM, a channel or a spatial module, as a candidate that the oracle can judge.

It may return its map, spread over its input or not, or the refined features. A channel half is the
block y = Mc(x) x. A spatial half is followed by a channel gate of the reference, which pools the
average alone and has parameters of its own: its F is Ms(x) x, and y = Mc(F) F. So one set of
tables, gradients and bounds serves for blocks and for halves.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Self

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.oracle.candidates.candidate import (
    MEMORY,
    BadOutput,
    Candidate,
    CannotRun,
    Observation,
)
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.precision import rounded
from npcbam.oracle.probing import running as trial
from npcbam.oracle.probing.roles import Roles, assignments, sizes_of
from npcbam.oracle.reports.report import Row
from npcbam.pointwise import scale_vjp
from npcbam.pooling import AVG

# What the names of the parameters begin with that are no parameters of the half.
OURS = "npcbam."
HIDDEN = 4
# The roles that a half cannot do without.
NEEDED = {"channel": "channel.mlp.w0", "spatial": "spatial.conv.w"}
MISSING = {
    "channel": "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r)",
    "spatial": "none of its parameters can be the kernel (1, 2, k, k)",
}


class Half(Candidate):
    """A channel or spatial module, completed to a block.

    Attributes
    ----------
    half : the module itself
    part : "channel" or "spatial"
    gives : "map", "features", or "sum", which is features with x added
    """

    def __init__(self, half: Candidate, channels: int) -> None:
        self.half, self.part = half, half.stage
        self.name, self.framework, self.source = half.name, half.framework, half.source
        self.layout, self.dtypes, self.dtype = half.layout, half.dtypes, half.dtype
        self.parameters, self.buffers = dict(half.parameters), half.buffers
        if self.part == "spatial":
            channels = max(channels, 2)
            self.parameters |= {
                f"{OURS}w0": np.ones((HIDDEN, channels)),
                f"{OURS}w1": np.ones((channels, HIDDEN)),
            }
        self.gives = self._what_it_gives(channels)

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y of the completed block; see `Candidate.forward`."""
        return self._completed(params, self.half.forward(_own(params), x), x)

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents of the completed block; see `Candidate.vjp`."""
        raw, x = self.half.forward(_own(params), x), rounded(x, self.dtype)
        ours: dict[str, Array] = {}
        df = dy
        if self.part == "spatial":
            gate, gate_pullback = self._gate(params).vjp(f := self._features(raw, x))
            dgate, df = scale_vjp(gate, f)[1](dy)
            dattention, dx_of_gate = gate_pullback(dgate)
            df = df + dx_of_gate
            ours = {OURS + path[-2:]: leaf for path, leaf in tree.leaves(dattention)}
        draw, by_factor = df, -df if self.gives == "sum" else np.zeros_like(df)
        if self.gives == "map":
            m = _lifted(raw, x)
            draw, by_factor = _reduced(df * x, m.shape).reshape(raw.shape), m * df
        pulled = self.half.vjp(_own(params), x, draw)
        return None if pulled is None else (pulled[0] | ours, pulled[1] + by_factor)

    def observe(
        self, params: Mapping[str, Array], x: Array, *, layout: str = MEMORY[0]
    ) -> Observation:
        """Watch the half; see `Candidate.observe`."""
        seen = self.half.observe(_own(params), x, layout=layout)
        y = self._completed(params, seen.y, x)
        return replace(seen, y=y, shape=y.shape)

    def at(self, dtype: str) -> Self:
        """Return the same half at another precision; see `Candidate.at`."""
        other = copy.copy(self)
        other.half = self.half.at(dtype)
        other.dtype = dtype
        return other

    def replay(self, params: str, x: str) -> str:
        """Return code that computes what the half itself gives; see `Candidate.replay`."""
        return self.half.replay(params, x)

    def may_add_x(self, reading: Reading) -> bool:
        """Whether it may give features with x added, which no table has for a spatial half."""
        # The same as 1 + Ms, which is a mistake where a map is given.
        plus = reading.spatial is not None and str(reading.spatial.axes["gate"]) == "one-plus"
        return self.part == "spatial" and self.gives == "features" and (plus or not reading.known)

    def less_x(self) -> Half:
        """Return the same half, taken to give features with x added."""
        other = copy.copy(self)
        other.gives = "sum"
        return other

    def alone(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return what the half itself gives."""
        return self.half.forward(_own(params), x.copy())

    def laid(self, m: Array, x: Array, shape: tuple[int, ...], added: bool) -> Array:
        """Return what the half should give where its map is m: an array of this shape."""
        if self.gives != "map":
            return m * x + x if added or self.gives == "sum" else m * x
        value = np.broadcast_to(m, shape) if len(shape) == m.ndim else m.reshape(shape)
        return np.array(value)

    def _what_it_gives(self, channels: int) -> str:
        x = np.random.default_rng(0).standard_normal((2, channels, 5, 7, 3)[: 2 + self._axes()])
        values = trial.draw(self.half, np.random.default_rng(0))
        try:
            raw = self.half.forward(values, x)
        except Exception:
            return "features"  # The check says that it fails.
        axes = tuple(range(2, x.ndim)) if self.part == "channel" else (1,)
        if raw.shape != x.shape:
            return "map"
        # Features differ along these axes; a map that was spread over them does not.
        return "map" if np.ptp(raw, axis=axes).max() <= 1e-6 * np.abs(raw).max() else "features"

    def _axes(self) -> int:
        known = assignments(self.parameters, self.buffers)
        return sizes_of(known[0])[1] if known else 2

    def _completed(self, params: Mapping[str, Array], raw: Array, x: Array) -> Array:
        f = self._features(raw, rounded(x, self.dtype))
        return self._gate(params)(f) * f if self.part == "spatial" else f

    def _features(self, raw: Array, x: Array) -> Array:
        if self.gives == "map":
            return _lifted(raw, x) * x
        if raw.shape != x.shape:
            raise BadOutput(f"y: expected a map or the shape of x, {x.shape}, got {raw.shape}")
        return raw - x if self.gives == "sum" else raw

    def _gate(self, params: Mapping[str, Array]) -> ChannelAttention:
        values = self.state(params)
        return ChannelAttention(SharedMLP(values[f"{OURS}w0"], values[f"{OURS}w1"]), (AVG,))


def _own(params: Mapping[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in params.items() if not name.startswith(OURS)}


def _lifted(raw: Array, x: Array) -> Array:
    """Return a map with as many axes as x; (N, C) is one too."""
    m = raw.reshape(*raw.shape, *[1] * (x.ndim - 2)) if raw.ndim == 2 < x.ndim else raw
    if m.ndim != x.ndim or any(a not in (1, b) for a, b in zip(m.shape, x.shape, strict=True)):
        raise BadOutput(f"y: expected a map or the shape of x, {x.shape}, got {raw.shape}")
    return m


def _reduced(value: Array, shape: tuple[int, ...]) -> Array:
    over = tuple(axis for axis, size in enumerate(shape) if size != value.shape[axis])
    reduced: Array = value.sum(axis=over, keepdims=True)
    return reduced


def completed(candidate: Candidate, channels: int) -> Candidate:
    """Return a half as a block, and a whole block as it is.

    Raises
    ------
    CannotRun
        It is said to be a half, and has the parameters of both.
    """
    if candidate.stage == "whole" or isinstance(candidate, Half):
        return candidate
    parts = _parts(candidate)
    if parts >= set(NEEDED):
        raise CannotRun(
            f"{candidate.name} has the parameters of both gates: check it without a stage, "
            f"or the {candidate.stage} module inside it"
        )
    return Half(candidate, channels)


def lacking(candidate: Candidate) -> str:
    """Return what a half has no parameter for, in words; nothing if it has all, or none."""
    if not isinstance(candidate, Half) or not candidate.half.parameters:
        return ""
    # What is no kernel by its shape may be one beside matrices.
    return "" if candidate.part in _parts(candidate) else MISSING[candidate.part]


def _parts(candidate: Candidate) -> set[str]:
    """Return the halves that the shapes of the parameters allow."""
    known = assignments(candidate.parameters, candidate.buffers)
    roles: Roles = known[0] if known else ()
    return {
        part
        for part, path in NEEDED.items()
        # A kernel of one tap is a linear map as well.
        if any(role.path == path and (part == "channel" or math.prod(role.shape) > 2)
               for role in roles)
    }  # fmt: skip


def findings_of(half: Half, found: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are about the half, and about nothing that completes it."""
    found = list(found)
    added = half.gives == "sum" or any(f.code == "channel-only-residual" for f in found)
    said = Finding("compose", "residual", "x is added to the output", "variant")
    return [said] * added + [f for f in found if not _completes(half, f)]


def _completes(half: Half, finding: Finding) -> bool:
    usual = finding.code in ("channel-only", "channel-only-residual", "spatial-first")
    other = half.part == "spatial" and finding.stage == "channel"
    return usual or other or f"{OURS}w" in finding.message


def rows_of(rows: Iterable[Row]) -> list[Row]:
    """Return the rows about the candidate's own tensors."""
    return [row for row in rows if not row.tensor.startswith(f"d {OURS}")]
