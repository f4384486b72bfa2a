"""`npcbam museum`: a list, a page, data and HTML."""

import argparse
import json

import pytest

from npcbam.gradcheck.museum import EXHIBITS, command
from npcbam.messages import CannotRun


def run(*argv):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["museum", *argv])
    return args.run(args)


def test_all_are_listed_under_their_kind(capsys):
    assert run() == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    at = lines.index("mask")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == [
        "clamp-inverted",
        "dropout-by-ratio",
        "prelu-mask-by-output",
    ]
    listed = [line for line in lines if line.startswith("  ")]
    assert len(listed) == len(EXHIBITS)
    assert len({len(line) - len(line[2:].split(maxsplit=1)[1]) for line in listed}) == 1


def test_lines_are_cut_where_a_terminal_is_narrow():
    wide = command.listed(list(EXHIBITS.values())).splitlines()
    cut = command.listed(list(EXHIBITS.values()), columns=60).splitlines()
    assert len(cut) == len(wide)
    assert max(map(len, cut[:-1])) == 60
    assert all(
        b.removesuffix(" …") == a[:58] for a, b in zip(wide, cut, strict=True) if len(a) > 60
    )


def test_one_is_shown_in_full(capsys):
    assert run("docs-sign") == 0
    assert "jax-ml/jax#3213" in capsys.readouterr().out


def test_json_goes_to_the_terminal_alone(capsys):
    assert run("docs-sign", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "docs-sign"


def test_files_are_written(tmp_path, capsys):
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    assert run("docs-sign", "--html", str(page), "--json", str(data)) == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert json.loads(data.read_text("utf-8"))["source"] == "jax-ml/jax#3213"


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(CannotRun, match=r"^name: .* got 'doc-sign'; did you mean docs-sign\?$"):
        run("doc-sign")
