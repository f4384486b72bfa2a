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
from npcbam.oracle.rules.catalogue import RULES, WAS, unknown
from npcbam.oracle.rules.page import to_dict, to_html
from npcbam.oracle.rules.text import listed, of_code, of_kind, of_rule

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
    two.set_defaults(run=_explain)
    for command in (one, two):
        command.add_argument(
            "--debug", action="store_true", help="show the traceback of what fails"
        )


def explain(code: str) -> str:
    """Return what a code means, wherever it is one; raise CannotRun if it is none anywhere."""
    rule, kind = RULES.get(code) or WAS.get(code), kinds.kind(code)
    found = [of_rule(rule)] if rule else []
    found += [of_code(codes.BY_CODE[code])] if code in codes.BY_CODE else []
    found += [of_kind(kind)] if kind else []
    if not found:
        raise CannotRun(unknown(code, (*RULES, *WAS, *codes.BY_CODE, *kinds.BY_CODE)))
    return "\n\n".join(found)


def _explain(args: argparse.Namespace) -> int:
    known, missed = list[str](), list[str]()
    for code in args.codes:
        try:
            known.append(explain(code))
        except CannotRun as error:
            missed.append(str(error))
    if known:
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
