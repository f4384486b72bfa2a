"""Is this CBAM correct? Find out what the candidate computes, and compare all that comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam import checks, tree
from npcbam.cbam import CBAM
from npcbam.checks import Array
from npcbam.oracle import gradients, trial
from npcbam.oracle.adapters import adapt
from npcbam.oracle.battery import telling
from npcbam.oracle.candidate import Candidate
from npcbam.oracle.conventions import FAITHFUL, NOT_SEEN, asked, conventions
from npcbam.oracle.effects import effects
from npcbam.oracle.findings import Finding, Stage, Status, by_importance, evidence
from npcbam.oracle.hypotheses import CHANNEL_PAPER, COMPOSE, SPATIAL_PAPER
from npcbam.oracle.identify import CLOSE, LOOSE, Choice, Reading, close, identify
from npcbam.oracle.maps import maps
from npcbam.oracle.numerics import numerics
from npcbam.oracle.probes import probe
from npcbam.oracle.report import TOLERANCE, Report, Row, compare, evidence_of
from npcbam.oracle.roles import Roles, assignments, sizes_of
from npcbam.oracle.trial import Outcome, Progress

MOST_ARRAYS = 30
# How many ways to see the arrays are searched as deep as it goes.
DEEP = 2


def check(
    candidate: object,
    *,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    expect: str = FAITHFUL,
    seed: int = 0,
    progress: Progress = trial.silent,
) -> Report:
    """Tell whether a CBAM is correct.

    Its weights are drawn anew; what each stage does with them is looked up among all documented
    ways to compute it, right and wrong; and y, dx and every parameter gradient are compared with
    what was found.

    Parameters
    ----------
    candidate : a torch module or its class; an npcbam layer; a NumPy function f(params, x) that
        returns y or (y, pullback); an object with a dict `parameters` and `vjp(x)`; or where to
        find one, as "package.module:Name" or "path/to/file.py:Name"
    channels, settings : what a class or factory is built with
    parameters : the arrays of a function f(params, x), by name
    expect : "faithful", which is Eqs. 1 to 3; the name of a preset; or "AXIS=VALUE,...", axes of
        `Report.conventions` in which it may depart
    seed : of the weights, inputs and cotangents
    progress : is told, in a few words, what is being done

    Returns
    -------
    Report
        Its `ok` tells whether the candidate is what `expect` asks for; print it for the rest.

    Raises
    ------
    CannotRun
        The candidate cannot be built, or raises on every input.
    TypeError, ValueError
        `channels`, `expect` or `seed` is out of range.

    >>> from npcbam import CBAM
    >>> print(check(CBAM.init(0, channels=32)).headline)
    FAITHFUL: CBAM computes CBAM, Eqs. 1 to 3, as preset `paper` does
    """
    checks.positive("channels", channels)
    asked(expect)
    checks.seed("seed", seed)
    progress("loading it and running it once")
    adapted = adapt(candidate, channels, settings, parameters)
    return judge(adapted, expect, seed, channels, progress)


def assert_faithful(candidate: object, *, expect: str = FAITHFUL, **how: Any) -> None:
    """Raise AssertionError with the report unless `check` finds what is expected.

    Parameters
    ----------
    candidate, expect, how : as in `check`
    """
    report = check(candidate, expect=expect, **how)
    if not report.ok:
        raise AssertionError(str(report))


def case(
    candidate: object, name: str, *, channels: int = 64, seed: int = 0
) -> tuple[dict[str, Array], Array]:
    """Return the weights, by name, and the input called `name` that `check` tries."""
    judged = _Judge(adapt(candidate, channels), FAITHFUL, seed, channels)
    return judged.values, next(o.input.x for o in judged.outcomes if o.input.name == name)


def judge(
    candidate: Candidate,
    expect: str = FAITHFUL,
    seed: int = 0,
    channels: int = 64,
    progress: Progress = trial.silent,
) -> Report:
    """Say what a `Candidate` computes; see `check`."""
    few = len(candidate.parameters) + len(candidate.buffers) <= MOST_ARRAYS
    if not few or not assignments(candidate.parameters, candidate.buffers):
        found = [Finding("compose", "no-cbam", _no_roles(candidate))]
        return _report(candidate, expect, seed, found)
    return _Judge(candidate, expect, seed, channels, progress).report()


def _report(
    candidate: Candidate, expect: str, seed: int, found: Sequence[Finding], **rest: Any
) -> Report:
    found = by_importance(found)
    worst: Status = found[0].status if found else "faithful"
    return Report(
        target=candidate.name,
        verdict="faithful" if worst == "note" else worst,
        expect=expect,
        reason=found[0].message if worst == "undecided" else "",
        findings=tuple(found),
        seed=seed,
        framework=candidate.framework,
        dtype=candidate.dtype,
        **rest,
    )


class _Judge:
    """One candidate, its weights, and what it gave on every input."""

    def __init__(
        self,
        candidate: Candidate,
        expect: str,
        seed: int,
        channels: int,
        progress: Progress = trial.silent,
    ) -> None:
        self.candidate, self.expect, self.seed, self.progress = candidate, expect, seed, progress
        roles = assignments(candidate.parameters, candidate.buffers)[0]
        self.channels, self.axes = sizes_of(roles)
        self.channels = self.channels or channels
        self.rng = np.random.default_rng(seed)
        self.values = trial.awake(trial.draw(candidate, self.rng), roles)
        self.outcomes = trial.run_all(
            candidate, self.values, self.rng, self.channels, self.axes, progress
        )
        self.found = trial.failures(self.outcomes)

    def report(self) -> Report:
        seen = [outcome for outcome in self.outcomes if outcome.y is not None]
        inputs = {o.input.name: o.input.reason for o in self.outcomes}
        large = [outcome for outcome in seen if outcome.input.name != "point"]
        if large:
            self._add(effects(self.candidate, large[0].input.x, self.values, self.seed))
        if not large or self.says("not-repeatable"):
            return _report(self.candidate, self.expect, self.seed, self.found, inputs=inputs)
        self.progress("finding out what it computes")
        reading, roles = self._settle(large[0])
        if reading.known:
            # The composition says it, where a map alone is returned.
            self.found = [f for f in self.found if f.code != "output-shape"]
        judged = _Reading(self, reading, roles, seen)
        self.progress("comparing what it gave")
        self.found += judged.findings()
        shown = maps(reading, judged.weights, large[0].input.x)
        rest = {"conventions": judged.conventions(), "rows": tuple(judged.rows), "maps": shown}
        return _report(self.candidate, self.expect, self.seed, self.found, inputs=inputs, **rest)

    def _add(self, more: Sequence[Finding]) -> None:
        """Add the effects, which tell more of what fails than one input does."""
        if any("fails" in finding.code or "fixed" in finding.code for finding in more):
            general = ("fails-on-input", "one-size-only")
            self.found = [finding for finding in self.found if finding.code not in general]
        self.found += more

    def says(self, *codes: str) -> bool:
        """Tell whether one of these was found already."""
        return any(finding.code in codes for finding in self.found)

    def _settle(self, first: Outcome) -> tuple[Reading, Roles]:
        """Return what it computes, and which array plays which role in it."""
        space = (6, 5, 4)[: self.axes]
        if self.outcomes[0].y is None:
            space = first.input.x.shape[2:]
        self.x = x = telling(self.rng, self.channels, *space)
        dead = trial.dead(self.candidate, self.values, x)
        for name in sorted(dead & set(self.candidate.parameters)):
            said = f"{name} has no effect on y"
            self.found.append(Finding("compose", "dead-parameter", said, "note"))
        known = assignments(self.candidate.parameters, self.candidate.buffers, dead)
        room = CLOSE[self.candidate.dtype]
        alike = [roles for roles in known if len(roles) == len(known[0])]
        tries = [("quick", room, known), ("deep", room, alike[:DEEP])]
        tries += [("quick", loose, known[:1]) for loose in LOOSE if loose > room]
        best = Reading(None, None, None), known[0]
        for depth, allowed, several in tries:
            for roles in several:
                reading = identify(self.runs(roles), self.weights(roles), x, depth, allowed)
                if reading.known and (allowed == room or self._fits(reading, roles, allowed)):
                    return reading, roles
                if depth == "deep" and _stages(reading) > _stages(best[0]):
                    best = reading, roles
        return best

    def _fits(self, reading: Reading, roles: Roles, room: float) -> bool:
        """Tell whether a reading that was found loosely fits all inputs as well."""
        weights = self.weights(roles)
        pairs = [(each.y, reading.predict(weights, each.input.x)) for each in self.outcomes
                 if each.y is not None]  # fmt: skip
        return all(close(y, expected, 2 * room) for y, expected in pairs)

    def weights(self, roles: Roles) -> dict[str, Array]:
        """Return the weights by key."""
        return {role.key: role.carry(self.values[role.name]) for role in roles}

    def runs(self, roles: Roles) -> Callable[[Mapping[str, Array], Array], Array]:
        """Return y of the candidate as a function of weights by key and x."""

        def run(weights: Mapping[str, Array], x: Array) -> Array:
            values = dict(self.values)
            for role in roles:
                values[role.name] = role.back(weights[role.key], values[role.name])
            return trial.spread(self.candidate.forward(values, x.copy()), x)

        return run


class _Reading:
    """What was read off the candidate, and all that it is compared with."""

    def __init__(
        self, judged: _Judge, reading: Reading, roles: Roles, seen: Sequence[Outcome]
    ) -> None:
        self.judge, self.reading, self.roles, self.seen = judged, reading, roles, seen
        self.weights = judged.weights(roles)
        self.dtype = judged.candidate.dtype
        self.rows: list[Row] = []
        self.ties = NOT_SEEN

    def conventions(self) -> tuple[Any, ...]:
        return conventions(self.reading, self.weights, self.ties)

    def findings(self) -> list[Finding]:
        found = [self._proven(finding, fixed) for finding, fixed in _stated(self.reading)]
        found += self._kernel()
        if not self.reading.known:
            return found + self._unknown()
        found += self._outputs()
        # Where y is another one, so are its gradients.
        bad = {row.input for row in self.rows if not row.ok}
        seen = [each for each in self.seen if each.input.name not in bad]
        report = gradients.judged(
            self.reading, self.weights, self.roles, seen, self.judge.rng, self.dtype
        )
        self.rows += report.rows
        self.ties = report.ties
        return self._precise(found + report.findings, report.cbam)

    def _precise(self, found: list[Finding], cbam: CBAM | None) -> list[Finding]:
        """Add what the candidate's own precisions show, where the reference can follow it."""
        if cbam is None:
            return found

        def carry(values: Mapping[str, Array]) -> CBAM:
            arrays = {role.path: role.carry(values[role.name]) for role in self.roles}
            return tree.replace_leaves(cbam, (arrays.get(p, leaf) for p, leaf in tree.leaves(cbam)))

        more = numerics(self.judge.candidate, carry(self.judge.values), carry, self.judge.seed)
        if any(finding.status == "wrong" for finding in more):
            # It says why, and at which precision.
            found = [finding for finding in found if finding.code != "more-than-rounding"]
        return found + more

    def _kernel(self) -> list[Finding]:
        size = self.weights["k"].shape[2:] if "k" in self.weights else ()
        if all(side == 7 for side in size):
            return []
        said = f"the kernel has size {'x'.join(map(str, size))}, not 7"
        return [Finding("spatial", "kernel-size", said, "variant")]

    def _outputs(self) -> list[Finding]:
        """Compare y on every input with what was read off on one."""
        room = max(TOLERANCE[self.dtype], 1e-12)
        for each in self.seen:
            assert each.y is not None
            y = self.reading.predict(self.weights, each.input.x)
            self.rows.append(compare(each.input.name, "y", each.y, y, room))
        bad = [row for row in self.rows if not row.ok]
        if not bad:
            return []
        worst = max(bad, key=lambda row: row.times)
        where = ", ".join(row.input for row in bad)
        said = f"y differs on {len(bad)} of {len(self.seen)} inputs: {where}"
        if len(bad) < len(self.seen) and worst.times * room > 2 * max(LOOSE):
            return [self._finding("compose", "differs-on-input", said, worst)]
        said = f"y departs by {worst.times * room:.1e} of its largest entry: rounding does not"
        return [self._finding("numerics", "more-than-rounding", said, worst)]

    def _finding(self, stage: Stage, code: str, said: str, row: Row) -> Finding:
        seen = evidence_of(row)
        return Finding(stage, code, said, evidence=seen, snippet=self._snippet(seen))

    def _unknown(self) -> list[Finding]:
        first = self.seen[0]
        assert first.y is not None
        if not np.isfinite(first.y).all():
            said = f"y is not finite on `{first.input.name}` ({first.input.reason})"
            return [Finding("numerics", "not-finite", said)]
        if self.judge.says("samples-mixed", "batch-statistics"):
            return []  # which no row of the tables does, and which is said already
        run, x = self.judge.runs(self.roles), self.judge.x
        return probe(run, self.weights, x, self.reading, self.judge.rng)

    def _proven(self, finding: Finding, fixed: Sequence[Reading]) -> Finding:
        """Add the evidence: y beside that of the block with this stage put right."""
        first = self.seen[0]
        assert first.y is not None
        if finding.status != "wrong" or not self.reading.known:
            return finding
        seen = []
        for reading in fixed:
            try:
                y = reading.predict(self.weights, first.input.x)
            except (KeyError, ValueError):
                continue  # weights of another shape than the paper's block has
            room = TOLERANCE[self.dtype] * float(np.abs(y).max(initial=0) or 1)
            seen.append(evidence(first.input.name, "y", first.y, y, room))
        nearest = min(seen, key=lambda e: float(e["times"]), default={})
        return replace(finding, evidence=nearest, snippet=self._snippet(nearest))

    def _snippet(self, seen: Mapping[str, Any]) -> str:
        """Return code that replays one entry of y in the candidate's framework."""
        if "index" not in seen or seen["tensor"] != "y":
            return ""
        candidate = self.judge.candidate
        recipe = candidate.replay("params", "x").removeprefix(candidate.source).strip("\n")
        index, channels = list(seen["index"]), self.judge.channels
        if candidate.layout == "NHWC":
            index.append(index.pop(1))
        at = ", ".join(map(str, index))
        given = f"block, {seen['input']!r}, channels={channels}, seed={self.judge.seed}"
        return (
            f"{candidate.source}\nfrom npcbam.oracle import case\nparams, x = case({given})\n"
            f"{recipe}\nprint(y[{at}])  # {seen['got']:.9g}, expected {seen['expected']:.9g}"
        )


def _stages(reading: Reading) -> int:
    return sum(part is not None for part in (reading.channel, reading.spatial, reading.compose))


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


def _no_roles(candidate: Candidate) -> str:
    arrays = [f"{name} {value.shape}" for name, value in candidate.parameters.items()]
    if not arrays:
        return "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"
    if len(arrays) + len(candidate.buffers) > MOST_ARRAYS:
        return f"it has {len(arrays)} arrays of parameters, where a CBAM has at most 7"
    empty = [name for name, value in candidate.parameters.items() if value.size == 0]
    if empty:
        return f"its hidden layer has no unit, {empty[0]} is empty: build it with more channels"
    listed = ", ".join(arrays[:6]) + (f" and {len(arrays) - 6} more" if len(arrays) > 6 else "")
    return f"no two of its parameters can be W0 (C/r, C) and W1 (C, C/r): it has {listed}"
