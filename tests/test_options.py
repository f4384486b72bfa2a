"""A place that cannot be written to is refused before any work."""

import pytest

from npcbam import cli, options
from npcbam.messages import CannotRun


@pytest.mark.parametrize(
    "command",
    [
        ["check", "--json"],
        ["check", "--html"],
        ["grad", "--json"],
        ["grad", "--html"],
        ["museum", "--json"],
        ["bench", "--json"],
        ["bench", "--plot"],
        ["vectors", "compare", "a", "b", "--json"],
    ],
)
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("no/where", "expected a file in a folder that exists, got {}/no/where: there is no {}/no"),
        (".", "expected a file, got the folder {}/."),
    ],
)
def test_is_refused_at_once(command, place, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, f"{tmp_path}/{place}"])
    assert caught.value.code == 2
    assert said.replace("{}", str(tmp_path)) in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["check", "--html"], ["grad", "--html"], ["bench", "--plot"], ["bench", "--json"]],
)
def test_only_a_report_goes_to_the_terminal(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "-"])
    assert caught.value.code == 2
    assert "expected a file, got -" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check", "--json"], ["grad", "--html"]])
def test_no_report_takes_the_place_of_code(command, tmp_path, capsys):
    place = tmp_path / "layers.py"
    place.write_text("def f(x): ...\n")
    with pytest.raises(SystemExit):
        cli.main([*command, str(place)])
    assert f"expected a file for a report, got the code {place}" in capsys.readouterr().err
    assert place.read_text() == "def f(x): ...\n"


@pytest.mark.parametrize("command", ["check", "grad", "museum"])
def test_two_reports_go_to_two_files(command, tmp_path, capsys):
    place = tmp_path / "report"
    assert cli.main([command, "--json", str(place), "--html", f"{tmp_path}/./report"]) == 2
    said = "npcbam: --json and --html: expected a file each, got one\n"
    assert capsys.readouterr().err == said
    assert not place.exists()


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    place = tmp_path / "report.html"
    options.save(str(place), "first")

    def full(path, text, **more):
        path.write_bytes(text[:2].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(options.Path, "write_text", full)
    with pytest.raises(CannotRun, match=r"report.html: not written: No space left on device$"):
        options.save(str(place), "second")
    assert place.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
