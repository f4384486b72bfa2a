"""What the words mean that a report begins with, and the status of a finding."""

from __future__ import annotations

from dataclasses import dataclass

from npcbam.oracle.findings import Status
from npcbam.oracle.rules.text import said


@dataclass(frozen=True)
class Word:
    """A verdict, or the status of a finding.

    Attributes
    ----------
    code : the word
    what : what is so
    why : what it is said for
    advice : what to do
    """

    code: Status
    what: str
    why: str
    advice: str


WORDS = (
    Word(
        "faithful",
        "it computes CBAM, Eqs. 1 to 3",
        "The report's table of conventions names how it settles what the paper leaves open. The "
        "exit status is 0, unless --expect asks for another block.",
        "Nothing.",
    ),
    Word(
        "variant",
        "it computes another block that is documented",
        "It may add x back, take the spatial gate first, or the average only. That may be meant, and "
        "its figures are not those of CBAM. The exit status is 1.",
        "Where it is meant, ask for it: --expect takes a preset, or AXIS=VALUE of the conventions. "
        "The exit status is then 0.",
    ),
    Word(
        "wrong",
        "it computes no block that is documented, or its gradients, numbers or effects are not right",
        "Each finding says which stage, and what it does instead. The exit status is 1.",
        "Start with the first finding; `npcbam explain` tells what its code means.",
    ),
    Word(
        "undecided",
        "it cannot be told what it computes",
        "The finding says why: it fails, is random, crashes, takes too long or hides its weights. "
        "Nothing is said to be right, and nothing to be wrong. The exit status is 1.",
        "Take away the reason, and check again.",
    ),
    Word(
        "note",
        "something worth knowing that does not touch the verdict",
        "A finding of this status may surprise who uses the block, and makes it no other block.",
        "Nothing, where it is meant.",
    ),
)
BY_CODE: dict[str, Word] = {word.code: word for word in WORDS}


def word(text: str) -> Word | None:
    """Return what a verdict or a status means, in capitals too, as a report has it.

    >>> word("FAITHFUL").what
    'it computes CBAM, Eqs. 1 to 3'
    """
    return BY_CODE.get(text.lower())


def to_text(each: Word) -> str:
    """Return all that is known of a word."""
    of = "the status of a finding" if each.code == "note" else "the verdict of a report"
    labels = {"code": each.code, "stage": f"{of}: `npcbam check`", "why": each.why}
    return said(f"{each.code.upper()}: {each.what}", [*labels.items(), ("advice", each.advice)])


def to_dict(each: Word) -> dict[str, object]:
    """Return all that is known of a word as JSON has it."""
    known = {"code": each.code, "stage": "verdict", "status": each.code}
    return {**known, "sentence": each.what, "why": each.why, "advice": each.advice}
