"""A framework is a file and an entry point: this package's own, and one of another distribution."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from tiers import first

from npcbam import CBAM
from npcbam.oracle import CannotRun, examples
from npcbam.oracle.candidates import adapt, framework
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.candidates.functions import FunctionCandidate

# A framework of no one, as another distribution has it, and a file of its user's.
TOY = """\
class Layer:
    def __init__(self, channels):
        from npcbam.oracle import examples
        self.weights = examples.init(channels)

class Special(Layer):
    pass
"""
NPCBAM_TOY = """\
import pathlib
import toy
from npcbam.oracle import examples
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.candidates.functions import FunctionCandidate

def wrap(layer, name, how):
    candidate = FunctionCandidate(examples.right, layer.weights, name)
    candidate.framework = "toy"
    return candidate

def of_file(path, name, how):
    return wrap(toy.Layer(int(pathlib.Path(path).read_text())), name, how)

FRAMEWORK = Framework(layers=(toy.Layer,), wrap=wrap, of_file=of_file)
"""
ENTRY_POINTS = """\
[npcbam.candidates]
toy = npcbam_toy:FRAMEWORK
.toy = npcbam_toy:FRAMEWORK
"""


@pytest.fixture
def site(tmp_path):
    """Return a folder in which that distribution is installed."""
    metadata = tmp_path / "npcbam_toy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: npcbam-toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, text in {"toy.py": TOY, "npcbam_toy.py": NPCBAM_TOY, "model.toy": "32"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("target", first(1, ["toy:Layer", "toy:Special", "model.toy"]))
def test_a_framework_of_another_distribution(site, target):
    code = f"import sys; from npcbam.cli import main; sys.exit(main(['check', {target!r}]))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"FAITHFUL: {target} computes CBAM" in run.stdout
    assert "toy, float64, seed 0" in run.stdout


def test_no_framework_is_imported_to_ask_whether_it_knows():
    code = (
        "import sys; from npcbam.oracle import candidates, examples;"
        "candidates.adapt(examples.right); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frameworks = {name for name in framework.BUILT_IN if not name.startswith(".")}
    assert not frameworks & set(run.stdout.split())
    assert not {name for name in run.stdout.split() if name.endswith("candidates.torch")}


# In this process, with entry points to this very file


class Base:
    pass


class Nearer(Base):
    pass


class Numbers:
    pass


def marked(mark):
    def make(target, *rest):
        candidate = FunctionCandidate(examples.right, examples.init(8), rest[-2])
        candidate.framework = mark
        return candidate

    return make


FAR = Framework(layers=(Base,), wrap=marked("far"))
NEAR = Framework(layers=(Nearer,), wrap=marked("near"))
OF_FUNCTIONS = Framework(arrays=(Numbers,), of_function=marked("numbers"))
BY_CODE = Framework(in_code="math", of_function=marked("math"))
NO_FRAMEWORK = "a word"


@pytest.fixture
def declared(monkeypatch):
    """Return what declares the frameworks of this file that are named."""
    monkeypatch.setitem(sys.modules, "frameworks_of_this_test", sys.modules[__name__])

    def declare(*names, when="math"):
        found = [
            EntryPoint(when, f"frameworks_of_this_test:{name}", framework.GROUP) for name in names
        ]
        monkeypatch.setattr(framework, "_entries", lambda: tuple(found))

    return declare


@pytest.mark.parametrize("names", [("FAR", "NEAR"), ("NEAR", "FAR")])
def test_the_nearest_class_decides(declared, names):
    declared(*names)
    assert [adapt(kind()).framework for kind in (Base, Nearer)] == ["far", "near"]


def test_what_is_not_imported_is_not_asked(declared):
    declared("NO_FRAMEWORK", "FAR", when="not_imported")
    assert adapt(CBAM.init(0, 32)).framework == "numpy"


def test_functions_are_known_by_their_arrays_or_their_code(declared):
    declared("OF_FUNCTIONS", "BY_CODE")

    def plain(params, x):
        return x

    def mathematical(params, x):
        import math

        return math.e * x

    arrays = {"a": np.ones(3)}
    assert adapt(plain, parameters={"a": [Numbers()]}).framework == "numbers"
    assert adapt(mathematical, parameters=arrays).framework == "math"
    assert adapt(plain, parameters=arrays).framework == "numpy"


def test_a_framework_that_cannot_be_loaded_stands_in_nobodys_way(declared):
    declared("NO_FRAMEWORK", "MISSING", "NEAR")
    assert adapt(Nearer()).framework == "near"


def test_what_could_not_be_loaded_is_said_of_what_nothing_knows(declared):
    declared("FAR")
    with pytest.raises(CannotRun, match=r", got Numbers$"):
        adapt(Numbers())
    declared("FAR", "NO_FRAMEWORK", "MISSING")
    with pytest.raises(CannotRun) as caught:
        adapt(Numbers())
    told = str(caught.value).split("; ")
    assert told[0].endswith(", got Numbers")
    assert told[1].endswith(":NO_FRAMEWORK, for math: expected a Framework, got str")
    assert ":MISSING, for math, raised AttributeError" in told[2]
    assert len(told) == 3
    with pytest.raises(CannotRun, match=r"expected an array, got Numbers; .*:NO_FRAMEWORK, for"):
        adapt(lambda params, x: x, parameters={"a": Numbers()})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MISSING", ":MISSING, for .toy, raised AttributeError"),
        ("NO_FRAMEWORK", ":NO_FRAMEWORK, for .toy: expected a Framework, got str"),
        ("FAR", "frameworks_of_this_test:FAR takes no files"),
    ],
)
def test_a_file_whose_framework_cannot_be_loaded(declared, tmp_path, name, message):
    declared(name, when=".toy")
    (tmp_path / "model.toy").write_text("8")
    with pytest.raises(CannotRun) as caught:
        adapt(str(tmp_path / "model.toy"))
    assert message in str(caught.value)
