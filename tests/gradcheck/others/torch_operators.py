"""The backward of torch's own operators, each judged in float64 at generic arguments and at kinks.

python tests/gradcheck/others/torch_operators.py [--seeds 3] [--only pool] [--json] [--verbose]

What is not right must stand in KNOWN with a sentence that says why it is really so; exit status 1
if anything else is not right.
"""

from __future__ import annotations

import torch_functional
import torch_images
import torch_tensors
from running import Known, main

CASES = [*torch_functional.CASES, *torch_images.CASES, *torch_tensors.CASES]

KNOWN = {
    name: Known(outcome, sentence)
    for name, outcome, sentence in [
        ("celu", "wrong", "the backward takes 1 / alpha in float32: 8 digits"),
        ("celu at bends", "wrong", "the backward takes 1 / alpha in float32: 8 digits"),
        ("hardsigmoid", "wrong", "the backward takes 1 / 6 in float32: 7 digits"),
        ("hardsigmoid at bends", "wrong", "the backward takes 1 / 6 in float32: 7 digits"),
        ("ctc_loss alone", "wrong", "supposes that its argument comes out of log_softmax"),
        ("embedding padding", "wrong", "by design: the padding row gets no gradient"),
        ("digamma", "right or wrong", "trigamma by a short asymptotic series: 9 digits"),
        ("digamma negative", "right or wrong", "trigamma by a short asymptotic series: 9 digits"),
        ("polygamma 1", "right or wrong", "the forward itself has 9 digits, the backward all"),
        (
            "sinc near 0",
            "wrong or cannot tell",
            "cos(πx) πx - sin(πx) cancels: 4 % off -3.6e-8; on complex numbers so does sinc itself",
        ),
        ("expm1 in the tail", "right or wrong", "expm1(x) + 1 is 0 for 3e-20, beside 0.4"),
        (
            "matrix_exp",
            "right or wrong",
            "exponentiates a block matrix with dy in it: for a dy of 1e6 it keeps 9 digits",
        ),
        ("det singular", "wrong", "gives 0; the adjugate is [[4, -2], [-2, 1]]"),
    ]
}

if __name__ == "__main__":
    main("operators of torch", CASES, KNOWN, __doc__)
