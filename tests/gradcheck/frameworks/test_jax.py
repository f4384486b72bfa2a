"""jax through its own calls: custom rules, compiled functions, trees, in every precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npcbam.gradcheck import WrongGradientError, check_vjp, examine
from npcbam.gradcheck.frameworks import as_vjp

RNG = np.random.default_rng(0)
X, W = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((4, 3), (3, 2)))


def ruled(forward, backward):
    """Return x² w with these rules for its derivative."""

    @jax.custom_vjp
    def f(x, w):
        return x**2 @ w

    f.defvjp(forward, backward)
    return f


def forward(x, w):
    return x**2 @ w, (x, w)


def backward(saved, g):
    x, w = saved
    return 2 * x * (g @ w.T), (x**2).T @ g


def pushed(slope):
    """Return sin with this rule for its forward derivative."""

    @jax.custom_jvp
    def f(x):
        return jnp.sin(x)

    f.defjvp(lambda p, t: (jnp.sin(p[0]), slope(p[0]) * t[0]))
    return f


RULED = ruled(forward, backward)


class Affine:
    """A function that is a tree."""

    def __init__(self, w, b, power):
        self.w, self.b, self.power = w, b, power

    def __call__(self, x):
        return (x @ self.w + self.b) ** self.power


jax.tree_util.register_pytree_with_keys(
    Affine,
    lambda a: ([(jax.tree_util.GetAttrKey(k), getattr(a, k)) for k in ("w", "b")], a.power),
    lambda power, children: Affine(*children, power),
)


# By hand


def test_the_function_of_arrays_by_hand():
    f, args, names = as_vjp(RULED, (X, W))
    assert names == ("x", "w")
    assert [arg.dtype for arg in args] == [np.float32, np.float32]
    y, pullback = f(*args)
    np.testing.assert_allclose(y, X**2 @ W, rtol=1e-6)
    dy = RNG.normal(size=y.shape).astype(np.float32)
    dx, dw = pullback(dy)
    np.testing.assert_allclose(dx, 2 * X * (dy @ W.T), rtol=1e-5)
    np.testing.assert_allclose(dw, (X**2).T @ dy, rtol=1e-5)
    wide = f(*(arg.astype(np.float64) for arg in args))
    assert wide[0].dtype == wide[1](dy.astype(np.float64))[0].dtype == np.float64
    assert not jax.config.jax_enable_x64


# Right, and planted wrong


@pytest.mark.parametrize(
    ("f", "dtype"),
    [(RULED, jnp.float32), (jax.jit(RULED), jnp.float32), (jax.jit(RULED), jnp.bfloat16)],
)
def test_right_rules(f, dtype):
    assert check_vjp(f, X.astype(dtype), W.astype(dtype)).outcome == "right"


def test_arrays_of_numpy_in_float64():
    args = (np.asarray(X, np.float64), np.asarray(W, np.float64))
    assert check_vjp(jax.jit(RULED), *args).outcome == "right"


RIGHT = {
    "forward mode": (pushed(jnp.cos), (X,), ["x"]),
    "trees": (
        jax.jit(lambda p, x: jnp.tanh(x @ p["w"][0]) * p["b"]),
        ({"w": [W], "b": W[0]}, X),
        ["p.b", "p.w.0", "x"],
    ),
    "a function that is a tree": (Affine(W, W[0], 2), (X,), ["x", "params.w", "params.b"]),
    "whole numbers": (jax.jit(lambda x, i: x[i]), (X, jnp.array([0, 1, 1])), ["x"]),
    "two results": (lambda x: {"y": x**2, "z": [jnp.sum(x)]}, (X,), ["x"]),
    "nothing and a number": (lambda x, w, n: x**n, (X, None, 2), ["x"]),
    "by hand": (lambda x: (x**2, lambda dy: 2 * x * dy), (X,), ["x"]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, args, leaves = RIGHT[name]
    report = check_vjp(f, *args)
    assert report.outcome == "right"
    assert [leaf.leaf for leaf in report.leaves] == leaves


WRONG = {
    "backward": (ruled(forward, lambda s, g: (backward(s, g)[0], s[0].T @ g)), (X, W), "dw"),
    "forward mode": (pushed(jnp.sin), (X,), "dx"),
    "by hand": (lambda x, w: (x @ w, lambda dy: (dy @ w.T, 2 * x.T @ dy)), (X, W), "dw"),
    "the rule's own y": (
        ruled(lambda x, w: (x**2 @ w + 1, (x, w)), backward),
        (X, W),
        "gives another y than the function itself",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    f, args, said = WRONG[name]
    with pytest.raises(WrongGradientError, match=said):
        check_vjp(f, *args)


def test_whole_numbers_among_the_results():
    f, args, _ = as_vjp(lambda x, i: (x[i], i), (X, jnp.array([0, 1, 1])))
    y, pullback = f(*args)
    dx, di = pullback({"0": np.ones((3, 3), np.float32), "1": np.zeros(3)})
    assert y["1"].dtype.kind == "i"
    assert di is None
    np.testing.assert_array_equal(dx[:, 0], [1, 2, 0, 0])


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0)])
def test_draws_that_are_others_in_float64(key):
    def f(x, key):
        return x * jax.random.bernoulli(key, 0.5, x.shape)

    assert check_vjp(f, X, key).outcome == "right"


def test_a_device():
    f, args, _ = as_vjp(RULED, (X, W), device="cpu")
    np.testing.assert_allclose(f(*args)[0], X**2 @ W, rtol=1e-6)


# Errors


def test_complex_numbers_are_refused():
    f, args, _ = as_vjp(RULED, (X, W))
    with pytest.raises(TypeError, match="expected real numbers, got complex ones"):
        f(*(arg.astype(complex) for arg in args))


def test_a_function_of_jax_that_gets_arrays_of_numpy_is_told():
    report = examine(lambda x: jnp.sin(x), np.ones(3))
    assert (report.outcome, report.code) == ("wrong", "structure")
