"""A rule: all that is known of one way to compute a stage, or of one thing that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding, Stage, Status

FAITHFUL: Status = "faithful"
VARIANT: Status = "variant"
WRONG: Status = "wrong"
UNDECIDED: Status = "undecided"
NOTE: Status = "note"
# How far from the paper, as what is nearest is told.
COSTS: dict[Status, int] = {"faithful": 0, "variant": 10, "wrong": 1000}
# The values of a stage's axes: names, numbers and functions.
Axes: TypeAlias = Mapping[str, Any]
Weights: TypeAlias = Mapping[str, Array]
# y of a candidate for weights, by the keys of the stages, and an input.
Run = Callable[[Weights, Array], Array]


@dataclass(frozen=True)
class Pointwise:
    """A function of every number, or of a map's numbers, under the name that a report has for it.

    `inverse`, where there is one, is NaN where too few digits are left to undo it.
    """

    name: str
    f: Callable[[Array], Array]
    inverse: Callable[[Array], Array] | None = None

    def __call__(self, z: Array) -> Array:
        """Return f(z)."""
        return self.f(z)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Parameter:
    """The number of a rule that says how far, how much, how often: it is read off the candidate.

    Attributes
    ----------
    axis : the axis of the stage that the number settles
    values : the numbers that are tried one by one, where they can be counted; as they are said
    set_to : what the axis is set to, from a number u in which the stage's logits are affine, and
        the weights; where numbers cannot be counted, u is solved for
    low, high : the numbers that make sense
    others : those among them that are other rules
    spelled : the number that is said, from u and the weights; u itself where it is None
    """

    axis: str
    values: Sequence[float] = ()
    set_to: Callable[[float, Weights], Any] = lambda u, weights: u
    low: float = -float("inf")
    high: float = float("inf")
    others: Sequence[float] = ()
    spelled: Callable[[float, Weights], float] | None = None

    @property
    def solved(self) -> bool:
        """Whether the number is solved for, and not only tried."""
        return not self.values or self.low > -float("inf") or self.high < float("inf")

    def setting(self, number: float) -> Any:
        """Return what the axis is set to for a number of `values`."""
        return self.set_to(number, {}) if self.spelled is None else number

    def settled(self, rule: Rule, value: Any, said: float) -> Rule:
        """Return a rule with this number in it: the axis set to `value`, which is `said` so."""
        return replace(
            rule,
            sentence=rule.sentence.format(value=f"{said:.6g}"),
            sets={**rule.sets, self.axis: value},
            parameter=None,
        )


@dataclass(frozen=True)
class Rule:
    """One way to compute a stage, or one thing that a candidate does, with all that is known of it.

    Attributes
    ----------
    code : a stable word for scripts
    stage : where it is; see `findings.STAGES`
    status : "faithful" (a convention that the paper leaves open), "variant", "wrong", "undecided",
        or "note"
    sentence : what a report says, for a newcomer; words in braces are filled in, {value} by the
        parameter
    why : why it matters, in two sentences
    sets : the axes of the stage that it sets
    made : what it makes: y of x and both maps, at the stage "compose"; y of a block that is right
        and of x, for a mistake that given weights alone can show
    alone : the gates, "channel" or "spatial", that may be there alone, at the stage "compose": what
        it says makes sense without the other
    bad, fix : lines of NumPy that do it, and that do it right; see `rules.lines`
    sources : where it was seen, as repository#number, or the section of the paper
    supersedes : the codes of findings that this one explains, and that are then not told
    parameter : the number in it, if there is one
    was : the codes by which version 0.1 told it
    """

    code: str
    stage: Stage
    status: Status
    sentence: str
    why: str = ""
    sets: Axes = field(default_factory=dict)
    made: Callable[..., Any] | None = None
    alone: tuple[str, ...] = ()
    bad: str = ""
    fix: str = ""
    sources: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    parameter: Parameter | None = None
    was: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """Return the axis of the number that the sentence says, "" if it says none."""
        return self.parameter.axis if self.parameter and "{value}" in self.sentence else ""

    def finding(
        self,
        evidence: Mapping[str, Any] | None = None,
        status: Status | None = None,
        **words: object,
    ) -> Finding:
        """Return that it was found, with the words in braces filled in."""
        said = self.sentence.format(**words) if words else self.sentence
        return Finding(self.stage, self.code, said, status or self.status, dict(evidence or {}))


def one_of(axis: str, *several: Any) -> Parameter:
    """Return the parameter of a rule with several values of an axis: one mistake in several ways."""
    return Parameter(axis, range(len(several)), lambda which, weights: several[int(which)])


def counted(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules, those with a parameter that can be counted once for each of its numbers."""
    found: list[Rule] = []
    for rule in rules:
        one = rule.parameter
        several = one and [one.settled(rule, one.setting(n), n) for n in one.values]
        found += several or [rule]
    return tuple(found)
