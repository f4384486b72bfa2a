"""The whole engine: known mistakes get their names, and nothing else gets one."""

import numpy as np
import pytest
from arrays_seen import draw, said, seen
from hypothesis import given, settings
from hypothesis import strategies as st

from npcbam.diagnosis import Diagnosis, Wrong, diagnose, diagnose_all

X, W, B = draw(5, 4), draw(4, 3, seed=2), draw(3, seed=3)
S, A = draw(4, 4, seed=4), draw(3, 4, seed=5)


def linear(x, w, b):
    return x @ w + b, lambda dy: (dy @ w.T, x.T @ dy, dy.sum(0))


def square(x, w):
    return x @ w, lambda dy: (dy @ w.T, x.T @ dy)


def relu(x):
    return np.maximum(x, 0), lambda dy: dy * (x > 0)


def sine(x):
    return np.sin(x), lambda dy: dy * np.cos(x)


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda dy: p * (dy - (p * dy).sum(-1, keepdims=True))


def norm(x):
    r = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = (x - x.mean(-1, keepdims=True)) * r

    def back(dy):
        return r * (dy - dy.mean(-1, keepdims=True) - h * (dy * h).mean(-1, keepdims=True))

    return h, back


def gather(x):
    index = np.array([0, 2, 2, 1, 2, 0])

    def back(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, index, dy)
        return dx

    return x[index], back


def gather_wrong(dy, x):
    dx = np.zeros_like(x)
    dx[[0, 2, 2, 1, 2, 0]] = dy
    return dx


def sort(x):
    at = x.argsort()
    back = np.empty(x.size, dtype=int)
    back[at] = np.arange(x.size)
    return x[at], lambda dy: dy[back]


def two(x):
    return (np.sin(x), x**2), lambda dy: dy[0] * np.cos(x) + dy[1] * 2 * x


def gram(x):
    return x @ x.T, lambda dy: (dy + dy.T) @ x


def running(x):
    return np.cumsum(x, 0), lambda dy: np.cumsum(dy[::-1], 0)[::-1]


def pooled(x):
    return x.reshape(3, 4).max(1), lambda dy: (_hits(x) * dy[:, None]).reshape(-1)


def _hits(x):
    rows = x.reshape(3, 4)
    hit = rows == rows.max(1, keepdims=True)
    return hit / hit.sum(1, keepdims=True)


TIED = np.array([1.0, 3, 3, 0, 2, 1, 0, 2, 5, 4, 3, 2])

EVERYDAY = [
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy, dy.mean(0)),
     "factor", "db is 0.2 times what it should be (1/N for N = 5, the length of axis 0 of dy"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, -x.T @ dy, dy.sum(0)),
     "sign", "dw has the wrong sign"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy, dy.sum(0, keepdims=True)),
     "shape", "db has the right numbers in the shape (1, 3), and (3,) is expected"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy, dy),
     "not-summed", "db is not summed over axis 0: its shape is (5, 3)"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, dy.T @ x, dy.sum(0)),
     "transposed", "dw is transposed: its shape is (3, 4), not (4, 3)"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy, dy[-1]),
     "rows-left-out", "db uses dy at index 4 along axis 0 alone, not the others"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x[:-1].T @ dy[:-1], dy.sum(0)),
     "rows-left-out", "dw leaves out dy at index 4 along axis 0"),
    (linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy + 0.1 * w, dy.sum(0)),
     "added", "dw is off by one term: it holds 0.1 times w too much"),
    (square, (A, S), lambda dy, x, w: (dy @ w, x.T @ dy),
     "operand-order", "dx is right for a w that is transposed"),
    (square, (A, S), lambda dy, x, w: (dy @ w.T, (x.T @ dy).T), "transposed", "dw is transposed"),
    (square, (A, S), lambda dy, x, w: (dy @ w.T, x.T @ dy[::-1]),
     "operand-order", "dw is right for an x that is flipped along axis 0"),
    (relu, (A,), lambda dy, x: dy, "cotangent", "dx is dy itself: it should be zero in"),
    (relu, (A,), lambda dy, x: dy * (dy > 0), "mask", "dx is dy where dy > 0, and zero elsewhere"),
    (relu, (A,), lambda dy, x: 1.0 * (x > 0), "factor-missing", "dx lacks the factor dy"),
    (sine, (A,), lambda dy, x: dy, "cotangent", "dx is dy itself: the derivative is not"),
    (sine, (A,), lambda dy, x: dy * np.cos(x) * (x > 0),
     "zero-where", "dx is zero where x < 0, and should not be"),
    (sine, (A,), lambda dy, x: dy * np.cos(x) * [[1], [0], [1]],
     "zero-rows", "dx is missing (zero) at index 1 along axis 0"),
    (sine, (A,), lambda dy, x: dy * np.cos(x) * [1, 1, 1, 0.5],
     "factor-partly", "dx is 0.5 times what it should be at the last index (3) along axis 1"),
    (sine, (A,), lambda dy, x: 0 * dy, "zero", "dx is all zeros, and should not be"),
    (sine, (A,), lambda dy, x: 0 * dy + 1234.5, "unwritten", "dx is 1234.5 everywhere"),
    (sine, (A,), lambda dy, x: (dy * np.cos(x)).astype(np.float16).astype(float),
     "rounded", "dx is rounded to float16"),
    (sine, (A,), lambda dy, x: dy * np.cos(x) * (1 + 1e-7 * np.exp(-x)),
     "digits", "dx agrees to 6 digits: an eps or a rounded constant"),
    (tanh, (A,), lambda dy, x: dy * (1 - np.tanh(np.tanh(x)) ** 2),
     "derivative-elsewhere", "dx has the derivative of tanh(x) taken at y, not at x"),
    (tanh, (A,), lambda dy, x: dy * (1 - np.tanh(x)),
     "factor-missing", "dx lacks the factor 1 + y"),
    (softmax, (A,), lambda dy, x: dy * softmax(x)[0] * (1 - softmax(x)[0]),
     "diagonal", "dx uses only the diagonal of the Jacobian"),
    (softmax, (A,), lambda dy, x: dy * softmax(x)[0],
     "projection", "dx is off by a multiple of y in each row along axis 1"),
    (softmax, (S,), lambda dy, x: softmax(x)[0] * (dy - (softmax(x)[0] * dy).sum(0)),
     "other-axis", "dx has a sum times y along one of the axes 0 and 1"),
    (norm, (draw(3, 6),), lambda dy, x: dy / np.sqrt(x.var(-1, keepdims=True) + 1e-5),
     "statistics", "dx is off by a constant and a multiple of x along axis 1"),
    (gather, (draw(4, 2),), gather_wrong,
     "only-last", "dx counts only the last use of entries that are read several times"),
    (sort, (draw(7),), lambda dy, x: dy[x.argsort()], "not-transposed",
     "dx applies the Jacobian where its transpose is due (a permutation applied again"),
    (two, (draw(5),), lambda dy, x: dy[0] * np.cos(x),
     "result-left-out", "dx does not use dy.1, the cotangent of y.1"),
    (gram, (A,), lambda dy, x: dy @ x, "use-lost", "dx counts one of the two uses of x in y"),
    (running, (draw(5, 2),), lambda dy, x: dy,
     "cotangent", "dx is dy itself: the derivative is not multiplied in"),
    (running, (draw(5, 2),), lambda dy, x: np.cumsum(dy, 0),
     "not-transposed", "dx applies the Jacobian where its transpose is due"),
    (pooled, (TIED,), lambda dy, x: (np.sign(_hits(x)) * dy[:, None]).reshape(-1),
     "ties", "dx gives every tied entry of x the whole gradient"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "args", "wrong", "code", "sentence"), EVERYDAY)
def test_an_everyday_mistake_is_named(right, args, wrong, code, sentence):
    found = said(right, args, wrong)
    assert found is not None
    assert found[0] == code
    assert found[1].startswith(sentence)


def test_what_is_right_has_no_diagnosis():
    places = seen(linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy, dy.sum(0)))
    assert diagnose_all(places) == []
    assert diagnose([]) is None
    assert all(diagnose(w) is None for w in places.values())


def test_arrays_that_have_changed_places_are_said_once():
    def product(a, b):
        return a * b, lambda dy: (dy * b, dy * a)

    found = diagnose_all(
        seen(product, (draw(3), draw(3, seed=2)), lambda dy, a, b: (dy * a, dy * b))
    )
    assert found == [Diagnosis("exchanged", "da and db have changed places", ("da", "db"))]


def test_what_several_have_in_common_is_said_once():
    places = seen(linear, (X, W, B), lambda dy, x, w, b: (dy @ w.T, x.T @ dy / 5, dy.mean(0)))
    (found,) = diagnose_all({n: places[n] for n in ("dw", "db")})
    assert found.names == ("dw", "db")
    assert found.sentence.startswith("dw and db: each is 0.2 times what it should be")


def test_the_sample_of_a_large_array_is_enough():
    x, dy = draw(100, 100), draw(100, 100, seed=2)
    want = dy * np.cos(x)
    known = np.random.default_rng(3).random(x.shape) < 0.05
    w = Wrong("dx", want * (x > 0), np.where(known, want, np.nan), 1e-12, x, {"x": x})
    assert diagnose([w]).sentence == "dx is zero where x < 0, and should not be"


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize(
    ("right", "args"),
    [(relu, (A,)), (softmax, (A,)), (norm, (A,)), (square, (A, S)), (gather, (draw(4, 2),))],
)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_noise_has_no_name(right, args, share, seed):
    rng = np.random.default_rng(seed)

    def noisy(dy, *args):
        parts = right(*args)[1](dy)
        parts = parts if isinstance(parts, tuple) else (parts,)
        return tuple(d + (rng.random(d.shape) < share) * rng.normal(size=d.shape) for d in parts)

    found = diagnose_all(seen(right, args, noisy))
    assert {each.code for each in found} <= {"one-entry"}  # which is so, and no guess


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_fixed_error_that_is_like_nothing_has_no_name(seed):
    off = np.random.default_rng(seed).normal(size=A.shape)
    assert said(sine, (A,), lambda dy, x: dy * (np.cos(x) + off)) is None
