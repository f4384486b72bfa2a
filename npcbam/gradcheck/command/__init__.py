"""The command line `npcbam grad`.

Read on in `draws` (how arguments are spelled), `supply` (which a function needs) and `answer`
(the check itself, in a process of its own).
"""

from __future__ import annotations

import argparse
from typing import Any

from npcbam import checks
from npcbam.child import Failed, Stopped, ask, settle
from npcbam.gradcheck.command.answer import stopped_report
from npcbam.gradcheck.command.draws import DRAWS
from npcbam.messages import CannotRun, plain
from npcbam.options import (
    Progress,
    file_or_terminal,
    file_to_write,
    say,
    seconds,
    write_reports,
)

ANSWER = f"{__name__}.answer:answer"
OK, DIFFERS = 0, 1
# What the options and `answer` call alike.
REQUEST = ("target", "specs", "make", "seed", "points", "names", "fixed", "domain", "allow", "rtol")

DESCRIPTION = """\
Tell whether a gradient that was written by hand is right.

TARGET is path/to/file.py:name or package.module:name, a function f(*args) that
returns (y, pullback), where pullback(dy) gives one cotangent for each argument.
Without TARGET three embedded examples are checked: a right one, two mistakes.

Its arguments come from --args, in their order or as NAME=SPEC, from --make, or
from annotations such as x: "N(3,4)"; defaults fill what is left out. SPEC is

{draws}

or a Python literal (0.1, None, (2, 3)), any other text, or a tuple, list or dict
of these. A size may be a name: "N(n,4)" "N(4,n)". A dtype stands behind a colon:
"N(3,4):float32".

Checking imports TARGET and runs it: check only code that you would run. It runs
in a process of its own, which is ended after the time limit; what it prints is
not shown.
""".format(draws="\n".join(f"  {name + '(3,4)':15} {said}" for name, (said, *_) in DRAWS.items()))
EPILOG = """\
exit status:
  0  the gradient is right
  1  it is wrong, or that cannot be told: the report says why
  2  there is no report: TARGET could not be loaded, or an argument is missing; one
     sentence says why

examples:
  npcbam grad
  npcbam grad layers.py:linear_vjp --args "N(3,4)" "N(4,5)" "N(5)"
  npcbam grad layers.py:norm_vjp --args "N(8,4):float32" eps=1e-5 --html report.html
  npcbam grad mypackage.losses:cross_entropy --args "N(5,10)" "I(5;0,10)" --json -
"""


def add(commands: Any) -> None:
    """Add `grad` to the subparsers of a command line; `args.run(args)` is the exit status."""
    one = commands.add_parser(
        "grad",
        help="tell whether a hand-written gradient is right",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("target", nargs="?", metavar="TARGET", help="what to check; see above")
    _add_arguments(one)
    _add_reports(one)
    one.set_defaults(run=run)


def _add_arguments(one: argparse.ArgumentParser) -> None:
    """Add what says how to check."""
    one.add_argument(
        "--args",
        dest="specs",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPEC",
        help="the arguments; see above",
    )
    one.add_argument(
        "--make", metavar="NAME", help="a function of the same file that returns the arguments"
    )
    one.add_argument("--seed", type=int, default=0, help="of arguments, cotangents, probes (0)")
    one.add_argument(
        "--points", type=int, default=1, metavar="K", help="draw the arguments K times (1)"
    )
    one.add_argument(
        "--names", nargs="+", metavar="NAME", help="what the report calls the arguments"
    )
    one.add_argument(
        "--fixed", nargs="+", default=[], metavar="NAME", help="arguments not asked about"
    )
    one.add_argument(
        "--domain",
        type=domain,
        action="append",
        default=[],
        metavar="WHAT",
        help="where probes have to stay: positive, symmetric, simplex or LOW,HIGH, for all "
        "arguments, or NAME=WHAT for one; may be repeated",
    )
    one.add_argument(
        "--allow", nargs="+", default=[], metavar="WHAT", help="what is meant to be so: writes"
    )
    one.add_argument("--rtol", type=float, metavar="R", help="a relative tolerance of your own")


def _add_reports(one: argparse.ArgumentParser) -> None:
    """Add what says where the report goes."""
    one.add_argument(
        "--json",
        type=file_or_terminal,
        metavar="FILE",
        help="write the report as JSON; - is the terminal",
    )
    one.add_argument(
        "--html", type=file_to_write, metavar="FILE", help="write the report as a page"
    )
    one.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help="the seconds that TARGET has, its imports included (60)",
    )
    one.add_argument("--debug", action="store_true", help="show where it fails and what it prints")


def domain(text: str) -> tuple[str, str | tuple[float, float]]:
    """Return `(name, domain)`, the name "" where it is for all.

    >>> domain("positive"), domain("p=0,1")
    (('', 'positive'), ('p', (0.0, 1.0)))
    """
    name, _, what = text.rpartition("=")
    if what in ("positive", "symmetric", "simplex"):
        return name, what
    try:
        low, high = map(float, what.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected positive, symmetric, simplex or LOW,HIGH, got {text!r}"
        ) from None
    return name, (low, high)


def run(args: argparse.Namespace) -> int:
    """Check, say what was found, and return the exit status."""
    if args.target is None:
        raise CannotRun("expected a TARGET, path/to/file.py:name, before --args")
    _known(args)
    request = {name: getattr(args, name) for name in REQUEST}
    try:
        with Progress(args.json) as progress:
            found, phase = ask(ANSWER, request, args.timeout, progress, args.debug)
            found = settle(args.target, found, phase)
    except Stopped as stopped:
        found = stopped_report(stopped, args.target, args.seed)
    if args.json != "-":
        say(plain(found["text"]))
    write_reports(args, found)
    return OK if found["ok"] is True else DIFFERS


def _known(args: argparse.Namespace) -> None:
    """Refuse what no TARGET can have before it is loaded."""
    try:
        checks.seed("seed", args.seed)
        checks.positive("points", args.points)
    except (TypeError, ValueError) as error:
        raise Failed(str(error)) from error
    if args.make is not None and args.specs:
        raise Failed("--make: expected it alone, got --args as well")
