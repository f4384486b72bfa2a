"""How values are stored: half types as their bits, rounded once."""

import numpy as np
import pytest
import torch

from npcbam.oracle.precision import DTYPES, PRECISIONS, rounded
from npcbam.oracle.vectors import encoding
from npcbam.oracle.vectors.encoding import decode, encode


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_every_half_pattern_survives(name):
    bits = np.arange(2**16, dtype=np.uint16)
    values = decode(bits, name)
    want = torch.from_numpy(bits.view(np.int16)).view(getattr(torch, name)).double().numpy()
    np.testing.assert_array_equal(values, want)
    number = ~np.isnan(values)
    np.testing.assert_array_equal(encode(values, name)[number], bits[number])
    assert np.isnan(decode(encode(values, name), name)[~number]).all()


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("wide", [np.float64, np.longdouble])
def test_what_is_stored_is_what_is_rounded(name, wide):
    values = np.random.default_rng(0).normal(size=999).astype(wide)
    stored = encode(values, name)
    assert stored.dtype.str == PRECISIONS[name].file
    np.testing.assert_array_equal(decode(stored, name), rounded(values, name))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_signalling_nan_is_one_when_it_is_read(name):
    exponent = 0x7F80 if name == "bfloat16" else 0x7C00
    assert np.isnan(decode(np.array([exponent + 1], np.uint16), name)).all()


def test_every_dtype_says_how_it_is_stored():
    assert set(encoding.DTYPES) == set(DTYPES)
