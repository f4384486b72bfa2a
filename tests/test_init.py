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


def test_modules_come_when_asked_for():
    code = "import npcbam; print(npcbam.pooling.__name__, npcbam.relu.__name__); npcbam.nowhere"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "npcbam.pooling relu\n"
    assert "module 'npcbam' has no attribute 'nowhere'" in run.stderr
    assert {"CBAM", "check", "__version__"} <= set(dir(npcbam))


def loaded(code):
    code = f"import sys; {code}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_loads_nothing():
    assert not {"numpy", "scipy", "npcbam.cbam"} & loaded("import npcbam, npcbam.pytest_plugin")


def test_the_layers_load_numpy_alone():
    found = loaded("import npcbam; npcbam.CBAM")
    assert "npcbam.cbam" in found
    for name in ("scipy", "npcbam.oracle", "npcbam.gradcheck", "npcbam.derivative"):
        assert name not in found
