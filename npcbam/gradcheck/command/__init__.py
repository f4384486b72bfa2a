"""The command line `npcbam grad`.

Read on in `parser` (its options), `draws` (how arguments are spelled), `supply` (which a function
needs), `subject` (what a target is) and `answer` (the check itself, in a process of its own).
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from npcbam import arguments, gradcheck
from npcbam.child import Failed, Stopped, ask, settle
from npcbam.gradcheck.command.answer import stopped_report
from npcbam.gradcheck.command.parser import DESCRIPTION, EPILOG, add_arguments
from npcbam.gradcheck.command.supply import from_specs
from npcbam.gradcheck.examples import VERDICTS
from npcbam.messages import CannotRun, plain
from npcbam.options import Progress, add_process, add_reports, say, write, write_reports

ANSWER = f"{__name__}.answer:answer"
OK, DIFFERS = 0, 1
# What the options, `answer` and `examine` call alike.
REQUEST = ("target", "specs", "make", "form", "other", "settings", "seed", "points", "before")
OPTIONS = ("names", "fixed", "allow", "rtol", "device", "params", "grads")


def add(commands: Any) -> None:
    """Add `grad` to the subparsers of a command line; `args.run(args)` is the exit status."""
    one = commands.add_parser(
        "grad",
        help="tell whether a hand-written gradient is right",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="npcbam grad [TARGET] [--args SPEC ...] [options]; -h lists them",
    )
    one.add_argument("target", nargs="?", metavar="TARGET", help="what to check; see above")
    add_arguments(one)
    add_reports(one, json="write the report as JSON", html="write the report as a page")
    add_process(one)
    one.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, say what was found, and return the exit status."""
    if args.target is None:
        return _run_examples(args)
    _known(args)
    request = {name: getattr(args, name) for name in REQUEST} | {"options": _options(args)}
    try:
        with Progress(args.json) as progress:
            found, phase = ask(ANSWER, request, args.timeout, progress, args.debug)
            found = settle(args.target, found, phase)
    except Stopped as stopped:
        if args.debug:
            print(stopped.trace, end="", file=sys.stderr)
        found = stopped_report(stopped, args.target, args.seed)
    if args.json != "-":
        say(plain(found["text"]))
    write_reports(args, found)
    return OK if found["ok"] is True else DIFFERS


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of `examine`'s options."""
    given = {name: getattr(args, name) for name in OPTIONS}
    domains = dict(args.domain)
    given["domain"] = domains.get("", domains)
    return {name: value for name, value in given.items() if value not in (None, [], {})}


def _known(args: argparse.Namespace) -> None:
    """Refuse what no TARGET can have before it is loaded."""
    try:
        arguments.seed("seed", args.seed)
        arguments.positive("points", args.points)
        if args.rtol is not None:
            arguments.number("rtol", args.rtol, 0, 1)
    except (TypeError, ValueError) as error:
        raise Failed(str(error)) from error
    if len(args.domain) > 1 and "" in dict(args.domain):
        raise Failed("--domain: expected one for all, or NAME=WHAT for each, got both")
    if args.make is not None and args.specs:
        raise Failed("--make: expected it alone, got --args as well")


def _run_examples(args: argparse.Namespace) -> int:
    if args.html is not None or args.specs:
        option = "--html" if args.html is not None else "--args"
        raise CannotRun(f"{option}: expected a TARGET before it")
    texts, found = [], []
    for f, (specs, _) in VERDICTS.items():
        supply = from_specs(f, f.__name__, specs, np.random.default_rng((args.seed, 1)))
        report = gradcheck.examine(f, *supply.args, seed=args.seed)
        found.append({"example": f.__name__, **report.to_dict()})
        texts.append(f"{f.__doc__}\n  {report.outcome}: {report.reason}")
    if args.json != "-":
        say("\n\n".join(texts))
    if args.json is not None:
        write(args.json, json.dumps(found, indent=2))
    told = [each["outcome"] for each in found]
    return OK if told == [outcome for _, outcome in VERDICTS.values()] else DIFFERS
