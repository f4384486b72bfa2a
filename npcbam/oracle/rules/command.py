"""The command lines `npcbam rules` and `npcbam explain`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from typing import Any

from npcbam.diagnosis import kinds
from npcbam.gradcheck import codes
from npcbam.messages import CannotRun
from npcbam.options import add_reports, save, say, write
from npcbam.oracle.rules import of_gradients, verdicts
from npcbam.oracle.rules.catalogue import RULES, WAS, unknown
from npcbam.oracle.rules.page import to_dict, to_html
from npcbam.oracle.rules.rule import Rule
from npcbam.oracle.rules.text import listed, of_rule

SCHEMA = 1
EPILOG = """\
examples:
  npcbam rules
  npcbam rules --html rules.html
  npcbam explain channel-two-sigmoids
"""


def add(commands: Any) -> None:
    """Add `rules` and `explain` to the subparsers; `args.run(args)` is the exit status."""
    one = commands.add_parser(
        "rules",
        help="list all that `npcbam check` can say",
        description="List all that `npcbam check` can say: by stage, each with its code.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_reports(
        one,
        json="write all that is known of the rules as JSON",
        html="write it as one page, to be linked to",
    )
    one.set_defaults(run=_list)
    two = commands.add_parser(
        "explain",
        help="tell what a code of a report means",
        description="Tell what a code of `npcbam check` or `npcbam grad` means: what is so, why it "
        "matters, an example and how to mend it.",
    )
    two.add_argument("codes", nargs="+", metavar="CODE", help="as a report has it")
    add_reports(two, json="write it as JSON too")
    two.set_defaults(run=_explain)
    for command in (one, two):
        command.add_argument(
            "--debug", action="store_true", help="show the traceback of what fails"
        )


def explain(code: str) -> str:
    """Return what a code means, wherever it is one; raise CannotRun if it is none anywhere."""
    word, rule, more = _meant(code)
    parts = [*map(verdicts.to_text, word), *map(of_rule, rule), *map(of_gradients.to_text, more)]
    return "\n\n".join(parts)


def as_data(code: str) -> list[dict[str, object]]:
    """Return the same as JSON has it, one for each thing that the code means."""
    word, rule, more = _meant(code)
    data = [*map(verdicts.to_dict, word), *map(to_dict, rule)]
    return [*data, *map(of_gradients.to_dict, more)]


def _meant(code: str) -> tuple[list[verdicts.Word], list[Rule], list[of_gradients.Meaning]]:
    word, more = verdicts.word(code), of_gradients.meanings(code)
    rule = RULES.get(code) or WAS.get(code)
    if word is None and rule is None and not more:
        every = (*verdicts.BY_CODE, *RULES, *WAS, *codes.BY_CODE, *kinds.BY_CODE)
        raise CannotRun(unknown(code, every))
    return [word] if word else [], [rule] if rule else [], more


def _explain(args: argparse.Namespace) -> int:
    known, missed, data = list[str](), list[str](), list[dict[str, object]]()
    for code in args.codes:
        try:
            known.append(explain(code))
            data += as_data(code)
        except CannotRun as error:
            missed.append(str(error))
    if args.json is not None:
        write(
            args.json, json.dumps({"schema": SCHEMA, "codes": data}, indent=2, ensure_ascii=False)
        )
    if known and args.json != "-":
        say("\n\n".join(known))
    if missed:
        raise CannotRun("; ".join(missed))
    return 0


def _list(args: argparse.Namespace) -> int:
    rules = list(RULES.values())
    if args.html is not None:
        save(args.html, to_html(rules))
    if args.json is not None:
        data = {"schema": SCHEMA, "rules": [to_dict(rule) for rule in rules]}
        write(args.json, json.dumps(data, indent=2, ensure_ascii=False))
    if args.html is None and args.json is None:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        say(listed(rules, columns))
    return 0
