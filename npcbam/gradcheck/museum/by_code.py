"""The exhibits that show what a code means, and the lines of the one that shows it most shortly."""

from __future__ import annotations

from collections.abc import Sequence

from npcbam.diagnosis.kinds import simple
from npcbam.gradcheck.museum import EXHIBITS, Exhibit
from npcbam.gradcheck.museum.source import pair


def of_report(code: str) -> list[Exhibit]:
    """Return the exhibits whose reported twin is given this code, the shortest first."""
    return sorted((each for each in EXHIBITS.values() if each.code == code), key=_length)


def of_array(code: str) -> list[Exhibit]:
    """Return the exhibits with such a wrong array, those that are exactly so first."""
    every = [each for each in EXHIBITS.values() if each.array]
    found = [each for each in every if simple(each.array) == simple(code)]
    return sorted(found, key=lambda each: (each.array != code, _length(each)))


def lines(exhibits: Sequence[Exhibit]) -> tuple[str, str]:
    """Return the wrong lines and the right ones of the first that has both; "" if none has."""
    for each in exhibits:
        if _whole(each):
            wrong, right = pair(each)
            return "\n".join(wrong), "\n".join(right)
    return "", ""


def _whole(exhibit: Exhibit) -> bool:
    """Tell whether the lines say by themselves what is wrong, and what is right."""
    return exhibit.truth == "wrong" and all(pair(exhibit))


def _length(exhibit: Exhibit) -> tuple[bool, bool, int]:
    wrong, right = map("\n".join, pair(exhibit))
    return not _whole(exhibit), "#" not in wrong, len(wrong) + len(right)
