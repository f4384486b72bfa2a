"""Where entries lie, in words."""

import numpy as np
import pytest
from arrays_seen import draw

from npcbam.diagnosis import Wrong
from npcbam.diagnosis.places import describe


def place(mask, x=None, shape=(4, 6)):
    want = draw(*shape)
    w = Wrong("dx", np.where(mask, 0, want), want, 1e-12, x, {} if x is None else {"x": x})
    return describe([w], [np.zeros(shape)])


COLUMN = np.arange(6)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (COLUMN == 0, "at index 0 along axis 1"),
        (COLUMN == 5, "at the last index (5) along axis 1"),
        (COLUMN > 3, "at indices 4 and 5 along axis 1"),
        (COLUMN > 0, "at the indices 1 to 5 along axis 1"),
        (np.arange(4)[:, None] == 2, "at index 2 along axis 0"),
        (np.arange(24).reshape(4, 6) == 9, "at [1, 3]"),
        (np.arange(24).reshape(4, 6) % 7 == 3, "at 3 of its 24 entries"),
    ],
)
def test_rows_and_entries(mask, said):
    assert place(np.broadcast_to(mask, (4, 6))) in (said, "at [0, 3], [1, 4] and [2, 5]")


def test_every_second_index():
    mask = np.broadcast_to(np.arange(12) % 2 == 1, (2, 12))
    assert place(mask, shape=(2, 12)) == "at every second index from 1 on along axis 1"


def test_signs_and_zeros():
    x = draw(4, 6, seed=5)
    x[2, 2] = 0
    assert place(x < 0, x) == "where x < 0"
    assert place(x == 0, x) == "where x = 0"
    assert place(x > 0.7, x).startswith("where x > 0.")


def test_a_sign_that_two_entries_have_by_chance_is_no_place():
    x = np.array([1.0, -2.0, 3.0])
    w = Wrong("da", np.array([1.0, 0.0, 3.0]), np.array([1.0, 2.0, 3.0]), 1e-12,
              arguments={"b": x})  # fmt: skip
    assert describe([w], [np.zeros(3)]) == "at index 1"
