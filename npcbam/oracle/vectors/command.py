"""The command line of golden vectors: `npcbam vectors write` and `npcbam vectors compare`."""

from __future__ import annotations

import argparse
from typing import Any

from npcbam.options import add_reports, say, write
from npcbam.oracle import vectors
from npcbam.presets import PRESETS

EPILOG = """\
exit status:
  0  written; or all results are within what is allowed
  1  a result differs
  2  it could not be run: no vectors, no results, or a file that cannot be read

examples:
  npcbam vectors write vectors --preset paper
  npcbam vectors compare vectors results
"""


def add(commands: Any) -> None:
    """Add `vectors` to the subparsers of a command line; `args.run(args)` is the exit status."""
    command = commands.add_parser(
        "vectors",
        help="golden vectors for languages without Python",
        description="CBAM as files: write them, and judge what another program made of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = command.add_subparsers(required=True, metavar="ACTION")
    one = actions.add_parser("write", help="write the vectors")
    one.add_argument("folder", metavar="DIR", help="where to; new or empty")
    one.add_argument(
        "--preset",
        dest="presets",
        action="extend",
        nargs="+",
        choices=PRESETS,
        metavar="NAME",
        help=f"whose conventions: {', '.join(PRESETS)} (all)",
    )
    one.add_argument("--seed", type=int, default=0, help="of weights, inputs and cotangents (0)")
    one.set_defaults(run=_write)
    two = actions.add_parser("compare", help="compare results with the vectors")
    two.add_argument("folder", metavar="DIR", help="the vectors")
    two.add_argument("results", metavar="RESULTS", help="a folder of <case>/<tensor>.npy")
    two.add_argument("--all", action="store_true", help="list every tensor of every case")
    add_reports(two, json="write the report as JSON")
    two.set_defaults(run=_compare)
    for action in (one, two):
        action.add_argument("--debug", action="store_true", help="show the traceback of what fails")


def _write(args: argparse.Namespace) -> int:
    print(f"wrote {vectors.write(args.folder, args.presets or tuple(PRESETS), args.seed)}")
    return 0


def _compare(args: argparse.Namespace) -> int:
    found = vectors.compare(args.folder, args.results)
    if args.json != "-":
        say(found.text(args.all))
    if args.json is not None:
        write(args.json, found.to_json())
    return 0 if found.ok else 1
