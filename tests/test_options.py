"""A place that cannot be written to is refused before any work."""

import pytest

from npcbam import cli


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
