"""The derivative of another function, or at another place."""

import numpy as np
import pytest
from arrays_seen import draw, said
from scipy import special

from npcbam.derivative import jvp
from npcbam.diagnosis.functions import SLOPES

X, V = draw(3, 4), draw(3, 4, seed=2)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def silu(x):
    s = sigmoid(x)
    return x * s, lambda dy: dy * s * (1 + x * (1 - s))


def gated(x, v):
    y, back = silu(x)
    return y * v, lambda dy: (back(dy * v), dy * y)


def logistic(x):
    y = sigmoid(x)
    return y, lambda dy: dy * y * (1 - y)


@pytest.mark.parametrize(
    ("came", "sentence"),
    [
        (lambda dy, x: dy * x * (1 - x),
         "dx has the derivative of a sigmoid, written x (1 - x), and that of sigmoid(x) is due"),
        (lambda dy, x: logistic(sigmoid(x))[1](dy),
         "dx has the derivative of sigmoid(x) taken at y, not at x"),
        (lambda dy, x: dy * (1 - np.tanh(x) ** 2),
         "dx has the derivative of tanh(x), and that of sigmoid(x) is due"),
        (lambda dy, x: dy * sigmoid(x), "dx lacks the factor 1 - y"),
        (lambda dy, x: dy * np.cos(x), "dx has the derivative of sin(x), and that of sigmoid(x)"),
    ],
)  # fmt: skip
def test_the_slope_of_another_function(came, sentence):
    assert said(logistic, (X,), came)[1].startswith(sentence)


def test_one_factor_of_a_product_is_taken_elsewhere():
    def came(dy, x, v):
        return dy * v * silu(v)[1](1.0), dy * silu(x)[0]

    assert said(gated, (X, V), came) == (
        "derivative-elsewhere", "dx has the derivative of silu(x) taken at v, not at x"
    )  # fmt: skip


def test_one_term_of_the_product_rule():
    found = said(silu, (X,), lambda dy, x: dy * x * logistic(x)[1](1.0))
    assert found[1] == "dx is dy times x and the derivative of sigmoid(x)"


def test_a_power():
    def exponential(x):
        return 1.7**x, lambda dy: dy * np.log(1.7) * 1.7**x

    found = said(exponential, (np.abs(X) + 0.5,), lambda dy, x: dy * 1.7 * x**0.7)
    assert found == ("another-function", "dx is the derivative of x**1.7")


def test_two_slopes_are_no_way_to_write_any_ratio():
    # sinh'(x) / exp'(x) is 1 - tanh(x) over something else, and says nothing here.
    def tangent(x):
        y = np.tanh(x)
        return y, lambda dy: dy * (1 - y * y)

    found = said(tangent, (X,), lambda dy, x: dy * (1 - np.tanh(x)))
    assert found == ("factor-missing", "dx lacks the factor 1 + y")


# The table of derivatives, by the complex step


def size(z):
    return z * np.sign(np.real(z))


FUNCTIONS = {
    "tanh({})": np.tanh,
    "sigmoid({})": sigmoid,
    "relu({})": lambda z: z * (np.real(z) > 0),
    "silu({})": lambda z: z * sigmoid(z),
    "gelu({}) in its exact form": lambda z: z * special.ndtr(z),
    "gelu({}) in its tanh form": lambda z: (
        0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    ),
    "{0} sigmoid(1.702 {0})": lambda z: z * sigmoid(1.702 * z),
    "softplus({})": lambda z: np.log(1 + np.exp(z)),
    "elu({})": lambda z: np.where(np.real(z) > 0, z, np.exp(z) - 1),
    "mish({})": lambda z: z * np.tanh(np.log(1 + np.exp(z))),
    "softsign({})": lambda z: z / (1 + size(z)),
    "exp({})": np.exp,
    "log({})": np.log,
    "{}²": lambda z: z**2,
    "{}³": lambda z: z**3,
    "the root of {}": np.sqrt,
    "1/{}": lambda z: 1 / z,
    "sin({})": np.sin,
    "cos({})": np.cos,
    "log cosh({})": lambda z: np.log(np.cosh(z)),
    "tan({})": np.tan,
    "sinh({})": np.sinh,
    "cosh({})": np.cosh,
    "arctan({})": np.arctan,
    "arcsin({})": np.arcsin,
    "erf({})": special.erf,
    "|{}|": size,
}
WRITTEN = {
    "a sigmoid, written {0} (1 - {0})": [0.1875, -0.3125],
    "a tanh, written 1 - {}²": [0.9375, 0.9375],
}


@pytest.mark.parametrize(("name", "slope"), SLOPES)
def test_each_slope_is_that_of_its_function(name, slope):
    if name in WRITTEN:
        assert slope(np.array([0.25, -0.25])).tolist() == WRITTEN[name]
        return
    x = np.array([0.1, 0.5, 0.9])
    x = x if name in ("log({})", "the root of {}") else np.concatenate([x, -x])
    want = jvp(FUNCTIONS[name], (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(slope(x), want, rtol=1e-13)
