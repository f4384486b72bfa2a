"""The page of one exhibit: what went wrong, how it showed, the wrong line beside the right one."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import Any

from npcbam.gradcheck import GradReport, examine
from npcbam.gradcheck.museum.exhibit import PEERS, Exhibit
from npcbam.gradcheck.museum.source import lines, pair

WIDTH = 100
# More entries than this are looked at along a few directions, so that a page takes no time.
LARGE = 10_000
# The margin of a line of code, and the word over a column, for the reported twin and the other.
MARKS = {"": "    ", "wrong": "  - ", "right": "  + "}


def said(exhibit: Exhibit, wrong: bool, seed: int = 0) -> GradReport:
    """Return what `examine` says of one twin."""
    f, args = exhibit.vjp(seed, wrong)
    large = sum(arg.size for arg in args) > LARGE
    return examine(f, *args, seed=seed, directions=2 if large else None)


def titles(exhibit: Exhibit) -> tuple[str, str]:
    """Return what the two twins are called: disputed ones are both right."""
    return ("wrong", "right") if exhibit.truth == "wrong" else ("reported", "the other way")


def facts(exhibit: Exhibit) -> dict[str, str]:
    """Return what is known of it, by heading."""
    peers = ", ".join(PEERS[each] for each in exhibit.misjudged)
    found = {
        "how it showed": exhibit.shows,
        "why it hides": exhibit.hides,
        "missed by" if exhibit.truth == "wrong" else "rejected by": peers,
        "kind": exhibit.kind,
        "source": exhibit.source,
        "also": ", ".join(exhibit.also),
        "modelled": exhibit.note,
    }
    return {heading: text for heading, text in found.items() if text}


def sentences(report: GradReport) -> list[str]:
    """Return the verdict and what shows it, and each finding that they do not say already."""
    said = [f"{report.outcome}: {report.reason}", report.evidence]
    for each in report.findings:
        if each.sentence != report.reason:
            said += [each.sentence, each.evidence]
    return [sentence for sentence in said if sentence]


def to_text(exhibit: Exhibit) -> str:
    """Return the page for a terminal."""
    parts = [exhibit.name, "", *_wrapped(exhibit.what + ".", ""), ""]
    for heading, text in facts(exhibit).items():
        parts += _wrapped(text, f"{heading:16}")
    names = titles(exhibit)
    if any(pair(exhibit)):
        parts += ["", *_columns(names, pair(exhibit))]
    code = lines(exhibit)
    if code:
        parts += ["", f"In its place ({names[0]} -, {names[1]} +):", ""]
        parts += [f"{MARKS[line.side]}{line.text}".rstrip() for line in code]
    parts += ["", "What npcbam says:"]
    for name, wrong in zip(names, (True, False), strict=True):
        first, *more = sentences(said(exhibit, wrong))
        parts += ["", *_wrapped(first, f"  {name:16}")]
        for sentence in more:
            parts += _wrapped(sentence, " " * 18)
    return "\n".join(parts)


def to_dict(exhibit: Exhibit) -> dict[str, Any]:
    """Return the page as data: what --json writes."""
    wrong, right = pair(exhibit)
    verdicts = {
        name: {"outcome": report.outcome, "code": report.code, "sentences": sentences(report)}
        for name, report in (("wrong", said(exhibit, True)), ("right", said(exhibit, False)))
    }
    return {
        **{key: getattr(exhibit, key) for key in ("name", "what", "kind", "source", "shows")},
        **{key: list(getattr(exhibit, key)) for key in ("also", "leaves", "misjudged")},
        **{key: getattr(exhibit, key) for key in ("truth", "code", "note", "hides")},
        "lines": {"wrong": wrong, "right": right},
        "npcbam": verdicts,
    }


def _columns(names: tuple[str, str], sides: tuple[list[str], list[str]]) -> list[str]:
    """Set the wrong lines beside the right ones; under each other where they are too wide."""
    left, right = (
        [name, "-" * len(name), *(side or ["(nothing)"])]
        for name, side in zip(names, sides, strict=True)
    )
    width = max(map(len, left))
    if width + 4 + max(map(len, right)) > WIDTH:
        return [f"    {line}".rstrip() for line in (*left, "", *right)]
    rows = zip_longest(left, right, fillvalue="")
    return [f"    {a:{width}}    {b}".rstrip() for a, b in rows]


def _wrapped(text: str, heading: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=heading, subsequent_indent=" " * len(heading)
    ) or [heading]
