"""More choices: quantiles, trimmed means, groups, bins, triangles, modes by name."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows, side


@everyday(lambda draw, n: (draw.distinct(n),), "weight", "zero", "nearest", smallest=3)
def linear_quantile(fault):
    def f(x, q=0.3):
        y = np.quantile(x, q).astype(x.dtype)

        def pullback(dy):
            order = np.argsort(x)
            place = q * (len(x) - 1)
            low, part = int(place), place - int(place)
            if fault == "nearest":
                part = 0
            if fault == "weight":
                part = 1 - part
            dx = np.zeros_like(x)
            dx[order[low]] += (1 - part) * dy
            dx[order[low + 1]] += part * dy
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(n),), "untrimmed", "entry", "factor", smallest=7)
def trimmed_mean_between_percentiles(fault):
    def f(x):
        low, high = np.percentile(x, [23, 77])
        kept = (x > low) & (x < high)

        def pullback(dy):
            if fault == "untrimmed":
                return np.full_like(x, dy / len(x))
            return dy * kept.astype(x.dtype) / x.dtype.type(kept.sum())

        return x[kept].mean(), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.labels(4, n), 4), "last wins", "counts", "entry")
def mean_by_groups(fault):
    def f(x, group, groups):
        count = np.maximum(np.bincount(group, minlength=groups), 1).astype(x.dtype)
        y = np.bincount(group, weights=x, minlength=groups).astype(x.dtype) / count

        def pullback(dy):
            dx = dy[group] if fault == "counts" else (dy / count)[group]
            if fault == "last wins":
                last = np.zeros(len(x), bool)
                last[[np.flatnonzero(group == g)[-1] for g in np.unique(group)]] = True
                dx = dx * last
            return dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.distinct(n), draw.labels(max(n // 5, 1), n)),
    "all take it",
    "zero",
    "roll",
)
def largest_of_segments(fault):
    def f(x, segment):
        y = np.full(segment.max() + 1, -1e30, x.dtype)
        np.maximum.at(y, segment, x)

        def pullback(dy):
            hit = np.ones(len(x), bool) if fault == "all take it" else x == y[segment]
            return np.where(hit, dy[segment], 0)

        return np.where(y > -1e29, y, 0), pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 7)),), "roll back", "entry", "factor")
def rolled_and_flipped(fault):
    def f(x):
        y = np.flip(np.roll(x, 2, axis=1), axis=0)

        def pullback(dy):
            return np.roll(dy[::-1], 2 if fault == "roll back" else -2, axis=1)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(side(n), side(n)),), "diagonal", "entry", "zero")
def upper_triangle(fault):
    def f(x):
        i, j = np.triu_indices(len(x))

        def pullback(dy):
            dx = np.zeros_like(x)
            dx[i, j] = 2 * dy * x[i, j]
            if fault == "diagonal":
                np.fill_diagonal(dx, 0)
            return dx

        return x[i, j] ** 2, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "all", "zero", "entry")
def sum_of_positive_entries(fault):
    def f(x):
        return x[x > 0].sum(), lambda dy: dy * (np.ones_like(x) if fault == "all" else (x > 0))

    return f


@everyday(lambda draw, n: (draw.distinct(n),), "unranked", "entry", "sign", smallest=2)
def rank_weighted_sum(fault):
    def f(x):
        rank = np.empty(len(x), np.int64)
        rank[np.argsort(x)] = np.arange(len(x))
        weight = (1 / (1 + rank)).astype(x.dtype)

        def pullback(dy):
            return dy * (np.sort(weight)[::-1] if fault == "unranked" else weight)

        return weight @ x, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.normal(n), "mean"), "sum", "entry", "last zero")
def distance_with_a_reduction(fault):
    def f(a, b, reduction):
        d = (a - b) ** 2
        y = {"none": d, "sum": d.sum(), "mean": d.mean()}[reduction]

        def pullback(dy):
            part = 1 / d.size if reduction == "mean" and fault != "sum" else 1
            da = 2 * (a - b) * dy * part
            return da, -da, None

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), 7), "kept", "entry", "scale", smallest=7)
def dropout_from_a_seed(fault):
    def f(x, seed):
        kept = np.random.default_rng(seed).random(x.shape) < 0.8
        scale = np.where(kept, 1 / 0.8, 0).astype(x.dtype)

        def pullback(dy):
            return dy / 0.8 if fault == "kept" else dy * (kept if fault == "scale" else scale)

        return x * scale, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "factor", truth="cannot tell", smallest=7)
def noise_of_a_generator_of_its_own(fault):
    rng = np.random.default_rng()

    def f(x):
        return x * (1 + 0.1 * rng.normal(size=x.shape).astype(x.dtype)), lambda dy: dy

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.labels(n, n // 2 + 1)), "last wins", "sign", "entry"
)
def accumulation_in_a_loop(fault):
    def f(x, index):
        y = x.copy()
        for k in index:
            y[k] = y[k] + x[-1]

        def pullback(dy):
            dx = dy.copy()
            for k in set(index.tolist()) if fault == "last wins" else index:
                dx[-1] += dy[k]
            return dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: ([draw.normal(n), draw.normal(2, n)], {"axis": 0}),
    "swapped",
    "last zero",
    "entry",
)
def parts_joined_along_an_axis(fault):
    def f(parts, options):
        a, b = parts
        y = np.concatenate([a[None], b, a[None] * b[:1]], axis=options["axis"])

        def pullback(dy):
            da = dy[0] + dy[3] * (a if fault == "swapped" else b[0])
            db = dy[1:3].copy()
            db[0] += dy[3] * a
            return [da, db], None

        return y, pullback

    return f
