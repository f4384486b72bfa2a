"""More physics and numerics: roots, integrals, interpolation, spectra, simulations."""

import numpy as np
from everyday.case import everyday
from scipy.optimize import brentq
from scipy.spatial.distance import pdist, squareform


@everyday(
    lambda draw, n: (draw.positive(n), draw.normal(n)),
    "second term",
    "last zero",
    "factor",
    largest=100,
    dtypes=("float64",),
)
def root_by_brentq(fault):
    def f(a, b):
        # a x + x**3 = b has one real root for positive a.
        roots = [
            brentq(lambda x, a=a, b=b: a * x + x**3 - b, -50, 50, xtol=1e-14, rtol=1e-14)
            for a, b in zip(a, b, strict=True)
        ]
        x = np.array(roots)

        def pullback(dx):
            slope = a + (0 if fault == "second term" else 3 * x**2)
            return -dx * x / slope, dx / slope

        return x, pullback

    return f


@everyday(
    lambda draw, n: (draw.uniform(0, 6, n), draw.uniform(0.1, 0.6, n)),
    "one step",
    "last zero",
    "entry",
    largest=1000,
)
def kepler_by_fixed_point(fault):
    def f(mean, e):
        anomaly = mean
        for _ in range(200):
            anomaly = mean + e * np.sin(anomaly)

        def pullback(d):
            below = 1 if fault == "one step" else 1 - e * np.cos(anomaly)
            return d / below, d * np.sin(anomaly) / below

        return anomaly, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n + 1), draw.cast(np.cumsum(draw.positive(n + 1)))),
    "ends",
    "last zero",
    "entry",
)
def trapezoid_rule(fault):
    def f(y, x):
        area = np.trapezoid(y, x)

        def pullback(d):
            width, mean = np.diff(x), (y[1:] + y[:-1]) / 2
            dy, dx = np.zeros_like(y), np.zeros_like(x)
            dy[1:] += width / 2
            dy[:-1] += width / 2
            if fault == "ends":
                dy[[0, -1]] *= 2
            dx[1:] += mean
            dx[:-1] -= mean
            return d * dy, d * dx

        return area, pullback

    return f


def table(draw, n):
    knots = max(n // 2, 3)
    inside = draw.rng.integers(0, knots - 1, max(n // 2, 2)) + draw.rng.uniform(
        0.1, 0.9, max(n // 2, 2)
    )
    return draw.cast(inside), draw.normal(knots)


@everyday(table, "last zero", "last wins", "entry", "flat")
def interpolation_in_a_table(fault):
    def f(x, values):
        y = np.interp(x, np.arange(len(values)), values).astype(x.dtype)

        def pullback(dy):
            i = np.floor(x).astype(int)
            part = x - i.astype(x.dtype)
            dvalues = np.zeros_like(values)
            if fault == "last wins":
                dvalues[i] += dy * (1 - part)
            else:
                np.add.at(dvalues, i, dy * (1 - part))
            np.add.at(dvalues, i + 1, dy * part)
            return 0 * dy if fault == "flat" else dy * (values[i + 1] - values[i]), dvalues

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "folded", "entry", "sign", smallest=7)
def spectrum(fault):
    def f(x):
        z = np.fft.rfft(x)
        power = (z.real**2 + z.imag**2).astype(x.dtype) / len(x)

        def pullback(dy):
            w = 2 * dy * z / len(x)
            full = np.zeros(len(x), complex)
            full[: len(w)] = w
            if fault == "folded":
                return np.fft.irfft(w, len(x)).astype(x.dtype)
            return (np.fft.ifft(full).real * len(x)).astype(x.dtype)

        return power, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.normal(n), 5),
    "last zero",
    "one step",
    "entry",
    largest=1000,
)
def pendulum_by_verlet(fault):
    dt = 0.05

    def f(x, v, steps):
        places = [x]
        for _ in range(steps):
            half = v - 0.5 * dt * np.sin(places[-1])
            places.append(places[-1] + dt * half)
            v = half - 0.5 * dt * np.sin(places[-1])

        def pullback(dy):
            dx, dv = dy
            for t in reversed(range(steps)):
                dx = dx - 0.5 * dt * np.cos(places[t + 1]) * dv
                dv = dv + dt * dx
                dx = dx - 0.5 * dt * np.cos(places[t]) * dv
                if fault == "one step":
                    break
            return dx, dv, None

        return (places[-1], v), pullback

    return f


def charges(draw, n):
    count = max(n // 4, 2)
    edge = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3), -1).reshape(-1, 3)[:count]
    return draw.cast(grid + draw.rng.uniform(-0.2, 0.2, grid.shape)), draw.normal(count)


@everyday(charges, "power", "last zero", "halved", "entry", smallest=7, largest=400)
def coulomb_energy(fault):
    def f(x, q):
        r = squareform(pdist(x)).astype(x.dtype)
        np.fill_diagonal(r, np.inf)
        potential = (q / r).sum(axis=1)
        energy = 0.5 * q @ potential

        def pullback(de):
            cube = r**2 if fault == "power" else r**3
            pairs = q[:, None] * q / cube
            dx = -(pairs[..., None] * (x[:, None] - x)).sum(1)
            return de * dx, de * potential / (2 if fault == "halved" else 1)

        return energy, pullback

    return f


@everyday(lambda draw, n: (draw.normal(max(n // 9, 1), 3, 3),), "centre", "entry", "sign")
def angle_of_three_atoms(fault):
    def f(x):
        a, b = x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]
        na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
        cos = (a * b).sum(1) / (na * nb)
        angle = np.arccos(cos)

        def pullback(d):
            d = (-d / np.sqrt(1 - cos**2))[:, None]
            da = d * (b / (na * nb)[:, None] - (cos / na**2)[:, None] * a)
            db = d * (a / (na * nb)[:, None] - (cos / nb**2)[:, None] * b)
            middle = 0 * da if fault == "centre" else -da - db
            return np.stack([da, middle, db], axis=1)

        return angle, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.uniform(0.05, 0.2, 1)),
    "ends",
    "last zero",
    "entry",
    smallest=3,
)
def heat_equation(fault):
    def f(u, k):
        trace = [u]
        for _ in range(4):
            u = trace[-1]
            trace.append(u + k * (np.roll(u, 1) - 2 * u + np.roll(u, -1)))

        def pullback(dy):
            d, dk = dy, np.zeros_like(k)
            for u in trace[-2::-1]:
                dk += (d * (np.roll(u, 1) - 2 * u + np.roll(u, -1))).sum()
                back = np.roll(d, 1) - 2 * d + np.roll(d, -1)
                if fault == "ends":
                    back[[0, -1]] = 0
                d = d + k * back
            return d, dk

        return trace[-1], pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.positive(1)),
    "explicit",
    "last zero",
    "entry",
    largest=1000,
)
def implicit_euler_by_newton(fault):
    dt = 0.3

    def f(x, k):
        y = x.copy()
        for _ in range(30):
            y = y - (y + dt * k * y**3 - x) / (1 + 3 * dt * k * y**2)

        def pullback(dy):
            at = x if fault == "explicit" else y
            d = dy / (1 + 3 * dt * k * at**2)
            return d, np.sum(-d * dt * y**3, keepdims=True)

        return y, pullback

    return f
