"""Pools, activations and gates: by hand, beside the frameworks' own, and on complex numbers."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from npcbam.oracle.rules import functions, spatial
from npcbam.oracle.rules.channel import RULES
from npcbam.oracle.rules.channel_activation import SOFTPLUS, leaky
from npcbam.oracle.rules.functions import POOLS
from npcbam.oracle.rules.rule import Pointwise
from npcbam.slopes import STEP

Z = np.array([-7.0, -3.5, -2.0, -0.5, 0.25, 0.75, 2.0, 3.5, 7.0])
ACTIVATIONS = {
    str(rule.sets["activation"]): rule.sets["activation"]
    for rule in RULES
    if "activation" in rule.sets
} | {"leaky-0.2": leaky(0.2)}
CONSTANTS = {name: f for name, f in vars(functions).items() if isinstance(f, Pointwise)}
SET = [
    f for rule in (*RULES, *spatial.RULES) for f in rule.sets.values() if isinstance(f, Pointwise)
]
# The largest, the smallest and the middle of 2, -4, 1, 5, 0, 8: by hand.
X = np.array([2.0, -4, 1, 5, 0, 8]).reshape(1, 1, 2, 3)
BY_HAND = {
    "avg": 2,
    "max": 8,
    "min": -4,
    "sum": 12,
    "median": 1,
    "median-between": 1.5,
    "absmax": 8,
    "max0": 8,
    # Of 5, 0 and 8, the largest of each column.
    "maxmean": 13 / 3,
    "square": 110 / 6,
    "lp": np.sqrt(110),
    "lse": np.log(np.exp(X).sum()),
    "std": np.sqrt(86 / 5),
    "std-biased": np.sqrt(86 / 6),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools_by_hand(name):
    got = POOLS[name](X, (2, 3))
    assert got.shape == (1, 1, 1, 1)
    np.testing.assert_allclose(got.item(), BY_HAND[name], rtol=1e-15)


def test_pools_of_negative_values():
    assert POOLS["absmax"](-abs(X), (2, 3)).item() == 8
    assert POOLS["max0"](-1 - abs(X), (2, 3)).item() == 0


def test_activations_are_torchs():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    theirs = {
        "none": lambda z: z,
        "leaky-0.2": lambda z: f.leaky_relu(z, 0.2),
        "gelu-tanh": lambda z: f.gelu(z, approximate="tanh"),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    theirs |= {name: getattr(f, name) for name in ACTIVATIONS if hasattr(f, name)} | theirs
    assert len(theirs) > 10
    for name in ACTIVATIONS.keys() & theirs:
        want = theirs[name](torch.tensor(Z)).numpy()
        np.testing.assert_allclose(ACTIVATIONS[name](Z), want, rtol=1e-12, atol=1e-15, err_msg=name)


# What several rules share. What one alone sets is held against its own lines, by `test_channel`
# and `test_spatial`.
BY_HAND_AT_Z = {
    "SIGMOID": expit,
    "NONE": lambda z: z,
    "RELU": lambda z: np.where(z < 0, 0, z),
    "SIGMOID_TWICE": lambda z: expit(expit(z)),
    "TANH": np.tanh,
    "HARD_SIGMOID": lambda z: np.interp(z, [-3, 3], [0, 1]),
    "CLAMP": lambda z: np.interp(z, [0, 1], [0, 1]),
    "SILU": lambda z: z * expit(z),
    "ONE_PLUS": lambda z: 1 + expit(z),
    "ONE_MINUS": lambda z: expit(-z),
    "TWICE": lambda z: 2 * expit(z),
    "CHANNEL_SOFTMAX": lambda z: softmax(z, axis=1),
    "POSITION_SOFTMAX": lambda z: softmax(z, axis=(1, 2)),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_gates_by_hand(name):
    z = Z.reshape(1, -1, 1)
    np.testing.assert_allclose(CONSTANTS[name](z), BY_HAND_AT_Z[name](z), atol=1e-15)


@pytest.mark.parametrize("name", [name for name, f in CONSTANTS.items() if f.inverse])
def test_what_a_gate_gave_is_undone_where_it_is_not_flat(name):
    gate, z, step = CONSTANTS[name], np.array([*Z, -40, 40]), 1e-3
    undone = gate.inverse(gate(z))
    steep = abs(gate(z + step) - gate(z - step)) > 2e-5 * step
    np.testing.assert_allclose(undone, np.where(steep, z, np.nan), rtol=1e-9)


def test_a_softmax_is_over_channels_or_over_positions():
    z = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    over = functions.CHANNEL_SOFTMAX(z), functions.POSITION_SOFTMAX(z[:, :1])
    np.testing.assert_allclose(over[0], softmax(z, axis=1), rtol=1e-12)
    np.testing.assert_allclose(over[1], softmax(z[:, :1], axis=(2, 3)), rtol=1e-12)


@pytest.mark.parametrize("f", dict.fromkeys([*CONSTANTS.values(), *SET, leaky(0.2)]), ids=str)
def test_the_complex_step_is_the_slope(f):
    v = np.array([0.3, -1, 0.7, 1.1, -0.2, 0.5, -0.9, 0.8, 0.4]).reshape(1, -1, 1)
    z, h = Z.reshape(1, -1, 1), 1e-6
    step = f(z + 1j * STEP * v).imag / STEP
    difference = (f(z + h * v) - f(z - h * v)) / (2 * h)
    np.testing.assert_allclose(step, difference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("at", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_softplus_does_not_overflow_and_has_the_slope_of_the_sigmoid(at):
    z = np.array([at])
    np.testing.assert_allclose(SOFTPLUS(z), np.logaddexp(0, z), rtol=1e-15)
    slope = SOFTPLUS(z + 1j * STEP).imag / STEP
    np.testing.assert_allclose(slope, expit(z), rtol=1e-15)
