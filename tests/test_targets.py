"""What a user points at, and one sentence where it is not there; more in the oracle's adapters."""

import pytest

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
        import json

        return json.dumps(_alone())

    assert calls(local, "json")
    assert calls(lambda: _alone(), "pytest")
    assert not calls(_alone, "json")
    assert not calls(len, "json")


def _alone():
    return pytest.approx(1)


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
