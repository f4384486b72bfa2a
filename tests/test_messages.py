"""What went wrong is one line, and shows nothing but letters."""

import pytest

from npcbam.messages import CannotRun, Said, plain, sentence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CannotRun("it is\n  not there\n"), "it is"),
        (Said("x" * 500), "x" * 500),
        (ValueError("\n one\ntwo"), "ValueError: one"),
        (ValueError("x" * 500), "ValueError: " + "x" * 157 + "..."),
        (ValueError("x" * 160), "ValueError: " + "x" * 160),
        (ValueError(), "ValueError"),
        (KeyError("a"), "KeyError: 'a'"),
    ],
)
def test_sentence(error, said):
    assert sentence(error) == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("σ and\nlines", "σ and\nlines"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\tb\rc", "a\\tb\\rc"),
        ("\u202e", "\\u202e"),
        (3.5, "3.5"),
    ],
)
def test_plain(text, shown):
    assert plain(text) == shown
