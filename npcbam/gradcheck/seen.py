"""What was seen of one leaf."""

from __future__ import annotations

from dataclasses import dataclass, field

from npcbam.arguments import Array
from npcbam.gradcheck.findings import Entry


@dataclass(eq=False)
class Seen:
    """What was seen of one leaf.

    Attributes
    ----------
    how : how it was looked at
    entries : all comparisons
    allowed : the largest error of one entry that may have passed
    wrong : entries of the leaf, or directions in it, that are off by both references
    """

    how: str = ""
    entries: list[Entry] = field(default_factory=list)
    allowed: float = 0.0
    wrong: int = 0
    looked: int = 0
    kinked: list[Array] = field(default_factory=list)
    jumps: bool = False

    def take(self, other: Seen) -> None:
        """Add what was seen in another look."""
        self.entries += other.entries
        self.wrong += other.wrong
        self.looked += other.looked
        self.kinked += other.kinked
        self.allowed = max(self.allowed, other.allowed)
        self.jumps |= other.jumps
