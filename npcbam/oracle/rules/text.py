"""Rules in words: one line each for a table, or all that is known of one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from npcbam.oracle.findings import STAGES, Stage
from npcbam.oracle.rules.names import names
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, Rule

TITLES: dict[Stage, str] = {
    "channel": "the channel gate, Eq. 2",
    "spatial": "the spatial gate, Eq. 3",
    "compose": "how both are put together, Eq. 1",
    "gradient": "the gradients",
    "numerics": "the numbers",
    "effects": "what else it does",
}
WIDTH = 86
# A label, and what stands beside it: lines that are kept as they are, or a text to be wrapped.
Entry = tuple[str, str | list[str]]


def by_stage(rules: Iterable[Rule]) -> Iterator[tuple[Stage, list[Rule]]]:
    """Yield each stage that has rules, with its rules in their own order."""
    ordered = sorted(rules, key=lambda rule: STAGES.index(rule.stage))
    for stage, group in groupby(ordered, key=lambda rule: rule.stage):
        yield stage, list(group)


def listed(rules: Sequence[Rule], columns: int | None = None) -> str:
    """Return one line for each under its stage, cut off where it would not fit into `columns`."""
    width = max(len(rule.code) for rule in rules)
    parts = []
    for stage, group in by_stage(rules):
        lines = [f"  {r.code:{width}}  {r.status:9}  {template(r.sentence)}" for r in group]
        parts += [f"{stage}: {TITLES[stage]}", *(_cut(line, columns) for line in lines), ""]
    return "\n".join([*parts, f"{len(rules)} rules. `npcbam explain CODE` shows one in full."])


def of_rule(rule: Rule) -> str:
    """Return all that is known of a rule."""
    around: list[Entry] = [("names", known)] if (known := names(rule)) else []
    return said(f"{rule.status.upper()}: {template(rule.sentence)}", [*entries(rule), *around])


def entries(rule: Rule) -> list[Entry]:
    """Return what is known of a rule, each under its label; what is empty is left out."""
    read_off = f"{rule.number}, a number that is read off the candidate" if rule.number else ""
    found: list[Entry] = [
        ("code", rule.code),
        ("stage", f"{rule.stage}: {TITLES[rule.stage]}"),
        ("why", rule.why),
        *((label, code.splitlines()) for label, code in codes(rule)),
        ("sources", ", ".join(rule.sources)),
        ("number", read_off),
        ("replaces", ", ".join(rule.supersedes)),
        ("was", ", ".join(rule.was)),
    ]
    return [entry for entry in found if entry[1]]


def codes(rule: Rule) -> list[tuple[str, str]]:
    """Return the lines of a rule under their labels: what is a relative of CBAM is not bad."""
    labels = ("here", "paper") if rule.status in (FAITHFUL, VARIANT) else ("bad", "fix")
    both = list(zip(labels, (rule.bad, rule.fix), strict=True))
    return both if rule.bad != rule.fix else both[1:]


def template(sentence: str) -> str:
    """Return a sentence with the words that a finding fills in, as they are shown here.

    >>> template("the kernel is dilated by {value}")
    'the kernel is dilated by <value>'
    """
    return re.sub(r"\{(\w+)[^}]*\}", r"<\1>", sentence)


def said(headline: str, found: Sequence[Entry]) -> str:
    """Return a headline, and each entry under its label."""
    width = max(len(label) for label, _ in found)
    lines = textwrap.wrap(headline, WIDTH + 12, subsequent_indent="  ")
    for label, value in found:
        own = value if isinstance(value, list) else textwrap.wrap(value, WIDTH)
        labels = [label, *[""] * (len(own) - 1)]
        lines += [f"  {a:{width}}  {b}".rstrip() for a, b in zip(labels, own, strict=True)]
    return "\n".join(lines)


def _cut(line: str, columns: int | None) -> str:
    return line if columns is None or len(line) <= columns else line[: columns - 2] + " …"
