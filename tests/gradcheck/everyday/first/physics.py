"""Distances, energies and steps of differential equations."""

import numpy as np
from everyday.case import everyday


def particles(draw, n):
    """Return points on a jittered grid, none near another."""
    count = max(n // 3, 2)
    edge = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3), -1).reshape(-1, 3)[:count]
    return (draw.cast(1.2 * grid + draw.rng.uniform(-0.15, 0.15, grid.shape)),)


@everyday(particles, "one side", "entry", "square", smallest=7, largest=300)
def pairwise_distances(fault):
    def f(x):
        i, j = np.triu_indices(len(x), 1)
        difference = x[i] - x[j]
        d = np.sqrt((difference**2).sum(-1))

        def pullback(dy):
            unit = difference if fault == "square" else difference / d[:, None]
            force = dy[:, None] * unit
            dx = np.zeros_like(x)
            np.add.at(dx, i, force)
            if fault != "one side":
                np.add.at(dx, j, -force)
            return dx

        return d, pullback

    return f


@everyday(particles, "power", "sign", "entry", smallest=7, largest=300)
def lennard_jones(fault):
    def f(x):
        energy = 0.0
        for i in range(len(x)):
            for j in range(i):
                s = 1 / ((x[i] - x[j]) ** 2).sum() ** 3
                energy += 4 * (s**2 - s)

        def pullback(denergy):
            dx = np.zeros_like(x)
            for i in range(len(x)):
                for j in range(i):
                    r = x[i] - x[j]
                    r2 = (r**2).sum()
                    s = 1 / r2**3
                    slope = -24 * ((1 if fault == "power" else 2) * s**2 - s) / r2
                    dx[i] += denergy * slope * r
                    dx[j] -= denergy * slope * r
            return dx

        return energy, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n + 1), draw.positive(n)), "rest", "last zero", "entry", "end"
)
def chain_of_springs(fault):
    rest = 0.5

    def f(x, stiffness):
        stretch = x[1:] - x[:-1] - rest
        energy = 0.5 * np.sum(stiffness * stretch**2)

        def pullback(de):
            pull = stiffness * (stretch + rest if fault == "rest" else stretch)
            dx = np.zeros_like(x)
            dx[1:] += pull
            dx[:-1] -= pull
            if fault == "end":
                dx[0] = 0
            return de * dx, de * 0.5 * stretch**2

        return energy, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.uniform(0.5, 2, 1)), "weights", "last zero", "entry"
)
def runge_kutta_step(fault):
    dt = 0.1

    def f(x, k):
        slope = lambda x: -k * np.sin(x)  # noqa: E731
        stages = [x]
        ks = [slope(x)]
        for part in (0.5, 0.5, 1.0):
            stages.append(x + part * dt * ks[-1])
            ks.append(slope(stages[-1]))
        y = x + dt / 6 * (ks[0] + 2 * ks[1] + 2 * ks[2] + ks[3])

        def pullback(dy):
            dx, dk = dy.copy(), np.zeros_like(k)
            weights = (1, 1, 1, 1) if fault == "weights" else (1, 2, 2, 1)
            later = np.zeros_like(dy)
            for s, part, weight in zip(
                (3, 2, 1, 0), (1.0, 0.5, 0.5, 0), weights[::-1], strict=True
            ):
                d = dt / 6 * weight * dy + later
                dk += (d * -np.sin(stages[s])).sum()
                d = d * -k * np.cos(stages[s])
                dx = dx + d
                later = part * dt * d
            return dx, dk

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.wide(n),), "factor", "entry", "zero", domain="positive")
def square_root_of_wide_sizes(fault):
    def f(x):
        y = np.sqrt(x)
        return y, lambda dy: dy / (2 * y)

    return f


@everyday(
    lambda draw, n: (1e6 * draw.normal(n), 1e-3 * draw.positive(max(n // 2, 1))),
    "last zero",
    "entry",
)
def large_beside_small(fault):
    def f(a, b):
        y = (a**2).sum() / 1e6 + np.log(b).sum()
        return y, lambda dy: (dy * 2 * a / 1e6, dy / b)

    return f
