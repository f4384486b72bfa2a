"""The command line `npcbam museum`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from itertools import groupby
from typing import Any

from npcbam.gradcheck.museum import EXHIBITS, exhibit
from npcbam.gradcheck.museum.exhibit import Exhibit
from npcbam.gradcheck.museum.html import to_html
from npcbam.gradcheck.museum.page import to_dict, to_text
from npcbam.messages import CannotRun
from npcbam.options import add_reports, save, write

DESCRIPTION = """\
Show public bugs in hand-written backward passes: what went wrong, how it showed,
the wrong line beside the right one, and what `npcbam` says of both.

Without NAME all are listed, by kind.
"""


def add(commands: Any) -> None:
    """Add `museum` to the subparsers of a command line; `args.run(args)` is the exit status."""
    one = commands.add_parser(
        "museum",
        help="show public bugs in hand-written gradients",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("name", nargs="?", metavar="NAME", help="of one exhibit, to be shown in full")
    add_reports(one, json="write what is shown as JSON", html="write one page of all, or of NAME")
    one.add_argument("--debug", action="store_true", help="show the traceback of what fails")
    one.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show one exhibit or the list of all, and return the exit status."""
    chosen = list(EXHIBITS.values()) if args.name is None else [_named(args.name)]
    if args.html is not None:
        save(args.html, to_html(chosen))
    if args.json is not None:
        pages = [to_dict(each) for each in chosen]
        data = json.dumps(pages if args.name is None else pages[0], indent=2, ensure_ascii=False)
        write(args.json, data)
        if args.json == "-":
            return 0
    if args.name is not None:
        print(to_text(chosen[0]))
    elif args.html is None and args.json is None:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(listed(chosen, columns))
    return 0


def listed(exhibits: list[Exhibit], columns: int | None = None) -> str:
    """Return one line for each, under its kind, cut off where it would not fit into `columns`."""
    width = max(len(each.name) for each in exhibits)
    parts = []
    for kind, group in groupby(sorted(exhibits, key=_place), key=lambda each: each.group):
        lines = (f"  {each.name:{width}}  {each.what}" for each in group)
        parts += [kind, *(_cut(line, columns) for line in lines), ""]
    count = len(exhibits)
    return "\n".join([*parts, f"{count} exhibits. `npcbam museum NAME` shows one in full."])


def _cut(line: str, columns: int | None) -> str:
    return line if columns is None or len(line) <= columns else line[: columns - 2] + " …"


def _named(name: str) -> Exhibit:
    try:
        return exhibit(name)
    except ValueError as error:
        raise CannotRun(str(error)) from None


def _place(each: Exhibit) -> tuple[str, str]:
    return each.group, each.name
