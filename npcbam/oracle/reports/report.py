"""What the oracle says: for a terminal, and as JSON.

The JSON, of `schema` 3, has at its top

- `schema`, `target`, `framework`, `dtype`, `seed`, `expect`; `stage`, what was judged: "whole", or
  "channel" or "spatial" where the candidate is one half and the rest was not seen;
- `verdict`: "faithful", "variant", "wrong" or "undecided"; `reason`, why it is undecided, or "";
- `ok`: whether the candidate is what `expect` asks for; `headline`: the verdict in one sentence;
- `conventions`: the value of each axis; `departures`: the axes that depart from Eqs. 1 to 3;
  `presets`: those that compute the same;
- `findings`, the most important first: `stage`, `code`, `message`, `status`, `evidence`, `snippet`,
  `rule`, its place on the page that `npcbam rules --html rules.html` writes, and `was`, the codes
  by which version 0.1 told the same; `npcbam explain CODE` says more;
- `tried`: for each `input` and `tensor` the largest error in units of the allowed one, `times`, and
  the `smallest` error of an entry that would have been caught; `index`, `got`, `expected` of it;
- `inputs`: why each input is there.

NaN and infinity, which JSON lacks, are null.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from npcbam.oracle.findings import Finding, Row
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.conventions import FAITHFUL, Convention, meets, presets_of, unmet
from npcbam.oracle.rules.page import anchor

SCHEMA = 3
PARTS = {
    "channel": ("the channel attention of CBAM", "Eq. 2"),
    "spatial": ("the spatial attention of CBAM", "Eq. 3"),
    "whole": ("CBAM", "Eqs. 1 to 3"),
}
# No two numbers of float64 are spelled alike in so many.
MOST_DIGITS = 17
UNSEEN = {"channel": "the spatial gate", "spatial": "the channel gate"}


@dataclass(frozen=True)
class Report:
    """The answer to "is this CBAM correct?".

    Attributes
    ----------
    target : what was checked
    verdict : "faithful" (Eqs. 1 to 3), "variant" (a documented other block), "wrong", or
        "undecided"
    reason : why it is undecided
    expect : "faithful", a preset, or the axes and values asked for
    conventions : what it does, beside what the paper says and the authors' code does
    findings : what sets it apart, the most important first
    rows : what was compared, tensor by tensor on input by input
    inputs : why each input is there, by its name
    seed : the seed of the weights, inputs and cotangents
    framework, dtype : what the candidate is written in, and the precision it ran at
    stage : what was judged: "whole", or the half "channel" or "spatial" alone
    maps : both maps beside the paper's, see `comparison.maps`; None if they are not known
    """

    target: str
    verdict: str
    expect: str = FAITHFUL
    reason: str = ""
    conventions: tuple[Convention, ...] = ()
    findings: tuple[Finding, ...] = ()
    rows: tuple[Row, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    framework: str = "numpy"
    dtype: str = "float64"
    stage: str = "whole"
    maps: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether the candidate is what was asked for."""
        if self.expect == FAITHFUL or self.verdict in ("wrong", "undecided"):
            return self.verdict == self.expect
        return meets(self.conventions, self.expect, self.stage)

    @property
    def presets(self) -> tuple[str, ...]:
        """The presets that compute the same."""
        right = self.verdict in ("faithful", "variant")
        return presets_of(self.conventions, self.stage) if right else ()

    @property
    def departures(self) -> tuple[str, ...]:
        """What sets a variant apart, in words."""
        return tuple(f.message for f in self.findings if f.status == "variant")

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        like = "".join(f", as preset `{name}` does" for name in self.presets[:1])
        what, equations = PARTS[self.stage]
        if self.verdict == "wrong":
            return f"WRONG: {self.target} does not compute {what}"
        if self.verdict == "undecided":
            return f"UNDECIDED: {self.target}: {self.reason}"
        if self.verdict == "faithful":
            said = f"FAITHFUL: {self.target} computes {what}, {equations}{like}"
        else:
            said = f"VARIANT: {self.target} computes a documented relative of {what}{like}"
        return said if self.ok else f"{said}; `{self.expect}` was expected"

    def __str__(self) -> str:
        lines = [self.headline]
        if self.stage != "whole":
            unseen = f"{UNSEEN[self.stage]} and Eq. 1 were not"
            lines.append(f"  {'stage':<9} the {self.stage} gate alone was judged; {unseen}")
        for finding in self.findings:
            if finding.message != self.reason:  # which the headline has said
                lines += self._said(finding)
        if self.expect != FAITHFUL and self.verdict in ("faithful", "variant"):
            missed = unmet(self.conventions, self.expect, self.stage)
            lines += [f"  {'expected':<9} {each}" for each in missed]
        if self.conventions:
            heads = [("convention", "here", "paper", "authors")]
            rows = [(c.axis, c.value, c.paper, c.authors) for c in self.conventions]
            lines += ["", *aligned(heads + rows)]
        if self.rows:
            lines += ["", *self._table(), "", *self._legend()]
        snippet = next((f.snippet for f in self.findings if f.snippet), "")
        if snippet:
            lines += ["", "  to replay the first:", textwrap.indent(snippet, "    ")]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return what the JSON holds; see the module."""
        rows = [asdict(row) | {"ok": row.ok} for row in self.rows]
        top = ("target", "framework", "dtype", "seed", "expect", "stage", "verdict", "reason")
        whole = {"schema": SCHEMA} | {name: getattr(self, name) for name in top}
        whole |= {
            "ok": self.ok,
            "headline": self.headline,
            "conventions": {row.axis: row.value for row in self.conventions},
            "departures": [row.axis for row in self.conventions if row.departs],
            "presets": list(self.presets),
            "findings": [_linked(finding) for finding in self.findings],
            "tried": rows,
            "inputs": self.inputs,
        }
        known: dict[str, Any] = finite(whole)
        return known

    def to_json(self) -> str:
        """Return the report as JSON; see the module."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _said(self, finding: Finding) -> list[str]:
        """One line for the sentence, wrapped, and one for its evidence."""
        note = "note: " if finding.status == "note" else ""
        said = textwrap.wrap(note + finding.message, 86)
        lines = [f"  {finding.stage:<9} {said[0]}", *(f"  {'':<9} {line}" for line in said[1:])]
        e = finding.evidence
        if "index" in e:
            at = f"{e['tensor']}[{', '.join(map(str, e['index']))}]".removesuffix("[]")
            how = "got {}, expected {}".format(*told_apart(e["got"], e["expected"]))
            times = f", {e['times']:.1e} times the allowed error" if "times" in e else ""
            lines.append(f"  {'':<9} {at} on `{e['input']}`: {how}{times}")
        return lines

    def _table(self) -> list[str]:
        """Tensors by inputs: the largest error of each."""
        inputs = list(dict.fromkeys(row.input for row in self.rows))
        cells: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            cells.setdefault(row.tensor, {})[row.input] = row
        lines = [("tried", *inputs, "caught from")]
        for tensor, by_input in cells.items():
            found = [by_input.get(name) for name in inputs]
            times = ["" if row is None else _short(row.times) for row in found]
            smallest = max(row.smallest for row in by_input.values())
            lines.append((tensor, *times, f"{smallest:.1e}"))
        return aligned(lines)

    def _legend(self) -> list[str]:
        lines = [
            "  Largest errors in units of the allowed one, beside a block of these conventions;",
            "  last the smallest error of an entry that would have been caught.",
            f"  {self.framework}, {self.dtype}, seed {self.seed}; weights drawn anew, none is 0.",
        ]
        if all(row.tensor == "y" for row in self.rows):
            lines.append("  Gradients were not seen.")
        return lines


def told_apart(got: float, expected: float, digits: int = 6) -> tuple[str, str]:
    """Spell two numbers in so many digits, or as many more as tell them apart.

    >>> told_apart(-0.25, 0.5), told_apart(1.0, 1.0 + 1e-9)
    (('-0.25', '0.5'), ('1', '1.000000001'))
    """
    for many in range(digits, MOST_DIGITS + 1):
        spelled = f"{got:.{many}g}", f"{expected:.{many}g}"
        if spelled[0] != spelled[1]:
            return spelled
    return f"{got:.{digits}g}", f"{expected:.{digits}g}"


def _linked(finding: Finding) -> dict[str, Any]:
    """Return a finding with where its rule stands, and the codes that it had."""
    known = RULES.get(finding.code)
    was = list(known.was) if known else []
    return asdict(finding) | {"rule": anchor(finding.code), "was": was}


def _short(times: float) -> str:
    if not math.isfinite(times):
        return "inf"
    return f"{times:.2g}" if times == 0 or 1e-3 <= times < 1e4 else f"{times:.0e}"


def aligned(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a table as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return [f"  {line}".rstrip() for line in lines]


def finite(value: Any) -> Any:
    """Return what JSON can hold of a value: NaN and infinity are null."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
