"""Is this CBAM correct? Find out what the candidate computes, and compare all that comes out."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates import completed as halves
from npcbam.oracle.candidates.candidate import STAGES, Candidate, CannotRun
from npcbam.oracle.candidates.completed import Half
from npcbam.oracle.candidates.two_kernels import Joined, joined
from npcbam.oracle.comparison.comparison import Comparison, Tried
from npcbam.oracle.comparison.maps import maps
from npcbam.oracle.comparison.roughness import only_single
from npcbam.oracle.findings import Finding, Status, by_importance
from npcbam.oracle.identification import undecided as doubts
from npcbam.oracle.identification.identify import identify
from npcbam.oracle.identification.reading import Reading, close
from npcbam.oracle.identification.unknown import kernels_apart, probe
from npcbam.oracle.precision import CLOSE, DTYPES, LOOSE
from npcbam.oracle.probing import running as trial
from npcbam.oracle.probing.inputs import telling
from npcbam.oracle.probing.placement import placed
from npcbam.oracle.probing.roles import Roles, assignments
from npcbam.oracle.probing.running import Progress
from npcbam.oracle.reports.report import Report
from npcbam.oracle.reports.snippets import with_snippet
from npcbam.oracle.rules.conventions import FAITHFUL, asked, of_stage

# How many ways to see the arrays are searched as deep as it goes.
DEEP = 2


def check(
    candidate: object,
    *,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    expect: str = FAITHFUL,
    stage: str = "whole",
    dtype: str | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = trial.silent,
) -> Report:
    """Tell whether a CBAM is correct.

    Its weights are drawn anew; what each stage does with them is looked up among all documented
    ways to compute it, right and wrong; and y, dx and every parameter gradient are compared with
    what was found.

    Parameters
    ----------
    candidate : a torch, flax or equinox module or its class; a Keras layer; an npcbam layer; a
        function f(params, x) that returns y or (y, pullback); an object with a dict `parameters`
        and `vjp(x)`; or where to find one, as "package.module:Name", "path/to/file.py:Name" or
        "path/to/model.onnx"
    channels, settings : what a class or factory is built with
    parameters : the arrays of a function f(params, x), by name
    expect : "faithful", which is Eqs. 1 to 3; the name of a preset; or "AXIS=VALUE,...", axes of
        `Report.conventions` in which it may depart
    stage : "whole"; or "channel" or "spatial" for a module that is one half of a CBAM, and returns
        its map or the refined features
    dtype : the one precision at which numerics, gradients and effects are judged; None for all
        that the candidate has
    device : what torch runs on
    seed : of the weights, inputs and cotangents
    progress : is told, in a few words, what is being done

    What the candidate prints is kept from the standard output.

    Returns
    -------
    Report
        Its `ok` tells whether the candidate is what `expect` asks for; print it for the rest.

    Raises
    ------
    CannotRun
        The candidate cannot be loaded or built, or has no such precision or device.
    TypeError, ValueError
        Another argument is out of range.

    >>> from npcbam import CBAM
    >>> print(check(CBAM.init(0, channels=32)).headline)
    FAITHFUL: CBAM computes CBAM, Eqs. 1 to 3, as preset `paper` does
    """
    how: dict[str, Any] = {
        "channels": channels,
        "settings": settings,
        "parameters": parameters,
        "seed": seed,
    }
    how |= {"expect": expect, "stage": stage, "dtype": dtype, "device": device}
    told = _aloud(progress)
    with contextlib.redirect_stdout(io.StringIO()):
        return check_aloud(candidate, progress=told, **how)


def check_aloud(
    candidate: object,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    expect: str = FAITHFUL,
    stage: str = "whole",
    dtype: str | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = trial.silent,
) -> Report:
    """Do what `check` does, and let the candidate print."""
    arguments.positive("channels", channels)
    asked(expect)
    arguments.seed("seed", seed)
    arguments.choice("stage", stage, STAGES)
    if dtype is not None:
        arguments.choice("dtype", dtype, DTYPES)
    progress("loading it and running it once")
    adapted = adapt(candidate, channels, settings, parameters, device=device, stage=stage)
    return judge(adapted, expect, seed, channels, progress, dtype)


def _aloud(progress: Progress) -> Progress:
    """Return a progress that writes to what is now the standard output."""
    out = sys.stdout

    def told(doing: str) -> None:
        with contextlib.redirect_stdout(out):
            progress(doing)

    return told


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
    candidate: object, name: str, *, channels: int = 64, seed: int = 0, stage: str = "whole"
) -> tuple[dict[str, Array], Array, Array]:
    """Return the weights, by name, the input called `name` that `check` tries, and its dy."""
    one = joined(adapt(candidate, channels, stage=stage))
    adapted = halves.completed(one, channels)
    rng = np.random.default_rng(seed)
    values, (width, axes) = _drawn(adapted, channels, rng)
    known = {each.name: (each.x, dy) for each, dy in trial.inputs(rng, width or channels, axes)}
    arguments.choice("name", name, known)
    return one.own(values) if isinstance(one, Joined) else values, *known[name]


def judge(
    candidate: Candidate,
    expect: str = FAITHFUL,
    seed: int = 0,
    channels: int = 64,
    progress: Progress = trial.silent,
    dtype: str | None = None,
) -> Report:
    """Say what a `Candidate` computes; see `check`."""
    candidate = halves.completed(joined(candidate), channels)
    if dtype is not None:
        candidate.at(dtype)
    found = doubts.of_parameters(candidate, channels, seed)
    if found is not None:
        return _report(candidate, expect, seed, [found])
    try:
        judged = _Judge(_try(candidate, seed, channels, progress, dtype), expect, progress)
    except CannotRun as error:
        return _report(candidate, expect, seed, [doubts.of_running(candidate, error)])
    report = judged.report()
    if not isinstance(candidate, Half) or not candidate.may_add_x(judged.reading):
        return report
    other = _Judge(_try(candidate.less_x(), seed, channels, progress, dtype), expect, progress)
    added = other.report()
    return added if other.reading.known else report


def _try(
    candidate: Candidate,
    seed: int,
    channels: int,
    progress: Progress = trial.silent,
    dtype: str | None = None,
) -> Tried:
    """Run every input at the widest precision at which it runs."""
    names = candidate.dtypes if dtype is None else (candidate.dtype, dtype)
    failed: list[CannotRun] = []
    for name in dict.fromkeys((candidate.dtype, *names)):
        wide, rng = candidate.at(name), np.random.default_rng(seed)
        values, sizes = _drawn(candidate, channels, rng)
        channels = sizes[0] or channels
        try:
            outcomes = trial.run_all(wide, values, rng, channels, sizes[1], progress)
        except CannotRun as error:
            failed.append(error)
            continue
        judged = candidate.dtypes if dtype is None else (dtype,)
        asked = wide if dtype is None else candidate.at(dtype)
        tried = Tried(wide, asked, values, outcomes, sizes, channels, seed, rng, judged)
        return _in_single(tried) if wide.dtype == "float64" else tried
    raise failed[0]


def _drawn(
    candidate: Candidate, channels: int, rng: np.random.Generator
) -> tuple[dict[str, Array], tuple[int, int]]:
    """Draw weights; return them with the `trial.sizes` that they are made for."""
    sizes = trial.sizes(candidate, channels)
    known = assignments(candidate.parameters, candidate.buffers, sizes=sizes)
    kernels = {role.name for roles in known for role in roles if role.key == "k"}
    return trial.awake(trial.draw(candidate, rng, kernels), known[0]), sizes


def _in_single(tried: Tried) -> Tried:
    """Return what was tried, at float32 where no more can be had and that will do."""
    seen = [each for each in tried.seen if each.input.name != "point"]
    if not seen or not only_single(tried.candidate, tried.values, seen[0].input.x, seen[0].dy):
        return tried
    single = replace(tried, single=True)
    if tried.asked.dtype != "float64" or "float32" not in tried.dtypes:
        return single
    lower = replace(single, asked=tried.candidate.at("float32"))
    return single if doubts.of_precision(lower, seen[0].input.x) else lower


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
        stage=candidate.part if isinstance(candidate, Half) else candidate.stage,
        **rest,
    )


class _Judge:
    """What is found out about one candidate that was tried."""

    def __init__(self, tried: Tried, expect: str, progress: Progress = trial.silent) -> None:
        self.tried, self.expect, self.progress = tried, expect, progress
        self.candidate, self.values = tried.candidate, tried.values
        self.found = trial.failures(tried.outcomes)
        self.reading = Reading(None, None, None)

    def report(self) -> Report:
        seen = self.tried.seen
        large = [outcome for outcome in seen if outcome.input.name != "point"]
        if large:
            x = large[0].input.x
            blocked = doubts.of_precision(self.tried, x)
            asked, how = self.tried.asked, (self.tried.seed, self.tried.dtypes)
            self._add(blocked or effects(asked, x, self.values, *how))
        self.found = doubts.of_outputs(self.found, seen)
        if not large or any(finding.status == "undecided" for finding in self.found):
            return self._report()
        if any(finding.code == "samples-mixed" for finding in self.found):
            # Alone a sample has no other to be mixed with: what else is wrong shows there.
            self.tried = replace(self.tried, alone=True)
        self.progress("finding out what it computes")
        self.reading, roles, dead = self._settle()
        if self.reading.known:
            # The composition says it, where a map alone is returned.
            self.found = [f for f in self.found if f.code != "output-shape"]
        elif hidden := doubts.of_unplaced(self.candidate, roles, self.tried.channels):
            self.found = [f for f in self.found if f.status == "note"]
            self.found.append(hidden)
            return self._report()
        compared = Comparison(self.tried, self.reading, roles)
        self.progress("comparing what it gave")
        self.found += self._seen_alone(compared.findings(), roles, dead)
        if not self.reading.known:
            self.found += self._unknown(compared, roles, dead)
        shown = maps(self.reading, compared.weights, large[0].input.x, self._part())
        rows = compared.conventions()
        rest = {"conventions": of_stage(rows, self._part()), "maps": shown}
        return self._report(rows=tuple(halves.rows_of(compared.rows)), **rest)

    def _seen_alone(self, found: list[Finding], roles: Roles, dead: set[str]) -> list[Finding]:
        """Leave out that a gate is not applied where it may be constant for one sample alone."""
        idle = {
            f"{role.path.partition('.')[0]}-not-applied" for role in roles if role.name not in dead
        }
        mixed = idle if self.tried.alone else set()
        return [f for f in found if f.code.removesuffix("-residual") not in mixed]

    def _part(self) -> str:
        return self.candidate.part if isinstance(self.candidate, Half) else "whole"

    def _report(self, **rest: Any) -> Report:
        found = self.found
        if isinstance(self.candidate, Half):
            found = halves.findings_of(self.candidate, found)
        channels, seed = self.tried.channels, self.tried.seed
        found = [with_snippet(each, self.candidate, channels, seed) for each in found]
        rest["inputs"] = {o.input.name: o.input.reason for o in self.tried.outcomes}
        return _report(self.tried.asked, self.expect, self.tried.seed, found, **rest)

    def _add(self, more: Sequence[Finding]) -> None:
        """Add the effects, which tell more of what fails than one input does."""
        telling = ("fails", "fixed", "square-only")
        if any(word in finding.code for finding in more for word in telling):
            general = ("fails-on-input", "one-size-only")
            self.found = [finding for finding in self.found if finding.code not in general]
        self.found += more

    def _unknown(self, compared: Comparison, roles: Roles, dead: set[str]) -> list[Finding]:
        first = self.tried.seen[0]
        assert first.y is not None
        if not np.isfinite(first.y).all():
            said = f"y is not finite on `{first.input.name}` ({first.input.reason})"
            return [Finding("numerics", "not-finite", said)]
        if any(finding.code == "batch-statistics" for finding in self.found):
            return []  # of a norm that no row of the tables has, which is said already
        if dead >= set(self.candidate.parameters):
            return [doubts.of_dead_parameters()]
        live = {k: v for k, v in self.candidate.parameters.items() if k not in dead}
        if apart := kernels_apart(live, roles):
            return [apart]
        run, rng = self.tried.runs(roles), self.tried.rng
        return probe(run, compared.weights, self.x, self.reading, rng)

    def _settle(self) -> tuple[Reading, Roles, set[str]]:
        """Return what it computes, which array plays which role in it, and which play none."""
        sizes = self.tried.sizes
        space = (6, 5, 4)[: sizes[1]]
        if self.tried.outcomes[0].y is None:
            space = next(o for o in self.tried.seen if o.input.name != "point").input.x.shape[2:]
        self.x = x = telling(self.tried.rng, self.tried.channels, *space)
        dead = trial.dead(self.candidate, self.values, x)
        for name in sorted(dead & set(self.candidate.parameters)):
            said = f"{name} has no effect on y"
            self.found.append(Finding("compose", "dead-parameter", said, "note"))
        known = assignments(self.candidate.parameters, self.candidate.buffers, dead, sizes)
        return *self._searched(known, dead), dead

    def _searched(self, known: Sequence[Roles], dead: set[str]) -> tuple[Reading, Roles]:
        x = self.x
        room = LOOSE[0] if self.tried.single else CLOSE[self.candidate.dtype]
        known = placed(known, self.tried, x)
        alike = [roles for roles in known if len(roles) == len(known[0])]
        # Where a kernel does nothing, pairs of rows that differ in what it does are all alike.
        idle = any(role.name in dead for role in known[0] if role.key in ("w0", "w1", "k"))
        tries = [("quick", room, known), ("wide" if idle else "deep", room, alike[:DEEP])]
        tries += [("quick", loose, known[:1]) for loose in LOOSE if loose > room]
        deep: list[tuple[Reading, Roles]] = []
        quick: list[tuple[Reading, Roles]] = []
        for depth, allowed, several in tries:
            found: list[tuple[Reading, Roles]] = []
            for roles in several:
                if found and len(roles) < len(found[0][1]):
                    break
                run, weights = self.tried.runs(roles), self.tried.weights(roles)
                reading = identify(run, weights, x, depth, allowed)
                if reading.known and (allowed == room or self._fits(reading, roles, allowed)):
                    found.append((reading, roles))
                    # In other roles the same arrays may be those of a right one, at first sight.
                    if not reading.wrong or depth != "quick":
                        break
                if allowed == room:
                    (quick if depth == "quick" else deep).append((reading, roles))
            if found:
                return min(found, key=lambda each: each[0].wrong)
        return max((*deep, *quick), key=lambda each: _stages(each[0]))

    def _fits(self, reading: Reading, roles: Roles, room: float) -> bool:
        """Tell whether a reading that was found loosely fits all inputs as well."""
        weights = self.tried.weights(roles)
        pairs = [(o.y, reading.predict(weights, o.input.x)) for o in self.tried.seen]
        return all(y is not None and close(y, expected, 2 * room) for y, expected in pairs)


def _stages(reading: Reading) -> int:
    return sum(part is not None for part in (reading.channel, reading.spatial, reading.compose))
