"""Each test runs in one of two tiers, and one of the other tier is not shown as skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """\
import pytest

def test_quick():
    pass

@pytest.mark.second_tier
def test_long():
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with TESTS and the conftest of this suite."""
    folder = tmp_path_factory.mktemp("tiers")
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_both.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = second_tier\n")
    return folder


@pytest.mark.parametrize(("options", "ran"), [([], "test_quick"), (["--all"], "test_long")])
def test_one_tier_runs(folder, options, ran, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ran} PASSED" in done.stdout
    assert "1 passed, 1 deselected" in done.stdout
    assert "skipped" not in done.stdout
