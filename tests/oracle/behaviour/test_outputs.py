"""Shape and dtype of y, and how x lies in memory."""

import pytest
import torch
from behaving import Block, codes


class ReadsMemory(Block):
    def mc(self, x):
        strides = torch.empty(x.shape).stride()
        return super().mc(torch.as_strided(x, x.shape, strides))


class Views(Block):
    def mc(self, x):
        return super().mc(x.view(-1).view(x.shape))


class OnlyMap(Block):
    def forward(self, x):
        return self.mc(x)


class Single(Block):
    def forward(self, x):
        return super().forward(x).float()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Views, {"layout-refused": "note"}),
        (ReadsMemory, {"layout-dependent": "wrong"}),
        (OnlyMap, {"output-shape": "wrong"}),
        (Single, {"output-dtype": "wrong"}),
    ],
)
def test_it_is_found_and_nothing_else(module, expected):
    torch.manual_seed(0)
    assert codes(module()) == expected
