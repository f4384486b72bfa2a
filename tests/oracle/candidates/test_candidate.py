"""Rounding to a precision, against the rounding of torch; and what a plain candidate says."""

import numpy as np
import pytest
import torch

from npcbam.oracle import Candidate
from npcbam.oracle.candidates.candidate import DTYPES, rounded

EDGES = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e-300, 1e300, -3.4e38, 65520.0, 2.0**-134]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounded_as_torch_does(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=999) * 2.0 ** rng.integers(-160, 140, 999), EDGES])
    # Through float32, where torch has passed too: rounding twice may differ from once.
    x = x if dtype == "float64" else rounded(x, "float32")
    want = torch.tensor(x).to(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(rounded(x, dtype), want)
    signs = np.signbit([rounded(x, dtype), want])[:, ~np.isnan(x)]
    np.testing.assert_array_equal(*signs)


def test_rounded_once():
    # Half way between two of bfloat16 but for a bit that float32 has not.
    x = 1 + 2.0**-8 + 2.0**-40
    assert torch.tensor(x, dtype=torch.float64).bfloat16() == 1
    assert rounded(np.array(x), "bfloat16") == 1 + 2.0**-7


class Double(Candidate):
    name, parameters, buffers = "double", {"w": np.ones(1)}, {"mean": np.zeros(1)}

    def forward(self, params, x):
        return 2 * self.state(params)["w"] * x

    def vjp(self, params, x, dy):
        return None


def test_a_candidate_of_a_forward_alone():
    seen = Double().observe({"w": np.full(1, 3.0)}, np.ones((1, 2)))
    np.testing.assert_array_equal(seen.y, [[6, 6]])
    assert (seen.shape, seen.dtype, seen.printed) == ((1, 2), "float64", "")
    assert seen.params_after == {"w": [3.0], "mean": [0.0]}
    assert Double().replay("p", "x").endswith("y = block(p, x)")
