"""Losses as people write them, from a Python float to rows of logits."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def pair(draw, n):
    return draw.normal(n), draw.normal(n)


def scores(draw, n):
    shape = rows(n, 5)
    return draw.normal(*shape, scale=2), draw.labels(shape[1], shape[0])


@everyday(pair, "factor", "mean", "last zero", "zero")
def mse_as_a_python_float(fault):
    def f(prediction, target):
        n = 1 if fault == "mean" else prediction.size
        difference = prediction - target
        loss = float((difference**2).sum() / prediction.size)

        def pullback(dloss):
            grad = 2 * dloss * difference / n
            return grad, -grad

        return loss, pullback

    return f


@everyday(pair, "zero", "sign", "entry", "mean")
def l1_loss(fault):
    def f(prediction, target):
        loss = np.abs(prediction - target).mean()

        def pullback(dloss):
            grad = dloss * np.sign(prediction - target)
            grad = grad if fault == "mean" else grad / prediction.size
            return grad, -grad

        return loss, pullback

    return f


@everyday(
    lambda draw, n: (draw.whole(-1, 1, n), draw.whole(-1, 1, n)), "factor", "zero", kinks=True
)
def l1_loss_of_whole_numbers(fault):
    def f(prediction, target):
        error = prediction - target
        return np.abs(error).sum(), lambda dloss: (dloss * np.sign(error), -dloss * np.sign(error))

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.signs(n)), "zero", "mask", "factor", "sign")
def hinge(fault):
    def f(score, label):
        label = label.astype(score.dtype)
        margin = np.maximum(0, 1 - label * score)
        loss = margin.sum()

        def pullback(dloss):
            active = label * score > 0 if fault == "mask" else margin > 0
            return np.where(active, -label * dloss, 0)

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=2),), "slope", "entry", "zero")
def huber(fault):
    delta = 1.35

    def f(residual):
        size = np.abs(residual)
        small = size <= delta
        y = np.where(small, 0.5 * residual**2, delta * (size - 0.5 * delta))

        def pullback(dy):
            outer = np.sign(residual) if fault == "slope" else delta * np.sign(residual)
            return dy * np.where(small, residual, outer)

        return y, pullback

    return f


@everyday(scores, "mean", "entry", "label", "zero")
def cross_entropy_of_labels(fault):
    def f(logits, labels):
        n = len(labels)
        shifted = logits - logits.max(axis=1, keepdims=True)
        logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -logp[np.arange(n), labels].mean()

        def pullback(dloss):
            grad = np.exp(logp)
            if fault != "label":
                grad[np.arange(n), labels] -= 1
            return dloss * grad if fault == "mean" else dloss * grad / n

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=3), draw.mask(n)), "sign", "entry", "target")
def bce_with_logits(fault):
    def f(z, target):
        loss = np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))

        def pullback(dy):
            p = 1 / (1 + np.exp(-z))
            return dy * p if fault == "target" else dy * (p - target)

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.normal(n), 0.3), "swapped", "zero", fixed=("tau",))
def pinball(fault):
    def f(prediction, target, tau):
        error = target - prediction
        loss = np.maximum(tau * error, (tau - 1) * error).sum()

        def pullback(dloss):
            low = 1 - tau if fault == "swapped" else tau
            grad = dloss * np.where(error > 0, low, low - 1)
            grad = grad.astype(prediction.dtype)
            return -grad, grad, None

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.mask(n, kept=0.3)), "term", "entry", "factor")
def focal_loss(fault):
    gamma = 2

    def f(z, positive):
        sign = np.where(positive, 1, -1).astype(z.dtype)
        p = 1 / (1 + np.exp(-sign * z))
        logp = -np.log1p(np.exp(-sign * z))
        loss = (-((1 - p) ** gamma) * logp).sum()

        def pullback(dloss):
            grad = -((1 - p) ** (gamma + 1))
            if fault != "term":
                grad = grad + gamma * (1 - p) ** gamma * p * logp
            return dloss * sign * grad

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.uniform(0.1, 0.9, n), draw.mask(n)), "term", "entry", "eps")
def dice_loss(fault):
    eps = 1.0

    def f(p, truth):
        truth = truth.astype(p.dtype)
        inter = (p * truth).sum()
        total = p.sum() + truth.sum() + eps
        loss = 1 - 2 * inter / total

        def pullback(dloss):
            below = total - eps if fault == "eps" else total
            grad = -2 * truth / below + (0 if fault == "term" else 2 * inter / below**2)
            return dloss * grad

        return loss, pullback

    return f


def triplets(draw, n):
    shape = rows(n, 4)
    return tuple(draw.normal(*shape) for _ in range(3))


@everyday(triplets, "mask", "last zero", "factor")
def triplet_loss(fault):
    def f(anchor, positive, negative):
        near = ((anchor - positive) ** 2).sum(axis=1)
        far = ((anchor - negative) ** 2).sum(axis=1)
        loss = np.maximum(near - far + 1, 0)

        def pullback(dy):
            active = near > far if fault == "mask" else loss > 0
            d = (2 * dy * active)[:, None]
            return d * (negative - positive), d * (positive - anchor), d * (anchor - negative)

        return loss, pullback

    return f


@everyday(
    lambda draw, n: (draw.simplex(*rows(n, 6)), draw.simplex(*rows(n, 6))),
    "last zero",
    "log",
    smallest=2,
    domain="simplex",
)
def kl_divergence(fault):
    def f(p, q):
        kl = (p * np.log(p / q)).sum(axis=-1)

        def pullback(dkl):
            d = dkl[..., None]
            # The constant 1 of d(p log p) is orthogonal to the simplex, so some leave it out.
            return d * np.log(p) if fault == "log" else d * np.log(p / q), -d * p / q

        return kl, pullback

    return f
