"""Right but for the last digits."""

import numpy as np
import pytest
from arrays_seen import draw, of

BITS = {"float32": 0xFFFFFFFF, "bfloat16": 0xFFFF0000}


def half(w):
    return w.astype(np.float16).astype(float)


def brain(w):
    return (w.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(float)


def single(w):
    return w.astype(np.float32).astype(float)


@pytest.mark.parametrize(
    ("change", "name"), [(half, "float16"), (brain, "bfloat16"), (single, "float32")]
)
def test_rounded(change, name):
    assert of("dx", change) == ("rounded", f"dx is rounded to {name}")


@pytest.mark.parametrize(("size", "digits"), [(1e-4, 4), (1e-7, 7), (1e-10, 10)])
def test_nearly(size, digits):
    found = of("dx", lambda w: w * (1 + size * np.tanh(draw(3, 4, seed=9))))
    assert found == ("digits", f"dx agrees to {digits} digits: an eps or a rounded constant")


def test_what_is_off_by_a_hundredth_is_no_matter_of_digits():
    assert of("dx", lambda w: w * (1 + 0.01 * np.tanh(draw(3, 4, seed=9)))) is None


def test_whole_numbers_are_not_called_rounded():
    wants = [np.arange(1.0, 13).reshape(3, 4), np.arange(2.0, 14).reshape(3, 4)]
    found = of("dx", lambda w: w + np.where(w > 6, 64.0, 0), wants)
    assert found is None or found[0] != "rounded"
