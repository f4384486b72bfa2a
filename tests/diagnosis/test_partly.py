"""What the wrong entries are, and where they lie, in arrays that are right elsewhere."""

import numpy as np
import pytest
from arrays_seen import draw, of, said

from npcbam.diagnosis import Wrong, diagnose

X = draw(4, 6)


def cosine(x):
    return np.sin(x), lambda dy: dy * np.cos(x)


def came(mask, value):
    """Return a backward that gives another value where a mask is."""
    return lambda dy, x: np.where(mask(x), value(dy, x), dy * np.cos(x))


def zero(dy, x):
    return 0 * dy


@pytest.mark.parametrize(
    ("mask", "value", "code", "sentence"),
    [
        (lambda x: x > 0, zero, "zero-where", "dx is zero where x > 0, and should not be"),
        (lambda x: np.abs(x) > 1, zero, "zero-where", "dx is zero where |x| >"),
        (lambda x: x > 0, lambda dy, x: dy,
         "cotangent-partly", "dx is dy where x > 0, and right elsewhere"),
        (lambda x: x > 0, lambda dy, x: dy * x,
         "another-function-partly", "dx is dy times x where x > 0, and right elsewhere"),
        (lambda x: x < 0, lambda dy, x: -dy * np.cos(x),
         "sign-partly", "dx is the negative of what it should be where x < 0, and right"),
        (lambda x: x < 0, lambda dy, x: 3 * dy * np.cos(x),
         "factor-partly", "dx is 3 times what it should be where x < 0, and right elsewhere"),
        (lambda x: x < 0, lambda dy, x: 0.25 + dy * np.cos(x),
         "added-partly", "dx is off by 0.25 where x < 0, and right elsewhere"),
        (lambda x: x < 0, lambda dy, x: dy * np.cos(x) * np.exp(x),
         "factor-twice", "dx is multiplied by exp(x) once too often where x < 0, and is right"),
        (lambda x: np.arange(6) == 5, zero,
         "zero-rows", "dx is missing (zero) at the last index (5) along axis 1"),
        (lambda x: np.arange(6) % 2 == 1, lambda dy, x: 0.5 * dy * np.cos(x),
         "factor-partly", "dx is 0.5 times what it should be at indices 1, 3 and 5 along axis 1"),
        (lambda x: np.arange(24).reshape(4, 6) == 8, lambda dy, x: 0.5 * dy * np.cos(x),
         "factor-partly", "dx is 0.5 times what it should be at [1, 2], and right elsewhere"),
    ],
)  # fmt: skip
def test_a_part_is_named(mask, value, code, sentence):
    found = said(cosine, (X,), came(mask, value))
    assert found[0] == code
    assert found[1].startswith(sentence)


def test_the_zeros_of_an_argument():
    x = X.copy()
    x[1, 2] = x[3, 3] = 0
    assert said(cosine, (x,), came(lambda x: x == 0, zero))[1] == (
        "dx is zero where x = 0, and should not be"
    )


def test_ties_of_two_arguments():
    a = draw(6)
    b = a + np.array([0, 1, -1, 0, 1, -1])

    def maximum(a, b):
        share = np.where(a == b, 0.5, a > b)
        return np.maximum(a, b), lambda dy: (dy * share, dy * (1 - share))

    found = said(maximum, (a, b), lambda dy, a, b: (dy * (a >= b), maximum(a, b)[1](dy)[1]))
    assert found == ("ties", "da gets the whole of dy at ties, where a = b, and is right elsewhere")


def test_a_one_hot_that_is_missing():
    wants = [draw(4, 3, seed=s) for s in (1, 2)]
    hot = np.eye(3)[[0, 2, 1, 1]]
    assert of("dx", lambda w: w + 0.25 * hot, wants)[1] == (
        "dx is off by 0.25 at 4 of its 12 entries, one in each row along axis 1, "
        "and right elsewhere"
    )


def test_small_entries_set_to_zero():
    wants = [draw(40, seed=s) for s in (1, 2)]
    found = of("dx", lambda w: np.where(np.abs(w) < 0.5, 0, w), wants)
    assert found[1].startswith("dx is zero where it is small, below 0.")


def test_one_factor_of_one_entry_is_named_if_it_is_plain():
    want = draw(5)
    got = want.copy()
    got[2] *= 1.73921
    assert diagnose([Wrong("dx", got, want, 1e-12)]) is None
    got[2] = 1.5 * want[2]
    assert diagnose([Wrong("dx", got, want, 1e-12)]).sentence == (
        "dx is 1.5 times what it should be at index 2, and right elsewhere"
    )


def test_few_known_entries_tell_nothing_of_their_rows():
    want = draw(50, 60)
    known = np.random.default_rng(3).random(want.shape) < 0.02
    got = want + (np.random.default_rng(4).random(want.shape) < 0.05)
    found = diagnose([Wrong("dx", got, np.where(known, want, np.nan), 1e-12)])
    assert "along axis" not in found.sentence
