"""All that is known of how both maps are put together: the rules of every composition."""

from __future__ import annotations

from npcbam.oracle.rules import composition, composition_gates, composition_output
from npcbam.oracle.rules.rule import Rule

# Their files; that of the paper first.
FILES = (composition, composition_gates, composition_output)
RULES: tuple[Rule, ...] = tuple(rule for file in FILES for rule in file.RULES)
