"""The command line `npcbam check`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from npcbam.child import Failed, Stopped
from npcbam.messages import CannotRun, plain
from npcbam.options import (
    Progress,
    add_process,
    add_reports,
    say,
    setting,
    write,
    write_reports,
)
from npcbam.oracle import Report, check, examples, isolation
from npcbam.oracle.candidates.candidate import STAGES
from npcbam.oracle.precision import DTYPES
from npcbam.oracle.question import Question
from npcbam.presets import PRESETS

OK, DIFFERS = 0, 1

DESCRIPTION = """\
Tell whether a CBAM is correct.

TARGET is package.module:Name, path/to/file.py:Name or path/to/model.onnx. Name is
  - a torch.nn.Module, a flax or Equinox module or a Keras layer, its class, or a
    function that builds one;
  - an npcbam layer;
  - a function f(params, x) of NumPy, JAX or torch that returns y, or (y, pullback)
    with pullback(dy) = (dparams, dx), beside a function init(channels) that
    returns the dict of arrays `params`;
  - an object with a dict of arrays `parameters` and vjp(x), or its class.
A module is judged in evaluation mode: a norm uses its running statistics.
Without TARGET three embedded examples are checked: a right one, two mistakes.

Checking imports TARGET and runs it: check only code that you would run. It runs
in a process of its own, which is ended after the time limit; what it prints is
not shown.
"""
EPILOG = """\
exit status:
  0  it is CBAM as Eqs. 1 to 3 of the paper have it, or what --expect asks for
  1  it is not, or that cannot be told: the report says why
  2  there is no report: TARGET could not be loaded or built, or an option is not
     to be had; one sentence says why

examples:
  npcbam check
  npcbam check models/attention.py:CBAM --channels 128 --set reduction=8
  npcbam check models/attention.py:ChannelGate --stage channel --dtype bfloat16
  npcbam check mypackage.layers:CBAMBlock --expect seed --json -
  npcbam check mypackage.layers:CBAMBlock --expect residual=yes --html report.html

`python -m pydoc npcbam.oracle.reports.report` describes the JSON.
"""


def add(commands: Any) -> None:
    """Add `check` to the subparsers of a command line; `args.run(args)` is the exit status."""
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
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the class, a Python literal; may be repeated",
    )
    one.add_argument(
        "--expect",
        default="faithful",
        metavar="WHAT",
        help="faithful (Eqs. 1 to 3, the default); the preset that it should compute: "
        f"{', '.join(PRESETS)}; or AXIS=VALUE,... of the report's conventions",
    )
    one.add_argument(
        "--stage",
        choices=STAGES,
        default="whole",
        help="what TARGET is: a whole block (the default), or one half of it, which returns its "
        "map or the refined features",
    )
    one.add_argument(
        "--dtype",
        metavar="DTYPE",
        help="the one precision at which numerics, gradients and effects are judged: "
        f"{', '.join(DTYPES)} (all that TARGET has)",
    )
    one.add_argument("--device", default="cpu", help="what torch runs on, such as cuda (cpu)")
    pictured = "write the report as a page with pictures"
    add_reports(one, json="write the report as JSON", html=pictured)
    one.add_argument("--seed", type=int, default=0, help="of weights, inputs and cotangents (0)")
    add_process(one)
    one.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, say what was found, and return the exit status."""
    if args.target is None:
        return _check_examples(args)
    question = _question(args)
    try:
        with Progress(args.json) as progress:
            found = isolation.run(args.target, question, args.timeout, progress, debug=args.debug)
    except Stopped as stopped:
        if args.debug:
            print(stopped.trace, end="", file=sys.stderr)
        found = isolation.report_of(stopped, args.target, question)
    if args.json != "-":
        say(plain(found["text"]))
    write_reports(args, found)
    return OK if found["ok"] is True else DIFFERS


def _question(args: argparse.Namespace) -> Question:
    """Return what is asked; refuse what no TARGET can have before it is loaded."""
    try:
        how = args.expect, args.stage, args.dtype, args.device, args.seed
        return Question(args.channels, dict(args.settings), None, *how)
    except (TypeError, ValueError) as error:
        raise Failed(str(error)) from error


def _check_examples(args: argparse.Namespace) -> int:
    if args.html is not None:
        raise CannotRun("--html: expected a TARGET to report on")
    reports: list[Report] = []
    for example in examples.VERDICTS:
        reports.append(check(example, channels=args.channels, seed=args.seed))
    data = json.dumps([json.loads(report.to_json()) for report in reports], indent=2)
    brief = "\n\n".join(
        "\n".join([report.headline, *(f"  {line}" for line in _brief(example, report))])
        for example, report in zip(examples.VERDICTS, reports, strict=True)
    )
    if args.json != "-":
        say(brief)
    if args.json is not None:
        write(args.json, data)
    said = [report.verdict for report in reports]
    return OK if said == list(examples.VERDICTS.values()) else DIFFERS


def _brief(example: object, report: Report) -> list[str]:
    said = [finding.message for finding in report.findings]
    return [*(example.__doc__ or "").splitlines()[:1], *said]
