"""Indices, orders and choices: embeddings, scatter, sort, top k, medians, where."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def words(draw, n):
    table = draw.normal(max(n // 4, 2), 4)
    return table, np.append(draw.labels(len(table), max(n // 4, 3)), [0, 0])


@everyday(words, "last wins", "zero", "entry")
def embedding_with_repeats(fault):
    def f(table, index):
        def pullback(dy):
            dtable = np.zeros_like(table)
            if fault == "last wins":
                dtable[index] += dy
            else:
                np.add.at(dtable, index, dy)
            return dtable

        return table[index], pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.labels(max(n // 3, 1), n)), "entry", "roll", "factor"
)
def scatter_add(fault):
    def f(x, index):
        y = np.zeros(index.max() + 1, x.dtype)
        np.add.at(y, index, x)
        return y, lambda dy: dy[index]

    return f


@everyday(
    lambda draw, n: (draw.normal(*rows(n, 5)), draw.labels(rows(n, 5)[1], rows(n, 5)[0])),
    "column",
    "zero",
)
def gather_from_rows(fault):
    def f(x, column):
        row = np.arange(len(x))

        def pullback(dy):
            dx = np.zeros_like(x)
            dx[row, 0 * column if fault == "column" else column] = dy
            return dx

        return x[row, column], pullback

    return f


@everyday(lambda draw, n: (draw.distinct(n),), "not inverted", "zero", "reversed", "wrong shape")
def sort(fault):
    def f(x):
        order = np.argsort(x)

        def pullback(dy):
            dx = np.empty_like(dy)
            dx[order] = dy
            if fault == "not inverted":
                return dy[order]
            return dx[::-1].copy() if fault == "reversed" else dx

        return x[order], pullback

    return f


def twice(draw, n):
    return (draw.cast(draw.rng.permutation(np.arange(n) // 2)),)


@everyday(twice, "factor", "not inverted", kinks=True, smallest=7, largest=1000)
def sort_with_ties(fault):
    def f(x):
        order = np.argsort(x, kind="stable")

        def pullback(dy):
            dx = np.empty_like(dy)
            dx[order] = dy
            return dy[order] if fault == "not inverted" else dx

        return x[order], pullback

    return f


@everyday(lambda draw, n: (draw.distinct(n), 3), "one short", "zero", "roll", smallest=7)
def top_k_with_indices(fault):
    def f(x, k):
        index = np.argsort(-x)[:k]

        def pullback(dy):
            dx = np.zeros_like(x)
            chosen = index[:-1] if fault == "one short" else index
            dx[chosen] = dy[0][: len(chosen)]
            return dx

        return (x[index], index), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "direction", "off by one", "entry", "zero")
def cumulative_sum(fault):
    def f(x):
        def pullback(dy):
            back = np.cumsum(dy[::-1])[::-1]
            if fault == "direction":
                return np.cumsum(dy)
            return back - dy if fault == "off by one" else back

        return np.cumsum(x), pullback

    return f


@everyday(lambda draw, n: (draw.distinct(*rows(n, 7)),), "mean", "zero", "neighbour")
def median_of_rows(fault):
    def f(x):
        y = np.median(x, axis=1)

        def pullback(dy):
            c = x.shape[1]
            order = np.argsort(x, axis=1)
            middle = order[:, (c - 1) // 2], order[:, c // 2]
            if fault == "neighbour":
                middle = order[:, 0], order[:, 0]
            dx = np.zeros_like(x)
            for index in middle:
                dx[np.arange(len(x)), index] += dy / 2
            return np.ones_like(x) * dy[:, None] / c if fault == "mean" else dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.mask(n, kept=0.5), draw.normal(n), draw.normal(n)), "swapped", "last zero"
)
def where_of_two(fault):
    def f(condition, a, b):
        def pullback(dy):
            da, db = np.where(condition, dy, 0), np.where(condition, 0, dy)
            return (db, da) if fault == "swapped" else (da, db)

        return np.where(condition, a, b), pullback

    return f


@everyday(
    lambda draw, n: (draw.whole(-1, 1, n), draw.whole(-1, 1, n)),
    "both take it",
    "factor",
    kinks=True,
)
def maximum_of_two_with_ties(fault):
    def f(a, b):
        def pullback(dy):
            if fault == "both take it":
                return dy * (a >= b), dy * (b >= a)
            return dy * (a >= b), dy * (b > a)

        return np.maximum(a, b), pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n)), None, "rows"), "axis", "factor", "zero")
def transposed_and_summed(fault):
    def f(x, mask, mode):
        y = x.T if mask is None else (x * mask).T
        total = y.sum(axis=0) if mode == "rows" else y.sum(axis=1)

        def pullback(dy):
            if fault == "axis":
                return np.broadcast_to(dy.mean(), x.shape).copy(), None, None
            # A view that is not contiguous, as broadcasting leaves it.
            return np.broadcast_to(dy[:, None], x.shape), None, None

        return total, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n), draw.mask(n)), "kept", "entry", "scale")
def dropout_of_a_given_mask(fault):
    def f(x, kept):
        y = x * kept / 0.7

        def pullback(dy):
            if fault == "kept":
                return dy / 0.7
            return dy * kept if fault == "scale" else dy * kept / 0.7

        return y.astype(x.dtype), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "zero", "factor", truth="cannot tell", smallest=100)
def dropout_of_a_new_mask(fault):
    def f(x):
        kept = np.random.rand(*x.shape) < 0.5  # noqa: NPY002
        return x * kept * 2, lambda dy: dy * kept * 2

    return f


@everyday(
    lambda draw, n: (draw.normal(n),), "zero", "factor", "kept", smallest=7,
    before=lambda: np.random.seed(0),  # noqa: NPY002
)  # fmt: skip
def dropout_that_is_reseeded(fault):
    def f(x):
        kept = np.random.rand(*x.shape) < 0.5  # noqa: NPY002
        return x * kept * 2, lambda dy: dy * 2 if fault == "kept" else dy * kept * 2

    return f
