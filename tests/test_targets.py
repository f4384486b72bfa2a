"""What a user points at, and one sentence where it is not there; more in the oracle's adapters."""

import pytest

from npcbam.messages import CannotRun
from npcbam.targets import import_lines, literal, load


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
