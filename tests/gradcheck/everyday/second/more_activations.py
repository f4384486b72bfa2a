"""More activations: gates, shrinkage, steps, pieces, and a branch for each element."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def plain(draw, n):
    return (draw.normal(n, scale=2),)


@everyday(plain, "term", "entry", "zero", "wrong shape")
def mish(fault):
    def f(x):
        soft = np.logaddexp(0, x)
        t = np.tanh(soft)

        def pullback(dy):
            s = 1 / (1 + np.exp(-x))
            return dy * (t + (0 if fault == "term" else x * (1 - t * t) * s))

        return x * t, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.uniform(0.5, 2, 1)), "last zero", "beta", "entry")
def swish_with_beta(fault):
    def f(x, beta):
        s = 1 / (1 + np.exp(-beta * x))

        def pullback(dy):
            inner = dy * x * s * (1 - s)
            dx = dy * s + inner * (1 if fault == "beta" else beta)
            return dx, np.sum(inner * x, keepdims=True)

        return x * s, pullback

    return f


@everyday(plain, "scale", "entry", "zero")
def selu(fault):
    lam, alpha = 1.0507009873554805, 1.6732632423543772

    def f(x):
        y = lam * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))

        def pullback(dy):
            low = alpha * np.exp(np.minimum(x, 0)) * (1 if fault == "scale" else lam)
            return dy * np.where(x > 0, x.dtype.type(lam), low)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=6),), "upper", "entry", "zero")
def relu6(fault):
    def f(x):
        def pullback(dy):
            dx = np.array(dy)
            dx[x < 0] = 0
            if fault != "upper":
                dx[x > 6] = 0
            return dx

        return np.minimum(np.maximum(x, 0), 6), pullback

    return f


@everyday(lambda draw, n: (np.append(draw.normal(n), draw.cast([0])),), "power", "entry")
def softsign(fault):
    def f(x):
        below = 1 + np.abs(x)
        return x / below, lambda dy: dy / below ** (1 if fault == "power" else 2)

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=4),), "middle", "entry", "zero")
def hard_swish(fault):
    def f(x):
        gate = np.clip(x / 6 + 0.5, 0, 1)

        def pullback(dy):
            middle = (x > -3) & (x < 3)
            return dy * (gate + (0 if fault == "middle" else x * middle / 6))

        return (x * gate).astype(x.dtype), pullback

    return f


@everyday(plain, "all", "entry", "sign")
def soft_threshold(fault):
    def f(x, threshold=0.7):
        y = np.sign(x) * np.maximum(np.abs(x) - threshold, 0)
        return y, lambda dy: dy.copy() if fault == "all" else np.where(y != 0, dy, 0)

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=3),), "zero", "factor")
def fraction_of_a_number(fault):
    def f(x):
        return x - np.floor(x), lambda dy: dy

    return f


@everyday(plain, "sign", "entry", "zero")
def signed_logarithm(fault):
    def f(x):
        a = np.abs(x)
        return np.sign(x) * np.log1p(a), lambda dy: dy / (1 + (x if fault == "sign" else a))

    return f


@everyday(lambda draw, n: (draw.normal(*(max(n // 6, 1), 6)),), "halves", "entry", "gate")
def gated_linear_unit(fault):
    def f(x):
        a, b = x[:, :3], x[:, 3:]
        s = 1 / (1 + np.exp(-b))

        def pullback(dy):
            da = dy * s
            db = dy * a * (s if fault == "gate" else s * (1 - s))
            return np.hstack([db, da] if fault == "halves" else [da, db])

        return a * s, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(max(n // 3, 1), 3),), "first", "zero", "spread")
def maxout(fault):
    def f(x):
        best = np.argmax(x, axis=-1)

        def pullback(dy):
            chosen = np.eye(x.shape[1], dtype=x.dtype)[0 * best if fault == "first" else best]
            if fault == "spread":
                chosen = np.full_like(chosen, 1 / 3)
            return chosen * dy[:, None]

        return x[np.arange(len(x)), best], pullback

    return f


@everyday(lambda draw, n: (draw.whole(-2, 2, n),), "factor", "zero", "at zero", kinks=True)
def absolute_value_in_a_loop(fault):
    def f(x):
        y = []
        slope = []
        for v in x:
            if v > 0:
                y.append(v)
                slope.append(1)
            elif v < 0:
                y.append(-v)
                slope.append(-1)
            else:
                y.append(v)
                slope.append(2 if fault == "at zero" else 0)
        return np.array(y, x.dtype), lambda dy: dy * np.array(slope, x.dtype)

    return f


@everyday(
    lambda draw, n: (draw.normal(n, scale=3), draw.positive(n)), "steps", "last zero", "entry"
)
def staircase_with_a_weight(fault):
    def f(x, w):
        steps = np.floor(x)

        def pullback(dy):
            return w * dy if fault == "steps" else np.zeros_like(x), steps * dy

        return steps * w, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(*rows(n)), draw.normal(rows(n)[1])), "sum", "last zero", "mask"
)
def bias_and_relu_in_one_buffer(fault):
    buffers = {}

    def f(x, b):
        y = buffers.setdefault(x.shape, np.empty(x.shape, np.float64))
        if y.dtype != x.dtype:
            y = buffers[x.shape] = np.empty(x.shape, x.dtype)
        np.add(x, b, out=y)
        mask = y > (-0.5 if fault == "mask" else 0)
        np.maximum(y, 0, out=y)

        def pullback(dy):
            dx = dy * mask
            return dx, dx[-1] if fault == "sum" else dx.sum(0)

        return y, pullback

    return f
