"""The package itself: its exports, and what importing it loads."""

import subprocess
import sys

import pytest

import npcbam


def test_every_export_is_there():
    for name in npcbam.__all__:
        assert getattr(npcbam, name).__module__.startswith("npcbam.")


def test_the_oracle_comes_when_asked_for():
    assert npcbam.check is npcbam.oracle.check
    assert callable(npcbam.oracle.assert_faithful)
    with pytest.raises(AttributeError, match="module 'npcbam' has no attribute 'chekc'"):
        npcbam.chekc  # noqa: B018


def test_importing_loads_numpy_and_the_layers_alone():
    code = "import sys, numpy; before = set(sys.modules); import npcbam; "
    code += "print(*(name for name in sys.modules if name not in before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert "npcbam.cbam" in loaded
    for name in ("scipy", "npcbam.oracle", "npcbam.gradcheck", "npcbam.derivative"):
        assert name not in loaded
