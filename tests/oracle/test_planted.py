"""Every planted block: what must be said of it stands beside it, in `planted/`."""

import importlib
import inspect
from pathlib import Path

import pytest
import torch
from planted import MODULES, everything, registry  # noqa: F401
from planted.registry import ALL, first, told

import npcbam

FOLDER = Path(registry.__file__).parent
# What others are made of, and is no block by itself.
PARTS = {
    *("Hidden", "ScaledBackward", "HalfBackward", "Scaled", "Half"),
    *("RoundsGradient", "ScaledGradient", "CoarseGradient"),
}


# One of each outcome; the others wait for the second tier.
FIRST = {*first()}
BLOCKS = [
    pytest.param(name, marks=() if name in FIRST else pytest.mark.second_tier) for name in ALL
]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_must_be_said_is_said(name):
    block = ALL[name]
    report = npcbam.check(block.block, **{"channels": 32} | block.how)
    assert (report.verdict, sorted(told(report))) == (block.verdict, sorted(block.found)), report
    assert report.ok == (block.verdict == "faithful")
    assert set(block.notes) <= {f.code for f in report.findings if f.status == "note"}
    assert block.says in "\n".join(f.message for f in report.findings)


@pytest.mark.second_tier
@pytest.mark.parametrize("name", [name for name, block in ALL.items() if block.asked])
def test_a_variant_may_be_asked_for(name):
    block = ALL[name]
    assert npcbam.check(block.block, channels=32, expect=block.asked).ok
    assert not npcbam.check(block.block, channels=32, expect="ties=even").ok


def test_every_file_is_looked_at():
    files = {path.stem for path in FOLDER.glob("*.py")}
    others = {name for name in files if name.startswith("blocks_")}
    assert files - others == {*MODULES, "registry", "everything", "__init__"}


@pytest.mark.parametrize("module", MODULES)
def test_no_block_is_left_out(module):
    found = importlib.import_module(f"planted.{module}")
    classes = {
        each.__name__
        for each in vars(found).values()
        if inspect.isclass(each) and each.__module__ == found.__name__
    }
    assert classes <= ALL.keys() | PARTS


def test_a_name_is_planted_once():
    with pytest.raises(ValueError, match="TwoSigmoids is planted already"):
        registry.wrong("channel: channel-two-sigmoids")(ALL["TwoSigmoids"].block)


def test_the_parts_are_modules_or_functions():
    assert issubclass(ALL["Right"].block, torch.nn.Module)
