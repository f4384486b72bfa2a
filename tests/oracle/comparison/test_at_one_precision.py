"""A candidate beside what it follows: a whole CBAM, or one gate alone."""

from dataclasses import replace

import numpy as np
import pytest

from npcbam import CBAM, tree
from npcbam.oracle.candidates import adapt
from npcbam.oracle.comparison.at_one_precision import pair_of
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.precision import rounded

C = 12
WHOLE = CBAM.init(0, C, 3)
GATES = [
    OneGate(**{name: getattr(WHOLE, name)}, gives=gives)
    for name in ("channel", "spatial")
    for gives in ("map", "spread", "features")
]
BLOCKS = [WHOLE, *GATES, replace(GATES[2], residual=True), replace(GATES[5], residual=True)]


def following(block, fault=lambda y, x: y):
    """Return a candidate that computes what a block does, but for a fault, and what carries it."""

    def carry(values):
        return tree.replace_leaves(block, (values[path] for path, _ in tree.leaves(block)))

    def f(params, x):
        y, pullback = carry(params).vjp(x)

        def f_pullback(dy):
            dblock, dx = pullback(dy)
            return dict(tree.leaves(dblock)), dx

        return fault(y, x), f_pullback

    return adapt(f, C, parameters=dict(tree.leaves(block))), carry


def codes(block, fault=lambda y, x: y):
    candidate, carry = following(block, fault)
    dtypes = ("float64", "float32")
    return [each.code for each in numerics(pair_of(candidate, carry, 0, C), dtypes)]


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_right_has_all_its_digits(block):
    assert codes(block) == []


@pytest.mark.parametrize("block", BLOCKS)
def test_half_precision_inside_is_named(block):
    found = codes(block, lambda y, x: rounded(y, "float16"))[:1]
    # A channel map that is shut or open stays where it is when all numbers move a little.
    still = isinstance(block, OneGate) and block.name == "channel" and block.gives != "features"
    assert found == ["precision" if still else "half-inside"]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_gradient_is_left_to_others_and_y_is_not(block):
    candidate, carry = following(block)
    pair = pair_of(candidate, carry, 0, C)
    assert pair.left("dx")
    assert not pair.left("y")
    assert not pair.off
    paths = {f"d{path}" for path, _ in tree.leaves(block)}
    assert pair.ordinary.keys() == {"y", "dx"} | paths


def test_what_is_silenced_is_a_half():
    candidate, carry = following(WHOLE)
    pair = pair_of(candidate, carry, 0, C)
    x = pair.noise()
    np.testing.assert_array_equal(carry(pair.silenced("channel")).channel(x), 0.5)
    np.testing.assert_array_equal(carry(pair.silenced("spatial")).spatial(x), 0.5)


def test_a_block_of_one_size_is_seen_at_its_size():
    def only_square(y, x):
        if x.shape[2:] != (14, 14):
            raise ValueError("14 x 14")
        return y

    candidate, carry = following(WHOLE, only_square)
    assert pair_of(candidate, carry, 0, C).space[:2] == (14, 14)

    def never(y, x):
        raise ValueError("never")

    candidate, carry = following(WHOLE, never)
    assert pair_of(candidate, carry, 0, C) is None
