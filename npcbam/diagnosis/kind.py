"""A kind of wrong array, for a newcomer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of wrong array.

    Attributes
    ----------
    code : a stable word
    what : what came in place of the right array
    why : how it comes about
    advice : where to look, or what to do
    bad, fix : lines of NumPy that do it, and that do it right, where no exhibit of
        `npcbam.gradcheck.museum` shows it
    """

    code: str
    what: str
    why: str
    advice: str
    bad: str = ""
    fix: str = ""
