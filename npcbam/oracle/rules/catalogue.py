"""All rules by their codes: what can be said of a candidate, and what each thing said means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from npcbam.oracle.findings import Finding
from npcbam.oracle.rules import (
    behaviour,
    channel_activation,
    channel_gate,
    channel_merge,
    channel_mlp,
    channel_pools,
    channel_positions,
    compositions,
    failures,
    given_weights,
    gradient_routes,
    gradients,
    kin,
    not_identified,
    numerics,
    spatial_convolution,
    spatial_gate,
    spatial_norm,
    spatial_planes,
    spatial_pools,
)
from npcbam.oracle.rules.rule import Rule

# The files of rules, in the order of the stages.
FILES = (
    channel_gate,
    channel_pools,
    channel_positions,
    channel_merge,
    channel_mlp,
    channel_activation,
    spatial_planes,
    spatial_pools,
    spatial_convolution,
    spatial_norm,
    spatial_gate,
    *compositions.FILES,
    given_weights,
    kin,
    not_identified,
    gradient_routes,
    gradients,
    numerics,
    behaviour,
    failures,
)
# How alike an unknown code and those that it may have meant have to be, and how many are named.
ALIKE, NAMED = 0.5, 3


def _by_code(rules: Iterable[Rule]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.code in found:
            raise ValueError(f"code: expected one that is new, got {rule.code} a second time")
        found[rule.code] = rule
    return found


RULES = _by_code(rule for file in FILES for rule in file.RULES)
# The rule of each code that version 0.1 told it by.
WAS = {code: rule for rule in RULES.values() for code in rule.was if code not in RULES}


def rule(code: str) -> Rule:
    """Return the rule with this code, or the one that had it before.

    Raises
    ------
    ValueError
        There is none; the message names those that are spelled alike.

    >>> rule("channel-first").sentence
    'channel first, then spatial, as in Eq. 1'
    """
    found = RULES.get(code) or WAS.get(code)
    if found is None:
        raise ValueError(unknown(code, (*RULES, *WAS)))
    return found


def unknown(code: str, known: Iterable[str]) -> str:
    """Say that there is no such code, and which are spelled alike."""
    near = difflib.get_close_matches(code.lower(), tuple(dict.fromkeys(known)), NAMED, ALIKE)
    meant = f"; the nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""
    return f"code: expected one that a report gives, got {code!r}{meant}"


def settled(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out the findings that another one explains, as its rule says itself."""
    found = list(findings)
    explained = {
        code for each in found if each.code in RULES for code in RULES[each.code].supersedes
    }
    return [each for each in found if each.code not in explained]
