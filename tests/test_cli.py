"""The command line: exit codes, one sentence for each failure, what goes where."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import npcbam
from npcbam import cli
from npcbam.oracle import examples, isolation

PLANTED = Path(__file__).parent / "oracle" / "planted"
BASE = PLANTED / "base.py"
HALVES = PLANTED / "halves.py"
EXAMPLES = examples.__file__


@pytest.fixture
def alone(capfd):
    """Return a function that runs `check` as it is run: the candidate in a process of its own."""

    def alone(*args):
        code = cli.main(["check", *map(str, args)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return alone


@pytest.fixture
def run(alone, monkeypatch):
    """Return the same in this process, which has imported torch already."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def ask(answer, request, timeout, progress, debug):
        return isolation.answer(**request), "checking"

    monkeypatch.setattr(isolation, "ask", ask)
    return alone


def python(*args):
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False)


def test_examples(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines() if line[:1].isupper()] == [
        "FAITHFUL", "WRONG", "WRONG",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "options", "code", "said"),
    [
        (f"{HALVES}:Channel", ["--stage", "channel"], 0, "the channel attention of CBAM, Eq. 2"),
        (f"{HALVES}:Spatial", ["--stage", "spatial"], 0, "the spatial attention of CBAM, Eq. 3"),
        (f"{BASE}:Right", ["--dtype", "bfloat16"], 0, "torch, bfloat16, seed 0"),
        (f"{EXAMPLES}:right", ["--dtype", "float32"], 0, "numpy, float32, seed 0"),
        ("npcbam:CBAM", [], 0, "FAITHFUL: npcbam:CBAM computes CBAM"),
        ("npcbam:CBAM", ["--set", "preset=seed", "--expect", "seed"], 0, "as preset `seed` does"),
    ],
)
def test_options(run, target, options, code, said):
    got, out, err = run(target, "--channels", "32", *options)
    assert (got, err) == (code, "")
    assert said in out


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("Right", ["--device", "cuda:99"], "device: PyTorch has no cuda:99 here: "),
        ("Right", ["--dtype", "float8"], "dtype: expected 'float64', 'float32', 'float16' or 'bf"),
        ("Right", ["--stage", "spatial"], "has the parameters of both gates: check it without a"),
        ("right", ["--dtype", "bfloat16"], "expected a precision among float64, float32, float16"),
        ("right", ["--device", "cuda"], "only PyTorch takes a device, got cuda"),
    ],
)
def test_options_that_cannot_be(run, target, options, said):
    code, out, err = run(f"{BASE if target == 'Right' else EXAMPLES}:{target}", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("npcbam: ")
    assert said in err


def test_examples_need_no_framework():
    code = "import sys, npcbam.cli as c; assert c.main(['check']) == 0; print(sorted(sys.modules))"
    done = python("-c", code)
    assert done.returncode == 0
    loaded = done.stdout.splitlines()[-1]
    assert "'npcbam'" in loaded
    assert not any(f"'{name}'" in loaded for name in ("torch", "jax", "matplotlib", "hypothesis"))


@pytest.mark.parametrize(
    ("name", "options", "code", "said"),
    [
        ("base.py:Right", [], 0, "FAITHFUL: "),
        ("base.py:Right", ["--expect", "seed"], 1, "`seed` was expected"),
        ("compositions.py:AddedBack", [], 1, "VARIANT: "),
        ("compositions.py:AddedBack", ["--expect", "residual=yes"], 0, "VARIANT: "),
        ("base.py:Right", ["--expect", "planes=max+avg"], 1, "`planes=max+avg` was expected"),
        ("compositions.py:ChannelGateAlone", ["--expect", "se"], 1, "`se` was expected"),
        ("channel_gates.py:TwoSigmoids", [], 1, "WRONG: "),
        ("compositions.py:OnlyTheMap", [], 1, "only the spatial map is returned"),
        ("base.py:Right", ["--set", "reduction=8", "--channels", "16"], 0, "2 of 16"),
        (
            "base.py:Right",
            ["--set", "reduction=16", "--channels", "8"],
            1,
            "its hidden layer has no unit",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_verdicts(run, name, options, code, said):
    got, out, err = run(f"{PLANTED}/{name}", "--channels", "32", *options)
    assert (got, err) == (code, "")
    assert said in out
    assert out.isascii()


@pytest.mark.parametrize(
    ("target", "options", "code", "said"),
    [
        ("nowhere.py:CBAM", [], 2, "npcbam: nowhere.py: no such file"),
        ("nowhere:CBAM", [], 2, "npcbam: nowhere: no module named nowhere"),
        (f"{BASE}:Nothing", [], 2, "base.py has no Nothing; it has "),
        (f"{BASE}", [], 2, "base.py:Name, where Name is Right, MixedTies, Biased"),
        ("torch.nn:LayerNorm", [], 1, "no two of its parameters can be W0"),
        ("torch.nn:Identity", [], 1, "it has no parameters"),
        ("{path}/syntax.py:X", [], 2, "syntax.py raised SyntaxError: "),
        ("{path}/needs.py:X", [], 2, "needs.py raised ModuleNotFoundError: No module named 'n_a'"),
        ("torch.nn:Conv2d", [], 2, "Conv2d needs kernel_size: give --set kernel_size=VALUE"),
        ("torch.nn:Conv2d", ["--set", "kernel_size=3"], 1, "no two of its parameters can be W0"),
        ("torch.nn:ReLU", [], 1, "it has no parameters"),
        ("torch.nn:RNNCell", ["--set", "hidden_size=4"], 1, "it fails on shape (3, "),
        (
            f"{BASE}:Right",
            ["--set", "reduction=zero"],
            2,
            "Right(channels=64, reduction='zero'",
        ),
        (f"{BASE}:Right", ["--expect", "right"], 2, "expect: expected 'faithful', 'paper', "),
        (f"{BASE}:Right", ["--expect", "ties=last"], 2, "npcbam: expect: ties: expected first"),
        (f"{BASE}:Right", ["--channels", "0"], 2, "channels: expected at least 1, got 0"),
    ],
)
def test_one_sentence_where_it_cannot_run(run, tmp_path, target, options, code, said):
    (tmp_path / "syntax.py").write_text("def f(:")
    (tmp_path / "needs.py").write_text("import n_a")
    got, out, err = run(target.replace("{path}", str(tmp_path)), *options)
    assert got == code
    assert said in out + err
    if code == 2:
        assert err.startswith("npcbam: ")
        assert err.count("\n") == 1


def test_a_sentence_is_whole_however_long_its_path(run, tmp_path):
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    (deep / "blocks.py").write_text("class Gate: ...\nclass Whole: ...\n")
    code, _, err = run(deep / "blocks.py")
    assert code == 2
    assert err.endswith("blocks.py:Name, where Name is Gate, Whole\n")


def test_debug_shows_the_traceback(run):
    code, _, err = run(f"{BASE}:Right", "--set", "reduction=0", "--debug")
    assert code == 2
    assert "ZeroDivisionError" in err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("npcbam: Right(")


def test_a_fault_of_our_own_is_no_traceback(run, monkeypatch):
    def fails(*args, **kwargs):
        raise KeyError("lost")

    monkeypatch.setattr(isolation, "answered", fails)
    assert run("torch.nn:ReLU") == (2, "", "npcbam: KeyError: 'lost' (--debug shows where)\n")
    monkeypatch.setattr(isolation, "ask", fails)
    assert run("torch.nn:ReLU") == (2, "", "npcbam: KeyError: 'lost' (--debug shows where)\n")


def test_json(run, tmp_path):
    place = tmp_path / "report.json"
    code, out, err = run(f"{EXAMPLES}:right", "--json", place)
    assert (code, err) == (0, "")
    assert out.startswith("FAITHFUL")
    data = json.loads(place.read_text())
    assert (data["verdict"], data["ok"]) == ("faithful", True)
    _, out, _ = run(f"{EXAMPLES}:right", "--json", "-")
    assert json.loads(out) == data
    _, out, _ = run("--json", "-")
    assert [report["verdict"] for report in json.loads(out)] == ["faithful", "wrong", "wrong"]


def test_html(run, tmp_path):
    place = tmp_path / "report.html"
    code, out, _ = run(f"{EXAMPLES}:two_sigmoids", "--html", place)
    assert code == 1
    assert f'<h1 class="not-ok">{out.splitlines()[0]}</h1>' in place.read_text()
    assert run("--html", place) == (2, "", "npcbam: --html: expected a TARGET to report on\n")


LOUD = """\
print("loading")
from npcbam.oracle import examples
from npcbam.oracle.examples import init
def cbam(params, x):
    print("running")
    return examples.right(params, x)
def leaves(params, x):
    raise SystemExit(0)
def dies(params, x):
    import os
    os._exit(0)
def hangs(params, x):
    while True:
        pass
"""


@pytest.fixture
def loud(tmp_path):
    place = tmp_path / "loud.py"
    place.write_text(LOUD)
    return place


def test_what_the_candidate_prints_stays_out_of_the_report(alone, loud):
    code, out, err = alone(f"{loud}:cbam", "--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["ok"]
    code, out, err = alone(f"{loud}:cbam", "--json", "-", "--debug")
    assert json.loads(out)["ok"]
    assert "loading\n" in err


@pytest.mark.parametrize(
    ("name", "options", "finding", "said"),
    [
        (
            "leaves",
            [],
            "never-runs",
            "it runs on no input: it fails on shape (3, 64, 7, 5): SystemExit: 0",
        ),
        (
            "dies",
            [],
            "exits",
            "it gave no answer: it ended its process with status 0, while loading it and running",
        ),
        (
            "hangs",
            ["--timeout", "2"],
            "hangs",
            "it had to be ended: it gave no answer within 2 s, while loading it",
        ),
    ],
)
def test_undecided_where_it_takes_the_process_with_it(alone, loud, name, options, finding, said):
    place = loud.with_suffix(".json")
    code, out, err = alone(f"{loud}:{name}", *options, "--json", place)
    assert (code, err) == (1, "")
    assert out.startswith(f"UNDECIDED: {loud}:{name}: {said}")
    assert out.count("\n") == 1
    data = json.loads(place.read_text())
    assert data["verdict"] == "undecided"
    (found,) = data["findings"]
    assert (found["stage"], found["code"], found["message"]) == ("effects", finding, data["reason"])


def test_settings_reach_the_candidate_as_they_are(run, tmp_path):
    (tmp_path / "typed.py").write_text(
        "def cbam(channels, shape, name):\n"
        "    raise ValueError(f'{channels!r} {shape!r} {name!r}')\n"
    )
    settings = ("--set", "shape=(1, 2)", "--set", "name=relu")
    code, _, err = run(f"{tmp_path}/typed.py:cbam", *settings)
    assert code == 2
    assert "raised ValueError: 64 (1, 2) 'relu'" in err


def on_a_terminal(*args):
    """Return what `npcbam` writes to a terminal that is its standard error, and all else."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "npcbam", "check", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, text=True) as done:
        os.close(its)
        out = done.stdout.read()
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:
        pass  # the end, as Linux says it of a terminal
    os.close(ours)
    return out, said.decode()


def test_progress_on_a_terminal_alone():
    out, said = on_a_terminal(f"{EXAMPLES}:right")
    assert out.startswith("FAITHFUL")
    assert "npcbam: starting ..." in said
    assert "npcbam: checking `ties` ..." in said
    # One line, written anew, and blank in the end.
    assert "\n" not in said
    assert set(said.split("\r")[-2]) == {" "}
    assert on_a_terminal(f"{EXAMPLES}:right", "--json", "-")[1] == ""


COMMANDS = ("check", "rules", "explain", "grad", "museum", "vectors", "bench")


@pytest.mark.parametrize("args", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help(args, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: npcbam {'' if args[0] == '--help' else args[0]}")
    if len(args) == 1:
        said = [line.split()[0] for line in out.splitlines() if line.startswith("    ")]
        assert said == list(COMMANDS)


@pytest.mark.parametrize("args", [["check", "--help"], ["--version"]])
def test_help_and_version(args, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    if args == ["--version"]:
        assert out == f"npcbam {npcbam.__version__}\n"
    elif "check" in args:
        assert "check only code that you would run" in out
        assert "exit status:" in out


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["chek"],
        ["check", "--set", "=1"],
        ["check", "--set", "a"],
        ["check", "--expect"],
        ["check", "--timeout", "0"],
        ["check", "--timeout", "inf"],
        ["check", "--timeout", "soon"],
    ],
)
def test_usage(args, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    assert caught.value.code == 2
    assert "usage: npcbam" in capsys.readouterr().err


def test_as_a_module():
    done = python("-m", "npcbam", "check", "nowhere.py:X")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "npcbam: nowhere.py: no such file\n"


def test_a_reader_that_goes_away():
    command = f"{sys.executable} -m npcbam check | head -c 1 && exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_a_reader_that_has_gone_changes_nothing_else(alone, tmp_path, monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

    place = tmp_path / "report.json"
    monkeypatch.setattr(sys, "stdout", Gone())
    assert cli.main(["check", f"{EXAMPLES}:right", "--json", str(place)]) == 0
    assert json.loads(place.read_text())["verdict"] == "faithful"
