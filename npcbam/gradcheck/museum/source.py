"""The code of an exhibit, with the wrong lines told from the right ones."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from npcbam.gradcheck.museum.exhibit import Exhibit

Side = Literal["", "wrong", "right"]
# Types help a checker of types, and stand in the way of a reader.
TYPES = re.compile(r"(?<=\w): (?:Array|Any|Rng|bool)(?=[,)])|(?<=\)) -> \w+(?=:$)")


@dataclass(frozen=True)
class Line:
    """One line of code: of both twins (""), or of one of them."""

    side: Side
    text: str


def lines(exhibit: Exhibit) -> list[Line]:
    """Return the code that builds both twins, each `if wrong:` taken apart into its two sides."""
    try:
        text = textwrap.dedent(inspect.getsource(exhibit.make))
    except OSError:  # where only compiled files are installed
        return []
    rows = text.splitlines()
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    first = function.body[1]  # after the docstring
    found = list(_read(function.body[1:], rows, first.lineno, len(rows), ""))
    return _dedented(found)


def pair(exhibit: Exhibit) -> tuple[list[str], list[str]]:
    """Return the wrong lines and the right ones, without what both twins have."""
    both = lines(exhibit)

    def of(side: Side) -> list[str]:
        return textwrap.dedent("\n".join(x.text for x in both if x.side == side)).splitlines()

    return of("wrong"), of("right")


def _read(
    block: list[ast.stmt], rows: list[str], start: int, end: int, side: Side
) -> Iterator[Line]:
    """Give the lines `start` to `end` (counted from 1), which hold `block`."""
    at = start
    for fork in _forks(block):
        yield from (Line(side, row) for row in rows[at - 1 : fork.lineno - 1])
        other: Side = "wrong"
        if isinstance(fork.test, ast.UnaryOp):  # if not wrong:
            other = "right"
        last = fork.body[-1].end_lineno or fork.lineno
        yield from _moved(rows[fork.lineno : last], other)
        at = last + 1
        if fork.orelse:
            last = fork.orelse[-1].end_lineno or at
            yield from _moved(rows[at:last], "right")  # the line `else:` is left out
            at = last + 1
    yield from (Line(side, row) for row in rows[at - 1 : end])


def _forks(block: list[ast.stmt]) -> list[ast.If]:
    """Return the statements `if wrong:` and `if not wrong:`, in their order."""
    every = (node for statement in block for node in ast.walk(statement))
    forks = [node for node in every if isinstance(node, ast.If) and _asks(node.test)]
    return sorted(forks, key=lambda fork: fork.lineno)


def _asks(test: ast.expr) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    return isinstance(test, ast.Name) and test.id == "wrong"


def _moved(rows: list[str], side: Side) -> Iterator[Line]:
    """Give the rows of a branch where they would stand without the `if`."""
    return (Line(side, row.removeprefix("    ")) for row in rows)


def _dedented(found: list[Line]) -> list[Line]:
    texts = textwrap.dedent("\n".join(TYPES.sub("", line.text) for line in found)).split("\n")
    return [Line(line.side, text) for line, text in zip(found, texts, strict=True)]
