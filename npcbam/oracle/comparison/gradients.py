"""Are the gradients those of what the forward computes, and if not, what is amiss?

Every entry of every gradient is held against that of the reference, within what rounding explains;
see `bounds`. Where the reading is no CBAM of the reference, the complex step of its forward gives
derivatives along random directions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.diagnosis.factors import multiple_of, times
from npcbam.oracle.comparison.backward import alike, name_dx, name_weight
from npcbam.oracle.comparison.directional import against_step
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.reference import Reference, reference
from npcbam.oracle.comparison.rows import Row, evidence_of, worst
from npcbam.oracle.comparison.subgradient import as_shared
from npcbam.oracle.comparison.tie_rules import LAST, other_tie_rules, rules_of, tie_rules
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.precision import CANCELLED, PRECISIONS, UNEXPLAINED, rounded
from npcbam.oracle.probing.roles import Roles
from npcbam.oracle.probing.running import Outcome
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.conventions import NOT_SEEN, OTHER
from npcbam.routes import Gains

# Inputs on which gradients are not looked at: the reference's own are not finite there.
FREE = ("nan", "inf")


@dataclass(frozen=True, eq=False)
class Judged:
    """What the gradients gave: rows of the table, the tie rules that they follow, and findings.

    `cbam` is the reading as a CBAM of the reference, with these rules; None if it is none.
    """

    rows: list[Row]
    ties: str
    findings: list[Finding]
    cbam: Reference | None = None


def judged(
    found: Identified, seen: Sequence[Outcome], dtype: str, settled: tuple[Reference | None, str]
) -> Judged:
    """Compare all gradients with those of what was identified.

    Parameters
    ----------
    seen : what the candidate gave
    dtype : whose rounding is allowed
    settled : the reading as a block of the reference, and its tie rules, see `with_ties`
    """
    cbam, rules = settled
    seen = _differentiated(seen)
    if not seen:
        return Judged([], NOT_SEEN, [], cbam)
    if cbam is not None:
        return _elementwise(cbam, rules, found.roles, seen, dtype)
    # At a tie the complex step is one-sided.
    each = next((outcome for outcome in seen if outcome.input.name != "ties"), seen[0])
    return Judged([], NOT_SEEN, against_step(found, each, dtype))


def _differentiated(seen: Sequence[Outcome]) -> list[Outcome]:
    return [each for each in seen if each.cotangents is not None and each.input.name not in FREE]


def _elementwise(
    cbam: Reference, rules: str, roles: Roles, seen: Sequence[Outcome], dtype: str
) -> Judged:
    # The candidate has its arrays rounded to its precision.
    seen = [_rounded(each, dtype) for each in seen]
    exact = tree.map(lambda leaf: rounded(leaf, dtype), cbam)
    comparison = _Comparison(exact, roles, seen, dtype)
    if not comparison.ties_wrong:
        return Judged(comparison.rows, rules, comparison.findings(), exact)
    found = _tied_otherwise(exact, comparison, roles, seen, dtype)
    # A rule that was read off a wrong dx is none.
    return found or Judged(comparison.rows, NOT_SEEN, comparison.findings(), exact)


def _tied_otherwise(
    cbam: Reference, before: _Comparison, roles: Roles, seen: Sequence[Outcome], dtype: str
) -> Judged | None:
    """Judge by a rule for ties that the layers do not have, if dx is a subgradient all the same."""
    nearest, _ = _tie_rules(other_tie_rules(cbam), seen)
    shared = (as_shared(cbam, each) for each in before.given if each.name == "ties")
    for block in (block for block in itertools.chain([nearest], shared) if block is not None):
        found, rules = _Comparison(block, roles, seen, dtype), rules_of(block).split("+")
        if found.ties_wrong:
            continue
        seen_at = evidence_of(before.tied_row())
        if LAST.ties in rules:
            last = rule("tie-rule-last").finding(seen_at)
            return Judged(before.rows, NOT_SEEN, [last, *found.findings()], cbam)
        notes = [rule("tie-rule-other").finding(seen_at)] if OTHER in rules else []
        return Judged(found.rows, rules_of(block), [*found.findings(), *notes], block)
    return None


def _rounded(each: Outcome, dtype: str) -> Outcome:
    x, dy = rounded(each.input.x, dtype), rounded(each.dy, dtype)
    return replace(each, input=replace(each.input, x=x), dy=dy)


def with_ties(
    reading: Reading, weights: Mapping[str, Array], seen: Sequence[Outcome], dtype: str
) -> tuple[Reference | None, str]:
    """Return the reading as a CBAM with the tie rules whose gradient is the nearest, and these.

    Where rounding is coarse every rule is as near as another: let the precision be a high one.
    """
    of_map = any(each.y is not None and each.y.shape != each.input.x.shape for each in seen)
    cbam = reference(reading, weights, of_map)
    if cbam is None:
        return None, NOT_SEEN
    return _tie_rules(tie_rules(cbam), [_rounded(each, dtype) for each in _differentiated(seen)])


def _tie_rules(rules: Iterator[Reference], seen: Sequence[Outcome]) -> tuple[Reference, str]:
    """Return the CBAM with the tie rules whose gradient is the nearest where there are ties."""
    tied = [each for each in seen if each.input.name == "ties"]
    if not tied or tied[0].cotangents is None:
        return next(rules), NOT_SEEN
    each, dx = tied[0], tied[0].cotangents[1]
    best = min(rules, key=lambda rule: _gap(dx, rule.vjp(each.input.x)[1](each.dy)[1]))
    return best, rules_of(best)


def _gap(got: Array, expected: Array) -> float:
    # Summed: at low precision the largest is that of an entry whose rounding made it the maximum.
    with np.errstate(invalid="ignore"):
        gap = float(np.abs(got - expected).sum())
    return gap if np.isfinite(gap) else np.inf


class _Comparison:
    """Gradients of the candidate beside those of the reference, entry by entry."""

    def __init__(self, cbam: Reference, roles: Roles, seen: Sequence[Outcome], dtype: str) -> None:
        self.roles, self.dtype = {role.path: role for role in roles}, dtype
        self.given = [self._pulled(cbam, each) for each in seen]
        self.rows = [
            row for pair in zip(self.given, seen, strict=True) for row in self._rows(*pair)
        ]
        self.bad = [row for row in self.rows if not row.ok]
        self.ties_wrong = any(row.input == "ties" and row.tensor == "dx" for row in self.bad)

    def tied_row(self) -> Row:
        """Return the row of dx that is off where there are ties."""
        return next(row for row in self.bad if row.tensor == "dx" and row.input == "ties")

    def findings(self) -> list[Finding]:
        bad, found = self.bad, []
        wrong_dx = [row for row in bad if row.tensor == "dx"]
        plain = [row for row in wrong_dx if row.input != "ties"]
        if wrong_dx and not plain:
            found.append(rule("tie-rule-unknown").finding(evidence_of(wrong_dx[0])))
            bad = [row for row in bad if row.input != "ties"]
        gains: dict[str, Gains] = {}
        if plain:
            finding, gains = self._of_dx(plain, bad)
            found.append(finding)
        return found + self._of_weights([row for row in bad if row.tensor != "dx"], gains)

    def _pulled(self, cbam: Reference, each: Outcome) -> Pulled:
        assert each.cotangents is not None
        dparams, dx = each.cotangents
        leaves = {p: r.carry(dparams[r.name]) for p, r in self.roles.items() if r.name in dparams}
        return Pulled(each.input.name, each.input.x, each.dy, leaves, dx, cbam, self.dtype)

    def _rows(self, given: Pulled, each: Outcome) -> Iterator[Row]:
        assert each.cotangents is not None
        leaves, dx = given.expected
        yield worst(given.name, "dx", given.dx, dx, given.tolerance["dx"])
        by_name = {role.name: role for role in self.roles.values()}
        dead = CANCELLED * PRECISIONS[self.dtype].unit * np.abs(dx).max(initial=0)
        for key, got in each.cotangents[0].items():
            # An array without a role has no effect on the reading.
            expected, tolerance = np.zeros_like(got), np.full(got.shape, dead)
            role = by_name.get(key)
            if role is not None and role.path in leaves:
                expected = role.back(leaves[role.path], got)
                tolerance = role.back(given.tolerance[role.path], got)
            if got.size:
                yield worst(given.name, f"d {key}", got, expected, tolerance)

    def _of_dx(self, rows: Sequence[Row], bad: Sequence[Row]) -> tuple[Finding, dict[str, Gains]]:
        names = {row.input for row in rows}
        given = [each for each in self.given if each.name in names]
        row = max(rows, key=lambda row: row.times)
        if not all(np.isfinite(each.dx).all() for each in given):
            return _finding("gradient-not-finite", row, tensor="dx"), {}
        ratios = [multiple_of(each.dx, each.expected[1], each.tolerance["dx"]) for each in given]
        known = [ratio for ratio in ratios if ratio is not None]
        most = max((abs(1 - ratio) for ratio in known), default=0.0)
        if len(known) == len(given) and np.ptp(known) <= UNEXPLAINED * most:
            if not any(each.dx.any() for each in given):
                return _finding("gradient-detached", row), {}
            return _finding("gradient-scaled", row, tensor="dx", times=times(known[0])), {}
        # On one position, or one channel, several routes are one: the others tell more.
        telling = [each for each in given if each.name not in ("point", "single")] or given
        off = {row.tensor.removeprefix("d ") for row in bad}
        reached = {path.partition(".")[0] for path, r in self.roles.items() if r.name in off}
        named = name_dx(telling, {"channel", "spatial"} - reached)
        if named is None:
            return _finding("gradient-wrong", row, tensor="dx"), {}
        pairs = zip(telling, named.gains, strict=True)
        finding = Finding("gradient", named.code, named.message, evidence=evidence_of(row))
        return finding, {each.name: gains for each, gains in pairs}

    def _of_weights(self, rows: Sequence[Row], gains: Mapping[str, Gains]) -> list[Finding]:
        """Name what is amiss with parameters, but for what the route that dx lacks explains."""
        by_tensor: dict[str, list[Row]] = {}
        for row in rows:
            by_tensor.setdefault(row.tensor, []).append(row)
        paths = {f"d {role.name}": path for path, role in self.roles.items()}
        said: dict[str, list[tuple[str, Finding]]] = {}
        for tensor, bad in by_tensor.items():
            worst, name = max(bad, key=lambda row: row.times), tensor.removeprefix("d ")
            given, path = self._on(worst.input), paths.get(tensor, "")
            if path not in given.tolerance:
                found = _finding("gradient-of-dead", worst, name=name)
            elif self._explained(path, bad, gains):
                continue
            else:
                code, text = name_weight(path, given, gains.get(worst.input, {}))
                seen, message = evidence_of(worst), text.replace(path, name)
                found = Finding("gradient", code, message, evidence=seen)
            said.setdefault(found.code, []).append((name, found))
        return [_together(several) for several in said.values()]

    def _on(self, name: str) -> Pulled:
        return next(each for each in self.given if each.name == name)

    def _explained(self, path: str, bad: Sequence[Row], gains: Mapping[str, Gains]) -> bool:
        """Tell whether what explains dx explains a parameter's gradient wherever both are wrong."""
        seen = [(self._on(row.input), gains[row.input]) for row in bad if row.input in gains]
        return bool(seen) and all(
            alike(
                given.dparams[path],
                given.with_gains(gains)[0][path],
                given.expected[0][path],
                max(1.0, *map(abs, gains.values())) * given.tolerance[path],
            )
            for given, gains in seen
        )


def _finding(code: str, row: Row, **words: object) -> Finding:
    return rule(code).finding(evidence_of(row), None, **words)


def _together(several: Sequence[tuple[str, Finding]]) -> Finding:
    """Say what several parameters have in common in one finding."""
    first = several[0][1]
    others = ", ".join(name for name, _ in several[1:])
    return replace(first, message=f"{first.message}; likewise {others}") if others else first
