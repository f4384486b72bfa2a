"""`npcbam grad`: exit codes, one sentence for each failure, what goes where."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiers

from npcbam import cli
from npcbam.gradcheck import command
from npcbam.gradcheck.command import answer
from npcbam.gradcheck.command.parser import domain
from npcbam.gradcheck.examples import VERDICTS

TARGETS = Path(__file__).with_name("targets.py")


@pytest.fixture
def alone(capfd):
    """Return a function that runs `grad` as it is run: the target in a process of its own."""

    def alone(*args):
        code = cli.main(["grad", *map(str, args)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return alone


@pytest.fixture
def run(alone, monkeypatch):
    """Return the same in this process, for a target of TARGETS."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def ask(where, request, timeout, progress, debug):
        assert where == "npcbam.gradcheck.command.answer:answer"
        return answer.answer(progress=progress, **json.loads(json.dumps(request))), "checking it"

    monkeypatch.setattr(command, "ask", ask)
    return lambda name, *args: alone(f"{TARGETS}:{name}", *args)


def test_examples(alone, tmp_path):
    code, out, err = alone()
    assert (code, err) == (0, "")
    parts = out.strip().split("\n\n")
    assert [part.split("\n")[0] for part in parts] == [f.__doc__ for f in VERDICTS]
    assert [part.split("\n")[1].split(":")[0].strip() for part in parts] == [
        "right", "wrong", "wrong",
    ]  # fmt: skip
    place = tmp_path / "found.json"
    assert alone("--json", place)[0] == 0
    assert [each["outcome"] for each in json.loads(place.read_text())] == [
        "right", "wrong", "wrong",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "args", "code", "said"),
    [
        ("linear", ["--args", "N(3,4)", "N(4,5)"], 0, "right: "),
        ("linear", ["--args", "w=N(4,2)", "x=N(3,4)", "b=0.5"], 0, "right: "),
        ("linear", ["--make", "make_args"], 0, "right: "),
        ("halved", [], 1, "wrong: "),
        ("forward", ["--with", "backward", "--make", "make_args"], 0, "right: "),
        ("energy", ["--with", "force", "--args", "N(5)"], 0, "right: "),
        ("loss", ["--args", "N(5)"], 1, "wrong: "),
        ("product", ["--with", "product_jvp", "--make", "make_args"], 0, "right: "),
        ("product", ["--with", "product_jvp", "--form", "pair", "--make", "make_args"], 0, "right"),
        ("loss_right", ["--with", "loss_hvp", "--args", "N(5)"], 1, "wrong: "),
        ("scaled", ["--args", "N(5)", "by=3"], 0, "right: "),
        ("scaled_energy", ["--with", "scaled_force", "--args", "N(5)", "by=3"], 0, "right: "),
        ("Linear", ["--set", "features=3", "--args", "N(5,4)"], 0, "dW"),
        ("Doubled", ["--set", "features=3", "--args", "N(5,4)"], 1, "wrong: dx"),
        ("layer", ["--args", "N(5,4)"], 0, "dW"),
        ("layer", ["--args", "N(5,4)", "bias=2.0"], 0, "dW"),
        ("root", ["--args", "spd(3)"], 0, "right: "),
        ("noisy", ["--args", "N(9)"], 1, "cannot tell: "),
        ("noisy", ["--args", "N(9)", "--before", "fix"], 0, "right: "),
        ("loud", ["--args", "N(2,3)"], 0, "right: "),
    ],
)
def test_every_form(run, name, args, code, said):
    got, out, err = run(name, *args)
    assert got == code, out + err
    assert said in out
    if code < 2:
        assert err == "" or name == "loud"


def test_points(run):
    assert run("at_once", "--seed", "3")[0] != run("at_once", "--seed", "3", "--points", "9")[0]
    code, out, _ = run("linear", "--make", "make_args", "--points", "3")
    assert code == 0
    assert "note: right at all 3 points" in out


def test_names_and_what_is_fixed(run):
    args = ("linear", "--make", "make_args")
    _, out, _ = run(*args, "--names", "a", "b", "c")
    assert "\nda " in out
    _, out, _ = run("product", "--make", "make_args", "--fixed", "x")
    assert "\ndx " not in out
    assert "\ndw " in out


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("nothing", [], "targets.py has no nothing; it has "),
        ("number", [], "number: expected a function, or a class with forward and backward"),
        ("linear", [], "linear(x, w, b=0.0) needs x and w: say how to draw them, as in --args "),
        ("linear", ["--args", "M(3)"], "M(3): there is no draw M; there are N, U, P, I, B"),
        ("linear", ["--args", "1", "2", "3", "4"], "--args: linear(x, w, b=0.0) takes 3, got 4"),
        ("linear", ["--args", "N(3)", "--make", "make_args"], "--make: expected it alone, got --a"),
        ("linear", ["--make", "maker"], "targets.py has no maker; it has "),
        ("linear", ["--make", "make_badly"], "make_badly raised KeyError: 'lost'"),
        ("linear", ["--args", "N(3,4)", "N(5,6)"], "linear raised ValueError: matmul: "),
        ("linear", ["--make", "make_args", "--set", "a=1"], "--set: linear is no class: there is "),
        ("linear", ["--make", "make_args", "--seed", "-1"], "seed: expected a seed of at least 0"),
        ("linear", ["--make", "make_args", "--points", "0"], "points: expected at least 1, got 0"),
        ("linear", ["--make", "make_args", "--rtol", "2"], "rtol: expected a number from 0 to 1"),
        ("linear", ["--make", "make_args", "--allow", "all"], "allow: expected "),
        ("linear", ["--make", "make_args", "--names", "a"], "names: expected 3 names, got 1"),
        ("halved", ["--domain", "0,1"], "x: expected values from 0 to 1, as domain says"),
        ("halved", ["--domain", "z=0,1"], "domain: expected names of arguments (x), got 'z'"),
        ("halved", ["--domain", "0,1", "--domain", "x=0,1"], "--domain: expected one for all, or "),
        ("halved", ["--form", "cached"], "--form cached: give the backward as well, as in --with "),
        (
            "Linear",
            ["--args", "N(3,4)"],
            "missing 1 required positional argument: 'features'; give",
        ),
        ("energy", ["--args", "N(3)"], "energy returns float64 and no pullback: give the gradient"),
        (
            "forward",
            ["--make", "make_args"],
            "forward returns a tuple without a pullback: if it is",
        ),
        ("fails", ["--args", "N(3)"], "targets.py:fails raised KeyError: 'lost' at line "),
        (
            "halved",
            ["--args", "1"],
            "args: expected a real floating array, got x: int",
        ),
    ],
)
def test_one_sentence_where_it_cannot_run(run, name, args, said):
    code, out, err = run(name, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("npcbam: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--args", "N(3)", "f.py:f"], "npcbam: --args: expected a TARGET before it\n"),
        (["--html", "page.html"], "npcbam: --html: expected a TARGET before it\n"),
        (["nowhere.py:f"], "npcbam: nowhere.py: no such file\n"),
        ([str(TARGETS)], f"npcbam: {TARGETS}: which of it? expected {TARGETS}:Name, where Name is"),
    ],
)
def test_what_is_no_target(alone, args, said):
    code, out, err = alone(*args)
    assert (code, out) == (2, "")
    assert err.startswith(said)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("hangs", "hangs", "it gave no answer within 3 s, while checking it"),
        ("crashes", "crashes", "it crashed with SIGSEGV, while checking it"),
        ("leaves", "exits", "it ended its process with status 0, while checking it"),
        ("exits", "exits", "it raised SystemExit: 3, while checking it"),
    ],
)
def test_what_takes_the_process_with_it(alone, tmp_path, name, code, said):
    place, page = tmp_path / "report.json", tmp_path / "report.html"
    got, out, err = alone(
        f"{TARGETS}:{name}", "--args", "N(3)", "--timeout", "3", "--json", place, "--html", page
    )
    assert (got, err) == (1, "")
    assert out.startswith(f"cannot tell: {said}\n")
    data = json.loads(place.read_text())
    assert (data["outcome"], data["code"], data["ok"]) == ("cannot tell", code, False)
    assert said in page.read_text()


def test_what_it_prints_is_not_shown(alone):
    target = (f"{TARGETS}:loud", "--args", "N(2,3)", "--json", "-")
    code, out, err = alone(*target)
    assert (code, err) == (0, "")
    assert json.loads(out)["ok"] is True
    _, out, err = alone(*target, "--debug")
    assert json.loads(out)["ok"] is True
    assert "it speaks\n" in err


def test_what_a_file_sets_for_itself_stops_nothing(alone, tmp_path):
    place = tmp_path / "strict.py"
    place.write_text(
        "import warnings\nimport numpy as np\n"
        "np.seterr(all='raise')\nwarnings.simplefilter('error')\n"
        "def f(x):\n    return np.exp(x), lambda dy: dy * np.exp(x)\n"
    )
    page = tmp_path / "page.html"
    assert alone(f"{place}:f", "--args", "N(3;0,300)", "--html", page)[2] == ""
    assert alone(f"{place}:f", "--args", "P(3)", "--html", page)[:1] == (0,)


def test_debug_shows_the_traceback(alone):
    code, _, err = alone(f"{TARGETS}:fails", "--args", "N(3)", "--debug")
    assert code == 2
    assert err.startswith("Traceback")
    assert 'raise KeyError("lost")' in err


def test_json_and_html(run, tmp_path):
    place, page = tmp_path / "report.json", tmp_path / "report.html"
    code, out, _ = run("halved", "--json", place, "--html", page)
    data = json.loads(place.read_text())
    assert code == 1
    assert list(data)[:3] == ["target", "ok", "outcome"]
    assert data["target"] == f"{TARGETS}:halved"
    said = out.partition("\n")[0]
    assert f'<h1 class="not-ok">{said}</h1>' in page.read_text()
    assert "<figure>" in page.read_text()


@pytest.mark.parametrize(
    ("name", "options"),
    tiers.first(
        2,
        [
            (
                "halved",
                ["--names", "a", "--domain", "a=-9,9", "--allow", "writes", "--rtol", "1e-3"],
            ),
            ("Doubled", ["--set", "features=3", "--args", "N(5,4)", "bias=2", "--params", "W"]),
            ("loss", ["--args", "N(5)", "--seed", "4"]),
            ("at_once", ["--points", "5"]),
        ],
    ),
)
def test_the_report_says_how_to_see_it_again(run, name, options):
    _, out, _ = run(name, *options)
    again = out.splitlines()[-1].split()
    assert again[:2] == ["npcbam", "grad"]
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m {' '.join(again)}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == out


def test_what_a_class_is_built_with_is_drawn_as_arguments_are(tmp_path, alone):
    place = tmp_path / "scale.py"
    place.write_text(
        "class Scale:\n"
        "    def __init__(self, a):\n        self.a = a\n"
        "    def __call__(self, x):\n        return self.a * x, lambda dy: self.a * dy\n"
    )
    code, out, _ = alone(f"{place}:Scale", "--set", "a=N(4)", "--args", "N(3,4)")
    assert (code, out.partition(":")[0]) == (0, "right")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("positive", ("", "positive")),
        ("x=simplex", ("x", "simplex")),
        ("p=0,inf", ("p", (0.0, float("inf")))),
    ],
)
def test_domains(text, value):
    assert domain(text) == value


@pytest.mark.parametrize(
    "option", ["--domain=1", "--domain=x=around", "--form=else", "--timeout=0"]
)
def test_usage(option, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["grad", "f.py:f", option])
    assert caught.value.code == 2
    assert "usage: npcbam grad" in capsys.readouterr().err


def test_help_has_every_draw(capsys):
    with pytest.raises(SystemExit):
        cli.main(["grad", "--help"])
    out = capsys.readouterr().out
    assert "spd(4)          symmetric positive definite ones\n" in out
    assert "check only code that you would run" in out
    assert max(map(len, out.splitlines())) <= 80
