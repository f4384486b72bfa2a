"""A guess says which numbers a mistake would have made: are they those that came?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from npcbam.arguments import Array
from npcbam.diagnosis.wrong import Wrong

# A code, and what is said of the array, to be put behind its name.
Said: TypeAlias = tuple[str, str]
Explanation: TypeAlias = Callable[[Sequence[Wrong]], Said | None]


@dataclass(frozen=True, eq=False)
class Guess:
    """The numbers of one mistake at one place.

    Attributes
    ----------
    code, tail : what is said if it holds
    made : the numbers, NaN where the mistake says nothing
    key : the same mistake at another place has the same; by default the tail
    grown : see `Wrong.fits`
    """

    code: str
    tail: str
    made: Array
    key: str = ""
    grown: Array | float = 1.0

    def same(self, other: Guess) -> bool:
        """Tell whether this is the same mistake, seen at another place."""
        return (self.code, self.key or self.tail) == (other.code, other.key or other.tail)


Maker: TypeAlias = Callable[[Wrong], Iterator[Guess]]


def explained_by(make: Maker) -> Explanation:
    """Return the explanation that tries all guesses of a maker, the first that holds everywhere."""

    def explain(seen: Sequence[Wrong]) -> Said | None:
        first, *others = worst_first(seen)
        for guess in make(first):
            if first.fits(guess.made, guess.grown) and all(_holds(guess, make, w) for w in others):
                return guess.code, guess.tail
        return None

    return explain


def _holds(guess: Guess, make: Maker, other: Wrong) -> bool:
    same = next((g for g in make(other) if g.same(guess)), None)
    return same is not None and other.fits(same.made, same.grown)


def worst_first(seen: Sequence[Wrong]) -> list[Wrong]:
    """Sort by the number of wrong entries."""
    return sorted(seen, key=lambda w: -int(w.wrong.sum()))
