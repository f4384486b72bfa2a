"""Weights of every kind that the rules know, and the input that tells them apart."""

import numpy as np

from npcbam.oracle.probing.inputs import telling
from npcbam.oracle.rules.channel import CHANNEL_PAPER, channel_map
from npcbam.oracle.rules.rule import counted
from npcbam.oracle.rules.spatial import SPATIAL_PAPER, spatial_map

C, HIDDEN = 16, 4
RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.choice([-1, 1], shape) * RNG.uniform(0.5, 1.5, shape) / np.sqrt(shape[-1])


def awake(w0):
    return w0 * np.where(w0.sum(1, keepdims=True) < 0, -1, 1)


SHARED = {"w0": awake(draw(HIDDEN, C)), "w1": draw(C, HIDDEN)}
MLPS = {
    "shared": SHARED,
    "shared, biases": SHARED | {"b0": draw(HIDDEN), "b1": draw(C)},
    "separate": SHARED | {"w0'": awake(draw(HIDDEN, C)), "w1'": draw(C, HIDDEN)},
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
NO_EPS = ("spatial-eps 1e-12", "spatial-no-eps")


def fits(rule, weights):
    """Tell whether a rule of a gate takes these weights, and all of them."""
    if rule.stage == "channel":
        kind = rule.sets.get("mlps", "shared").replace("swapped", "separate")
        has = {key for key in weights if key.rstrip("'") in ("w0", "w1")}
        asked = {"none": (), "single": ("w0",), "shared": ("w0", "w1")}
        asked |= {"separate": ("w0", "w1", "w0'", "w1'")}
        return has == set(asked[kind]) and ("b1" not in rule.sets or "b1" in weights)
    planes = len(rule.sets.get("pools", ("avg", "max")))
    own = str(rule.sets.get("norm", "")).startswith(("batch", "sample"))
    norm = own or not {"norm", "eps"} & rule.sets.keys() or "mean" in weights
    return planes == weights["k"].shape[1] and norm


def ways(rules):
    """Yield each rule that says how a gate is computed, its name, and its numbers one by one."""
    several = counted(rules)
    codes = [rule.code for rule in several]
    for rule in several:
        if rule.sets or rule.status == "faithful":
            numbers = "" if codes.count(rule.code) == 1 else f" {next(iter(rule.sets.values()))}"
            yield rule.code + numbers, rule


def outputs(rules, weights, x=X):
    """Return the map of every rule that these weights allow, by its name."""
    stage = rules[0].stage
    paper, made = {
        "channel": (CHANNEL_PAPER, channel_map),
        "spatial": (SPATIAL_PAPER, spatial_map),
    }[stage]
    return {
        name: made({**paper, **rule.sets}, weights, x)
        for name, rule in ways(rules)
        if fits(rule, weights)
    }
