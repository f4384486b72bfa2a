"""What the oracle says: for a terminal, and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from npcbam.checks import Array

# Two float64 programs that sum in different orders part by some 1e-14 of the scale; a mistake of
# one part in 10⁸ stands far above this.
TOLERANCE = 1e-10
SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """The worst entry of one tensor on one input.

    Attributes
    ----------
    error : |got - expected| in units of the largest |expected| of the tensor; inf for NaN
    index, got, expected : where it is worst, and both values there
    """

    input: str
    tensor: str
    error: float
    index: tuple[int, ...]
    got: float
    expected: float

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return self.error <= TOLERANCE


def compare(name: str, tensor: str, got: Array, expected: Array) -> Row:
    """Return the worst entry of `got`, of the shape of `expected`, on the input `name`."""
    gap = gaps(got, expected)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    return Row(name, tensor, float(gap[index]), index, float(got[index]), float(expected[index]))


def gaps(got: Array, expected: Array) -> Array:
    """Return the errors of `got`, entry by entry, in units of the scale of `expected`."""
    scale = np.abs(expected).max() or 1.0
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected) / scale
    return np.where(np.isnan(gap), np.inf, gap)


@dataclass(frozen=True)
class Report:
    """The answer to "is this CBAM correct?".

    Attributes
    ----------
    target : what was checked
    verdict : "faithful" (Eqs. 1 to 3), "variant" (a documented other block) or "wrong"
    expect : "faithful" or the preset that was asked for
    presets : the presets that compute the same
    conventions : how it settles what the paper leaves open
    departures : what sets it apart from Eqs. 1 to 3
    reasons : why it is wrong
    rows : what was compared, tensor by tensor on input by input
    seed : the seed of the weights, inputs and cotangents
    inputs : why each input is there, by its name

    Where the verdict is wrong, conventions and departures are those of the block beside which the
    rows show it: the nearest.
    """

    target: str
    verdict: str
    expect: str
    presets: tuple[str, ...]
    conventions: dict[str, str]
    departures: tuple[str, ...]
    reasons: tuple[str, ...]
    rows: tuple[Row, ...]
    inputs: dict[str, str]
    seed: int

    @property
    def ok(self) -> bool:
        """Whether the candidate is what was asked for."""
        if self.verdict == "wrong":
            return False
        return self.expect == self.verdict or self.expect in self.presets

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        like = "".join(f", as preset `{name}` does" for name in self.presets[:1])
        if self.verdict == "wrong":
            return f"WRONG: {self.target} does not compute CBAM"
        if self.verdict == "faithful":
            said = f"FAITHFUL: {self.target} computes CBAM, Eqs. 1 to 3{like}"
        else:
            said = f"VARIANT: {self.target} computes a documented relative of CBAM{like}"
            said += ": " + ", ".join(self.departures)
        return said if self.ok else f"{said}; `{self.expect}` was expected"

    def __str__(self) -> str:
        lines = [self.headline, *(f"  {reason}" for reason in self.reasons)]
        settled = "; ".join(f"{axis} {value}" for axis, value in self.conventions.items())
        if settled and self.verdict == "wrong":
            apart = "".join(f"; {departure}" for departure in self.departures)
            lines += ["  compared with CBAM of: " + settled + apart]
        elif settled:
            lines += ["  " + settled]
        if self.rows:
            lines += ["", *self._table(), "", *self._legend()]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the report as JSON: its attributes, `ok`, `headline` and the `schema` version.

        NaN and infinity, which JSON lacks, are null.
        """
        rows = [asdict(row) | {"ok": row.ok} for row in self.rows]
        for row in rows:
            for key in ("error", "got", "expected"):
                row[key] = row[key] if math.isfinite(row[key]) else None
        head = {"schema": SCHEMA, "verdict": self.verdict, "ok": self.ok, "headline": self.headline}
        return json.dumps(head | asdict(self) | {"rows": rows}, indent=2, allow_nan=False)

    def _table(self) -> list[str]:
        """One line a tensor: its worst entry over all inputs."""
        worst: dict[str, Row] = {}
        for row in self.rows:
            if row.tensor not in worst or row.error > worst[row.tensor].error:
                worst[row.tensor] = row
        cells = [("tensor", "worst error", "on", "at", "got", "expected", "")]
        for tensor, row in worst.items():
            at = ", ".join(map(str, row.index))
            values = (f"{row.error:.1e}", row.input, f"[{at}]", f"{row.got:.9g}")
            mark = "" if row.ok else "differs"
            cells.append((tensor, *values, f"{row.expected:.9g}", mark))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        aligned = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in cells
        ]
        return [f"  {line}".rstrip() for line in aligned]

    def _legend(self) -> list[str]:
        tried = len({row.input for row in self.rows})
        plural = "s" if tried > 1 else ""
        lines = [
            f"  {tried} input{plural} in float64, seed {self.seed}; weights drawn anew, none is 0.",
            f"  Errors in units of the largest entry of the tensor; {TOLERANCE:g} is allowed.",
        ]
        if all(row.tensor == "y" for row in self.rows):
            lines.append("  Gradients were not seen.")
        return lines
