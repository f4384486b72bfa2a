"""What several commands take on their command line, and how they say what they found."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npcbam.messages import CannotRun


def file_or_terminal(text: str) -> str:
    """Return the path of a file, or "-" for the terminal.

    >>> file_or_terminal("-")
    '-'
    """
    return text if text == "-" else file_to_write(text)


def file_to_write(text: str) -> str:
    """Return the path of a file that can be written, before any work is done for it."""
    place = Path(text)
    if text == "-":
        raise argparse.ArgumentTypeError("expected a file, got -: only --json takes the terminal")
    if place.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file, got the folder {text}")
    if not place.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"expected a file in a folder that exists, got {text}: there is no {place.parent}"
        )
    if place.suffix == ".py" and place.exists():
        raise argparse.ArgumentTypeError(f"expected a file for a report, got the code {text}")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"expected a file that can be written, got {text}")
    return text


def add_reports(parser: argparse.ArgumentParser, *, json: str, html: str = "") -> None:
    """Add --json and --html, for what `write_reports` writes; each with its help."""
    parser.add_argument(
        "--json", type=file_or_terminal, metavar="FILE", help=f"{json}; - is the terminal"
    )
    if html:
        parser.add_argument("--html", type=file_to_write, metavar="FILE", help=html)


def add_process(parser: argparse.ArgumentParser) -> None:
    """Add --timeout and --debug, for what is run in a process of its own."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help="the seconds that TARGET has, its imports included (60)",
    )
    debug = "show where it fails and what it prints"
    parser.add_argument("--debug", action="store_true", help=debug)


def apart(args: argparse.Namespace) -> None:
    """Raise CannotRun unless what is to be written goes to a file each."""
    places = {name: getattr(args, name, None) for name in ("json", "html", "plot")}
    given = [f"--{name}" for name, place in places.items() if place is not None]
    files = [Path(place).resolve() for place in places.values() if place is not None]
    if len(set(files)) < len(files):
        raise CannotRun(f"{' and '.join(given)}: expected a file each, got one")


def setting(text: str) -> tuple[str, str]:
    """Return NAME=VALUE as a pair."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def seconds(text: str) -> float:
    """Return a time above 0."""
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not 0 < time < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return time


class Progress:
    """One line on a terminal that says what is being done, and goes when it is done."""

    def __init__(self, json: str | None) -> None:
        self._shown = sys.stderr.isatty() and json != "-"

    def __call__(self, phase: str) -> None:
        """Say what is being done."""
        if self._shown:
            width = shutil.get_terminal_size().columns - 1
            said = f"npcbam: {phase} ..."[:width]
            print(f"\r{said:<{width}}", end="\r", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        self("starting")
        return self

    def __exit__(self, *raised: object) -> None:
        if self._shown:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1), end="\r", file=sys.stderr)


def write_reports(args: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Write what --json and --html ask for."""
    if args.json is not None:
        write(args.json, found["json"])
    if args.html is not None:
        save(args.html, found["html"])


def save(place: str, text: str) -> None:
    """Write a file whole or not at all; raise CannotRun where there is no room for it."""
    path = Path(place).resolve()
    new = path.with_name(f"{path.name}.part") if path.is_file() or not path.exists() else path
    try:
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(path)
        except OSError:
            if new != path:
                new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotRun(f"{place}: not written: {error.strerror}") from error


def write(place: str, data: str) -> None:
    """Write to a file, or to the terminal where that is "-"."""
    if place == "-":
        say(data)
    else:
        save(place, data + "\n")


def say(text: str) -> None:
    """Print; where the reader has gone, as in `npcbam check | head`, the exit status stays true."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = None
