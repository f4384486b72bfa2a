"""The parts of a report's text for a terminal: findings, and the table of what was looked at."""

from __future__ import annotations

from collections.abc import Sequence

from npcbam.gradcheck.findings import Finding, LeafCheck

# More findings or leaves than this nobody reads; all of them stand in the report itself.
FINDINGS, LEAVES = 10, 40


def told(findings: Sequence[Finding]) -> list[str]:
    """Return what each finding says, with its evidence below."""
    lines = []
    for finding in findings[:FINDINGS]:
        lines += [f"  {finding.sentence}", *indented(4, finding.evidence)]
    more = len(findings) - FINDINGS
    return lines + ([f"  and {more} more, which the report has as `findings`"] if more > 0 else [])


def table(leaves: Sequence[LeafCheck]) -> list[str]:
    """Return the leaves in columns; where something is wrong, how much of each, and how far.

    Of too many leaves those that are wrong are shown first.
    """
    off = any(seen.off for seen in leaves)
    shown = leaves
    if len(leaves) > LEAVES:
        shown = sorted(leaves, key=lambda seen: not seen.off)[:LEAVES]
    rows: list[tuple[str, ...]] = [
        ("", "checked", "wrong", "agrees to", "worst / allowed", "smallest caught"),
        *map(_row, shown),
    ]
    if not off:
        rows = [(name, how, *rest) for name, how, _, _, *rest in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<", "<", *[">"] * (len(widths) - 3), "<"]
    lines = ["  ".join(map("{:{}{}}".format, row, sides, widths)).rstrip() for row in rows]
    more = len(leaves) - len(shown)
    return lines + ([f"and {more} more, which the report has as `leaves`"] if more else [])


def _row(seen: LeafCheck) -> tuple[str, ...]:
    caught = f"{seen.caught:.1e}"
    if seen.scale > 0:
        caught += f" ({seen.caught / seen.scale:.1e} of the largest)"
    how = f"{seen.how} of {seen.size}" if seen.size else "empty"
    digits = seen.worst.severity.replace("unrelated", "no digit") if seen.off else ""
    return f"d{seen.leaf}", how, seen.count, digits, f"{seen.worst.badness:.2g}", caught


def indented(by: int, text: str) -> list[str]:
    """Return the lines of a text, further to the right; those that are empty stay so."""
    return [f"{'':{by}}{line}".rstrip() for line in text.split("\n")] if text else []
