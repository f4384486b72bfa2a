"""The command line: `npcbam check`, `npcbam vectors` and `npcbam bench`."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npcbam import __version__, bench, checks
from npcbam.options import file_or_terminal, file_to_write
from npcbam.oracle import CannotRun, Report, check, examples, isolation, vectors_cli
from npcbam.oracle.candidate import DTYPES, STAGES, sentence
from npcbam.oracle.conventions import asked
from npcbam.oracle.html import plain
from npcbam.presets import PRESETS

# What the options and `npcbam.check` call alike.
REQUEST = ("target", "channels", "expect", "stage", "dtype", "device", "seed")
OK, DIFFERS, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130

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

`python -m pydoc npcbam.oracle.report` describes the JSON.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
        return status
    except BrokenPipeError:
        # The reader has gone: what was said stands.
        sys.stdout = None
        return DIFFERS
    except KeyboardInterrupt:
        print("npcbam: interrupted", file=sys.stderr)
        return INTERRUPTED
    except isolation.Failed as error:
        if args.debug:
            print(error.trace, end="", file=sys.stderr)
        print(f"npcbam: {error}", file=sys.stderr)
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
    one.add_argument(
        "--json",
        type=file_or_terminal,
        metavar="FILE",
        help="write the report as JSON; - is the terminal",
    )
    one.add_argument(
        "--html",
        type=file_to_write,
        metavar="FILE",
        help="write the report as a page with pictures",
    )
    one.add_argument("--seed", type=int, default=0, help="of weights, inputs and cotangents (0)")
    one.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="the seconds that TARGET has, its imports included (60)",
    )
    one.add_argument("--debug", action="store_true", help="show where it fails and what it prints")
    one.set_defaults(run=_check)
    vectors_cli.add(commands)
    bench.add(commands)
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return seconds


def _check(args: argparse.Namespace) -> int:
    if args.target is None:
        return _check_examples(args)
    _known(args)
    request = {name: getattr(args, name) for name in REQUEST}
    request["settings"] = dict(args.settings)
    try:
        with _Progress(args) as progress:
            found = isolation.run(request, args.timeout, progress, debug=args.debug)
    except isolation.Stopped as stopped:
        if args.debug:
            print(stopped.trace, end="", file=sys.stderr)
        found = stopped.report(**request)
    if args.json != "-":
        _say(plain(found["text"]))
    _write_files(args, found)
    return OK if found["ok"] is True else DIFFERS


def _known(args: argparse.Namespace) -> None:
    """Refuse what no TARGET can have before it is loaded."""
    try:
        asked(args.expect)
        checks.positive("channels", args.channels)
        checks.seed("seed", args.seed)
        if args.dtype is not None:
            checks.choice("dtype", args.dtype, DTYPES)
    except (TypeError, ValueError) as error:
        raise isolation.Failed(str(error)) from error


def _write_files(args: argparse.Namespace, found: Mapping[str, Any]) -> None:
    if args.json is not None:
        _write(args.json, found["json"])
    if args.html is not None:
        Path(args.html).write_text(found["html"], encoding="utf-8")


class _Progress:
    """One line on a terminal that says what is being done, and goes when it is done."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.shown = sys.stderr.isatty() and args.json != "-"

    def __call__(self, phase: str) -> None:
        if self.shown:
            width = shutil.get_terminal_size().columns - 1
            said = f"npcbam: {phase} ..."[:width]
            print(f"\r{said:<{width}}", end="\r", file=sys.stderr, flush=True)

    def __enter__(self) -> _Progress:
        self("starting")
        return self

    def __exit__(self, *raised: Any) -> None:
        if self.shown:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1), end="\r", file=sys.stderr)


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
        _say(brief)
    if args.json is not None:
        _write(args.json, data)
    said = [report.verdict for report in reports]
    return OK if said == list(examples.VERDICTS.values()) else DIFFERS


def _brief(example: object, report: Report) -> list[str]:
    said = [finding.message for finding in report.findings]
    return [*(example.__doc__ or "").splitlines()[:1], *said]


def _write(place: str, data: str) -> None:
    if place == "-":
        _say(data)
    else:
        Path(place).write_text(data + "\n", encoding="utf-8")


def _say(text: str) -> None:
    """Print; where the reader has gone, as in `npcbam check | head`, the exit status stays true."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = None
