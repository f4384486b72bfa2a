"""The README runs, and says what it prints."""

import contextlib
import io
import math
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from npcbam import cli
from npcbam.gradcheck.museum import EXHIBITS

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# A block of no language is what the block before it prints.
PYTHON = [
    (code, printed if not language else "")
    for (kind, code), (language, printed) in pairwise([*BLOCKS, ("end", "")])
    if kind == "python" and "torch" not in code
]
REPORT = next(text for (_, command), (_, text) in pairwise(BLOCKS) if "two_sigmoids" in command)
CHECK = next(text for (_, command), (_, text) in pairwise(BLOCKS) if "npcbam check\n" in command)
EXPLAINED = next(text for (_, command), (_, text) in pairwise(BLOCKS) if "explain" in command)
NUMBER = r"-?\b\d+(?:\.\d+)?(?:e[-+]?\d+)?\b"


def words(text):
    """Return the text on one line, with # for numbers, and the numbers."""
    # Which of the roundings is the worst depends on the machine, and so does how large they are.
    text = re.sub(r"(worst error \S+e-1\d),.*", r"\1", text)
    text = re.sub(r"((?:every entry|directions) of \d+) .*", r"\1", text)
    return " ".join(re.sub(NUMBER, "#", text).split()), [float(n) for n in re.findall(NUMBER, text)]


def assert_says(got, want):
    """Demand that `got` begins as `want`, whose numbers are roundings or equal to six digits."""
    got_words, got_numbers = words(got)
    want_words, want_numbers = words(want)
    assert got_words[: len(want_words)] == want_words
    for a, b in zip(got_numbers, want_numbers, strict=False):
        small = max(abs(a), abs(b)) < 1e-9
        assert small or math.isclose(a, b, rel_tol=1e-6), f"{a} for {b}"


@pytest.mark.parametrize(("code", "printed"), PYTHON)
def test_python(code, printed):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(code, {"__name__": "readme"})
        except AssertionError as error:
            print(f"{type(error).__name__}: {error}")
    assert_says(out.getvalue(), printed)
    assert bool(out.getvalue()) == bool(printed)


def test_check(capsys):
    assert cli.main(["check"]) == 0
    got = capsys.readouterr().out
    assert_says(got, CHECK)
    assert words(got)[0] == words(CHECK)[0]


def test_the_report_that_it_opens_with(capsys):
    (target,) = re.findall(r"^\$ npcbam check (\S+:two_sigmoids)$", TEXT, re.MULTILINE)
    assert cli.main(["check", target]) == 1
    shown, dots, _ = REPORT.partition("  ...")
    assert dots
    assert_says(capsys.readouterr().out, shown)


def test_explain(capsys):
    (code,) = re.findall(r"^\$ npcbam explain (\S+)$", TEXT, re.MULTILINE)
    assert cli.main(["explain", code]) == 0
    assert capsys.readouterr().out == EXPLAINED


def test_grad(capsys, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    (command,) = re.findall(r"^\$ npcbam (grad .*)$", TEXT, re.MULTILINE)
    assert cli.main(shlex.split(command)) == 0
    assert capsys.readouterr().out.startswith("right: ")


def test_the_museum(capsys):
    ((count, name),) = re.findall(r"lists (\d+) published bugs.*?`npcbam museum (\S+)`", TEXT, re.S)
    assert int(count) == len(EXHIBITS)
    assert cli.main(["museum", name]) == 0
    assert capsys.readouterr().out.startswith(name)


def test_the_blocks_are_found():
    assert [bool(printed) for _, printed in PYTHON] == [False, False, False, True, False]
    assert CHECK.startswith("FAITHFUL")


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT))
def test_links(path):
    assert (Path(__file__).parent.parent / path).exists()


@pytest.mark.parametrize("anchor", re.findall(r"\]\(#([^)]+)\)", TEXT))
def test_anchors(anchor):
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    assert anchor in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_other_words_and_numbers_are_seen():
    assert_says("off by 1.0e-15, 2.0000001\n\nand so on", "off by 9e-14,\n2.0")
    for got in ("on by 1.0e-15, 2.0", "off by 1.0e-3, 2.0", "off by 1e-15, 2.1", ""):
        with pytest.raises(AssertionError):
            assert_says(got, "off by 9e-14,\n2.0")
