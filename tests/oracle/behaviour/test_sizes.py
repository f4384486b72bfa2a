"""The sizes of maps that a candidate takes."""

import numpy as np
import pytest
import torch
from behaving import Block, C, codes
from torch import nn

from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates.torch import ModuleCandidate


class FixedSize(Block):
    def mc(self, x):
        return super().mc(x.reshape(-1, C, 6, 5))


class Odd(Block):
    """Its pooling by halves loses the last row of odd maps."""

    def forward(self, x):
        y = super().forward(x)
        return nn.functional.avg_pool2d(y, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)


class Small(Block):
    def mc(self, x):
        return super().mc(nn.functional.avg_pool2d(x, 3, stride=1))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Small, {"fails-on-small": "wrong"}),
        (Odd, {"fails-on-odd": "wrong", "fails-on-small": "wrong"}),
    ],
)
def test_it_is_found_and_nothing_else(module, expected):
    torch.manual_seed(0)
    assert codes(module()) == expected


def test_square_maps_only():
    class Square(Block):
        def mc(self, x):
            size = x.shape[2]
            return super().mc(x.reshape(*x.shape[:2], size, size))

    assert codes(Square(), 7, 7) == {"square-only": "wrong"}


def test_exported_graph_of_one_size_is_no_mistake():
    class Exported(ModuleCandidate):
        is_static = True

    candidate = Exported(FixedSize(), "block")
    (found,) = effects(candidate, np.ones((3, C, 6, 5)), {})
    assert (found.code, found.status) == ("fixed-size", "note")


def test_one_size_only():
    assert codes(FixedSize(), 6, 5) == {"fixed-size": "wrong"}


class Point(Block):
    def mc(self, x):
        assert x.shape[2:] != (1, 1), "one position"
        return super().mc(x)


def test_one_position_is_told_by_itself_alone():
    assert codes(Point()) == {"fails-on-point": "wrong"}
    assert "fails-on-point" not in codes(Small())
