"""The command line: `npcbam check`, `rules`, `explain`, `grad`, `museum`, `vectors`, `bench`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from npcbam import __version__, bench
from npcbam.child import Failed
from npcbam.gradcheck import command as grad
from npcbam.gradcheck.museum import command as museum
from npcbam.messages import CannotRun, sentence
from npcbam.options import apart
from npcbam.oracle import command as check
from npcbam.oracle.rules import command as rules
from npcbam.oracle.vectors import command as vectors_cli

DIFFERS, CANNOT_RUN, INTERRUPTED = 1, 2, 130
DESCRIPTION = "Is this CBAM, this gradient, my own backward correct?"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parser().parse_args(argv)
    try:
        apart(args)
        status: int = args.run(args)
        return status
    except BrokenPipeError:
        # The reader has gone: what was said stands.
        sys.stdout = None
        return DIFFERS
    except KeyboardInterrupt:
        print("npcbam: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Failed as error:
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
    parser = argparse.ArgumentParser(prog="npcbam", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"npcbam {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (check, rules, grad, museum, vectors_cli, bench):
        command.add(commands)
    return parser
