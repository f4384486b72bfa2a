"""Snippets run as they stand, and print what the finding says."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import npcbam
from npcbam.oracle.candidates import adapt
from npcbam.oracle.findings import Finding
from npcbam.oracle.reports.snippets import MADE, with_snippet

PLACE = Path(__file__).parent.parent / "snippet_blocks.py"
# A block, how it is checked, and the finding whose snippet is run.
KINDS = [
    ("TwoSigmoids", {}, "channel-two-sigmoids"),
    ("SpatialFromInput", {}, "spatial-reads-input"),
    ("TwiceOnSmallMaps", {}, "differs-on-input"),
    ("MaxDetached", {}, "channel-max-detached"),
    ("SharedHalf", {}, "shared-weight-half"),
    ("EveryTieTakesAll", {}, "tie-rule-unknown"),
    ("HalfInFloat32", {}, "half-inside"),
    ("Overflows", {}, "exp-overflow"),
    ("SwallowsNan", {}, "nan-swallowed"),
    ("WrongInFloat32", {"dtype": "float32"}, "gradient-scaled"),
    ("InPlace", {}, "writes-input"),
    ("Gate", {"stage": "channel"}, "channel-two-sigmoids"),
    ("GateDetached", {"stage": "channel"}, "channel-map-detached"),
    ("two_sigmoids", {}, "channel-two-sigmoids"),
    ("half_gradient", {}, "gradient-scaled"),
    ("single", {}, "half-inside"),
    ("writes", {}, "writes-input"),
    ("halves.two_sigmoids", {"stage": "channel"}, "channel-two-sigmoids"),
    ("channels_last", {}, "channel-two-sigmoids"),
]


def run(snippet, capsys):
    exec(snippet, {"__name__": "snippet"})
    return capsys.readouterr().out


@pytest.mark.parametrize(("name", "how", "code"), KINDS)
@pytest.mark.filterwarnings("ignore:overflow")
def test_runs_as_it_stands(name, how, code, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.syspath_prepend(PLACE.parent)
    *place, name = name.split(".")
    report = npcbam.check(f"{(*place, 'snippet_blocks')[0]}:{name}", channels=32, **how)
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
    report = npcbam.check(f"{PLACE}:OneSize", channels=32)
    finding = next(f for f in report.findings if f.code == "fixed-size")
    error = finding.evidence["error"]
    with pytest.raises(RuntimeError) as caught:
        run(finding.snippet, capsys)
    assert error.startswith(f"RuntimeError: {str(caught.value)[:40]}")


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("name", ["Right", "right"])
def test_inputs_of_the_numerics(made, name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    candidate = adapt(f"{PLACE}:{name}", 32)
    seen = {"input": made, "tensor": "y", "dtype": "float32"}
    finding = with_snippet(Finding("numerics", "any", "any", evidence=seen), candidate, 32, 0)
    with np.errstate(all="ignore"):
        out = run(finding.snippet, capsys)
    assert "nan" in out if "NaN" in made or "infinity" in made else out
    if name == "Right":
        assert torch.get_default_dtype() == torch.float32


def test_no_evidence_no_snippet():
    finding = Finding("effects", "any", "any")
    assert with_snippet(finding, adapt(npcbam.CBAM.init(0, 32)), 32, 0) == finding
