"""What went wrong, in one sentence that a terminal and a browser can be shown."""

from __future__ import annotations


class Said(Exception):  # noqa: N818
    """Its message is a whole sentence, written to be read as it is."""


class CannotRun(Said):
    """What was asked for could not be loaded or built, or it runs on no input."""


def sentence(error: BaseException) -> str:
    """Return what an exception says, in one line; that of others is cut where it is too long.

    >>> sentence(CannotRun("nowhere.py: no such file")), sentence(KeyError("a"))
    ('nowhere.py: no such file', "KeyError: 'a'")
    """
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, Said):
        return said
    said = said if len(said) <= 160 else said[:157] + "..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def plain(text: object) -> str:
    """Return text in which a terminal and a browser see nothing but letters.

    >>> print(plain("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else _spelled(letter)
        for letter in str(text)
    )


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
