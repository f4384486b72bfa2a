"""The right numbers in the wrong places."""

import itertools

import numpy as np
import pytest
from arrays_seen import draw, of

from npcbam.diagnosis import order

CUBES = [draw(3, 3, 3, seed=s) for s in (1, 2)]


@pytest.mark.parametrize("axes", [p for p in itertools.permutations(range(3)) if p != (0, 1, 2)])
def test_every_order_of_axes(axes):
    assert of("dw", lambda w: w.transpose(axes), CUBES)[0] == "transposed"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w[::-1], "dw is flipped along axis 0"),
        (lambda w: w[:, ::-1, ::-1], "dw is flipped along axes 1 and 2"),
        (lambda w: np.roll(w, 1, 2), "dw is shifted along axis 2 by 1 towards the end"),
        (lambda w: np.roll(w, -1, 0), "dw is shifted along axis 0 by 1 towards the front"),
        (lambda w: np.pad(w, ((0, 0), (1, 0), (0, 0)))[:, :-1],
         "dw is shifted along axis 1 by 1 towards the end, with zeros after it"),
    ],
)  # fmt: skip
def test_turns(change, sentence):
    assert of("dw", change, CUBES)[1] == sentence


def test_memory_order():
    found = of("dw", lambda w: w.reshape(-1).reshape(w.shape, order="F"))
    assert found == ("memory-order", "dw has the right numbers, read in another memory order "
                     "(Fortran for C)")  # fmt: skip


def test_channels_dealt_out():
    wants = [draw(6, 2, seed=s) for s in (1, 2)]
    shuffle = of("dw", lambda w: w.reshape(2, 3, 2).swapaxes(0, 1).reshape(6, 2), wants)
    assert shuffle == ("regrouped", "dw has axis 0 in another order, dealt out in 2 groups")
    pairs = of("dw", lambda w: w.reshape(3, 2, 2)[:, ::-1].reshape(6, 2), wants)
    assert pairs == ("regrouped", "dw has neighbours along axis 0 exchanged")


def test_shuffled():
    swapped = of("dw", lambda w: w.reshape(-1)[[5, 1, 2, 3, 4, 0, *range(6, 12)]].reshape(w.shape))
    assert swapped == ("shuffled", "dw has the right numbers in the wrong places: [0, 0], [1, 1]")


def test_what_is_symmetric_is_not_called_transposed():
    symmetric = [w + w.T for w in (draw(3, 3), draw(3, 3, seed=2))]
    assert of("dw", lambda w: 2 * w.T, symmetric)[0] == "factor"


def test_zeros_at_an_end_are_no_shift_of_what_is_constant():
    wants = [np.broadcast_to(draw(3, 1, seed=s), (3, 4)).copy() for s in (1, 2)]
    assert of("dx", lambda w: w * [0, 1, 1, 1], wants)[0] == "zero-rows"


def test_all_turns_keep_shape_and_numbers():
    a = draw(4, 4, 6)
    for made, (_, said), _ in order.orders(a):
        assert made.shape == a.shape
        if "zeros" not in said:
            np.testing.assert_array_equal(np.sort(made, None), np.sort(a, None))
