"""Are y and all gradients those of what was read off the candidate, on every input?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.coarser import kind_of
from npcbam.oracle.comparison.gradients import Judged, judged, with_ties
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.comparison.reference import Reference
from npcbam.oracle.comparison.rows import Row, evidence_of, worst
from npcbam.oracle.findings import Finding, evidence
from npcbam.oracle.identification.conventions import conventions
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.precision import ADDED, CLOSE, LOOSE, rounded
from npcbam.oracle.probing.running import Outcome, run
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.conventions import NOT_SEEN, Convention


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
    return _Comparing(found).comparison()


class _Comparing:
    """What is compared of one candidate."""

    def __init__(self, found: Identified) -> None:
        self.found, self.trial, self.reading = found, found.trial, found.reading
        self.weights, self.dtype = found.weights, found.trial.candidate.dtype

    def comparison(self) -> Comparison:
        stated = [each for each in self.reading.stated() if not self._unseen(each[0])]
        findings = [self._proven(*each) for each in stated]
        findings += self._kernel()
        rows, ties = list[Row](), NOT_SEEN
        if self.reading.known:
            seen, asked = self.trial.seen, self.trial.asked
            settled = with_ties(self.reading, self.weights, seen, self.dtype)
            more = list[Finding]()
            if asked.dtype == self.dtype or not self.trial.single:
                kind = self._kind(settled[0]) if asked.dtype == self.dtype else self.dtype
                rows, more, settled = self._compared(seen, kind, settled)
                ties = settled[1]
            if asked.dtype != self.dtype:
                low = [self._lower(each) for each in seen]
                rows, lower, settled = self._compared(low, self._kind(settled[0]), settled)
                ties = settled[1]
                more += self._added(more, lower)
            precise = self._precise(more, settled[0])
            if any(finding.status == "wrong" for finding in precise):
                # These say why, and at which precision.
                more = [finding for finding in more if finding.code != "more-than-rounding"]
            findings += more + precise
        layout = self.trial.candidate.layout
        told = conventions(self.reading, self.weights, ties, layout)
        return Comparison(tuple(rows), tuple(findings), told)

    def _unseen(self, finding: Finding) -> bool:
        """Tell whether a gate seems not to be applied because it is constant for one sample."""
        live = [role.path for role in self.found.roles if role.name not in self.found.dead]
        idle = {f"{path.partition('.')[0]}-not-applied" for path in live}
        return self.trial.alone and finding.code in idle

    def _compared(
        self, seen: Sequence[Outcome], dtype: str, settled: tuple[Reference | None, str]
    ) -> tuple[list[Row], list[Finding], tuple[Reference | None, str]]:
        """Compare y and all gradients at one precision; the tie rules are settled by the way."""
        rows, found = self._outputs(seen, dtype, settled[0])
        # Where y is another one, so are its gradients.
        added = any(finding.code == "constant-added" for finding in found)
        bad = {row.input for row in rows if not row.ok and not added}
        good = [each for each in seen if each.input.name not in bad]
        of_gradients: Judged = judged(self.found, good, dtype, settled)
        settled = of_gradients.cbam, of_gradients.ties
        return rows + of_gradients.rows, found + of_gradients.findings, settled

    def _added(self, known: Sequence[Finding], lower: Sequence[Finding]) -> list[Finding]:
        """Return what shows at the lower precision alone."""
        codes = {finding.code for finding in known}
        if codes & {"differs-on-input", "constant-added"}:
            codes.add("more-than-rounding")
        dtype = {"dtype": self.trial.asked.dtype}
        return [replace(f, evidence=dtype | f.evidence) for f in lower if f.code not in codes]

    def _kind(self, reference: Reference | None) -> str:
        """Return the precision whose rounding is allowed where it is asked for."""
        asked = self.trial.asked
        if reference is None or self.trial.alone or asked.dtype != "float32":
            return asked.dtype
        carry = self._carry(reference)
        trial = self.trial
        return kind_of(asked, carry(trial.values), carry, trial.seed, trial.channels)

    def _carry(self, reference: Reference) -> Callable[[Mapping[str, Array]], Reference]:
        """Return what builds the reference from arrays of the candidate, by name."""

        def carry(values: Mapping[str, Array]) -> Reference:
            arrays = {role.path: role.carry(values[role.name]) for role in self.found.roles}
            leaves = (arrays.get(path, leaf) for path, leaf in tree.leaves(reference))
            return tree.replace_leaves(reference, leaves)

        return carry

    def _precise(self, known: Sequence[Finding], reference: Reference | None) -> list[Finding]:
        """Return what the candidate's own precisions show, where the reference can follow it."""
        trial = self.trial
        other = any(finding.code == "constant-added" for finding in known)
        if reference is None or trial.alone or other:
            return []
        carry = self._carry(reference)
        how = trial.seed, trial.dtypes, trial.channels
        return numerics(trial.asked, carry(trial.values), carry, *how)

    def _lower(self, each: Outcome) -> Outcome:
        """Return what it gives at the precision that it is judged at."""
        outcome = run(self.trial.asked, self.trial.values, each.input, each.dy)
        if outcome.error is not None:
            raise outcome.error
        return outcome if each.cotangents else replace(outcome, cotangents=None)

    def _kernel(self) -> list[Finding]:
        size = self.weights["k"].shape[2:] if "k" in self.weights else ()
        if all(side == 7 for side in size):
            return []
        return [rule("kernel-size").finding(size="x".join(map(str, size)))]

    def _outputs(
        self, seen: Sequence[Outcome], dtype: str, reference: Reference | None
    ) -> tuple[list[Row], list[Finding]]:
        """Compare y on every input with what was read off on one."""
        pairs = [self._pair(each, dtype) for each in seen]
        rows = [
            _row_of_y(each, *pair, dtype, reference) for each, pair in zip(seen, pairs, strict=True)
        ]
        bad = [row for row in rows if not row.ok]
        if not bad:
            return rows, []
        most = max(bad, key=lambda row: row.times)
        if added := _constant([got - expected for got, expected in pairs]):
            said = rule("constant-added").finding(evidence_of(most), number=f"{added:.3g}")
            return rows, [said]
        share = max(_share(got, expected) for got, expected in pairs)
        if len(bad) < len(seen) and share > 2 * max(LOOSE):
            inputs = ", ".join(row.input for row in bad)
            found = rule("differs-on-input")
            return rows, [
                found.finding(evidence_of(most), bad=len(bad), all=len(seen), inputs=inputs)
            ]
        found = rule("more-than-rounding")
        return rows, [found.finding(evidence_of(most), dtype=dtype, times=f"{most.times:.3g}")]

    def _pair(self, each: Outcome, dtype: str) -> tuple[Array, Array]:
        """Return y and what it should be; arrays of float64 are the candidate's as they are."""
        assert each.y is not None
        weights = {key: rounded(value, dtype) for key, value in self.weights.items()}
        return each.y, self.reading.predict(weights, rounded(each.input.x, dtype), each.y.shape)

    def _proven(self, finding: Finding, right: Sequence[Reading]) -> Finding:
        """Add the evidence: what it gives beside the block with this put right."""
        if finding.status != "wrong" or not self.reading.known:
            return finding
        first = self.trial.seen[0]
        assert first.y is not None
        seen = []
        for reading in right:
            try:
                want = reading.predict(self.weights, first.input.x, first.y.shape)
            except (KeyError, ValueError):
                continue  # weights of another shape than the paper's block has
            tolerance = CLOSE[self.dtype] * float(np.abs(want).max(initial=0) or 1)
            seen.append(evidence(first.input.name, "y", first.y, want, tolerance))
        # What is no more than rounding proves nothing.
        told = (each for each in seen if each["times"] > 1)
        nearest = min(told, key=lambda e: float(e["times"]), default={})
        return replace(finding, evidence=nearest)


def _row_of_y(
    each: Outcome, got: Array, expected: Array, dtype: str, reference: Reference | None
) -> Row:
    """Return the worst entry of y, by what rounding explains where the reference can tell."""
    if reference is None:
        scale = float(np.abs(expected).max(initial=0)) or 1.0
        return worst(each.input.name, "y", got, expected, CLOSE[dtype] * scale)
    exact = tree.map(lambda leaf: rounded(leaf, dtype), reference)
    bound = allowed(exact, rounded(each.input.x, dtype), None, dtype)["y"]
    return worst(each.input.name, "y", got, expected, bound)


def _share(got: Array, expected: Array) -> float:
    """Return the largest error, of the largest entry; infinite where there is NaN."""
    share = float(np.abs(got - expected).max() / (np.abs(expected).max() or 1))
    return share if np.isfinite(share) else np.inf


def _constant(errors: Sequence[Array]) -> float:
    """Return the number that the errors of all inputs are, 0 if they are none."""
    number = float(np.median(errors[0]))
    apart = max(float(np.abs(error - number).max()) for error in errors)
    return number if apart < ADDED * abs(number) else 0.0
