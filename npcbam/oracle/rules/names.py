"""What the names are that the lines of a rule take from the block around them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from npcbam.oracle.rules import lines
from npcbam.oracle.rules.rule import Rule

# The forms of a stage's own rows come before those that a backward saves more for.
ROWS = (lines.CHANNEL, lines.SPATIAL, lines.WHOLE, lines.FORWARD, lines.BACKWARD)
GIVEN = {"x": "x: (N, C, H, W)", "dy": "dy: the cotangent of y, of its shape"}
# Names that a reader knows.
KNOWN = {"sigmoid", "relu", "softmax"}


def names(rule: Rule) -> list[str]:
    """Return a line for each name that `bad` or `fix` takes from around them: what it is there."""
    found: dict[str, str] = {}
    for text in (rule.fix, rule.bad):
        if lines.is_run(text):
            own = {name for name in _read(text) if f"# {name}: (" in text} | KNOWN
            found |= {name: AROUND[name] for name in _read(text) if name in AROUND.keys() - own}
    # What is not defined by others comes last.
    return sorted(dict.fromkeys(found.values()), key=lambda line: line in GIVEN.values())


def _read(text: str) -> list[str]:
    """Return the names that lines read and do not bind, in their order."""
    nodes = list(ast.walk(ast.parse(text)))
    every = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in every if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    every.sort(key=lambda node: (node.lineno, node.col_offset))
    return [node.id for node in every if node.id not in bound]


def _around() -> Iterator[tuple[str, str]]:
    rows = lines.AROUND.splitlines()
    for each in ast.parse(lines.AROUND).body:
        assert isinstance(each, ast.FunctionDef)
        _, _, comment = rows[each.lineno - 1].partition("  # ")
        call = f"{each.name}({ast.unparse(each.args)})"
        (first, *more) = each.body
        short = isinstance(first, ast.Return) and first.value is not None and not more
        if isinstance(first, ast.Return) and first.value is not None and short:
            yield (
                each.name,
                f"{call} = {ast.unparse(first.value)}" + f"  # {comment}" * bool(comment),
            )
        else:
            yield each.name, f"{call}: {comment}"
    yield from ((name, f"{name}: ({shape})") for name, shape in lines.SHAPES.items())
    yield from GIVEN.items()


def _rows() -> Iterator[tuple[str, str]]:
    for program in reversed(ROWS):
        rows = program.format(lines="").splitlines()
        for each in reversed(ast.parse(program.format(lines="")).body):
            bound = (node for node in ast.walk(each) if isinstance(node, ast.Name))
            yield from (
                (node.id, rows[each.lineno - 1])
                for node in bound
                if isinstance(node.ctx, ast.Store)
            )


# What each name is, in a line. A row that is nearer to the stages takes the place of one that is not.
AROUND = dict(_rows()) | dict(_around())
