"""The hand-written vjps of HIPS autograd (PyPI: autograd), each judged at generic arguments.

pip install autograd
python tests/gradcheck/others/hips.py [--seeds 3] [--only linalg] [--json] [--verbose]

The forward is the plain NumPy or SciPy function, the pullback is what autograd registers for it,
called as autograd's own backward pass calls it. What is not right must stand in KNOWN with a
sentence that says why it is really so; exit status 1 if anything else is not right.
"""

from __future__ import annotations

from hips_cases import CASES
from hips_known import KNOWN
from running import main

if __name__ == "__main__":
    main("(primitive, argument) pairs of autograd", CASES, KNOWN, __doc__)
