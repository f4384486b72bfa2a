"""The dtypes: rounding by hand, against torch, and from longdouble; what one rounding costs."""

import numpy as np
import pytest
import torch

from npcbam.oracle.precision import DTYPES, MIXED, PRECISIONS, nearest, rounded

EDGES = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e-300, 1e300, -3.4e38, 65520.0]
EDGES += [65504.0, 2.0**-25, 2.0**-24, 2.0**-133, 2.0**-134, 2.0**-149, 2.0**-150]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounds_as_torch_does(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=999) * 2.0 ** rng.integers(-160, 140, 999), EDGES])
    # Through float32, where torch has passed too: rounding twice may differ from once.
    x = x if dtype == "float64" else rounded(x, "float32")
    want = torch.tensor(x).to(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(rounded(x, dtype), want)
    signs = np.signbit([rounded(x, dtype), want])[:, ~np.isnan(x)]
    np.testing.assert_array_equal(*signs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_and_float16_are_those_of_numpy(dtype):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=9999) * 2.0 ** rng.integers(-160, 120, 9999)).astype(dtype)
    for name in ("float32", "float16"):
        with np.errstate(over="ignore", under="ignore"):
            want = x.astype(name)
        np.testing.assert_array_equal(rounded(x, name), want)


@pytest.mark.parametrize("wide", [np.float64, np.longdouble])
@pytest.mark.parametrize(("dtype", "digits"), [("float32", 24), ("float16", 11), ("bfloat16", 8)])
def test_rounds_once_from_whatever_is_wider(wide, dtype, digits):
    middle, off = wide(2.0**-digits), wide(2.0 ** (-50 if wide is np.float64 else -62))
    x = 1 + np.array([middle, middle + off, 3 * middle - off, 3 * middle])
    want = 1 + np.array([0, 2, 2, 4]) * middle
    np.testing.assert_array_equal(rounded(x, dtype), want)
    np.testing.assert_array_equal(rounded(-x, dtype), -want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_bfloat16_by_hand(dtype):
    # Between 1 and the next, 1 + 2⁻⁷, and between that and the one after it.
    values = 1 + np.array([1, 2, 3, 4, 5, 6, 7], dtype) * dtype(2.0**-9)
    want = 1 + np.array([0, 0, 4, 4, 4, 8, 8]) * 2.0**-9
    np.testing.assert_array_equal(rounded(values, "bfloat16"), want)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float16", 1 + 2.0**-11, 1.0),
        ("float16", 1e5, np.inf),
        ("tf32", 1 + 2.0**-11, 1 + 2.0**-11),
        ("autocast-bfloat16", 1 + 2.0**-24, 1.0),
        ("float32", 1 + 2.0**-24, 1.0),
        ("float64", 1 + 2.0**-52, 1 + 2.0**-52),
    ],
)
def test_rounding_by_hand(dtype, value, expected):
    assert rounded(np.array([value]), dtype).tolist() == [expected]


def test_factors_of_tf32_by_hand():
    values = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, 1e5])
    assert nearest(values, 11, -126).tolist() == [1.0, 1 + 2.0**-9, 99968.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_unit_is_half_of_the_step_from_1_to_the_next(dtype):
    kind = PRECISIONS[dtype]
    step = 2 * kind.rounding
    assert rounded(np.array([1 + step]), dtype) == 1 + step
    assert rounded(np.array([1 + step / 2]), dtype) == 1.0
    assert kind.rounding < kind.unit <= 2 * kind.rounding
    assert step == torch.finfo(getattr(torch, dtype)).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_range_is_that_of_torch(dtype):
    kind, torchs = PRECISIONS[dtype], torch.finfo(getattr(torch, dtype))
    assert (kind.most, 2.0**kind.lowest) == (torchs.max, torchs.tiny)
    assert (rounded(np.array([kind.most * (1 + kind.rounding)]), dtype) == np.inf) == (
        dtype != "float64"
    )


def test_arrays_of_mixed_precision_are_of_float32():
    x = np.random.default_rng(0).normal(size=99)
    for dtype in MIXED:
        np.testing.assert_array_equal(rounded(x, dtype), rounded(x, "float32"))


def test_what_is_rounded_is_another_array():
    x = np.ones(2)
    for dtype in DTYPES:
        assert not np.shares_memory(rounded(x, dtype), x)


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"dtype: expected 'float64', .* got 'float8'"):
        rounded(np.ones(1), "float8")
