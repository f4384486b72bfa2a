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
    fix : where to look, or what to do
    """

    code: str
    what: str
    why: str
    fix: str
