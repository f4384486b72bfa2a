"""Factors, and where they come from."""

import math

import numpy as np
import pytest
from arrays_seen import draw, of, said

from npcbam.diagnosis import Wrong, diagnose, factors


def scaled(f):
    return of("dw", lambda w: f * w)


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [
        (2, "dw is 2 times what it should be"),
        (0.5, "dw is 0.5 times what it should be"),
        (1 / 3, "dw is 0.333333 times what it should be (1/N for N = 3, the length of axis 0"),
        (4, "dw is 4 times what it should be (N for N = 4, the length of axis 1 of dw)"),
        (math.sqrt(3), "dw is 1.73205 times what it should be (√N for N = 3, the length of axis"),
        (4 / 3, "dw is 1.33333 times what it should be (N/(N - 1) for N = 4, the length of axis"),
        (12, "dw is 12 times what it should be (N for N = 12, the number of elements of dw)"),
        (0.7321, "dw is 0.7321 times what it should be"),
        (1 + 1e-6, "dw is (1 + 1e-06) times what it should be"),
    ],
)  # fmt: skip
def test_a_factor_is_named(factor, sentence):
    assert scaled(factor)[0] == "factor"
    assert scaled(factor)[1].startswith(sentence)


def test_the_sign():
    assert scaled(-1) == ("sign", "dw has the wrong sign")


def test_sizes_with_names_of_their_own():
    wants = [draw(2, 3, 5, 4), draw(3, 2, 4, 6)]
    seen = [Wrong("dx", w / w[0, 0].size, w, 1e-12, sizes=dict(zip("NCHW", w.shape, strict=True)))
            for w in wants]  # fmt: skip
    assert diagnose(seen).sentence == "dx is 1/(H·W) times what it should be"


def test_a_number_that_is_at_hand():
    def norm(x):
        y = np.sqrt((x * x).sum())
        return y, lambda dy: dy * x / y

    found = said(norm, (draw(6),), lambda dy, x: dy * x)
    assert found[0] == "factor"
    assert found[1].endswith("times what it should be (that is y)")


def test_a_single_number_is_a_multiple_of_anything():
    one = np.array(1.2345)
    assert diagnose([Wrong("da", one * 1.7719, one, 1e-12)]) is None
    assert diagnose([Wrong("da", one * 2, one, 1e-12)]).code == "factor"


def test_another_factor_each_time():
    wants = [draw(4), draw(4, seed=2)]
    seen = [Wrong("dx", f * w, w, 1e-12) for f, w in zip((1.5, 2.5), wants, strict=True)]
    assert "by another factor each time: 1.5, 2.5" in diagnose(seen).sentence


def test_a_ratio_weighs_what_is_sure():
    want, room = np.array([1.0, 1.0]), np.array([1e-9, 1.0])
    assert factors.ratio_of(np.array([2.0, 5.0]), want, room) == pytest.approx(2, 1e-5)
    assert factors.multiple_of(np.array([2.0, 5.0]), want, 1e-9) is None
    assert np.isnan(factors.ratio_of(want, np.zeros(2), room))
