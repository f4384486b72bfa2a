"""Are the gradients those of what the forward computes, and if not, what is amiss?

Every entry of every gradient is held against that of the reference, within what rounding explains;
see `bounds`. Where the reading is no CBAM of the reference, the complex step of its forward gives
derivatives along random directions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam.oracle.comparison.backward import explains, name_dx, name_weight
from npcbam.oracle.comparison.directional import against_step
from npcbam.oracle.comparison.one_gate import Reference
from npcbam.oracle.comparison.pulled import Given, Pulled
from npcbam.oracle.comparison.subgradient import as_shared
from npcbam.oracle.comparison.tie_rules import LAST, nearest, other_tie_rules, rules_of
from npcbam.oracle.findings import Finding, Row, worst
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.precision import CANCELLED, PRECISIONS
from npcbam.oracle.probing.roles import Roles
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.conventions import NOT_SEEN, OTHER
from npcbam.routes import Gains


@dataclass(frozen=True, eq=False)
class Judged:
    """What was compared at one precision: rows of the table, and findings.

    `reference` is the reading as a block of the reference with the tie rules that the gradients
    follow, None if it is none; `ties` names these rules.
    """

    rows: list[Row]
    findings: list[Finding]
    reference: Reference | None
    ties: str = NOT_SEEN


def judged(
    found: Identified, seen: Sequence[Given], dtype: str, reference: Reference | None, ties: str
) -> Judged:
    """Compare all gradients with those of what was identified.

    Parameters
    ----------
    seen : what the candidate gave
    dtype : whose rounding is allowed
    reference, ties : see `with_ties`; the arrays are rounded as the candidate has them
    """
    if not seen:
        return Judged([], [], reference)
    if reference is None:
        # At a tie the complex step is one-sided.
        each = next((given for given in seen if given.name != "ties"), seen[0])
        return Judged([], against_step(found, each, dtype), None)
    gradients = _Gradients(reference, found.roles, seen, dtype)
    if gradients.tied is None:
        return Judged(gradients.rows, gradients.findings(), reference, ties)
    for block in _tied_otherwise(reference, gradients):
        other, rules = _Gradients(block, found.roles, seen, dtype), rules_of(block)
        if other.tied is not None:
            continue
        if LAST.ties in rules.split("+"):
            last = rule("tie-rule-last").finding(gradients.tied.evidence)
            return Judged(gradients.rows, [last, *other.findings()], reference)
        note = rule("tie-rule-other").finding(gradients.tied.evidence)
        notes = [note] if OTHER in rules.split("+") else []
        return Judged(other.rows, [*other.findings(), *notes], block, rules)
    # A rule that was read off a wrong dx is none.
    return Judged(gradients.rows, gradients.findings(), reference)


def _tied_otherwise(block: Reference, gradients: _Gradients) -> Iterator[Reference]:
    """Yield the block with rules for ties that the layers do not have, if dx is a subgradient."""
    tied = gradients.pulled["ties"]
    yield nearest(other_tie_rules(block), tied)
    if (shared := as_shared(block, tied)) is not None:
        yield shared


class _Gradients:
    """Gradients of the candidate beside those of the reference, entry by entry.

    `tied` is the row of dx where there are ties, if it is off.
    """

    def __init__(
        self, reference: Reference, roles: Roles, seen: Sequence[Given], dtype: str
    ) -> None:
        self.roles, self.dtype = {role.name: role for role in roles}, dtype
        self.pulled = {each.name: self._pulled(reference, each) for each in seen}
        self.rows = [row for each in seen for row in self._rows(each)]
        self.off = [row for row in self.rows if not row.ok]
        of_ties = (row for row in self.off if row.input == "ties" and row.tensor == "dx")
        self.tied = next(of_ties, None)

    def _pulled(self, reference: Reference, each: Given) -> Pulled:
        known = ((self.roles[name], d) for name, d in each.dparams.items() if name in self.roles)
        leaves = {role.path: role.carry(d) for role, d in known}
        return Pulled(each.name, each.x, each.dy, leaves, each.dx, reference, self.dtype)

    def _rows(self, each: Given) -> Iterator[Row]:
        pulled = self.pulled[each.name]
        leaves, dx = pulled.expected
        yield worst(each.name, "dx", each.dx, dx, pulled.tolerance["dx"])
        dead = CANCELLED * PRECISIONS[self.dtype].unit * np.abs(dx).max(initial=0)
        for name, got in each.dparams.items():
            # An array without a role has no effect on the reading.
            expected, tolerance = np.zeros_like(got), np.full(got.shape, dead)
            role = self.roles.get(name)
            if role is not None and role.path in leaves:
                expected = role.back(leaves[role.path], got)
                tolerance = role.back(pulled.tolerance[role.path], got)
            if got.size:
                yield worst(each.name, f"d {name}", got, expected, tolerance)

    def findings(self) -> list[Finding]:
        """Name what is amiss: with dx, and with parameters where that does not explain it."""
        off, found = self.off, []
        of_dx = [row for row in off if row.tensor == "dx" and row.input != "ties"]
        if self.tied is not None and not of_dx:
            found.append(rule("tie-rule-unknown").finding(self.tied.evidence))
            off = [row for row in off if row.input != "ties"]
        of_arrays: dict[str, list[Row]] = {}
        for row in off:
            if row.tensor != "dx":
                of_arrays.setdefault(row.tensor.removeprefix("d "), []).append(row)
        gains: Mapping[str, Gains] = {}
        if of_dx:
            finding, gains = self._of_dx(of_dx, of_arrays)
            found.append(finding)
        return found + self._of_arrays(of_arrays, gains)

    def _of_dx(
        self, rows: Sequence[Row], arrays: Collection[str]
    ) -> tuple[Finding, Mapping[str, Gains]]:
        """Name what is amiss with dx, and the gains that explain it, by input.

        `arrays` are those whose gradients are off.
        """
        reached = {role.path.partition(".")[0] for k, role in self.roles.items() if k in arrays}
        several = [self.pulled[row.input] for row in rows]
        cause = name_dx(several, {"channel", "spatial"} - reached)
        evidence = _most(rows).evidence
        if cause is None:
            return rule("gradient-wrong").finding(evidence, tensor="dx"), {}
        return Finding("gradient", cause.code, cause.message, evidence=evidence), cause.gains

    def _of_arrays(
        self, off: Mapping[str, Sequence[Row]], gains: Mapping[str, Gains]
    ) -> list[Finding]:
        """Name what is amiss with parameters, but for what the route that dx lacks explains."""
        said: dict[str, list[tuple[str, Finding]]] = {}
        for name, rows in off.items():
            most, role = _most(rows), self.roles.get(name)
            pulled = self.pulled[most.input]
            if role is None or role.path not in pulled.tolerance:
                found = rule("gradient-of-dead").finding(most.evidence, name=name)
            elif self._explained(role.path, rows, gains):
                continue
            else:
                code, text = name_weight(role.path, pulled, gains.get(most.input, {}))
                message = text.replace(role.path, name)
                found = Finding("gradient", code, message, evidence=most.evidence)
            said.setdefault(found.code, []).append((name, found))
        return [_together(several) for several in said.values()]

    def _explained(self, path: str, rows: Sequence[Row], gains: Mapping[str, Gains]) -> bool:
        """Tell whether what explains dx explains a parameter's gradient wherever both are wrong."""
        both = [row.input for row in rows if row.input in gains]
        return bool(both) and all(explains(gains[name], path, self.pulled[name]) for name in both)


def _most(rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: row.times)


def _together(several: Sequence[tuple[str, Finding]]) -> Finding:
    """Say what several parameters have in common in one finding."""
    first = several[0][1]
    others = ", ".join(name for name, _ in several[1:])
    return replace(first, message=f"{first.message}; likewise {others}") if others else first
