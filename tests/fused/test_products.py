"""Products of matrices whose sums are long."""

import numpy as np
import pytest

from npcbam.fused import products


@pytest.mark.parametrize("turned", [False, True])
def test_long_sums_in_pieces_keep_digits(turned):
    rng = np.random.default_rng(3)
    a, b = (rng.normal(size=size).astype("f4") for size in [(16, 2048 + 5), (2048 + 5, 64)])
    b = np.asfortranarray(b) if turned else b
    exact = a.astype("f8") @ b.astype("f8")
    error = np.linalg.norm(products.product(a, b) - exact)
    assert error < 2**-22 * np.linalg.norm(exact)  # a @ b: 1.5 times as much
