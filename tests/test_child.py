"""A process of its own: what it answers, and what stands where it gives no answer."""

import json

import pytest

from npcbam import child
from npcbam.child import Failed, Stopped, ask, settle


def test_answers_need_the_token(tmp_path):
    place = tmp_path / "answers"
    place.write_bytes(b'junk\nff {"answer": 1}\n\n12 {"answer": 2}\nmore junk')
    said = child._lines(place, "12")
    assert [next(said), next(said)] == [{"answer": 2}, None]
    with place.open("ab") as file:
        file.write(b'\n12 {"answer"')
    assert next(said) is None
    with place.open("ab") as file:
        file.write(b": 3}\n")
    assert [next(said), next(said)] == [{"answer": 3}, None]


def test_no_terminal_obeys_a_message():
    assert str(Failed("a\x1b[2J\rb\u202e")) == "a\\x1b[2J\\rb\\u202e"


@pytest.mark.parametrize(
    ("found", "raised", "said"),
    [
        ({"failure": "no such file", "trace": "t"}, Failed, "no such file"),
        ({"code": "hangs", "failure": "hangs"}, Stopped, "a:f hangs, while running it"),
    ],
)
def test_what_is_no_answer_is_raised(found, raised, said):
    with pytest.raises(raised, match=f"^{said}$"):
        settle("a:f", found, "running it")
    assert settle("a:f", {"ok": True}, "") == {"ok": True}


def test_any_function_answers(tmp_path, monkeypatch):
    (tmp_path / "answering.py").write_text(
        "def answer(progress, a):\n    progress(f'adding to {a}')\n    return {'sum': a + 1}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    said = []
    found, phase = ask("answering:answer", {"a": 2}, 20.0, said.append, False)
    assert (found, phase, said) == ({"sum": 3}, "adding to 2", ["adding to 2"])
    assert json.loads(json.dumps(found)) == found
