"""What a candidate does besides computing y: nothing, where it is right."""

import time

import numpy as np
import pytest
import torch
from behaving import Block, C, codes
from torch_blocks import BLOCKS

from npcbam import CBAM
from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.presets import PRESETS


class Raises(Block):
    def forward(self, x):
        raise SystemExit("not today")


class ReturnsTuple(Block):
    def forward(self, x):
        return super().forward(x), x


@pytest.mark.parametrize("module", [Raises, ReturnsTuple])
def test_failure_on_an_ordinary_input_is_all_that_is_told(module):
    assert codes(module()) == {"raises": "wrong"}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_right_module_has_no_effects(name, dtype):
    torch.manual_seed(0)
    candidate = ModuleCandidate(BLOCKS[name](C, 3), name).at(dtype)
    x = np.random.default_rng(0).normal(size=(1, C, 7, 5))
    assert effects(candidate, x, {}) == []


@pytest.mark.parametrize("preset", PRESETS)
def test_right_layer_has_no_effects(preset):
    candidate = adapt(CBAM.init(0, C, preset=preset), C, None, None)
    assert effects(candidate, np.random.default_rng(0).normal(size=(3, C, 7, 5)), {}) == []


@pytest.mark.parametrize("axes", [1, 3])
def test_any_number_of_axes(axes):
    candidate = ModuleCandidate(BLOCKS["official"](C, 3, dims=axes), "official")
    x = np.random.default_rng(0).normal(size=(2, C, *(5, 4, 3)[:axes]))
    assert effects(candidate, x, {}) == []


def test_it_is_quick():
    candidate = ModuleCandidate(BLOCKS["seed"](64, 4), "seed")
    x = np.random.default_rng(0).normal(size=(3, 64, 7, 5))
    effects(candidate, x, {})
    start = time.process_time()
    effects(candidate, x, {})
    assert time.process_time() - start < 1
