"""What several commands take on their command line."""

import argparse
from pathlib import Path


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
    return text
