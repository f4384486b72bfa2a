"""All compositions as one table by code, those with x added under a code of their own.

It stands until the identification reads the rules and whether x is added.
"""

from __future__ import annotations

from collections.abc import Callable

from npcbam.arguments import Array
from npcbam.oracle.findings import Status
from npcbam.oracle.rules import composition, composition_gates, composition_output
from npcbam.oracle.rules.composition import Maps
from npcbam.oracle.rules.rule import Rule

Composed = Callable[[Array, Maps], Array]


def _composed() -> dict[str, tuple[Status, str, Composed]]:
    """Return status, sentence and y of each rule, and of those that were seen with x added."""
    table: dict[str, tuple[Status, str, Composed]] = {}
    rules = (*composition.RULES, *composition_gates.RULES, *composition_output.RULES)
    residual = next(rule for rule in rules if rule.sets.get("residual"))
    for rule in rules:
        if rule.made is None:
            continue
        table[rule.code] = rule.status, rule.sentence, rule.made
        if rule.code == "channel-first":
            table["residual"] = residual.status, residual.sentence, _added(rule)
        for code in rule.was:
            table[code] = rule.status, f"{rule.sentence}, and x is added", _added(rule)
    return table


def _added(rule: Rule) -> Composed:
    made: Composed = rule.made  # type: ignore[assignment]
    return lambda x, maps: made(x, maps) + x


COMPOSE = _composed()
