"""The plugin of pytest, in runs of its own: what is shown, the seed, and what it leaves alone."""

import os
import re
import subprocess
import sys

import pytest
from tiers import first

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

def test_misused(gradcheck):
    gradcheck(3, x)

def raises(x):
    return x[7], lambda dy: dy

def test_raises(gradcheck):
    gradcheck(raises, x)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with CHECKS, away from this suite and its options."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "test_checks.py").write_text(CHECKS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """Return a function that runs pytest there."""

    def run(*args, others=False):
        # Without the plugins of others, which take as long to load as all else.
        plugin = () if others and registered() else ("-p", "npcbam.pytest_plugin")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, *args]
        env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        if not others:
            env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=env
        )

    return run


@pytest.fixture(scope="module")
def shown(run):
    """Return what is printed where nothing is asked for, test by test."""
    done = run("-rA", "--junitxml=report.xml", others=True)
    assert done.returncode == 1
    parts = re.split(r"\n_{3,} (?:ERROR at setup of )?(\w+) _{3,}\n", done.stdout)
    return {"": done.stdout, **dict(zip(parts[1::2], parts[2::2], strict=True))}


def registered():
    """Tell whether this environment was installed since the package has its plugin."""
    from importlib.metadata import entry_points

    return any(point.value == "npcbam.pytest_plugin" for point in entry_points(group="pytest11"))


def test_a_failing_check_is_its_report(shown):
    lines = shown["test_wrong"].splitlines()
    assert lines[:2] == ["test_checks.py:20: in test_wrong", "    gradcheck(wrong, x)"]
    assert "- gradient check -" in lines[2]
    assert lines[3].startswith("wrong: ")
    assert "reference: complex step; seed 0" in lines
    assert "- Captured stdout call -" in lines[-2]
    assert lines[-1] == "printed by the test"
    assert not any(line.startswith("E ") for line in lines)
    assert "\nFAILED test_checks.py::test_wrong - wrong: " in shown[""]


def test_every_line_of_the_users_is_kept(shown):
    for line in ("26: in test_through_a_helper", "23: in helper"):
        assert f"test_checks.py:{line}" in shown["test_through_a_helper"]
    assert "test_checks.py:30: in checked" in shown["test_in_a_fixture"]
    assert "npcbam/gradcheck" not in shown[""]
    assert "\nERROR test_checks.py::test_in_a_fixture - wrong: " in shown[""]


def test_other_failures_are_left_alone(shown, run):
    assert "E       assert 1 == 2" in shown["test_other"]
    assert "npcbam/gradcheck/" in run("-k", "test_wrong", "--full-trace").stdout


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "test_misused",
            [
                "test_checks.py:39: in test_misused",
                "    gradcheck(3, x)",
                "E   TypeError: f: expected a function, got int",
            ],
        ),
        (
            "test_raises",
            [
                "test_checks.py:45: in test_raises",
                "    gradcheck(raises, x)",
                "test_checks.py:42: in raises",
                "    return x[7], lambda dy: dy",
                "E   IndexError: index 7 is out of bounds for axis 0 with size 3",
            ],
        ),
    ],
)
def test_what_is_no_report_is_told_without_the_lines_of_the_checker(shown, name, lines):
    found = [line for line in shown[name].splitlines() if line.strip(" ^")]
    assert found[: len(lines)] == lines


def test_the_style_line_has_one_line_for_each(run):
    done = run("-k", "test_wrong or helper", "--tb=line")
    assert done.stdout.count("\n/") == 2
    assert "smallest caught" not in done.stdout


@pytest.mark.parametrize("style", first(1, ["native", "line", "no"]))
def test_every_style(run, style):
    done = run("-k", "test_wrong", f"--tb={style}")
    assert done.returncode == 1
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert ("gradient check" in done.stdout) == (style == "native")


def test_in_junit_xml(shown, folder):
    assert '<failure message="wrong: ' in (folder / "report.xml").read_text()


def test_the_seed(shown, run):
    assert "the seed is 0\n" in shown[""]
    assert "npcbam: " not in shown[""]
    done = run("-k", "test_right", "-s", "--npcbam-seed", "7")
    assert "the seed is 7\n" in done.stdout
    assert "npcbam: --npcbam-seed 7\n" in done.stdout


@pytest.mark.parametrize("seed", ["-1", "x"])
def test_a_seed_that_is_none(run, seed):
    done = run(f"--npcbam-seed={seed}")
    assert done.returncode == 4
    said = f"ERROR: --npcbam-seed: expected a seed of at least 0 or `random`, got {seed}"
    assert done.stderr.strip() == said


@pytest.mark.second_tier
def test_workers_draw_one_seed(run):
    pytest.importorskip("xdist")
    done = run("-n", "2", "-k", "right or wrong", "-rA", "--npcbam-seed", "random", others=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("npcbam: "))
    seed = line.split()[-1]
    assert f"the seed is {seed}\n" in done.stdout
    assert f"; seed {seed}\n" in done.stdout.partition("gradient check")[2]


def test_can_be_left_out(run):
    if not registered():
        pytest.skip("not installed")
    done = run("-p", "no:npcbam", "-k", "helper or right", others=True)
    assert "WrongGradientError" in done.stdout
    assert "gradient check" not in done.stdout
    assert "fixture 'gradcheck' not found" in done.stdout


def test_other_checks_are_attributes(gradcheck):
    import npcbam.gradcheck

    assert gradcheck.examine.func is npcbam.gradcheck.examine
    assert gradcheck.examine.keywords == {"seed": 0}
    assert gradcheck.WrongGradientError is npcbam.gradcheck.WrongGradientError
    with pytest.raises(AttributeError, match="gradcheck has no nothing"):
        gradcheck.nothing  # noqa: B018


def test_loads_nothing_before_the_first_check(run, folder):
    (folder / "test_light.py").write_text(
        "import sys\n"
        "def test_light(request):\n"
        "    assert request.config.pluginmanager.hasplugin('npcbam.pytest_plugin')\n"
        "    assert not {'numpy', 'npcbam.gradcheck'} & {*sys.modules}\n"
    )
    done = run("test_light.py")
    assert done.returncode == 0, done.stdout
