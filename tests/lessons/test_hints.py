"""What the reader sees: `check` and `hint`."""

import pytest

from npcbam import lessons


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(lessons, "_given", type(lessons._given)())


def said(capsys, f, *args):
    assert f(*args) is None
    return capsys.readouterr().out


@pytest.mark.parametrize("name", lessons.EXERCISES)
def test_two_hints_and_the_answer(capsys, name):
    hints = [said(capsys, lessons.hint, name) for _ in range(4)]
    assert [h.split(":")[0] for h in hints[:3]] == ["First hint", "Second hint", "The answer"]
    for shown, hint in zip(hints, lessons.EXERCISES[name].hints, strict=False):
        assert " ".join(hint.split()) in " ".join(shown.split())
    assert hints[3] == hints[2]


def test_hints_are_counted_apart_and_take_the_function_too(capsys):
    def mean_vjp(x): ...

    assert said(capsys, lessons.hint, mean_vjp).startswith("First hint")
    assert said(capsys, lessons.hint, "max_vjp").startswith("First hint")
    assert said(capsys, lessons.hint, "mean_vjp").startswith("Second hint")


@pytest.mark.parametrize("name", ["minimum_vjp", 3, None, []])
def test_no_such_hint(capsys, name):
    out = said(capsys, lessons.hint, name)
    assert out.startswith(
        f"There is no exercise called {name}. The exercises are mean_vjp, max_vjp"
    )


def test_the_verdict_comes_first(capsys):
    def mean_vjp(x):
        return x.mean((2, 3), keepdims=True), lambda dy: 0 * x

    out = said(capsys, lessons.check, mean_vjp)
    assert out.startswith("Not yet: dx is all zeros, and")
    assert max(map(len, out.split("\n"))) <= 100
