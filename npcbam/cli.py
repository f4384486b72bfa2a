"""The command line: `npcbam check` and `npcbam vectors`."""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from npcbam import __version__
from npcbam.oracle import CannotRun, Report, check, examples, vectors_cli
from npcbam.oracle.candidate import sentence
from npcbam.oracle.conventions import FAITHFUL

OK, DIFFERS, CANNOT_RUN = 0, 1, 2

DESCRIPTION = """\
Tell whether a CBAM is correct.

TARGET is package.module:Name or path/to/file.py:Name. Name is
  - a torch.nn.Module, its class, or a function that builds one;
  - an npcbam layer;
  - a NumPy function f(params, x) that returns y, or (y, pullback) with
    pullback(dy) = (dparams, dx), beside a function init(channels) that
    returns the dict of arrays `params`;
  - an object with a dict of arrays `parameters` and vjp(x), or its class.
Without TARGET three embedded examples are checked: a right one, two mistakes.

Checking imports TARGET and runs it: check only code that you would run.
"""
EPILOG = """\
exit status:
  0  it is CBAM as Eqs. 1 to 3 of the paper have it, or what --expect asks for
  1  it is not
  2  it could not be run

examples:
  npcbam check
  npcbam check models/attention.py:CBAM --channels 128 --set reduction=8
  npcbam check mypackage.layers:CBAMBlock --expect seed --json -
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
        return status
    except BrokenPipeError:
        # The reader has gone, as in `npcbam check | head`: what was said stands.
        sys.stdout = None
        return DIFFERS
    except (CannotRun, OSError, TypeError, ValueError) as error:
        if args.debug:
            traceback.print_exc()
        print(f"npcbam: {sentence(error)}", file=sys.stderr)
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"npcbam: {sentence(error)} (--debug shows where)", file=sys.stderr)
    return CANNOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="npcbam", description="CBAM in NumPy, and its oracle.")
    parser.add_argument("--version", action="version", version=f"npcbam {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser(
        "check",
        help="tell whether a CBAM is correct",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("target", nargs="?", metavar="TARGET", help="what to check; see above")
    one.add_argument(
        "--channels", type=int, default=64, metavar="C", help="what a class is built with (64)"
    )
    one.add_argument(
        "--set",
        dest="settings",
        action="append",
        type=_setting,
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the class, a Python literal; may be repeated",
    )
    one.add_argument(
        "--expect",
        default=FAITHFUL,
        metavar="WHAT",
        help="faithful (Eqs. 1 to 3, the default), the preset that it should compute, or "
        "AXIS=VALUE,..., conventions in which it may depart",
    )
    one.add_argument("--json", metavar="FILE", help="write the report as JSON; - is the terminal")
    one.add_argument("--seed", type=int, default=0, help="of weights, inputs and cotangents (0)")
    one.add_argument("--debug", action="store_true", help="show the traceback of what failed")
    one.set_defaults(run=_check)
    vectors_cli.add(commands)
    return parser


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _check(args: argparse.Namespace) -> int:
    if args.target is None:
        return _check_examples(args)
    # What the candidate prints is not part of the report.
    with contextlib.redirect_stdout(sys.stderr):
        report = check(
            args.target,
            channels=args.channels,
            settings=dict(args.settings),
            expect=args.expect,
            seed=args.seed,
        )
    _write(args.json, report.to_json(), str(report))
    return OK if report.ok else DIFFERS


def _check_examples(args: argparse.Namespace) -> int:
    reports: list[Report] = []
    for example in examples.VERDICTS:
        reports.append(check(example, channels=args.channels, seed=args.seed))
    data = json.dumps([json.loads(report.to_json()) for report in reports], indent=2)
    brief = "\n\n".join(
        "\n".join([report.headline, *(f"  {line}" for line in _brief(example, report))])
        for example, report in zip(examples.VERDICTS, reports, strict=True)
    )
    _write(args.json, data, brief)
    said = [report.verdict for report in reports]
    return OK if said == list(examples.VERDICTS.values()) else DIFFERS


def _brief(example: object, report: Report) -> list[str]:
    said = [finding.message for finding in report.findings]
    return [*(example.__doc__ or "").splitlines()[:1], *said]


def _write(place: str | None, data: str, text: str) -> None:
    if place != "-":
        print(text)
    if place is not None:
        Path(place).write_text(data + "\n", encoding="utf-8") if place != "-" else print(data)
