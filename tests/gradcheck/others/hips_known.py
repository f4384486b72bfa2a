"""What is really so with the vjps of autograd that are not right."""

from __future__ import annotations

from running import Known

KNOWN = {
    name: Known(outcome, sentence)
    for name, outcome, sentence in [
        ("numpy.sinc at 0", "wrong", "0 / 0 gives NaN, the derivative is 0"),
        (
            "numpy.sinc near 0",
            "right or wrong",
            "cos(πx) πx - sin(πx) cancels: -3.29e-6 to four digits, beside entries near 1",
        ),
        (
            "numpy.sinc only near 0",
            "wrong or cannot tell",
            "cos(πx) πx - sin(πx) cancels: no digit is left of -3.6e-8, and rounding moves all",
        ),
        (
            "numpy.log of large and small",
            "right or cannot tell",
            "1e-200 beside 1e200: no step of differences is inside of log for both",
        ),
        (
            "numpy.var of equal",
            "right or cannot tell",
            "the gradient is 0, and what comes is nothing but rounding",
        ),
        (
            "numpy.hypot at 0",
            "wrong",
            "0 / 0 gives NaN; at the tip of the cone any value in [-1, 1]",
        ),
        (
            "numpy.std of equal",
            "wrong",
            "0 / 0 gives NaN; at the kink a finite value is a subgradient",
        ),
        ("numpy.prod with a 0", "wrong", "divides the product by the entry: 0 / 0 gives NaN"),
        (
            "numpy.expm1 in the tail",
            "right or wrong",
            "expm1(x) + 1 is 0 at -45, where it should be 3e-20, beside an entry of 0.4",
        ),
        ("numpy.expm1 only in the tail", "wrong", "expm1(x) + 1 is 0 where it should be 3e-20"),
        (
            "numpy.arcsinh of very large",
            "right or wrong",
            "x**2 overflows: 0 where the derivative is 1e-160",
        ),
        (
            "numpy.gradient of 3",
            "wrong",
            "the pullback raises: it is written for 4 points and more",
        ),
        (
            "numpy.transpose negative axes",
            "wrong",
            "argsort of negative axes is not the inverse permutation",
        ),
        (
            "numpy.tile fewer than axes",
            "wrong",
            "with fewer repetitions than axes the last are tiled, the pullback sums over the first",
        ),
        ("numpy.diag of an oblong", "wrong", "a (3, 4) argument gets a (3, 3) cotangent"),
        ("numpy.outer of a matrix", "wrong", "the pullback raises: it takes matrices for vectors"),
        ("numpy.cross broadcast", "wrong", "the broadcast argument gets an unsummed cotangent"),
        ("numpy.einsum trace", "wrong", "the pullback raises: a repeated index of one operand"),
        ("numpy.where broadcast", "wrong", "the broadcast arguments get unsummed cotangents"),
        ("linalg.det singular", "wrong", "the pullback raises: it inverts x; the adjugate exists"),
        (
            "linalg.solve broadcast",
            "wrong",
            "the broadcast matrix gets an unsummed cotangent",
        ),
        ("linalg.norm at 0", "wrong", "0 / 0 gives NaN; 0 is a subgradient"),
        ("linalg.norm 1.5 with a 0", "wrong", "|0| ** -0.5 times 0 gives NaN, the derivative is 0"),
        (
            "linalg.eig vectors",
            "wrong",
            "leaves out how LAPACK sets the phase of a complex vector: right for losses that do "
            "not depend on it",
        ),
        (
            "scipy.linalg.solve_triangular unit diagonal",
            "wrong",
            "the option is not passed on: the pullback solves with the diagonal that is not read",
        ),
        *(
            (f"fft.{name} norm {norm}", "wrong", "only None and 'ortho' are known: off by n")
            for name in ("rfft", "irfft")
            for norm in ("forward", "backward")
        ),
        ("special.ive at 0", "wrong", "n / x gives NaN, the derivative is 0.5"),
        (
            "special.rgamma at whole numbers",
            "wrong",
            "ψ / Γ is ∞ / ∞ at a pole: NaN for ±1",
        ),
        ("chi2.logpdf of a broken df", "wrong", "gives 0 unless df is whole"),
    ]
}
