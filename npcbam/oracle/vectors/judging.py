"""Compare results with the vectors, tensor by tensor, and name the mistake where y shows it."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from npcbam import presets
from npcbam.checks import Array
from npcbam.oracle.candidate import CannotRun
from npcbam.oracle.mistakes import MISTAKES
from npcbam.oracle.vectors.cases import mistaken
from npcbam.oracle.vectors.reading import Entry, entries, load
from npcbam.pooling import TIES

REPORT_SCHEMA = 1
MOST_LINES = 20
STAGES = {
    "channel": ("f_avg", "f_max", "zc", "mc"),
    "compose": ("f", "y"),
    "spatial": ("planes", "zs", "ms"),
}
SENTENCES = {mistake.code: mistake.sentence for mistake in MISTAKES}
OTHER_TIES = "gradient-ties"
SENTENCES[OTHER_TIES] = "dx follows the other rule for ties of a maximum"
KNOWN_STAGES = {mistake.code: mistake.stage for mistake in MISTAKES} | {OTHER_TIES: "gradient"}


@dataclass(frozen=True)
class Row:
    """The worst entry of one tensor in one case.

    Attributes
    ----------
    error : |got - expected| in units of the allowed error; inf for NaN or another shape
    index, got, expected : where it is worst, and both values there
    shape : that of the result, where it is not the expected one
    mistake : the code of what computes exactly this, if that is known
    alike : the codes of all that compute this, as far as rounding lets it be told
    """

    case: str
    tensor: str
    error: float
    index: tuple[int, ...]
    got: float
    expected: float
    shape: tuple[int, ...] | None = None
    mistake: str = ""
    alike: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return self.error <= 1


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes
    ----------
    rows : one for each tensor of each case that there are results of, in the order of computing
    cases : the number of all cases
    unseen : codes of the mistakes that the y seen here could not have shown
    ignored : files in the results that no case asks for
    """

    rows: tuple[Row, ...]
    cases: int
    unseen: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all results are within what is allowed."""
        return all(row.ok for row in self.rows)

    @property
    def first(self) -> list[Row]:
        """In each case that differs, the first tensor that does; with the mistake, if known."""
        found: dict[str, Row] = {}
        for row in self.rows:
            if not row.ok:
                found.setdefault(row.case, row)
        known = {row.case: row.mistake for row in self.rows if row.mistake}
        return [replace(row, mistake=known.get(row.case, "")) for row in found.values()]

    @property
    def named(self) -> list[str]:
        """The codes of the mistakes, the most frequent first."""
        return [
            code for code, _ in Counter(r.mistake for r in self.rows if r.mistake).most_common()
        ]

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        seen, wrong = len({row.case for row in self.rows}), len(self.first)
        if self.ok:
            tensors = "1 tensor" if len(self.rows) == 1 else f"all {len(self.rows)} tensors"
            return f"RIGHT: {tensors} within what is allowed, in {seen} of {self.cases} cases"
        where = f"in {wrong} of {seen} cases"
        if self.named:
            return f"WRONG: {SENTENCES[self.named[0]]} ({self.named[0]}), {where}"
        return f"WRONG: {self.first[0].tensor} is the first tensor to differ, {where}"

    def __str__(self) -> str:
        return self.text()

    def text(self, every: bool = False) -> str:
        """Return the report: the worst of each tensor over all cases, or `every` row."""
        worst: dict[object, Row] = {}
        for row in self.rows:
            key = (row.case, row.tensor) if every else row.tensor
            if key not in worst or row.error > worst[key].error:
                worst[key] = row
        lines = [self.headline]
        lines += [f"  also: {SENTENCES[code]} ({code})" for code in self.named[1:]]
        lines += ["", *_table(list(worst.values()))]
        if self.first and not every:
            lines += ["", "  What differs first, case by case:", *_table(self.first[:MOST_LINES])]
            more = len(self.first) - MOST_LINES
            lines += [f"  and {more} cases more (--all lists every tensor)"] if more > 0 else []
        lines += ["", "  Errors in units of the allowed one."]
        if self.ok and self.unseen:
            lines.append(f"  These results could not have shown: {', '.join(self.unseen)}.")
        if self.ignored:
            n, such = len(self.ignored), self.ignored[0]
            lines.append(f"  Ignored, as no case asks for it: {such}, {n} in all.")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the report as JSON: `schema`, `verdict`, `ok`, `headline`, `findings` and `rows`.

        A finding has `stage`, `code`, `message` and, as `evidence`, a row. NaN and infinity, which
        JSON lacks, are null.
        """
        head = {
            "schema": REPORT_SCHEMA,
            "verdict": "right" if self.ok else "wrong",
            "ok": self.ok,
            "headline": self.headline,
            "findings": self._findings(),
        }
        rest = {"cases": self.cases, "unseen": self.unseen, "ignored": self.ignored}
        data = head | rest | {"rows": [_plain(row) for row in self.rows]}
        return json.dumps(data, indent=2, allow_nan=False)

    def _findings(self) -> list[dict[str, object]]:
        found: dict[tuple[str, str], dict[str, object]] = {}
        for row in self.first:
            code = row.mistake or "differs"
            stage = KNOWN_STAGES.get(code) or _stage(row.tensor)
            message = SENTENCES.get(code, f"{row.tensor} is not what it should be")
            finding: dict[str, object] = {
                "stage": stage,
                "code": code,
                "message": message,
                "evidence": _plain(row),
            }
            found.setdefault((stage, code), finding)
        return list(found.values())


def compare(folder: str | os.PathLike[str], results: str | os.PathLike[str]) -> Comparison:
    """Compare the results of another program with the vectors.

    Parameters
    ----------
    folder : of the vectors, as `write` made it
    results : a folder with <case>/<tensor>.npy for some cases and computed tensors

    Raises
    ------
    CannotRun
        There are no vectors or no results, or a file of either cannot be read.
    """
    known, place = entries(Path(folder)), Path(results)
    if not place.is_dir():
        raise CannotRun(f"{place}: no such folder of results")
    rows, seen = [], set[str]()
    for entry in known:
        mine = [_judge(entry, name, file) for name, file in _found(entry, place)]
        rows += [_named(entry, row, place) for row in mine]
        seen |= set(entry.tells_apart) if any(row.tensor == "y" for row in mine) else set()
    asked = {f"{entry.name}/{name}.npy" for entry in known for name in entry.tensors}
    files = {file.relative_to(place).as_posix() for file in place.rglob("*.npy")}
    ignored = sorted(files - asked)
    if not rows:
        example = f"{known[0].name}/y.npy" if known else "<case>/<tensor>.npy"
        had = f"; it has {ignored[0]}" if ignored else ""
        raise CannotRun(f"{place}: no results; expected files such as {example}{had}")
    unseen = tuple(code for code in _told(known) if code not in seen)
    return Comparison(tuple(_settled(rows)), len(known), unseen, tuple(ignored))


def _found(entry: Entry, place: Path) -> list[tuple[str, Path]]:
    mine = place / entry.name
    if not mine.is_dir():
        return []
    computed = [name for name, tensor in entry.tensors.items() if tensor.role == "computed"]
    files = [(name, mine / f"{name}.npy") for name in computed]
    return [(name, file) for name, file in files if file.exists()]


def _judge(entry: Entry, name: str, file: Path) -> Row:
    got, expected = load(file, entry.dtype), entry.values(name)
    if got.shape != expected.shape:
        return Row(entry.name, name, math.inf, (), math.nan, math.nan, got.shape)
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected) / entry.tensors[name].allowed
    gap = np.where(np.isnan(gap), np.inf, gap)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    worst = float(gap[index]), index, float(got[index]), float(expected[index])
    return Row(entry.name, name, *worst)


def _named(entry: Entry, row: Row, place: Path) -> Row:
    """Return the row with the codes of what computes just this."""
    if row.ok or row.tensor not in ("y", "dx"):
        return row
    paths = {tensor.path: name for name, tensor in entry.tensors.items() if tensor.path}
    weights = {path: entry.values(name) for path, name in paths.items()}
    got = load(place / entry.name / f"{row.tensor}.npy", entry.dtype)
    search = _mistakes_of if row.tensor == "y" else _ties_of
    return replace(row, alike=search(entry, weights, got))


def _settled(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows with their mistake: of those alike, what explains the most rows."""
    count = Counter(code for row in rows for code in row.alike)
    for row in rows:
        # The first is the nearest, and stays where several explain as many.
        yield replace(row, mistake=max(row.alike, key=lambda code: count[code], default=""))


def _mistakes_of(entry: Entry, weights: dict[str, Array], y: Array) -> tuple[str, ...]:
    expected, limit = entry.values("y"), entry.tensors["y"].allowed
    if y.ndim != expected.ndim or not all(n in (1, m) for n, m in _sizes(y, expected)):
        return ()
    # A map alone is spread over the features.
    y = np.broadcast_to(y, expected.shape)
    near = {}
    for code, other in mistaken(weights, entry.values("x"), entry.preset):
        # A mistake that makes y larger makes its rounding larger.
        larger = max(1.0, float(np.abs(other).max() / np.abs(expected).max()))
        near[code] = float(np.abs(y - other).max()) / (2 * limit * larger)
    return tuple(sorted((code for code in near if near[code] <= 1), key=lambda code: near[code]))


def _sizes(y: Array, expected: Array) -> Iterator[tuple[int, int]]:
    return zip(y.shape, expected.shape, strict=True)


def _ties_of(entry: Entry, weights: dict[str, Array], dx: Array) -> tuple[str, ...]:
    cbam = presets.build(entry.preset, weights)
    x, dy = entry.values("x"), entry.values("dy")
    for ties in TIES:
        spatial = cbam.spatial and replace(cbam.spatial, ties=ties)
        other = replace(cbam, channel=replace(cbam.channel, ties=ties), spatial=spatial)
        wanted = other.vjp(x)[1](dy)[1]
        if wanted.shape == dx.shape and np.abs(dx - wanted).max() <= entry.tensors["dx"].allowed:
            return (OTHER_TIES,)
    return ()


def _told(known: Sequence[Entry]) -> list[str]:
    """Return the codes that some case tells apart, in a stable order."""
    told = {code for entry in known for code in entry.tells_apart}
    return [code for code in SENTENCES if code in told]


def _stage(tensor: str) -> str:
    return next((stage for stage, names in STAGES.items() if tensor in names), "gradient")


def _plain(row: Row) -> dict[str, object]:
    plain = asdict(row) | {"ok": row.ok}
    for key in ("error", "got", "expected"):
        plain[key] = plain[key] if math.isfinite(plain[key]) else None
    return plain


def _table(rows: Sequence[Row]) -> list[str]:
    cells = [("tensor", "worst error", "case", "at", "got", "expected", "")]
    for row in rows:
        at = f"[{', '.join(map(str, row.index))}]"
        values = (f"{row.got:.9g}", f"{row.expected:.9g}")
        if row.shape is not None:
            at, values = f"shape {row.shape}", ("-", "-")
        mark = row.mistake or ("" if row.ok else "differs")
        cells.append((row.tensor, f"{row.error:.2g}", row.case, at, *values, mark))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return [f"  {line}".rstrip() for line in aligned]
