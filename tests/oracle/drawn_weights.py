"""Weights of every kind that the tables know, and the input that tells their rows apart."""

import numpy as np

from npcbam.oracle.probing.inputs import telling
from npcbam.oracle.probing.weights import awake

C, HIDDEN = 16, 4
RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.choice([-1, 1], shape) * RNG.uniform(0.5, 1.5, shape) / np.sqrt(shape[-1])


SHARED = awake({"w0": draw(HIDDEN, C), "w1": draw(C, HIDDEN)})
MLPS = {
    "shared": SHARED,
    "shared, biases": SHARED | {"b0": draw(HIDDEN), "b1": draw(C)},
    "separate": SHARED | awake({"w0'": draw(HIDDEN, C), "w1'": draw(C, HIDDEN)}),
    "single": {"w0": draw(C, C)},
    "none": {},
}
NORM = {key: np.array([value]) for key, value in
        {"gamma": 1.3, "beta": -0.4, "mean": 0.6, "var": 0.8}.items()}  # fmt: skip
KERNELS = {
    "two planes": {"k": draw(1, 2, 7, 7)},
    "two planes, norm": {"k": draw(1, 2, 7, 7), "kb": draw(1)} | NORM,
    "one plane": {"k": draw(1, 1, 7, 7)} | NORM,
}
X = telling(RNG, C, 6, 5)


# The same function but where the variance is 0: there one is finite, and the other is not.
NO_EPS = {"spatial-eps", "spatial-no-eps"}


def outputs(stage, weights):
    """Return the map of every rule of a stage that these weights allow, with its code."""
    ways = [way for way in stage.singly() if way.fits(weights)]
    return [(way.rules[0].code, stage.map(way.axes, weights, X)) for way in ways]


def weights_for(way):
    """Return weights that a way can be computed with."""
    for mlps in MLPS.values():
        for kernel in KERNELS.values():
            if way.fits(mlps | kernel):
                return mlps | kernel
    raise AssertionError(way.rules)
