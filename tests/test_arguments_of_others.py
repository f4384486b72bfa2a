"""What values of other libraries are told. The other tests of the core need none of these."""

import ml_dtypes
import numpy as np
import torch
from helpers import assert_raises

from npcbam import arguments


def test_a_tensor_is_no_array():
    message = "x: expected a NumPy array, got torch.Tensor"
    assert_raises(TypeError, message, arguments.array, "x", torch.ones(1))


def test_bfloat16_fits_into_float32():
    message = (
        "x: expected dtype float32, float64, longdouble or complex128, got bfloat16; "
        "x.astype('float32') is exact"
    )
    assert_raises(TypeError, message, arguments.array, "x", np.ones(1, ml_dtypes.bfloat16))
