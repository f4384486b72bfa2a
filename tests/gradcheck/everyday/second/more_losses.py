"""More losses: margins, similarities, overlaps, weights, counts and alignments."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


@everyday(lambda draw, n: (draw.normal(n), draw.signs(n)), "power", "mask", "entry")
def squared_hinge(fault):
    def f(score, label):
        label = label.astype(score.dtype)
        margin = 1 - label * score
        loss = (np.maximum(margin, 0) ** 2).mean()

        def pullback(dloss):
            m = margin if fault == "mask" else np.maximum(margin, 0)
            grad = -label * m * dloss / score.size
            return grad if fault == "power" else 2 * grad

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.normal(n)), "beta", "last zero", "entry")
def smooth_l1(fault):
    def f(p, t, beta=0.5):
        d = p - t
        a = np.abs(d)
        y = np.where(a < beta, 0.5 * d * d / beta, a - 0.5 * beta).sum()

        def pullback(dy):
            g = np.where(a < beta, d if fault == "beta" else d / beta, np.sign(d)) * dy
            return g, -g

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=4),), "sign", "entry", "branch")
def log_sigmoid(fault):
    def f(x):
        y = np.empty_like(x)
        up = x >= 0
        y[up] = -np.log1p(np.exp(-x[up]))
        y[~up] = x[~up] - np.log1p(np.exp(x[~up]))

        def pullback(dy):
            s = np.empty_like(x)
            s[up] = np.exp(-x[up]) / (1 + np.exp(-x[up]))
            s[~up] = 1 if fault == "branch" else 1 / (1 + np.exp(x[~up]))
            return dy * s

        return y, pullback

    return f


def weighted_rows(draw, n):
    shape = rows(n, 4)
    logits = draw.normal(*shape)
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    weights = draw.positive(shape[1])
    return logp, draw.labels(shape[1], shape[0]), weights


@everyday(weighted_rows, "unweighted", "mean", "entry", smallest=4, fixed=("weights",))
def nll_with_class_weights(fault):
    def f(logp, labels, weights):
        w = weights[labels]
        row = np.arange(len(labels))
        loss = -(w * logp[row, labels]).sum() / w.sum()

        def pullback(dloss):
            dlogp = np.zeros_like(logp)
            each = np.ones_like(w) if fault == "unweighted" else w
            dlogp[row, labels] = -dloss * each / (len(w) if fault == "mean" else w.sum())
            return dlogp, None, None

        return loss, pullback

    return f


def two_sets(draw, n):
    shape = rows(n, 5)
    return draw.normal(*shape), draw.normal(*shape), draw.mask(shape[0], kept=0.5)


@everyday(two_sets, "margin", "last zero", "swapped", "factor")
def contrastive(fault):
    def f(a, b, same):
        d = np.sqrt(((a - b) ** 2).sum(1))
        loss = np.where(same, d**2, np.maximum(2.5 - d, 0) ** 2).sum()

        def pullback(dloss):
            apart = (
                np.where(d > 0, 2 * (d - 2.5), 0)
                if fault == "margin"
                else -2 * np.maximum(2.5 - d, 0)
            )
            dd = np.where(same != (fault == "swapped"), 2 * d, apart) * dloss
            da = (dd / d)[:, None] * (a - b)
            return da, -da

        return loss, pullback

    return f


@everyday(lambda draw, n: two_sets(draw, n)[:2], "term", "last zero", "entry", smallest=7)
def cosine_similarity(fault):
    def f(a, b):
        na = np.sqrt(np.einsum("ij,ij->i", a, a))[:, None]
        nb = np.sqrt(np.einsum("ij,ij->i", b, b))[:, None]
        y = (a * b).sum(1) / (na * nb)[:, 0]

        def pullback(dy):
            d = dy[:, None]
            c = 0 if fault == "term" else y[:, None]
            return d * (b / (na * nb) - c * a / na**2), d * (a / (na * nb) - c * b / nb**2)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.uniform(0.05, 0.95, 2, n), draw.uniform(0, 1, 2, n)),
    "union",
    "factor",
    "entry",
)
def soft_iou(fault):
    def f(p, t):
        inter = (p * t).sum(axis=1)
        union = (p + t - p * t).sum(axis=1)
        y = 1 - (inter / union).mean()

        def pullback(dy):
            i, u = inter[:, None], union[:, None]
            rest = 1 if fault == "union" else 1 - t
            dp = -dy / 2 * (t / u - i / u**2 * rest)
            dt = -dy / 2 * (p / u - i / u**2 * (1 - p))
            return dp, dt

        return y, pullback

    return f


def alignment(draw, n):
    return draw.normal(max(n // 4, 4), 4), np.array([1, 3, 1])


@everyday(alignment, "blank", "mean", "sign", smallest=7, largest=100)
def ctc_of_three_letters(fault):
    def log_add(*terms):
        return np.logaddexp.reduce(terms)

    def f(logits, word):
        logp = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        path = np.zeros(2 * len(word) + 1, int)
        path[1::2] = word
        steps, states = len(logits), len(path)
        skip = [int(s > 1 and path[s] not in (0, path[s - 2])) for s in range(states)]
        alpha = np.full((steps, states), -np.inf, logits.dtype)
        beta = np.full((steps, states), -np.inf, logits.dtype)
        alpha[0, :2] = logp[0, path[:2]]
        beta[-1, -2:] = 0
        for t in range(1, steps):
            for s in range(states):
                back = [alpha[t - 1, s]] + [alpha[t - 1, s - 1]] * (s > 0)
                back += [alpha[t - 1, s - 2]] * skip[s]
                alpha[t, s] = log_add(*back) + logp[t, path[s]]
        for t in range(steps - 2, -1, -1):
            ahead = beta[t + 1] + logp[t + 1, path]
            for s in range(states):
                on = [*ahead[s : s + 2]]
                on += [*ahead[s + 2 : s + 3]] * max(skip[s + 2 : s + 3], default=0)
                beta[t, s] = log_add(*on)
        total = log_add(*alpha[-1, -2:])

        def pullback(dloss):
            post = np.exp(alpha + beta - total)
            used = np.zeros_like(logits)
            for s in range(1 if fault == "blank" else 0, states):
                used[:, path[s]] += post[:, s]
            grad = np.exp(logp) - used
            return dloss * (grad / steps if fault == "mean" else grad)

        return -total, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(*rows(n, 6)), draw.labels(rows(n, 6)[1], rows(n, 6)[0])),
    "smoothing",
    "entry",
    smallest=2,
)
def smoothed_cross_entropy(fault):
    def f(z, labels, smoothing=0.1):
        k = z.shape[1]
        target = np.full(z.shape, smoothing / k, z.dtype)
        target[np.arange(len(z)), labels] += 1 - smoothing
        lse = np.log(np.exp(z - z.max(1)[:, None]).sum(1)) + z.max(1)
        loss = (lse - (target * z).sum(1)).mean()

        def pullback(dloss):
            p = np.exp(z - lse[:, None])
            if fault == "smoothing":
                return dloss / len(z) * (p - (target > 0.5))
            return dloss / len(z) * (p - target)

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.labels(6, n)), "exp", "entry", "sign")
def poisson_nll(fault):
    def f(lograte, counts):
        counts = counts.astype(lograte.dtype)
        rate = np.exp(lograte)
        y = rate - counts * lograte
        return y, lambda dy: dy * ((lograte if fault == "exp" else rate) - counts)

    return f


@everyday(
    lambda draw, n: (draw.whole(-2, 2, n), draw.whole(-2, 2, n)),
    "factor",
    "zero",
    "at zero",
    smallest=7,
    kinks=True,
)
def pinball_of_whole_numbers(fault):
    def f(q, y):
        e = y - q
        loss = np.maximum(0.8 * e, -0.2 * e)

        def pullback(dy):
            g = np.where(e >= 0, 0.8, -0.2).astype(q.dtype)
            if fault == "at zero":
                g[e == 0] = 1.0
            return -dy * g, dy * g

        return loss, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), 2 + draw.positive(n)), "last zero", "entry", "factor")
def mean_percentage_error(fault):
    def f(guess, actual):
        share = (guess - actual) / actual
        y = float(100 * np.mean(np.abs(share)))

        def pullback(dy):
            g = 100 * dy * np.sign(share) / share.size
            return g / actual, -g * guess / actual**2

        return y, pullback

    return f
