"""What was read off a candidate: how its stages are said, and all that is compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.cbam import CBAM
from npcbam.checks import Array
from npcbam.oracle import gradients
from npcbam.oracle.battery import Input
from npcbam.oracle.bounds import allowed
from npcbam.oracle.candidate import Candidate
from npcbam.oracle.choices import Choice, Reading, stages
from npcbam.oracle.conventions import NOT_SEEN, Convention, conventions
from npcbam.oracle.findings import Finding, Stage, evidence
from npcbam.oracle.halves import Half
from npcbam.oracle.hypotheses import CHANNEL_PAPER, COMPOSE, SPATIAL_PAPER, Run
from npcbam.oracle.identify import LOOSE
from npcbam.oracle.numerics import numerics
from npcbam.oracle.precision import at_precision
from npcbam.oracle.report import TOLERANCE, Row, compare, evidence_of
from npcbam.oracle.roles import Roles
from npcbam.oracle.trial import Outcome, spread


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate that was run.

    Attributes
    ----------
    candidate : at the precision that it was identified at
    asked : at the precision that it is judged at
    values : the parameters and buffers that it was run with, by name
    outcomes : what it gave
    sizes : the `roles.sizes_of` the arrays, as it runs
    channels, seed, rng : what the inputs are drawn with
    alone : whether each sample is run by itself, because it mixes those that come together
    """

    candidate: Candidate
    asked: Candidate
    values: dict[str, Array]
    outcomes: Sequence[Outcome]
    sizes: tuple[int, int]
    channels: int
    seed: int
    rng: np.random.Generator
    alone: bool = False

    @property
    def seen(self) -> list[Outcome]:
        """The inputs on which there is a y, those of one sample where each is to be alone."""
        seen = [outcome for outcome in self.outcomes if outcome.y is not None]
        return [each for each in seen if not self.alone or len(each.input.x) == 1] or seen[:1]

    def weights(self, roles: Roles) -> dict[str, Array]:
        """Return the weights by key."""
        return {role.key: role.carry(self.values[role.name]) for role in roles}

    def runs(self, roles: Roles) -> Run:
        """Return y of the candidate as a function of weights by key and x."""

        def run(weights: Mapping[str, Array], x: Array) -> Array:
            values = dict(self.values)
            for role in roles:
                values[role.name] = role.back(weights[role.key], values[role.name])
            parts = np.split(x, len(x)) if self.alone else [x]
            forward = self.candidate.forward
            return np.concatenate([spread(forward(values, f.copy()), f) for f in parts])

        return run


class Comparison:
    """What was read off a candidate that was tried, and all that it is compared with."""

    def __init__(self, tried: Tried, reading: Reading, roles: Roles) -> None:
        self.tried, self.reading, self.roles = tried, reading, roles
        self.weights = tried.weights(roles)
        self.rows: list[Row] = []
        self.ties = NOT_SEEN

    def conventions(self) -> tuple[Convention, ...]:
        """Return one row for each axis that is known."""
        candidate = self.tried.candidate
        rows = conventions(self.reading, self.weights, self.ties, candidate.layout)
        if isinstance(candidate, Half) and candidate.gives == "sum":
            rows = tuple(replace(r, value="yes") if r.axis == "residual" else r for r in rows)
        return rows

    def findings(self) -> list[Finding]:
        """Compare everything, into `rows`, and say what differs."""
        found = [self._proven(finding, fixed) for finding, fixed in _stated(self.reading)]
        found += self._kernel()
        if not self.reading.known:
            return found
        found += self._outputs()
        # Where y is another one, so are its gradients.
        bad = {row.input for row in self.rows if not row.ok}
        seen = [each for each in self.tried.seen if each.input.name not in bad]
        judged = self._gradients(seen, self._dtype)
        self.rows += judged.rows
        self.ties = judged.ties
        found += judged.findings
        if self.tried.asked.dtype != self._dtype:
            found += self._low(judged.cbam, {finding.code for finding in found})
        return self._precise(found, judged.cbam)

    def _gradients(self, seen: Sequence[Outcome], dtype: str) -> gradients.Judged:
        return gradients.judged(self.reading, self.weights, self.roles, seen, self.tried.rng, dtype)

    @property
    def _dtype(self) -> str:
        return self.tried.candidate.dtype

    def _carry(self, cbam: CBAM) -> Callable[[Mapping[str, Array]], CBAM]:
        """Return what builds the CBAM from arrays of the candidate, by name."""

        def carry(values: Mapping[str, Array]) -> CBAM:
            arrays = {role.path: role.carry(values[role.name]) for role in self.roles}
            return tree.replace_leaves(cbam, (arrays.get(p, leaf) for p, leaf in tree.leaves(cbam)))

        return carry

    def _precise(self, found: list[Finding], cbam: CBAM | None) -> list[Finding]:
        """Add what the candidate's own precisions show, where the reference can follow it."""
        more: list[Finding] = []
        if cbam is not None and not self.tried.alone:
            carry = self._carry(cbam)
            more = numerics(self.tried.asked, carry(self.tried.values), carry, self.tried.seed)
        if any(finding.status == "wrong" for finding in more):
            # It says why, and at which precision.
            found = [finding for finding in found if finding.code != "more-than-rounding"]
        return found + more

    def _low(self, cbam: CBAM | None, known: set[str]) -> list[Finding]:
        """Compare once more, at the precision that is asked for, and keep these rows alone."""
        low = self.tried.asked
        seen = [self._run(each) for each in self.tried.seen]
        rows = [self._low_y(each, cbam) for each in seen]
        bad = {row.input for row in rows if not row.ok}
        judged = self._gradients([each for each in seen if each.input.name not in bad], low.dtype)
        self.rows = rows + judged.rows
        found = [finding for finding in judged.findings if finding.code not in known]
        if bad and not known & {"differs-on-input", "more-than-rounding"}:
            worst = max(rows, key=lambda row: row.times)
            said = f"in {low.dtype}, y is off by {worst.times:.3g} times what rounding explains"
            found.append(self._finding("numerics", "more-than-rounding", said, worst))
        return [replace(each, evidence={"dtype": low.dtype} | each.evidence) for each in found]

    def _run(self, each: Outcome) -> Outcome:
        low, x = self.tried.asked, each.input.x
        y = low.forward(self.tried.values, x.copy())
        pulled = low.vjp(self.tried.values, x.copy(), each.dy.copy()) if each.cotangents else None
        return replace(each, y=spread(y, x), cotangents=pulled)

    def _low_y(self, each: Outcome, cbam: CBAM | None) -> Row:
        dtype, name = self.tried.asked.dtype, each.input.name
        x = at_precision(each.input.x, dtype)
        weights = {key: at_precision(value, dtype) for key, value in self.weights.items()}
        expected = self.reading.predict(weights, x)
        assert each.y is not None
        if cbam is None:
            return compare(name, "y", each.y, expected, TOLERANCE[dtype])
        exact = tree.map(lambda leaf: at_precision(leaf, dtype), cbam)
        room = allowed(exact, x, None, dtype)["y"]
        seen = evidence(name, "y", each.y, expected, room)
        index = tuple(seen.get("index", ()))
        values = seen["times"], float(room.max(initial=0)), index
        return Row(name, "y", *values, seen.get("got", 0.0), seen.get("expected", 0.0))

    def _kernel(self) -> list[Finding]:
        size = self.weights["k"].shape[2:] if "k" in self.weights else ()
        if all(side == 7 for side in size):
            return []
        said = f"the kernel has size {'x'.join(map(str, size))}, not 7"
        return [Finding("spatial", "kernel-size", said, "variant")]

    def _outputs(self) -> list[Finding]:
        """Compare y on every input with what was read off on one."""
        room, seen = max(TOLERANCE[self._dtype], 1e-12), self.tried.seen
        for each in seen:
            assert each.y is not None
            y = self.reading.predict(self.weights, each.input.x)
            self.rows.append(compare(each.input.name, "y", each.y, y, room))
        bad = [row for row in self.rows if not row.ok]
        if not bad:
            return []
        worst = max(bad, key=lambda row: row.times)
        where = ", ".join(row.input for row in bad)
        said = f"y differs on {len(bad)} of {len(seen)} inputs: {where}"
        if len(bad) < len(seen) and worst.times * room > 2 * max(LOOSE):
            return [self._finding("compose", "differs-on-input", said, worst)]
        said = f"y departs by {worst.times * room:.1e} of its largest entry: rounding does not"
        return [self._finding("numerics", "more-than-rounding", said, worst)]

    def _finding(self, stage: Stage, code: str, said: str, row: Row) -> Finding:
        return Finding(stage, code, said, evidence=evidence_of(row))

    def _proven(self, finding: Finding, fixed: Sequence[Reading]) -> Finding:
        """Add the evidence: what it gives beside the block with this stage put right."""
        if finding.status != "wrong" or not self.reading.known:
            return finding
        first = self.tried.seen[0].input
        got = self._given(first)
        seen = []
        for reading in fixed:
            try:
                want = self._predicted(reading, first.x, got)
            except (KeyError, ValueError):
                continue  # weights of another shape than the paper's block has
            room = TOLERANCE[self._dtype] * float(np.abs(want).max(initial=0) or 1)
            seen.append(evidence(first.name, "y", got, want, room))
        nearest = min(seen, key=lambda e: float(e["times"]), default={})
        return replace(finding, evidence=nearest)

    def _given(self, each: Input) -> Array:
        candidate = self.tried.candidate
        if isinstance(candidate, Half):
            return candidate.alone(self.tried.values, each.x)
        y = self.tried.seen[0].y
        assert y is not None
        return y

    def _predicted(self, reading: Reading, x: Array, got: Array) -> Array:
        candidate = self.tried.candidate
        if not isinstance(candidate, Half):
            return reading.predict(self.weights, x)
        assert reading.channel is not None
        assert reading.spatial is not None
        s = stages(reading.channel.axes, reading.spatial.axes, self.weights)
        m = (s.mc if candidate.part == "channel" else s.ms)(x)
        return candidate.laid(m, x, got.shape, "residual" in (reading.compose or ""))


def _stated(reading: Reading) -> Iterator[tuple[Finding, list[Reading]]]:
    """Yield what sets the stages apart, and the readings in which that one is put right."""
    for row in reading.channel.rows if reading.channel else ():
        if row.status != "faithful":
            right = [replace(reading, channel=put) for put in _put_right(reading.channel, row.sets)]
            yield Finding("channel", row.code, row.message, row.status), right
    for row in reading.spatial.rows if reading.spatial else ():
        if row.status != "faithful":
            right = [replace(reading, spatial=put) for put in _put_right(reading.spatial, row.sets)]
            yield Finding("spatial", row.code, row.message, row.status), right
    if reading.compose is not None:
        status, message, _ = COMPOSE[reading.compose]
        if status != "faithful":
            right = [replace(reading, compose=name) for name in ("channel-first", "residual")]
            yield Finding("compose", reading.compose, message, status), right


def _put_right(choice: Choice | None, sets: Mapping[str, Any]) -> Iterator[Choice]:
    assert choice is not None
    paper = CHANNEL_PAPER if "mlps" in choice.axes else SPATIAL_PAPER
    right = dict(choice.axes) | {axis: paper[axis] for axis in sets}
    yield Choice((), right)
    if "pools" in sets and paper is SPATIAL_PAPER:
        yield Choice((), right | {"pools": ("max", "avg")})
