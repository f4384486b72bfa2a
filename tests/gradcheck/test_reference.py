"""Which derivative a pullback is judged by."""

import numpy as np
import pytest
from judging import X, double, judge, real_only

from npcbam.gradcheck import examine
from npcbam.pointwise import relu_vjp, sigmoid_vjp


@pytest.mark.parametrize(
    ("f", "x", "reference"),
    [
        (double, X, "complex step"),
        (
            real_only(double),
            X,
            "finite differences (f does not run on complex128: TypeError)",
        ),
        (
            lambda x: (np.abs(x), lambda dy: dy * np.sign(x)),
            X,
            "finite differences (on complex128 f has another derivative, "
            "as with abs, real and conj)",
        ),
        (lambda x: (x * np.log(x), lambda dy: dy * (np.log(x) + 1)), X**2, "complex step"),
        (sigmoid_vjp, X.astype(np.longdouble), "complex step"),
        (relu_vjp, np.zeros(3), "complex step"),
    ],
)
def test_the_reference_is_named(f, x, reference):
    report = examine(f, x)
    assert (report.outcome, report.reference) == ("right", reference)


def test_finite_differences_take_double_precision_where_f_does():
    def f(x):
        return np.sin(x), lambda dy: dy * np.cos(x)

    def single(x):
        return f(x) if x.dtype == np.float32 else (_ for _ in ()).throw(TypeError("float32"))

    x = X.astype(np.float32)
    fine, rough = judge(real_only(f), x).leaves[0], judge(single, x).leaves[0]
    assert 2 * fine.caught < rough.caught
