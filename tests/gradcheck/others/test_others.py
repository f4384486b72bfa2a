"""Code of others through the checker: every verdict is what is really so."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

# The script, and the package that it takes its functions from.
SCRIPTS = {"hips": "autograd", "torch_operators": "torch", "thinc_layers": "thinc"}


@pytest.mark.second_tier
@pytest.mark.parametrize(
    "script", [name for name, needs in SCRIPTS.items() if importlib.util.find_spec(needs)]
)
def test_no_verdict_on_code_of_others_is_false(script):
    path = Path(__file__).with_name(f"{script}.py")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
