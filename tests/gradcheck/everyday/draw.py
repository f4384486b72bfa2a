"""Random arguments of the kinds that everyday functions are called with."""

import numpy as np


class Draw:
    """Draws arrays of one dtype from one seed."""

    def __init__(self, seed, size, dtype):
        self.rng = np.random.default_rng([seed, size])
        self.dtype = np.dtype(dtype)

    def cast(self, x):
        return np.ascontiguousarray(x, self.dtype)

    def normal(self, *shape, scale=1.0):
        return self.cast(scale * self.rng.normal(size=shape))

    def uniform(self, low, high, *shape):
        return self.cast(self.rng.uniform(low, high, size=shape))

    def positive(self, *shape):
        """Return sizes around 1, from some 0.2 to 5."""
        return self.cast(np.exp(0.6 * self.rng.normal(size=shape)))

    def wide(self, *shape, low=-3, high=6):
        """Return positive numbers of widely different sizes."""
        return self.cast(10 ** self.rng.uniform(low, high, size=shape))

    def whole(self, low, high, *shape):
        """Return whole numbers as floats, low and high among them: exact zeros and ties."""
        return self.cast(self.rng.integers(low, high + 1, size=shape))

    def distinct(self, *shape):
        """Return numbers of which no two are nearer than 0.01: no ties, also in float32."""
        count = int(np.prod(shape))
        return self.cast((0.02 * self.rng.permutation(count) - 0.01 * count).reshape(shape))

    def labels(self, classes, *shape):
        return self.rng.integers(0, classes, size=shape)

    def signs(self, *shape):
        """Return integers -1 and 1."""
        return 2 * self.rng.integers(0, 2, size=shape) - 1

    def mask(self, *shape, kept=0.7):
        return self.rng.random(shape) < kept

    def simplex(self, *shape):
        """Return probabilities along the last axis."""
        p = self.rng.gamma(2.0, size=shape) + 0.05
        return self.cast(p / p.sum(-1, keepdims=True))

    def spd(self, n):
        """Return a symmetric positive definite matrix with eigenvalues well apart from 0."""
        a = self.rng.normal(size=(n, n)) / np.sqrt(n)
        a = self.cast(a @ a.T + np.diag(1 + np.arange(n) / n))
        return np.tril(a) + np.tril(a, -1).T

    def square(self, n):
        """Return a well conditioned matrix without symmetry."""
        return self.cast(self.rng.normal(size=(n, n)) / np.sqrt(n) + 2 * np.eye(n))


def rows(n, width=0):
    """Return a shape (rows, columns) of about n entries, not square where n allows it."""
    columns = min(n, width) if width else max(int(np.sqrt(n)) - 1, 1)
    return max(n // columns, 1), columns


def side(n):
    """Return the side of a square of at most n entries."""
    return max(int(np.sqrt(n)), 1)
