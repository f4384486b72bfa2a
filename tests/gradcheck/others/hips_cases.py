"""All cases of autograd, from elementwise functions to distributions."""

from __future__ import annotations

import hips_arrays
import hips_elementwise
import hips_scipy
import hips_stats

CASES = [*hips_elementwise.CASES, *hips_arrays.CASES, *hips_scipy.CASES, *hips_stats.CASES]
