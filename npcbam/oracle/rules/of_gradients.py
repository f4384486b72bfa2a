"""What a code of a checked gradient means, in words and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npcbam.diagnosis import kinds
from npcbam.diagnosis.kind import Kind
from npcbam.gradcheck import codes
from npcbam.gradcheck.codes import Code
from npcbam.gradcheck.museum import Exhibit, by_code
from npcbam.oracle.rules.text import Entry, said

# So many exhibits are named, the others are counted.
NAMED = 3


@dataclass(frozen=True)
class Meaning:
    """What a code means.

    Attributes
    ----------
    status : what is found where it is said: an outcome of a check, or "wrong array"
    of : what it is a code of
    known : what is said of it
    exhibits : those of the museum that have it
    """

    status: str
    of: str
    known: Code | Kind
    exhibits: Sequence[Exhibit]

    @property
    def lines(self) -> tuple[str, str]:
        """The lines that are bad and those that are right: its own, or else those of an exhibit."""
        own = self.known.bad, self.known.fix
        return own if all(own) else by_code.lines(self.exhibits)


def meanings(code: str) -> list[Meaning]:
    """Return what a code means to a check of gradients: nothing, one thing, or two."""
    found: list[Meaning] = []
    if code in codes.BY_CODE:
        one = codes.BY_CODE[code]
        where = "a gradient check: `npcbam grad`, `npcbam.gradcheck`"
        found.append(Meaning(one.outcome, where, one, by_code.of_report(code)))
    kind = kinds.kind(code)
    if kind is not None:
        where = "what a wrong array is like: the kind of a finding of a gradient check"
        found.append(Meaning("wrong array", where, kind, by_code.of_array(code)))
    return found


def to_text(meaning: Meaning) -> str:
    """Return all that is known of a code."""
    known, (bad, fix) = meaning.known, meaning.lines
    found: list[Entry] = [
        ("code", known.code),
        ("stage", meaning.of),
        ("why", known.why),
        ("advice", known.advice),
        ("bad", bad.splitlines()),
        ("fix", fix.splitlines()),
        ("sources", _some([each.source for each in meaning.exhibits])),
        ("seen in", _some([f"`npcbam museum {each.name}`" for each in meaning.exhibits])),
    ]
    return said(f"{meaning.status.upper()}: {known.what}", [entry for entry in found if entry[1]])


def to_dict(meaning: Meaning) -> dict[str, object]:
    """Return all that is known of a code as JSON has it."""
    known, (bad, fix) = meaning.known, meaning.lines
    return {
        "code": known.code,
        "stage": meaning.of,
        "status": meaning.status,
        "sentence": known.what,
        "why": known.why,
        "advice": known.advice,
        "bad": bad,
        "fix": fix,
        "sources": [each.source for each in meaning.exhibits],
        "exhibits": [each.name for each in meaning.exhibits],
    }


def _some(words: Sequence[str]) -> list[str]:
    more = len(words) - NAMED
    return [*words[:NAMED], *([f"and {more} more"] if more > 0 else [])]
