"""NaN: 0/0 and 0 times infinity in a backward whose forward is finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import attend, attend_pullback
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

AT_ZERO = "NaN: NaN at 0"
FINE = "NaN: NaN where the value is fine"
quiet = np.errstate(all="ignore")


@register(
    "rsokl/MyGrad#379",
    AT_ZERO,
    also=("HIPS/autograd#712",),
    shows="NaN",
    code="nan",
    named="NaN where x = 0",
    array="not-finite",
)
def abs_at_zero(rng: Rng, wrong: bool) -> Twin:
    """The derivative of |x| is x / |x|, 0/0 at 0."""

    def vjp(x: Array) -> Forward:
        y = np.abs(x)

        @quiet
        def pullback(dy: Array) -> Any:
            if wrong:
                slope = x / np.abs(x)  # 0/0
            else:
                slope = np.sign(x)
            return dy * slope

        return y, pullback

    x = rng.normal(size=5)
    x[2] = 0.0
    return vjp, (x,)


@register(
    "HIPS/autograd#151",
    AT_ZERO,
    also=("#268", "pytorch/pytorch#2421"),
    shows="NaN",
    code="nan",
    named="NaN everywhere",
    array="not-finite",
)
def norm_at_zero(rng: Rng, wrong: bool) -> Twin:
    """x / |x| at the zero vector."""

    def vjp(x: Array) -> Forward:
        y = np.sqrt((x * x).sum())

        @quiet
        def pullback(dy: Array) -> Any:
            dx = dy * x / y  # 0/0 at the zero vector
            if not wrong:
                dx = np.where(y == 0, 0.0, dx)
            return dx

        return y, pullback

    return vjp, (np.zeros(3),)


@register(
    "HIPS/autograd#617",
    AT_ZERO,
    also=("#570", "#586"),
    shows="NaN",
    hides="No random row is all zeros; padding is.",
    code="nan",
    named="NaN where x = 0",
    array="not-finite",
)
def squared_norm_zero_row(rng: Rng, wrong: bool) -> Twin:
    """norm(x, axis=-1)**2 at a row of zeros: 0 times 0/0, though the function is smooth."""

    def vjp(x: Array) -> Forward:
        length = np.sqrt((x * x).sum(axis=-1))
        y = length**2

        @quiet
        def pullback(dy: Array) -> Any:
            if wrong:
                dlength = 2 * length * dy
                dx = (dlength / length)[:, None] * x  # 0/0 for a row of zeros
            else:
                dx = 2 * dy[:, None] * x
            return dx

        return y, pullback

    x = rng.normal(size=(3, 2))
    x[1] = 0.0
    return vjp, (x,)


@register(
    "tinygrad/tinygrad#17404",
    AT_ZERO,
    also=("apache/mxnet#17864",),
    shows="NaN",
    code="nan",
    named="NaN where x = 0",
    array="not-finite",
)
def prod_with_zero(rng: Rng, wrong: bool) -> Twin:
    """The gradient of a product is product / x, 0/0 at a zero."""

    def vjp(x: Array) -> Forward:
        y = x.prod()

        @quiet
        def pullback(dy: Array) -> Any:
            if wrong:
                others = y / x  # 0/0
            else:
                others = np.array([np.delete(x, i).prod() for i in range(len(x))])
            return dy * others

        return y, pullback

    x = rng.uniform(0.5, 2, 4)
    x[1] = 0.0
    return vjp, (x,)


@register(
    "seantalts/stanli#144",
    AT_ZERO,
    shows="NaN at some points only",
    leaves=("c",),
    code="nan",
    named="NaN where y = 0",
    array="not-finite",
)
def sqrt_of_underflow(rng: Rng, wrong: bool) -> Twin:
    """sqrt(c exp(-large)) underflows to 0, its adjoint dy / (2 sqrt) is infinite, times 0."""
    decay = np.exp(-np.array([1.0, 3.0, 900.0]))  # the last is 0

    def vjp(c: Array) -> Forward:
        y = np.sqrt(c * decay)

        @quiet
        def pullback(dy: Array) -> Any:
            dc = dy / (2 * y) * decay  # infinite times 0
            if not wrong:
                dc = np.where(y == 0, 0.0, dc)
            return dc

        return y, pullback

    return vjp, (rng.uniform(0.5, 2, 3),)


@register(
    "pytorch/pytorch#27134",
    AT_ZERO,
    also=("tensorflow/tfjs#346", "seantalts/stanli#150"),
    shows="NaN in the exponent's gradient",
    leaves=("b",),
    code="nan",
    named="NaN where y = 0",
    array="not-finite",
)
def power_zero_base(rng: Rng, wrong: bool) -> Twin:
    """a^b log a at a = 0 is 0 times minus infinity."""
    a = np.array([0.0, 2.0, 0.7])

    def vjp(b: Array) -> Forward:
        y = a**b

        @quiet
        def pullback(dy: Array) -> Any:
            db = dy * y * np.log(a)  # 0 times -inf
            if not wrong:
                db = np.where(a == 0, 0.0, db)
            return db

        return y, pullback

    return vjp, (rng.uniform(0.5, 2, 3),)


@register(
    "pytorch/pytorch#93998",
    "NaN: where trap",
    also=("jax-ml/jax#23842",),
    shows="NaN at masked places",
    code="nan",
    named="NaN where x = 0",
    array="not-finite",
)
def late_mask(rng: Rng, wrong: bool) -> Twin:
    """Elements masked after atan2 still pass 0 times infinity back."""
    other, keep = np.array([2.0, 0.0, 1.0]), np.array([0, 2])

    def vjp(x: Array) -> Forward:
        angle = np.where(x == 0, np.pi / 2, np.arctan(other / np.where(x == 0, 1, x)))
        y = angle[keep]

        @quiet
        def pullback(dy: Array) -> Any:
            dangle = np.zeros(3)
            dangle[keep] = dy
            dx = dangle * -other * (1 / (x * x + other * other))  # 0 times infinity
            if not wrong:
                dx = np.where(dangle == 0, 0.0, dx)
            return dx

        return y, pullback

    x = np.array([1.0, 0.0, 2.0]) + np.array([0.1, 0, 0.1]) * rng.random(3)
    return vjp, (x,)


@register(
    "clab/dynet#218",
    FINE,
    shows="NaN for logits some 745 below the largest",
    code="nan",
    named="NaN at",
    array="not-finite",
)
def log_softmax_zero_over_zero(rng: Rng, wrong: bool) -> Twin:
    """The sum of cotangents is taken as exp(t) d / exp(t), which is 0/0 for very unlikely
    classes.
    """

    def vjp(x: Array) -> Forward:
        z = x - x.max(axis=-1, keepdims=True)
        y = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))

        @quiet
        def pullback(dy: Array) -> Any:
            p = np.exp(y)
            if wrong:
                total = (p * dy / p).sum(axis=-1, keepdims=True)  # 0/0 where p underflows
            else:
                total = dy.sum(axis=-1, keepdims=True)
            return dy - p * total

        return y, pullback

    x = rng.normal(size=(2, 4))
    x[0, 1] -= 800
    return vjp, (x,)


@register(
    "Dao-AILab/flash-attention#443",
    FINE,
    shows="NaN in dQ only",
    leaves=("q",),
    code="nan",
    named="NaN at",
    array="not-finite",
)
def empty_row_nan(rng: Rng, wrong: bool) -> Twin:
    """Queries that see no key get a finite output, and a NaN gradient."""
    seen = np.arange(4)[:, None] - 2 >= np.arange(2)

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        y, p = attend(q, k, v, 0.5, seen)

        @quiet
        def pullback(dy: Array) -> Any:
            dq, dk, dv = attend_pullback(dy, q, k, v, p, 0.5)
            if wrong:
                dq[~seen.any(axis=1)] /= 0.0  # exp(-inf - (-inf)) in the kernel
            return dq, dk, dv

        return y, pullback

    return vjp, (rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 2)))
