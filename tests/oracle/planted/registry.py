"""The registry: what must be said of a block stands beside the block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Planted:
    """A block, and what a check must say of it.

    Attributes
    ----------
    block : the class, or what else `npcbam.check` takes
    verdict : "faithful", "variant", "wrong" or "undecided"
    found : the findings that are no notes, each as "stage: code"
    notes : the codes of notes that must be there too
    says : a part of what one of the findings says
    asked : the `expect` by which a variant is what is wanted
    how : further arguments of `npcbam.check`
    """

    block: Any
    verdict: str
    found: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    says: str = ""
    asked: str = ""
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the tests call it."""
        return str(self.block.__name__)


# All that is planted, by name.
ALL: dict[str, Planted] = {}


def planted(
    verdict: str,
    *found: str,
    notes: tuple[str, ...] = (),
    says: str = "",
    asked: str = "",
    **how: Any,
) -> Callable[[Any], Any]:
    """Return what enters a block into the registry; see `Planted`."""

    def enter(block: Any) -> Any:
        # A file that is loaded by its path is another copy of it.
        if block.__module__.startswith("planted."):
            if block.__name__ in ALL:
                raise ValueError(f"{block.__name__} is planted already")
            ALL[block.__name__] = Planted(block, verdict, found, notes, says, asked, how)
        return block

    return enter


def right(**what: Any) -> Callable[[Any], Any]:
    """Plant a block that computes Eqs. 1 to 3."""
    return planted("faithful", **what)


def variant(*found: str, **what: Any) -> Callable[[Any], Any]:
    """Plant a block that is documented, and another one than Eqs. 1 to 3."""
    return planted("variant", *found, **what)


def wrong(*found: str, **what: Any) -> Callable[[Any], Any]:
    """Plant a mistake."""
    return planted("wrong", *found, **what)


def undecided(*found: str, **what: Any) -> Callable[[Any], Any]:
    """Plant a block that nothing can be proven of."""
    return planted("undecided", *found, **what)


def first() -> list[str]:
    """Return the names of right blocks, and of the first of each outcome."""
    outcomes = {
        (each.verdict, each.found, each.notes): name for name, each in reversed(ALL.items())
    }
    right_ones = (name for name, each in ALL.items() if each.verdict == "faithful")
    return list(dict.fromkeys([*outcomes.values(), *right_ones]))


def told(report: Any) -> list[str]:
    """Return what the findings of a report say of the verdict, each as "stage: code"."""
    return [f"{f.stage}: {f.code}" for f in report.findings if f.status != "note"]
