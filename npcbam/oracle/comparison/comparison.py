"""What was read off a candidate: how its stages are said, and all that is compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.candidates.completed import Half
from npcbam.oracle.comparison import gradients
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.coarser import kind_of
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.findings import Finding, Stage, evidence
from npcbam.oracle.identification.reading import Choice, Reading, stages
from npcbam.oracle.precision import ADDED, CLOSE, LOOSE, rounded
from npcbam.oracle.probing.inputs import Input
from npcbam.oracle.probing.roles import Roles
from npcbam.oracle.probing.running import Outcome, spread
from npcbam.oracle.reports.report import Row, compare, evidence_of
from npcbam.oracle.rules import CHANNEL_PAPER, COMPOSE, SPATIAL_PAPER, Run
from npcbam.oracle.rules.conventions import NOT_SEEN, Convention, conventions


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
    dtypes : the precisions that its numerics are judged at
    alone : whether each sample is run by itself, because it mixes those that come together
    single : whether something in it is computed in float32 whatever comes in
    """

    candidate: Candidate
    asked: Candidate
    values: dict[str, Array]
    outcomes: Sequence[Outcome]
    sizes: tuple[int, int]
    channels: int
    seed: int
    rng: np.random.Generator
    dtypes: Sequence[str]
    alone: bool = False
    single: bool = False

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
        tried, asked = self.tried, self.tried.asked
        rest = self.reading, self.weights, tried.seen, self._dtype
        self.settled = gradients.with_ties(*rest)
        if asked.dtype == self._dtype:
            found += self._compared(tried.seen, self._kind())
        elif not tried.single:
            found += self._compared(tried.seen, self._dtype)
        if asked.dtype != self._dtype:
            seen = [self._run(each) for each in tried.seen]
            low = self._compared(seen, self._kind())
            # These rows alone are kept; what shows at the higher precision too is said there.
            known = {finding.code for finding in found}
            if known & {"differs-on-input", "constant-added"}:
                known.add("more-than-rounding")
            low = [finding for finding in low if finding.code not in known]
            dtype = {"dtype": asked.dtype}
            found += [replace(each, evidence=dtype | each.evidence) for each in low]
        return self._precise(found, self.settled[0])

    def _compared(self, seen: Sequence[Outcome], dtype: str) -> list[Finding]:
        """Compare y and all gradients at one precision, into `rows`, and say what differs."""
        rows, found = self._outputs(seen, dtype)
        # Where y is another one, so are its gradients.
        bad = {row.input for row in rows if not row.ok}
        if any(finding.code == "constant-added" for finding in found):
            bad = set()
        good = [each for each in seen if each.input.name not in bad]
        rest = self.reading, self.weights, self.roles, good, self.tried.rng, dtype
        judged = gradients.judged(*rest, self.settled)
        self.settled = judged.cbam, judged.ties
        self.rows, self.ties = rows + judged.rows, judged.ties
        return found + judged.findings

    def _kind(self) -> str:
        """Return the precision whose rounding is allowed where it is asked for."""
        cbam, asked = self.settled[0], self.tried.asked
        if cbam is None or self.tried.alone or asked.dtype != "float32":
            return asked.dtype
        carry = self._carry(cbam)
        return kind_of(asked, carry(self.tried.values), carry, self.tried.seed)

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
        other = any(finding.code == "constant-added" for finding in found)
        if cbam is not None and not self.tried.alone and not other:
            carry = self._carry(cbam)
            tried = self.tried
            rest = tried.seed, tried.dtypes
            more = numerics(tried.asked, carry(tried.values), carry, *rest)
        if any(finding.status == "wrong" for finding in more):
            # It says why, and at which precision.
            found = [finding for finding in found if finding.code != "more-than-rounding"]
        return found + more

    def _run(self, each: Outcome) -> Outcome:
        low, x = self.tried.asked, each.input.x
        y = low.forward(self.tried.values, x.copy())
        pulled = low.vjp(self.tried.values, x.copy(), each.dy.copy()) if each.cotangents else None
        return replace(each, y=spread(y, x), cotangents=pulled)

    def _kernel(self) -> list[Finding]:
        size = self.weights["k"].shape[2:] if "k" in self.weights else ()
        if all(side == 7 for side in size):
            return []
        said = f"the kernel has size {'x'.join(map(str, size))}, not 7"
        return [Finding("spatial", "kernel-size", said, "variant")]

    def _outputs(self, seen: Sequence[Outcome], dtype: str) -> tuple[list[Row], list[Finding]]:
        """Compare y on every input with what was read off on one."""
        pairs = [self._pair(each, dtype) for each in seen]
        rows = [
            _row_of_y(each, *pair, dtype, self.settled[0])
            for each, pair in zip(seen, pairs, strict=True)
        ]
        bad = [row for row in rows if not row.ok]
        if not bad:
            return rows, []
        worst = max(bad, key=lambda row: row.times)
        added = _constant([got - expected for got, expected in pairs])
        if added:
            said = f"{added:.3g} is added to every entry of y"
            return rows, [self._finding("compose", "constant-added", said, worst)]
        where = ", ".join(row.input for row in bad)
        said = f"y differs on {len(bad)} of {len(seen)} inputs: {where}"
        share = max(_share(got, expected) for got, expected in pairs)
        if len(bad) < len(seen) and share > 2 * max(LOOSE):
            return rows, [self._finding("compose", "differs-on-input", said, worst)]
        said = f"in {dtype}, y is off by {worst.times:.3g} times what rounding explains"
        return rows, [self._finding("numerics", "more-than-rounding", said, worst)]

    def _pair(self, each: Outcome, dtype: str) -> tuple[Array, Array]:
        """Return y and what it should be; arrays of float64 are the candidate's as they are."""
        assert each.y is not None
        weights = {key: rounded(value, dtype) for key, value in self.weights.items()}
        return each.y, self.reading.predict(weights, rounded(each.input.x, dtype))

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
            room = CLOSE[self._dtype] * float(np.abs(want).max(initial=0) or 1)
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


def _row_of_y(each: Outcome, got: Array, expected: Array, dtype: str, cbam: CBAM | None) -> Row:
    """Return the worst entry of y, by what rounding explains where the reference can tell."""
    name = each.input.name
    if cbam is None:
        return compare(name, "y", got, expected, CLOSE[dtype])
    exact = tree.map(lambda leaf: rounded(leaf, dtype), cbam)
    room = allowed(exact, rounded(each.input.x, dtype), None, dtype)["y"]
    seen = evidence(name, "y", got, expected, room)
    index, values = tuple(seen["index"]), (seen["got"], seen["expected"])
    return Row(name, "y", seen["times"], float(room.max(initial=0)), index, *values)


def _share(got: Array, expected: Array) -> float:
    """Return the largest error, of the largest entry; infinite where there is NaN."""
    share = float(np.abs(got - expected).max() / (np.abs(expected).max() or 1))
    return share if np.isfinite(share) else np.inf


def _constant(errors: Sequence[Array]) -> float:
    """Return the number that the errors of all inputs are, 0 if they are none."""
    number = float(np.median(errors[0]))
    apart = max(float(np.abs(error - number).max()) for error in errors)
    return number if apart < ADDED * abs(number) else 0.0
