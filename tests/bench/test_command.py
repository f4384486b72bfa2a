"""The command line `npcbam bench`."""

import json

import pytest

from npcbam import cli
from npcbam.bench import command, peers, report

OURS = ["fused", "layers"]


def test_the_command_writes_what_it_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(peers, "installed", lambda: OURS)
    monkeypatch.setattr(command, "SCALING", {"N": [(1, 4, 3, 3)]})
    data, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    options = ["--shapes", "2x8x5x4", "--threads", "1", "--seconds", "0"]
    assert cli.main(["bench", *options, "--json", str(data), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("fused, forward, threads: 1: ")
    found = json.loads(data.read_text())
    assert [one["mode"] for one in found["times"]] == ["forward", "both"]
    assert set(found["times"][0]["seconds"]) == {"copy", *OURS}
    assert report.text(found) == out[:-1]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_failing_measurement_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(peers, "installed", lambda: ["nobody"])
    assert cli.main(["bench", "--shapes", "1x4x3x3", "--threads", "1"]) == 2
    assert capsys.readouterr().err == (
        "npcbam: ValueError: bench: could not measure (1, 4, 3, 3), 1 thread(s): "
        "KeyError: 'nobody'\n"
    )


@pytest.mark.parametrize("bad", [["--threads", "0"], ["--threads", "x"], ["--shapes", "8x8"]])
def test_bad_options(bad, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", *bad])
    assert caught.value.code == 2
    assert f"got {bad[1]!r}" in capsys.readouterr().err
