"""What is said of each code of a report: none is left out."""

import ast
import pathlib
import re

import pytest

import npcbam.gradcheck
from npcbam.gradcheck.codes import BY_CODE, CODES
from npcbam.gradcheck.report import GradReport
from npcbam.gradcheck.trial import GRAVEST

FOLDER = pathlib.Path(npcbam.gradcheck.__file__).parent
# Where in a call the code stands.
PLACES = {"Stop": 1, "Finding": 0, "find": 0}


def emitted():
    """Return the codes that stand as words in the package's calls."""
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                words = node.args[PLACES[name] :][:1] if name in PLACES else []
                yield from (w.value for w in words if isinstance(w, ast.Constant))


def test_each_code_is_described():
    found = {code for code in emitted() if isinstance(code, str)}
    assert found > {"exception", "random", "writes", "structure"}
    assert found - BY_CODE.keys() == set()
    assert set(GRAVEST) <= BY_CODE.keys()


def test_the_report_names_them_all():
    said = re.search(
        r"code : a short stable word for scripts: (.*?)reason", GradReport.__doc__, re.S
    )
    words = set(re.findall(r"[a-z]+", said[1])) - {"and", "of", "what", "cannot", "be", "told"}
    assert words | {"overflow", "underflow"} == set(BY_CODE)


@pytest.mark.parametrize("code", CODES, ids=lambda each: each.code)
def test_each_is_whole(code):
    assert code.outcome in ("right", "wrong", "cannot tell")
    assert not code.what.endswith(".")
    assert code.why.endswith(".")
    assert code.advice.endswith(".")


def test_codes_are_unique():
    assert len(BY_CODE) == len(CODES)
