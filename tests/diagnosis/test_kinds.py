"""What is said of each kind: none is left out, none is there for nothing."""

import ast
import pathlib
import re

import pytest

import npcbam.diagnosis
from npcbam.diagnosis.kinds import BY_CODE, KINDS, kind

# Other words of the package that stand first in a pair.
NO_CODES = {"lacks", "summed"}
CALLS = ("Guess", "Diagnosis", "Turn", "_taken")
# The second of a pair that is returned or yielded begins with a verb, or goes on a sentence.
WORDS = re.compile(r"[a-z]+(-[a-z]+)*")
FOLDER = pathlib.Path(npcbam.diagnosis.__file__).parent


def literals(node):
    """Yield the strings that an expression may be, what is filled in as a brace."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def names(node):
    """Tell a function or a number from what may be a sentence."""
    return isinstance(node, ast.Lambda | ast.Attribute | ast.Compare | ast.Tuple | ast.List)


def emitted():
    """Return the codes that stand in the package, first in a call or a returned pair."""
    found = set()
    for file in FOLDER.glob("*.py"):
        if file.name.startswith("kind"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            call = isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS
            if call and node.args:
                found |= set(literals(node.args[0]))
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:
                found |= set(literals(node.elts[0])) if not names(node.elts[1]) else set()
    return {code for code in found if WORDS.fullmatch(code)} - NO_CODES


def test_each_code_is_described():
    assert {code for code in emitted() if kind(code) is None} == set()
    assert len(emitted()) > 60


def test_codes_that_are_made():
    for code in ("only-first", "only-last", "only-up-to-0", "zero-where", "zero-rows",
                 "zero-entries", "cotangent-flipped", "factor-partly"):  # fmt: skip
        assert kind(code).code.startswith(code.rpartition("-")[0])
    for code in ("", "no-such", "no-such-partly", "cotangent-no-such", "-partly"):
        assert kind(code) is None


@pytest.mark.parametrize("each", KINDS, ids=lambda each: each.code)
def test_each_is_whole(each):
    assert WORDS.fullmatch(each.code)
    assert not each.what.endswith(".")
    assert each.what[0].islower()
    assert each.why.endswith(".")
    assert each.advice.endswith((".", "?"))


def test_codes_are_unique():
    assert len(BY_CODE) == len(KINDS)
