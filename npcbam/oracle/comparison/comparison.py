"""Are y and all gradients those of what was read off the candidate, on every input?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.oracle.comparison.at_one_precision import Compared, Pair, pair_of
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.coarser import kind_of
from npcbam.oracle.comparison.gradients import Judged, judged
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.comparison.one_gate import Reference
from npcbam.oracle.comparison.pulled import given
from npcbam.oracle.comparison.reference import reference
from npcbam.oracle.comparison.tie_rules import with_ties
from npcbam.oracle.findings import Finding, Row, worst
from npcbam.oracle.identification.conventions import conventions
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.precision import ADDED, CLOSE, LOOSE, rounded
from npcbam.oracle.probing.running import Outcome, failures, run
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.conventions import Convention


@dataclass(frozen=True, eq=False)
class Comparison:
    """A candidate beside what was read off it.

    Attributes
    ----------
    rows : what was compared
    findings : what differs
    conventions : how it settles each question
    """

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    conventions: tuple[Convention, ...]


def compared(found: Identified) -> Comparison:
    """Compare y and all gradients on every input, at each precision, and say what differs."""
    comparing = _Comparing(found)
    now = comparing.known() if found.reading.known else Judged([], [], None)
    told = conventions(found.reading, found.weights, now.ties, found.trial.candidate.layout)
    return Comparison(tuple(now.rows), (*comparing.stated(), *now.findings), told)


class _Comparing:
    """What is compared of one candidate."""

    def __init__(self, found: Identified) -> None:
        self.found, self.trial, self.reading = found, found.trial, found.reading
        self.weights, self.dtype = found.weights, found.trial.candidate.dtype

    def stated(self) -> list[Finding]:
        """Return what sets the reading apart."""
        stated = [each for each in self.reading.stated() if not self._unseen(each[0])]
        findings = [self._proven(*each) for each in stated]
        size = self.weights["k"].shape[2:] if "k" in self.weights else ()
        if not all(side == 7 for side in size):
            findings.append(rule("kernel-size").finding(size="x".join(map(str, size))))
        return findings

    def known(self) -> Judged:
        """Compare all that comes out, where every stage was recognised."""
        now = self._unjudged()
        if self.trial.asked.dtype == self.dtype:
            now = self._compared(self.trial.seen, self._kind(now.reference), now)
        else:
            now = self._at_both(now)
        findings, precise = now.findings, self._precise(now)
        if any(finding.status == "wrong" for finding in precise):
            # These say why, and at which precision.
            findings = [each for each in findings if each.code != "more-than-rounding"]
        return replace(now, findings=findings + precise)

    def _unjudged(self) -> Judged:
        """Return the reading as a block of the reference, before anything is compared."""
        seen = self.trial.seen
        of_map = any(each.y is not None and each.y.shape != each.input.x.shape for each in seen)
        block = reference(self.reading, self.weights, of_map)
        if block is None:
            return Judged([], [], None)
        return Judged([], [], *with_ties(block, given(seen, self.dtype)))

    def _at_both(self, before: Judged) -> Judged:
        """Compare at the precision that it was identified at, and at the one it is judged at."""
        trial, seen = self.trial, self.trial.seen
        above = before if trial.single else self._compared(seen, self.dtype, before)
        lower = [run(trial.asked, trial.values, each.input, each.dy) for each in seen]
        ran = [each for each in lower if each.y is not None]
        now = self._compared(ran, self._kind(above.reference), above)
        pairs = zip(lower, seen, strict=True)
        findings = above.findings + failures([each for each, wide in pairs if wide.error is None])
        # What shows at the lower precision alone is told as that.
        known, at = {finding.code for finding in findings}, {"dtype": trial.asked.dtype}
        more = [finding for finding in now.findings if finding.code not in known]
        more = [replace(each, evidence=at | each.evidence) for each in more]
        return replace(now, findings=findings + more)

    def _unseen(self, finding: Finding) -> bool:
        """Tell whether a gate seems not to be applied because it is constant for one sample."""
        live = [role.path for role in self.found.roles if role.name not in self.found.dead]
        idle = {f"{path.partition('.')[0]}-not-applied" for path in live}
        return self.trial.alone and finding.code in idle

    def _compared(self, seen: Sequence[Outcome], dtype: str, before: Judged) -> Judged:
        """Compare y and all gradients at one precision; the tie rules are settled by the way."""
        block = before.reference
        if block is not None:
            # The candidate has its arrays rounded to its precision.
            block = tree.map(lambda leaf: rounded(leaf, dtype), block)
        rows, found = self._outputs(seen, dtype, block)
        # Where y is another one, so are its gradients.
        added = any(finding.code == "constant-added" for finding in found)
        bad = {row.input for row in rows if not row.ok and not added}
        good = given([each for each in seen if each.input.name not in bad], dtype)
        now = judged(self.found, good, dtype, block, before.ties)
        return replace(now, rows=rows + now.rows, findings=found + now.findings)

    def _kind(self, block: Reference | None) -> str:
        """Return the precision whose rounding is allowed where it is asked for."""
        pair = self._pair(block) if self.trial.asked.dtype == "float32" else None
        return self.trial.asked.dtype if pair is None else kind_of(pair)

    def _precise(self, now: Judged) -> list[Finding]:
        """Return what the candidate's own precisions show."""
        pair = self._pair(now.reference)
        if pair is None or any(finding.code == "constant-added" for finding in now.findings):
            return []
        return numerics(pair, self.trial.dtypes)

    def _pair(self, block: Reference | None) -> Pair | None:
        """Return the candidate beside the reference, None where that cannot follow it."""
        trial = self.trial
        if block is None or trial.alone:
            return None

        def carry(values: Mapping[str, Array]) -> Reference:
            arrays = {role.path: role.carry(values[role.name]) for role in self.found.roles}
            leaves = (arrays.get(path, leaf) for path, leaf in tree.leaves(block))
            return tree.replace_leaves(block, leaves)

        return pair_of(trial.asked, carry, trial.seed, trial.channels)

    def _outputs(
        self, seen: Sequence[Outcome], dtype: str, block: Reference | None
    ) -> tuple[list[Row], list[Finding]]:
        """Compare y on every input with what was read off on one."""
        weights = {key: rounded(value, dtype) for key, value in self.weights.items()}
        known = {}
        for each in seen:
            if each.y is not None:
                x = rounded(each.input.x, dtype)
                expected = self.reading.predict(weights, x, each.y.shape)
                tolerance = _tolerance(block, x, expected, dtype)
                known[each.input.name] = Compared(each.y, expected, tolerance)
        rows = [worst(k, "y", y.got, y.expected, y.tolerance) for k, y in known.items()]
        off = [row for row in rows if not row.ok]
        lost = [row for row in off if not np.isfinite(row.got)]
        reasons = {each.input.name: each.input.reason for each in seen}
        found = [
            rule("not-finite").finding(row.evidence, input=row.input, reason=reasons[row.input])
            for row in lost[:1]
        ]
        off = [row for row in off if row not in lost]
        return rows, found + ([_off(off, known, dtype)] if off else [])

    def _proven(self, finding: Finding, right: Sequence[Reading]) -> Finding:
        """Add the evidence: what it gives beside the block with this put right."""
        first = self.trial.seen[0]
        if finding.status != "wrong" or not self.reading.known or first.y is None:
            return finding
        rows = []
        for reading in right:
            try:
                want = reading.predict(self.weights, first.input.x, first.y.shape)
            except (KeyError, ValueError):
                continue  # weights of another shape than the paper's block has
            tolerance = CLOSE[self.dtype] * float(np.abs(want).max(initial=0) or 1)
            rows.append(worst(first.input.name, "y", first.y, want, tolerance))
        # What is no more than rounding proves nothing.
        told = [row for row in rows if not row.ok]
        if not told:
            return finding
        return replace(finding, evidence=min(told, key=lambda row: row.times).evidence)


def _tolerance(block: Reference | None, x: Array, expected: Array, dtype: str) -> Array:
    """Return how far y may be off: what rounding explains, where the reference can tell."""
    if block is not None:
        return allowed(block, x, None, dtype)["y"]
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    return np.full(expected.shape, CLOSE[dtype] * scale)


def _off(bad: Sequence[Row], known: Mapping[str, Compared], dtype: str) -> Finding:
    """Name what is amiss with y where it is off on some inputs, by numbers."""
    most = max(bad, key=lambda row: row.times)
    share = max(known[row.input].share for row in bad)
    if added := _constant([y.got - y.expected for y in known.values()]):
        found, words = rule("constant-added"), {"number": f"{added:.3g}"}
    elif len(bad) < len(known) and share > 2 * max(LOOSE):
        inputs = ", ".join(row.input for row in bad)
        found = rule("differs-on-input")
        words = {"bad": f"{len(bad)}", "all": f"{len(known)}", "inputs": inputs}
    else:
        found = rule("more-than-rounding")
        words = {"dtype": dtype, "times": f"{most.times:.3g}"}
    return found.finding(most.evidence, None, **words)


def _constant(errors: Sequence[Array]) -> float:
    """Return the number that the errors of all inputs are, 0 if they are none."""
    number = float(np.median(errors[0]))
    apart = max(float(np.abs(error - number).max()) for error in errors)
    return number if apart < ADDED * abs(number) else 0.0
