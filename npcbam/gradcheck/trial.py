"""One check at one point: what is owed, the numbers, what they are held against, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam.gradcheck import contract, hints, kinks, noise, precision, verdict
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.domain import domains
from npcbam.gradcheck.explain import explained
from npcbam.gradcheck.findings import Finding, LeafCheck
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.judge import Judge
from npcbam.gradcheck.kept import Kept
from npcbam.gradcheck.kinks import Near
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.numbers import NOISE, Numbers
from npcbam.gradcheck.outcomes import Outcome
from npcbam.gradcheck.reference import Reference, wide
from npcbam.gradcheck.report import GradReport
from npcbam.gradcheck.seen import Seen

ELSEWHERE = 0.25  # of the arguments' units: a place at which another use of f may be
# The order in which findings are told: what stops a user first.
GRAVEST = (
    "count", "structure", "exception", "shape", "nan", "nonlinear", "mismatch", "precision",
    "impure", "stale", "layout", "dtype", "writes",
)  # fmt: skip


@dataclass
class Trial:
    """A function, the place to check it at, and what is asked of the check."""

    f: Callable[..., Any]
    layout: Layout
    rng: np.random.Generator
    domain: Any = None
    before: Callable[[], object] | None = None
    allow: tuple[str, ...] = ()
    rtol: float = 0.0
    directions: int | None = None
    findings: list[Finding] = field(default_factory=list)
    around: Directions = field(init=False)

    def owed(self) -> tuple[Forward, Kept]:
        """Run f and its pullback in the arguments' own dtype, and see what they owe."""
        forward = Forward(self.f, self.layout, None, self.before)
        reading = contract.first(forward)
        # A bare number that gets no cotangent, or comes back as it was, as the eps of a layer does,
        # is no argument to differentiate by.
        unasked = [
            leaf.name
            for i, leaf in enumerate(self.layout.leaves)
            if leaf.plain and np.array_equal(reading.given.get(i, leaf.value), leaf.value)
        ]
        if unasked and len(unasked) < len(self.layout.leaves):
            fixed = (*self.layout.fixed, *unasked)
            self.layout = Layout(self.layout.args, self.layout.labels, fixed)
            forward = Forward(self.f, self.layout, None, self.before)
        found = domains(self.domain, self.layout)
        self.around = Directions(self.layout, found, self.rng)
        away = forward.x + ELSEWHERE * self.around.along(slice(None))
        kept = contract.keep(forward, self.rng, precision.unit(self.layout), away)
        self.findings += [f for f in kept.findings if f.code not in self.allow]
        return forward, kept


def examined(trial: Trial, seed: int) -> GradReport:
    """Return the report of one check."""
    own, kept = trial.owed()
    directions = trial.around
    numbers, doubt = _numbers(trial, own, kept)
    reference = Reference(numbers.forward, directions)
    near = Near(reference, directions, trial.rng)
    judge = Judge(numbers, reference, directions, near)
    seen, leaves = [], []
    for i, leaf in enumerate(trial.layout.leaves):
        if not leaf.size or i in numbers.readings[0].unread:
            continue
        reference.vouch(i, numbers.g())
        each = judge.leaf(i, trial.directions)
        seen.append(each)
        each.wrong = each.wrong if judge.is_certain(i) else 0
        leaves.append(_checked(numbers, i, each, reference.limit(i)))
    contract.still_the_same(numbers.forward, numbers.unit)
    tied = len(leaves) > 1 and any(s.kinked for s in seen) and not judge.certain
    joined = judge.joined() if tied else Seen()
    if joined.entries:
        seen.append(joined)
        leaves.append(_of_all(joined, leaves))
    findings = list(trial.findings) + _of_none(numbers, verdict.mismatches(leaves, seen))
    leaves, findings = explained(judge, numbers, leaves, findings)
    findings += verdict.lost(
        trial.layout, directions.units, numbers.g(), {finding.leaf for finding in findings}
    )
    notes = [*kept.notes, *doubt, *_structures(judge, trial)]
    if numbers.forward is not own:
        narrow, said = precision.compared(own, numbers, directions, trial.rng, findings)
        findings, notes = findings + narrow, notes + said
    notes += hints.unasked(trial.layout, directions.units)
    notes += hints.hidden(trial.layout) if not findings else []
    return _report(trial, seed, seen, leaves, findings, reference, notes)


def _structures(judge: Judge, trial: Trial) -> list[str]:
    """Say which structure was found, where it was of use."""
    said = []
    for i, leaf in enumerate(trial.layout.leaves):
        found = judge.columns.known(i)
        if found is not None:
            count = len(found.groups)
            moves = f"{count} moves show" if count > 1 else "1 move shows"
            together = f"{moves} all {leaf.size} entries of d{leaf.name}"
            said.append(f"entries of {leaf.name} that never meet in one result: {together}")
    return said


def _numbers(trial: Trial, own: Forward, kept: Kept) -> tuple[Numbers, list[str]]:
    """Return the pullback's side, in float64 where it runs so."""
    forward, readings, doubt = own, kept.readings, []
    unit = precision.unit(trial.layout)
    if not precision.is_wide(trial.layout, own):
        wider = wide(trial.f, trial.layout, trial.before)
        same = wider is not None and precision.same_function(own, wider)
        fine = precision.readings(wider, kept.asked) if wider and same else None
        if wider and fine:
            forward, readings, unit = wider, fine, float(np.finfo(np.float64).eps)
        else:
            doubt = ["f or its pullback does not run in float64: it is judged in its own precision"]
    g = readings[0].g
    rounding = noise.rounding_of(forward, kept.asked[0], g, unit, trial.rng)
    return Numbers(forward, kept.asked, readings, rounding, unit, trial.rtol), doubt


def _checked(numbers: Numbers, i: int, seen: Seen, limit: float) -> LeafCheck:
    leaf = numbers.forward.layout.leaves[i]
    g = np.abs(numbers.g()[leaf.part].astype(np.float64))
    first = [e for e in seen.entries if e.index is not None and not e.cotangent]
    sizes = [max(abs(e.left), abs(e.right)) for e in first]
    finite = [s for s in sizes if np.isfinite(s)]
    scale = max([float(g[np.isfinite(g)].max(initial=0)), *finite])
    # A gradient that is nothing but rounding is as good as 0.
    quiet = NOISE * float(numbers.noise[leaf.part].max(initial=0))
    scale = 0.0 if scale <= quiet else scale
    worst = max(seen.entries, key=lambda e: e.badness)
    # dy has magnitudes of at least a half.
    caught = max(2 * seen.allowed, limit * scale)
    shape = leaf.value.shape
    return LeafCheck(
        leaf.name, shape, leaf.size, seen.how, worst, caught, scale, seen.wrong, seen.looked
    )


def _gravity(codes: Sequence[str]) -> Callable[[Finding], int]:
    """Return what sorts findings; what is not the same twice is not linear for that reason."""
    order = [code for code in GRAVEST if code != "nonlinear" or "impure" not in codes]
    order += ["nonlinear"] * ("impure" in codes)
    return lambda finding: order.index(finding.code)


def _of_all(seen: Seen, leaves: Sequence[LeafCheck]) -> LeafCheck:
    worst = max(seen.entries, key=lambda e: e.badness)
    size = sum(leaf.size for leaf in leaves)
    return LeafCheck(worst.leaf, (size,), size, "joint directions", worst, 0.0, 0.0, seen.wrong)


def _of_none(numbers: Numbers, found: list[Finding]) -> list[Finding]:
    """Say of a cotangent that was not given and should have been that there is none."""
    leaves = numbers.forward.layout.leaves
    none = {leaves[i].name for i in numbers.readings[0].none}
    said = "the pullback gives no cotangent (None) for {0}, whose derivative is not 0"
    return [
        Finding("structure", f.leaf, said.format(f.leaf)) if f.leaf in none else f for f in found
    ]


def _report(
    trial: Trial,
    seed: int,
    seen: Sequence[Seen],
    leaves: Sequence[LeafCheck],
    findings: list[Finding],
    reference: Reference,
    notes: Sequence[str],
) -> GradReport:
    entries = [e for each in seen for e in each.entries]
    kinky = [e for e in entries if e.index is not None and e.at_kink and not e.cotangent]
    findings = [f for f in findings if f.code not in trial.allow]
    findings.sort(key=_gravity([f.code for f in findings]))
    open_ = verdict.doubts(leaves, seen, trial.rtol)
    outcome: Outcome
    if findings:
        first = findings[0]
        outcome, code, reason, evidence = "wrong", first.code, first.sentence, first.evidence
    elif open_:
        outcome, code, reason, evidence = open_
    else:
        at = " (this point sits on a kink)" if kinky else ""
        outcome, code = "right", "right"
        reason, evidence = f"all cotangents agree with the derivative{at}", ""
    return GradReport(
        outcome=outcome,
        code=code,
        reason=reason,
        seed=seed,
        findings=tuple(findings),
        leaves=tuple(leaves),
        reference=reference.name,
        ties=kinks.rule([e for e in kinky if e.ok]),
        switch=kinks.members(kinky),
        notes=tuple(dict.fromkeys(notes)),
        evidence=evidence,
    )
