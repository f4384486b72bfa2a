"""jvp, hvp and jacobian."""

import numpy as np
import pytest
from helpers import assert_raises

from npcbam import CBAM, tree
from npcbam.derivative import hvp, jacobian, jvp

ONE, TWO = np.ones(1), np.ones(2)


def cube_vjp(x):
    return (x**3).sum(keepdims=True), lambda dy: dy * 3 * x**2


# By hand


def test_jvp_by_hand():
    y, dy = jvp(
        lambda x, w: x * w, (np.array([2.0]), np.array([3.0])), (np.array([1.0]), np.array([10.0]))
    )
    assert (y, dy) == (np.array([6.0]), np.array([23.0]))


def test_jvp_takes_a_function_with_its_pullback():
    y, dy = jvp(cube_vjp, (np.array([2.0, 1.0]),), (np.array([1.0, 1.0]),))
    assert (y, dy) == (np.array([9.0]), np.array([15.0]))


def test_hvp_by_hand():
    np.testing.assert_array_equal(
        hvp(cube_vjp, np.array([1.0, 2.0]), np.array([1.0, 10.0])), [6.0, 120.0]
    )


def square_vjp(x):
    return x**2, lambda dy: 2 * x * dy


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_every_real_dtype(dtype):
    x, v = np.array([1.0, 2.0], dtype), np.array([1.0, 10.0], dtype)
    np.testing.assert_array_equal(jvp(square_vjp, (x,), (v,))[1], [2.0, 40.0])
    np.testing.assert_array_equal(hvp(cube_vjp, x, v), [6.0, 120.0])
    np.testing.assert_array_equal(jacobian(square_vjp, x), [[2.0, 0.0], [0.0, 4.0]])


def test_hvp_of_a_scalar_needs_no_cotangent():
    def f(x):
        return (x**3).sum(), lambda dy: dy * 3 * x**2

    np.testing.assert_array_equal(hvp(f, np.array([1.0, 2.0]), np.array([1.0, 1.0])), [6.0, 12.0])


def test_hvp_with_a_cotangent():
    found = hvp(square_vjp, np.array([1.0, 2.0]), np.array([1.0, 1.0]), dy=np.array([3.0, 5.0]))
    np.testing.assert_array_equal(found, [6.0, 10.0])


def test_jacobian_by_hand():
    found = jacobian(lambda x: np.stack([x[0] * x[1], x[0] + x[1]]), np.array([2.0, 5.0]))
    np.testing.assert_array_equal(found, [[5.0, 2.0], [1.0, 1.0]])


def test_jacobian_of_a_layer_is_named():
    cbam = CBAM.init(0, 4, 2, 3)
    x = np.random.default_rng(0).normal(size=(1, 4, 2, 3))
    found = jacobian(lambda layer: layer(x.astype(np.complex128)), cbam)
    assert found["channel.mlp.w0"].shape == (1, 4, 2, 3, 2, 4)
    dy = np.random.default_rng(1).normal(size=x.shape)
    dcbam, _ = cbam.vjp(x)[1](dy)
    for name, leaf in tree.leaves(dcbam):
        np.testing.assert_allclose(np.tensordot(dy, found[name], axes=4), leaf, atol=1e-14)


def test_jacobian_at_nothing():
    assert jacobian(np.sin, np.zeros((0,))).shape == (0, 0)
    assert jacobian(lambda x: np.ones(2), np.zeros((0,))).shape == (2, 0)


def test_jacobian_of_one_element():
    np.testing.assert_array_equal(jacobian(square_vjp, np.array([3.0])), [[6.0]])


# Laws


def test_jvp_and_pullback_are_adjoint():
    rng = np.random.default_rng(2)
    cbam = tree.map(lambda a: a + 0.1, CBAM.init(0, 4, 2, 3, "official"))
    x, v, dy = rng.normal(size=(3, 2, 4, 3, 5))
    dlayer = tree.map(lambda a: rng.normal(size=a.shape), cbam)
    _, moved = jvp(CBAM.vjp, (cbam, x), (dlayer, v))
    dcbam, dx = cbam.vjp(x)[1](dy)
    pairs = zip(tree.leaves(dcbam), tree.leaves(dlayer), strict=True)
    back = sum((a * b).sum() for (_, a), (_, b) in pairs) + (dx * v).sum()
    assert (moved * dy).sum() == pytest.approx(back, rel=1e-13)


def test_the_hessian_is_symmetric():
    rng = np.random.default_rng(3)
    cbam = CBAM.init(0, 4, 2, 3, "paper_biased")
    x, u, v, dy = rng.normal(size=(4, 1, 4, 3, 5))
    lifted = tree.map(lambda leaf: leaf.astype(np.complex128), cbam)
    left = (u * hvp(lifted.vjp, x, v, dy)[1]).sum()
    right = (v * hvp(lifted.vjp, x, u, dy)[1]).sum()
    assert left == pytest.approx(right, rel=1e-12)


def test_a_tie_gives_the_one_sided_derivative():
    x = np.array([1.0, 1.0])
    assert jvp(np.max, (x,), (np.array([2.0, 1.0]),))[1] == 2.0
    assert jvp(np.max, (x,), (np.array([-2.0, -1.0]),))[1] == -1.0


def test_a_tie_of_products_with_zero_is_decided_by_the_imaginary_part():
    x, gate = np.array([0.0, 0.0]), np.array([0.5, 0.7])
    found = jvp(
        lambda g, x: np.max(g * x), (gate, x), (np.array([1.0, -1.0]), np.array([2.0, 1.0]))
    )
    assert found[1] == 1.0


# Errors

SUPPORTED = "expected dtype float32, float64, longdouble or complex128, got int64"
CAST = "astype('longdouble') is exact"
DROPPED = (
    "f: expected a complex result for complex arguments, got float64; "
    "somewhere f drops the imaginary part"
)
WHOLE = np.array([1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: jvp(np.sin, (WHOLE,), (ONE,)),
            TypeError,
            f"primals.0: {SUPPORTED}; primals.0.{CAST}",
        ),
        (
            lambda: jvp(np.sin, (ONE,), (1j * ONE,)),
            TypeError,
            "tangents.0: expected a real dtype, got complex128",
        ),
        (
            lambda: jvp(np.sin, (TWO,), (np.ones(3),)),
            ValueError,
            "tangent: expected shape (2,), got (3,)",
        ),
        (lambda: jvp(np.abs, (TWO,), (TWO,)), ValueError, DROPPED),
        (
            lambda: jvp(np.sin, TWO, TWO),
            TypeError,
            "primals: expected a tuple of arguments, got ndarray",
        ),
        (
            lambda: jvp(np.sin, (TWO,), [TWO]),
            TypeError,
            "tangents: expected a tuple of arguments, got list",
        ),
        (lambda: hvp(cube_vjp, WHOLE, ONE), TypeError, f"x: {SUPPORTED}; x.{CAST}"),
        (lambda: hvp(cube_vjp, ONE, WHOLE), TypeError, f"v: {SUPPORTED}; v.{CAST}"),
        (
            lambda: hvp(lambda x: (x, lambda d: d), TWO, TWO),
            ValueError,
            "dy: expected a cotangent, because y has more than one element",
        ),
        *[
            (
                lambda result=result: hvp(lambda x: result, ONE, ONE),
                ValueError,
                f"f: expected it to return (y, pullback), got {type(result).__name__}",
            )
            for result in [ONE, (ONE, 3), (ONE, len, 3), (ONE,), [ONE, len]]
        ],
        (
            lambda: hvp(square_vjp, TWO, TWO, np.ones(3)),
            ValueError,
            "dy: expected shape (2,), got (3,)",
        ),
        (
            lambda: jacobian(lambda x: [x, x], TWO),
            ValueError,
            "f: expected it to return one array",
        ),
        (
            lambda: jacobian(np.sin, 3.0),
            TypeError,
            "x: expected a NumPy array or a layer, got float",
        ),
        (lambda: jacobian(np.abs, TWO), ValueError, DROPPED),
    ],
)
def test_bad_input(call, error, message):
    assert_raises(error, message, call)
