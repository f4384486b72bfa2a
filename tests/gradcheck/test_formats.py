"""What number formats can hold."""

import ml_dtypes
import numpy as np
import pytest

from npcbam.gradcheck.formats import largest_of, tiny_of, unit_of

FORMATS = [
    (np.float16, 2.0**-10, 2.0**-14, 65504.0),
    (np.float32, 2.0**-23, 2.0**-126, (2 - 2.0**-23) * 2.0**127),
    (np.float64, 2.0**-52, 2.0**-1022, (2 - 2.0**-52) * 2.0**1023),
    (ml_dtypes.bfloat16, 2.0**-7, 2.0**-126, (2 - 2.0**-7) * 2.0**127),
    (ml_dtypes.float8_e5m2, 2.0**-2, 2.0**-14, 57344.0),
]


@pytest.mark.parametrize(("dtype", "unit", "tiny", "largest"), FORMATS)
def test_formats_by_hand(dtype, unit, tiny, largest):
    dtype = np.dtype(dtype)
    found = unit_of(dtype), tiny_of(dtype), largest_of(dtype)
    assert found == (unit, tiny, largest)
    assert all(type(value) is float for value in found)


@pytest.mark.parametrize(("dtype", "unit", "tiny", "largest"), FORMATS)
def test_formats_by_their_own_arithmetic(dtype, unit, tiny, largest):
    one = np.ones(1, dtype)
    assert (one + np.array([unit], dtype) > one).all()
    assert (one + np.array([unit / 2], dtype) == one).all()
    with np.errstate(over="ignore"):
        most = np.array([largest]).astype(dtype)
        assert np.isfinite(most.astype(float)).all()
        assert np.isinf((most + most).astype(float)).all()
    assert float(np.array([tiny]).astype(dtype)[0]) == tiny


def test_long_double_is_finer_and_no_larger():
    dtype = np.dtype(np.longdouble)
    assert unit_of(dtype) == float(np.finfo(np.longdouble).eps) <= 2.0**-52
    assert largest_of(dtype) == float(np.finfo(np.float64).max)
