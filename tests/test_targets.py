"""What a user points at, and one sentence where it is not there."""

import functools
import json
import re
import sys

import pytest

from npcbam import CBAM
from npcbam.messages import CannotRun
from npcbam.targets import calls, import_lines, literal, load


@pytest.mark.parametrize(
    ("text", "value"),
    [("8", 8), ("(1, 2)", (1, 2)), ("None", None), ("relu", "relu"), ("1 +", "1 +"), ("", "")],
)
def test_settings_are_literals(text, value):
    assert literal(text) == value


def test_loads_from_a_file_beside_its_neighbours(tmp_path, monkeypatch):
    (tmp_path / "neighbour_of_target.py").write_text("seven = 7")
    place = tmp_path / "targeted.py"
    place.write_text("from neighbour_of_target import seven\nclass A:\n    b = seven")
    monkeypatch.setattr("sys.path", [])
    assert load(f"{place}:A.b") == 7
    assert load("os:path.sep") in "/\\"


def test_runs_a_file_again_or_not(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    place = tmp_path / "counted.py"
    place.write_text("f, g = object(), object()")
    one = load(f"{place}:f")
    assert load(f"{place}:f", anew=False) is one
    assert load(f"{place}:f") is not one
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "counted.py").write_text("f = 2")
    assert load(f"{tmp_path}/other/counted.py:f", anew=False) == 2


def test_calls():
    def local():
        import csv

        return csv.writer(_alone())

    assert calls(local, "csv")
    assert calls(lambda: _alone(), "pytest")
    assert not calls(_alone, "json")
    assert not calls(len, "json")


def _alone():
    return pytest.approx(1)


def _same(f):
    @functools.wraps(f)
    def same(*args):
        return f(*args)

    return same


@_same
def _again(n):
    return json.dumps(_again(n - 1)) if n else ""


def test_calls_of_what_calls_its_own_decorated_self():
    assert calls(_again, "json")
    assert not calls(_again, "pytest")


def test_the_code_that_loads(tmp_path, monkeypatch):
    (tmp_path / "targeted_again.py").write_text("f = 3")
    monkeypatch.syspath_prepend(tmp_path)
    scope = {}
    exec(import_lines(f"{tmp_path}/targeted_again.py:f"), scope)
    assert scope["target"] == 3


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere.py:f", "nowhere.py: no such file"),
        ("nowhere:f", "nowhere: no module named nowhere"),
        ("f", "f: expected package.module:Name or path/to/file.py:Name"),
        ("weights.npz", "weights.npz: weights without code cannot be run; give path/to/file.py:Na"),
        ("json:loadz", "json has no loadz; it has "),
    ],
)
def test_says_what_is_missing(target, said):
    with pytest.raises(CannotRun) as caught:
        load(target)
    assert str(caught.value).startswith(said)


FILE = """
import sys
from dataclasses import dataclass
from pathlib import Path
from neighbour import NAME
class Outer:
    class Inner:
        pass
@dataclass
class Settings:
    path: Path = Path()
"""


def test_load_finds_files_neighbours_and_nested_names(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "neighbour.py").write_text("NAME = 'next door'")
    (tmp_path / "target.py").write_text(FILE)
    assert load(f"{tmp_path}/target.py:NAME") == "next door"
    assert load(f"{tmp_path}/target.py:Outer.Inner").__name__ == "Inner"
    assert load("npcbam.cbam:CBAM.init") == CBAM.init
    monkeypatch.chdir(tmp_path)
    assert load("target:NAME") == "next door"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("cbam", "cbam: expected package.module:Name or path/to/file.py:Name"),
        ("npcbam:", "npcbam:: expected package.module:Name or path/to/file.py:Name"),
        ("nowhere.py:X", "nowhere.py: no such file"),
        ("no/where:X", "no/where: no such file"),
        ("nowhere.to_be:X", "nowhere.to_be: no module named nowhere"),
        ("npcbam.nowhere:X", "npcbam.nowhere: no module named npcbam.nowhere"),
        (
            "npcbam.oracle.probing.inputs:X",
            "npcbam.oracle.probing.inputs has no X; it has Input, battery, ",
        ),
        ("{path}/many.py", "{path}/many.py:Name, where Name is A, f"),
        ("{path}/inside.py", "{path}/inside.py:Name, and it defines nothing"),
        ("{path}/bad.py", "{path}/bad.py:Name, and it is no valid Python"),
        ("{path}/many.py:B", "{path}/many.py has no B; it has A, f"),
        ("{path}/bad.py:X", "{path}/bad.py raised SyntaxError: invalid syntax"),
        ("{path}/exits.py:X", "{path}/exits.py raised SystemExit: 3"),
        ("{path}/lacks.py:X", "{path}/lacks.py raised ModuleNotFoundError: No module named 'n_a'"),
        ("{path}/inside.py:X", "try package.module:Name"),
        ("{path}/text.txt:X", "{path}/text.txt: not a Python file"),
    ],
)
def test_load_errors(target, message, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "bad.py").write_text("x = = 1")
    (tmp_path / "many.py").write_text("import os\nclass A:\n    pass\ndef f():\n    pass\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)")
    (tmp_path / "lacks.py").write_text("import n_a")
    (tmp_path / "inside.py").write_text("from .neighbour import X")
    (tmp_path / "text.txt").write_text("X")
    with pytest.raises(CannotRun) as caught:
        load(target.format(path=tmp_path))
    assert message.format(path=tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "advice"),
    [("flax", "; try pip install 'npcbam[flax]'"), ("tensorflow", "; set KERAS_BACKEND=jax or ")],
)
def test_a_framework_that_is_missing(missing, advice, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setitem(sys.modules, "keras", object())
    (tmp_path / "block.py").write_text(f"import {missing}")
    with pytest.raises(CannotRun, match=re.escape("block.py raised ModuleNotFoundError: ")) as e:
        load(f"{tmp_path}/block.py:Block")
    assert advice in str(e.value)
