import json

import numpy as np
import pytest

from npcbam import cli
from npcbam.bench import command, gradients, measure, memory, peers, plot, report

SHAPE = (2, 8, 5, 4)
OURS = ["fused", "layers"]


@pytest.mark.parametrize("mode", measure.MODES)
@pytest.mark.parametrize("name", [n for n in peers.installed() if n != "compile"])
def test_peers_compute_the_same(name, mode):
    found = measure.measure(SHAPE, mode, [name], 1, 0.0)
    assert (found["shape"], found["mode"], found["threads"]) == (SHAPE, mode, 1)
    runs = mode == "forward" or name != "onnx"
    assert list(found["seconds"]) == (["copy", name] if runs else ["copy"])
    assert all(0 <= e < 1e-5 for errors in found["errors"].values() for e in errors.values())
    tensors = ["y"] if mode == "forward" else ["y", "dx", "dw0", "dw1", "dkernel"]
    assert [list(errors) for errors in found["errors"].values()] == [tensors] * runs


@pytest.mark.parametrize("tensor", range(5))
def test_who_computes_another_thing_is_not_timed(monkeypatch, tensor):
    def wrong(cbam, threads):
        right = peers.fused(cbam, threads)

        def both(x, dy):
            found = right.both(x, dy)
            found[tensor] = found[tensor] * np.float32(1.01)
            return found

        return peers.Peer(right.put, right.forward, both)

    monkeypatch.setitem(peers.PEERS, "wrong", wrong)
    with pytest.raises(ValueError, match=r"^wrong: expected the results of the readable layers"):
        measure.measure(SHAPE, "both", ["fused", "wrong"], 1, 0.0)


def test_all_take_turns_and_inputs_rotate():
    calls = []
    timed = {name: lambda i, name=name: calls.append((name, i)) for name in "abc"}
    times = measure.interleaved(timed, 0.0)
    assert list(times) == ["a", "b", "c"]
    rounds = [calls[i : i + 3] for i in range(0, len(calls), 3)]
    assert len(rounds) == measure.WARM + 5
    for at, one in enumerate(rounds):
        assert sorted(name for name, _ in one) == ["a", "b", "c"]
        assert {i for _, i in one} == {at % measure.INPUTS}
    assert [one[0][0] for one in rounds[:4]] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("mode", measure.MODES)
def test_the_floor_moves_every_byte(monkeypatch, threads, mode):
    made = []
    empty = np.empty_like
    monkeypatch.setattr(np, "empty_like", lambda a: made.append(empty(a)) or made[-1])
    x, dy = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("f4")
    measure.floor(mode, [x], [dy], threads)(0)
    np.testing.assert_array_equal(made[0], x)
    if mode == "both":
        np.testing.assert_array_equal(made[1], x + dy)


def test_memory_is_beyond_the_results():
    # In processes of their own: what this one has freed is still resident.
    shape = (4, 64, 64, 64)
    requests = [{"name": name, "shape": shape, "threads": 1} for name in OURS]
    fused, layers = (command._worker("memory", one, 1, False, "memory") for one in requests)
    if not memory.CLEAR.exists():  # Linux alone tells
        assert fused is layers is None
        return
    # The layers keep F' and more, each as large as x.
    assert fused < 4 * np.prod(shape) < layers


def times(seconds, shape=(8, 256, 56, 56), threads=1, mode="forward"):
    errors = {name: {"y": 2.0**-24} for name in seconds if name != "copy"}
    return {
        "shape": shape, "threads": threads, "mode": mode, "seconds": seconds, "errors": errors
    }  # fmt: skip


def test_the_verdict_comes_first():
    one = {"copy": 0.001, "fused": 0.002, "layers": 0.05, "torch": 0.012, "jax": 0.006}
    two = {"copy": 0.001, "fused": 0.0016, "layers": 0.05, "torch": 0.004, "jax": 0.0064}
    small = {"copy": 0.0001, "fused": 0.002, "layers": 0.05, "torch": 0.0015, "jax": 0.006}
    found = {
        "times": [
            times(one), times(small, (1, 64, 32, 32)),
            times(one, mode="both"), times(two, threads=2), times(two, threads=2, mode="both"),
        ],
        "memory": [{"shape": (8, 256, 56, 56), "name": "fused", "bytes": 2569011}],
        "scaling": {"N": [times(one), times(one, mode="both")]},
    }  # fmt: skip
    lines = report.text(found).splitlines()
    rows = [line.split() for line in lines]
    assert lines[0] == (
        "fused, forward, threads: 1: 1.50× the speed of the quickest peer (least 0.75× at "
        "1×64×32×32), 2.1× that of eager PyTorch, 6.3× the time of a copy"
    )
    assert (
        "two threads against one, forward: 1.25× (copy 1.00×, torch 3.00×, jax 0.94×) at "
        "8×256×56×56"
    ) in lines
    assert ["8×256×56×56", "2", "ms", "0.50×", "25.00×", "6.00×", "3.00×"] in rows
    assert ["8×256×56×56", "0.10"] in rows
    assert ["N:", "8×256×56×56", "0.31", "0.31"] in rows
    assert ["fused", "1"] in rows


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


def test_gradients_are_timed_on_both(monkeypatch, capsys):
    monkeypatch.setattr(gradients, "CHANNELS", 4)
    monkeypatch.setattr(gradients, "SIDE", 2)
    assert cli.main(["bench", "--gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("all parameters and x, C = 4, 2 × 2, float64")
    assert [line.split()[0] for line in lines[1:]] == ["check_vjp", "torch.autograd.gradcheck"]


def test_a_plot_needs_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'npcbam\[plots\]'"):
        plot.draw({"times": []}, "nowhere.png")
