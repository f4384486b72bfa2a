"""Snippets run as they stand, and print what the finding says."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiers import later

import npcbam
from npcbam.oracle.candidates import adapt
from npcbam.oracle.findings import Finding
from npcbam.oracle.reports.snippets import MADE, with_snippet

PLACE = Path(__file__).parent.parent / "planted"
# A block, how it is checked, and the finding whose snippet is run.
KINDS = [
    ("channel_gates:TwoSigmoids", {}, "channel-two-sigmoids"),
    ("compositions:SpatialFromInput", {}, "spatial-reads-input"),
    ("compositions:TwiceOnSmallMaps", {}, "differs-on-input"),
    ("backwards:MaxDetached", {}, "channel-max-detached"),
    ("tied:EveryTieTakesAll", {}, "tie-rule-unknown"),
    ("precisions:SwallowsNan", {}, "nan-swallowed"),
    ("behaviours:InPlace", {}, "writes-input"),
    ("halves:Gate", {"stage": "channel"}, "channel-two-sigmoids"),
    ("halves:GateWithoutGradient", {"stage": "channel"}, "channel-map-detached"),
    ("numpy_functions:writes", {}, "writes-input"),
    ("numpy_functions:channels_last", {}, "channel-two-sigmoids"),
    ("halves_numpy:two_sigmoids", {"stage": "channel"}, "channel-two-sigmoids"),
]
# More of the same kinds.
MORE = [
    ("backwards:SharedHalf", {}, "shared-weight-half"),
    ("precisions:HalfInFloat32", {}, "half-inside"),
    ("precisions:OverOneLess", {}, "not-finite"),
    ("precisions:Overflows", {}, "exp-overflow"),
    ("backwards:WrongInFloat32", {"dtype": "float32"}, "gradient-scaled"),
    ("numpy_functions:half_gradient", {}, "gradient-scaled"),
    ("numpy_functions:single", {}, "half-inside"),
]
EXAMPLE = ("npcbam.oracle.examples:two_sigmoids", {}, "channel-two-sigmoids")


def run(snippet, capsys):
    exec(snippet, {"__name__": "snippet"})
    return capsys.readouterr().out


def of_planted(kinds):
    return [(f"planted.{kind}", *rest) for kind, *rest in kinds]


@pytest.mark.parametrize(
    ("target", "how", "code"), [EXAMPLE, *of_planted(KINDS), *later(of_planted(MORE))]
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_runs_as_it_stands(target, how, code, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    report = npcbam.check(target, channels=32, **how)
    found = {finding.code: finding for finding in report.findings}
    assert code in found, str(report)
    finding = found[code]
    assert finding.snippet.count("import numpy as np") == 1
    out = run(finding.snippet, capsys)
    said = re.search(r"# (\S+), expected", finding.snippet)
    if said:
        assert finding.stage not in ("numerics", "effects")
        number = float(re.search(r"-?\d[\d.e+-]*", out).group())
        assert abs(number - float(said[1])) <= 1e-4 * abs(float(said[1]))
    else:
        assert finding.stage in ("numerics", "effects")
        assert out.strip()


def test_a_failure_is_replayed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    report = npcbam.check(f"{PLACE}/behaviours.py:OneSize", channels=32)
    finding = next(f for f in report.findings if f.code == "fixed-size")
    error = finding.evidence["error"]
    with pytest.raises(RuntimeError) as caught:
        run(finding.snippet, capsys)
    assert error.startswith(f"RuntimeError: {str(caught.value)[:40]}")


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("name", ["base.py:Right", "numpy_functions.py:right"])
def test_inputs_of_the_numerics(made, name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    candidate = adapt(f"{PLACE}/{name}", 32)
    seen = {"input": made, "tensor": "y", "dtype": "float32"}
    finding = with_snippet(Finding("numerics", "any", "any", evidence=seen), candidate, 32, 0)
    with np.errstate(all="ignore"):
        out = run(finding.snippet, capsys)
    assert "nan" in out if "NaN" in made or "infinity" in made else out
    if name == "base.py:Right":
        assert torch.get_default_dtype() == torch.float32


def test_no_evidence_no_snippet():
    finding = Finding("effects", "any", "any")
    assert with_snippet(finding, adapt(npcbam.CBAM.init(0, 32)), 32, 0) == finding


def test_a_parameter_that_is_written_to_is_no_gradient():
    seen = {"input": "noise", "tensor": "dense.kernel"}
    finding = Finding("effects", "writes-parameter", "any", evidence=seen)
    found = with_snippet(finding, adapt(npcbam.CBAM.init(0, 32)), 32, 0)
    assert found.snippet.endswith("vjp(x)[0]\nprint(y)")


@pytest.mark.parametrize("tensor", ["dx", "dchannel.mlp.w0"])
def test_a_gradient_that_loses_digits_is_replayed_backward(tensor):
    seen = {"input": "noise", "tensor": tensor, "dtype": "float32"}
    finding = Finding("numerics", "precision", "any", evidence=seen)
    found = with_snippet(finding, adapt(npcbam.CBAM.init(0, 32)), 32, 0)
    shown = "dx" if tensor == "dx" else "dparams"
    assert found.snippet.endswith(f"dparams, dx = candidate.vjp(params, x, dy)\nprint({shown})")
