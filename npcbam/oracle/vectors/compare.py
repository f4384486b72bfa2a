"""Compare results with the vectors, tensor by tensor, and name the mistake where one is known."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from npcbam.arguments import Array
from npcbam.messages import CannotRun
from npcbam.oracle.findings import worst
from npcbam.oracle.reports.report import aligned, finite
from npcbam.oracle.vectors.entries import Entry, entries, load
from npcbam.oracle.vectors.naming import KNOWN, mistakes_in

REPORT_SCHEMA = 1
MOST_LINES = 20
STAGES = {
    "channel": ("f_avg", "f_max", "zc", "mc"),
    "compose": ("f", "y"),
    "spatial": ("planes", "zs", "ms"),
}
# What is wrong with parameters may follow from what is wrong with dx.
TELLING = {"y": 0, "dx": 1}


@dataclass(frozen=True)
class Result:
    """The worst entry of one tensor in one case.

    Attributes
    ----------
    error : |got - expected| in units of the allowed error; inf for NaN or another shape
    index, got, expected : where it is worst, and both values there
    shape : that of the result, where it is not the expected one
    mistake : the code of what computes exactly this, if that is known
    alike : the sentences, by code, of all that compute this, as far as rounding lets it be told
    """

    case: str
    tensor: str
    error: float
    index: tuple[int, ...]
    got: float
    expected: float
    shape: tuple[int, ...] | None = None
    mistake: str = ""
    alike: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return self.error <= 1


@dataclass(frozen=True)
class Judgement:
    """What was found.

    Attributes
    ----------
    rows : one for each tensor of each case that there are results of, in the order of computing
    cases : the number of all cases
    unseen : codes of the mistakes that the y seen here could not have shown
    ignored : files in the results that no case asks for
    """

    rows: tuple[Result, ...]
    cases: int
    unseen: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all results are within what is allowed."""
        return all(row.ok for row in self.rows)

    @property
    def first(self) -> list[Result]:
        """In each case that differs, the first tensor that does; with the mistake, if known."""
        found: dict[str, Result] = {}
        for row in self.rows:
            if not row.ok:
                found.setdefault(row.case, row)
        known = {row.case: row.mistake for row in reversed(self.rows) if row.mistake}
        return [replace(row, mistake=known.get(row.case, "")) for row in found.values()]

    @property
    def named(self) -> list[str]:
        """The codes of the mistakes: of y, of dx, of the rest; the most frequent first."""
        known = [row for row in self.rows if row.mistake]
        count = Counter(row.mistake for row in known)

        def rank(code: str) -> tuple[int, int]:
            tensors = [row.tensor for row in known if row.mistake == code]
            return min(TELLING.get(tensor, 2) for tensor in tensors), -count[code]

        return sorted(count, key=rank)

    @property
    def sentences(self) -> dict[str, str]:
        """What each of these mistakes is."""
        return {row.mistake: row.alike[row.mistake] for row in self.rows if row.mistake}

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        seen, wrong = len({row.case for row in self.rows}), len(self.first)
        if self.ok:
            tensors = "1 tensor" if len(self.rows) == 1 else f"all {len(self.rows)} tensors"
            return f"RIGHT: {tensors} within what is allowed, in {seen} of {self.cases} cases"
        if self.named:
            code = self.named[0]
            told = len({row.case for row in self.rows if row.mistake == code})
            more = f"; {wrong} differ" if told < wrong else ""
            return f"WRONG: {self.sentences[code]} ({code}), in {told} of {seen} cases{more}"
        where, row = f"in {wrong} of {seen} cases", self.first[0]
        if row.shape is not None:
            return f"WRONG: {row.tensor} has another shape, {row.shape}, {where}"
        return f"WRONG: {row.tensor} is the first tensor to differ, {where}"

    def __str__(self) -> str:
        return self.text()

    def text(self, every: bool = False) -> str:
        """Return the report: the worst of each tensor over all cases, or `every` row."""
        shown: dict[object, Result] = {}
        for row in self.rows:
            key = (row.case, row.tensor) if every else row.tensor
            if key not in shown or row.error > shown[key].error:
                shown[key] = row
        lines = [self.headline]
        lines += [f"  also: {self.sentences[code]} ({code})" for code in self.named[1:]]
        lines += ["", *_table(list(shown.values()))]
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
        data = {
            "schema": REPORT_SCHEMA,
            "verdict": "right" if self.ok else "wrong",
            "ok": self.ok,
            "headline": self.headline,
            "findings": self._findings(),
            "cases": self.cases,
            "unseen": self.unseen,
            "ignored": self.ignored,
            "rows": [_plain(row) for row in self.rows],
        }
        return json.dumps(finite(data), indent=2, allow_nan=False)

    def _findings(self) -> list[Mapping[str, object]]:
        found: dict[tuple[str, str], Mapping[str, object]] = {}
        for row in self.first:
            code = row.mistake or "differs"
            stage = KNOWN.get(code, _stage(row.tensor))
            message = self.sentences.get(code, f"{row.tensor} is not what it should be")
            finding = {"stage": stage, "code": code, "message": message, "evidence": _plain(row)}
            found.setdefault((stage, code), finding)
        return list(found.values())


def compare(folder: str | os.PathLike[str], results: str | os.PathLike[str]) -> Judgement:
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
        files = {name: place / entry.name / f"{name}.npy" for name in entry.computed}
        got = {name: load(file, entry.dtype) for name, file in files.items() if file.exists()}
        mine = [_judge(entry, tensor, result) for tensor, result in got.items()]
        known_as = mistakes_in(entry, got, {row.tensor for row in mine if not row.ok})
        rows += [replace(row, alike=known_as.get(row.tensor, {})) for row in mine]
        seen |= set(entry.tells_apart if "y" in got else ())
    asked = {f"{entry.name}/{name}.npy" for entry in known for name in entry.tensors}
    there = {file.relative_to(place).as_posix() for file in place.rglob("*.npy")}
    ignored = sorted(there - asked)
    if not rows:
        example = f"{known[0].name}/y.npy" if known else "<case>/<tensor>.npy"
        had = f"; it has {ignored[0]}" if ignored else ""
        raise CannotRun(f"{place}: no results; expected files such as {example}{had}")
    told = {code for entry in known for code in entry.tells_apart}
    unseen = tuple(code for code in KNOWN if code in told - seen)
    return Judgement(tuple(_settled(rows)), len(known), unseen, tuple(ignored))


def _judge(entry: Entry, tensor: str, got: Array) -> Result:
    expected = entry.values(tensor)
    if got.shape != expected.shape:
        return Result(entry.name, tensor, math.inf, (), math.nan, math.nan, got.shape)
    row = worst(entry.name, tensor, got, expected, entry.tensors[tensor].allowed)
    return Result(entry.name, tensor, row.times, row.index, row.got, row.expected)


def _settled(rows: Sequence[Result]) -> Iterator[Result]:
    """Yield the rows with their mistake: of those alike, what explains the most rows."""
    count = Counter(code for row in rows for code in row.alike)
    for row in rows:
        # The first is the nearest, and stays where several explain as many.
        yield replace(row, mistake=max(row.alike, key=lambda code: count[code], default=""))


def _stage(tensor: str) -> str:
    return next((stage for stage, names in STAGES.items() if tensor in names), "gradient")


def _plain(row: Result) -> dict[str, object]:
    return asdict(row) | {"ok": row.ok, "alike": list(row.alike)}


def _table(rows: Sequence[Result]) -> list[str]:
    cells = [("tensor", "worst error", "case", "at", "got", "expected", "")]
    for row in rows:
        at = f"[{', '.join(map(str, row.index))}]"
        values = (f"{row.got:.9g}", f"{row.expected:.9g}")
        if row.shape is not None:
            at, values = f"shape {row.shape}", ("-", "-")
        mark = row.mistake or ("" if row.ok else "differs")
        cells.append((row.tensor, f"{row.error:.2g}", row.case, at, *values, mark))
    return aligned(cells)
