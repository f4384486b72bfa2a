"""The plugin of pytest, in runs of its own: what is shown, the seed, and what it leaves alone."""

import subprocess
import sys

import pytest

CHECKS = """\
import numpy as np
import pytest
from npcbam.gradcheck import check_vjp

x = np.array([0.5, -1.0, 2.0])

def right(x):
    return x**2, lambda dy: 2 * x * dy

def wrong(x):
    return x**2, lambda dy: x * dy

def test_right(gradcheck):
    report = gradcheck(right, x)
    assert report.outcome == "right"
    print("the seed is", report.seed)

def test_wrong(gradcheck):
    print("printed by the test")
    gradcheck(wrong, x)

def helper(f):
    check_vjp(f, x)

def test_through_a_helper():
    helper(wrong)

@pytest.fixture
def checked():
    check_vjp(wrong, x)

def test_in_a_fixture(checked):
    pass

def test_other():
    assert 1 == 2
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on CHECKS, away from this suite and its options."""
    (tmp_path / "test_checks.py").write_text(CHECKS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(*args):
        plugin = ("-p", "npcbam.pytest_plugin") if not registered() else ()
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def registered():
    """Tell whether this environment was installed since the package has its plugin."""
    from importlib.metadata import entry_points

    return any(point.value == "npcbam.pytest_plugin" for point in entry_points(group="pytest11"))


def test_a_failing_check_is_its_report(run):
    done = run("-k", "test_wrong")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if "_ test_wrong _" in line)
    shown = lines[start + 1 :]
    assert shown[:3] == [
        "test_checks.py:20: in test_wrong",
        "    gradcheck(wrong, x)",
        next(line for line in shown if "- gradient check -" in line),
    ]
    assert shown[3].startswith("wrong: ")
    assert "reference: complex step; seed 0" in shown
    assert "printed by the test" in shown
    assert not any(line.startswith("E ") for line in shown)
    assert done.stdout.count("wrong: ") == 2  # and in the summary
    assert "FAILED test_checks.py::test_wrong - wrong: " in lines[-2]


def test_every_line_of_the_users_is_kept(run):
    done = run("-k", "helper or fixture")
    for line in ("26: in test_through_a_helper", "23: in helper", "30: in checked"):
        assert f"test_checks.py:{line}" in done.stdout
    assert "gradcheck/" not in done.stdout.replace("npcbam/gradcheck", "gradcheck/")
    assert "ERROR test_checks.py::test_in_a_fixture - wrong: " in done.stdout


def test_other_failures_are_left_alone(run):
    assert "E       assert 1 == 2" in run("-k", "other").stdout
    assert "npcbam/gradcheck/" in run("-k", "test_wrong", "--full-trace").stdout


@pytest.mark.parametrize("style", ["long", "short", "line", "native", "no"])
def test_every_style(run, style):
    done = run("-k", "test_wrong", f"--tb={style}")
    assert done.returncode == 1
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert ("gradient check" in done.stdout) == (style not in ("no", "line"))


@pytest.mark.parametrize(("option", "seed"), [((), "0"), (("--npcbam-seed", "7"), "7")])
def test_the_seed(run, option, seed):
    done = run("-k", "test_right", "-s", *option)
    assert done.returncode == 0
    assert f"the seed is {seed}\n" in done.stdout
    assert (f"npcbam: --npcbam-seed {seed}" in done.stdout) == (seed != "0")


def test_a_seed_that_is_drawn_is_said(run):
    done = run("-k", "test_right", "-s", "--npcbam-seed", "random")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("npcbam: "))
    seed = line.split()[-1]
    assert f"the seed is {seed}\n" in done.stdout


@pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
def test_a_seed_that_is_none(run, seed):
    done = run(f"--npcbam-seed={seed}")
    assert done.returncode == 4
    said = f"ERROR: --npcbam-seed: expected a seed of at least 0 or `random`, got {seed}"
    assert done.stderr.strip() == said


def test_with_xdist(run):
    pytest.importorskip("xdist")
    done = run("-n", "2", "-k", "right or wrong", "--npcbam-seed", "random")
    assert done.returncode == 1
    assert "gradient check" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("npcbam: "))
    assert f"seed {line.split()[-1]}" in done.stdout.split("gradient check")[1]


def test_in_junit_xml(run, tmp_path):
    run("-k", "test_wrong", "--junitxml=report.xml")
    assert '<failure message="wrong: ' in (tmp_path / "report.xml").read_text()


def test_can_be_left_out(run):
    if not registered():
        pytest.skip("not installed")
    done = run("-p", "no:npcbam", "-k", "helper")
    assert "WrongGradientError" in done.stdout
    assert "gradient check" not in done.stdout
    assert "fixture 'gradcheck' not found" in run("-p", "no:npcbam", "-k", "right").stdout


def test_other_checks_are_attributes(gradcheck):
    import npcbam.gradcheck

    assert gradcheck.examine.func is npcbam.gradcheck.examine
    assert gradcheck.examine.keywords == {"seed": 0}
    assert gradcheck.WrongGradientError is npcbam.gradcheck.WrongGradientError
    with pytest.raises(AttributeError, match="gradcheck has no nothing"):
        gradcheck.nothing  # noqa: B018


def test_loads_nothing_before_the_first_check(run, tmp_path, monkeypatch):
    # Alone: other plugins load NumPy in every run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_light.py").write_text(
        "import sys\n"
        "def test_light(request):\n"
        "    assert request.config.pluginmanager.hasplugin('npcbam.pytest_plugin')\n"
        "    assert not {'numpy', 'npcbam.gradcheck'} & {*sys.modules}\n"
    )
    done = run("-p", "npcbam.pytest_plugin", "test_light.py")
    assert done.returncode == 0, done.stdout
