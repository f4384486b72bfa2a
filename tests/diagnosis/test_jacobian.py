"""What a backward makes of the Jacobian, of dy and of other operands."""

import numpy as np
import pytest
from arrays_seen import draw, said

from npcbam.diagnosis import Wrong, diagnose
from npcbam.diagnosis.jacobian import usable

M = draw(4, 4, seed=7)
X, V = draw(4), draw(5, 3)


def mapped(x):
    return M @ x, lambda dy: M.T @ dy


@pytest.mark.parametrize(
    ("came", "code", "sentence"),
    [
        (lambda dy, x: M @ dy, "not-transposed", "dx applies the Jacobian where its transpose is"),
        (lambda dy, x: np.diag(M) * dy, "diagonal", "dx uses only the diagonal of the Jacobian"),
        (lambda dy, x: M.T @ dy - np.diag(M) * dy, "off-diagonal", "dx lacks the diagonal of the"),
        (lambda dy, x: M.T @ dy + np.diag(M) * dy, "diagonal", "dx has the diagonal of the"),
        (lambda dy, x: 2 * M.T @ dy - np.diag(M) * dy, "off-diagonal",
         "dx has what lies off the Jacobian's diagonal twice"),
        (lambda dy, x: M[0] * dy[0], "rows-left-out", "dx uses dy at index 0 alone"),
        (lambda dy, x: M[1:].T @ dy[1:], "rows-left-out", "dx leaves out dy at index 0"),
        (lambda dy, x: M.T @ dy[::-1], "cotangent-order", "dx is right for a dy that is flipped"),
        (lambda dy, x: M.T @ np.full(4, dy[0]), "one-for-all", "dx takes the first dy for all"),
        (lambda dy, x: M.T @ np.full(4, dy.mean()), "one-for-all", "dx takes the mean of dy for"),
        (lambda dy, x: M.T @ (dy - dy.mean()), "mean-taken-out", "dx is right for dy less its"),
        (lambda dy, x: M.T @ (dy * x), "factor-twice", "dx has the factor x on dy once too often"),
        (lambda dy, x: M.T @ np.cumsum(dy), "running-sum", "dx is right for the running sums from"),
        (lambda dy, x: M.T @ (dy * [1, 1, 1.5, 1]), "cotangent-factor-partly",
         "dx is right for a dy that is 1.5 times itself at index 2"),
    ],
)  # fmt: skip
def test_parts_and_other_cotangents(came, code, sentence):
    found = said(mapped, (X,), came)
    assert found[0] == code
    assert found[1].startswith(sentence)


def pair(x):
    return (np.sin(x), x**2, 3 * x), lambda dy: dy[0] * np.cos(x) + 2 * x * dy[1] + 3 * dy[2]


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        ((0, 2), "dx does not use dy.1, the cotangent of y.1"),
        ((0,), "dx does not use dy.1 and dy.2"),
    ],
)
def test_results_left_out(used, sentence):
    def came(dy, x):
        parts = [np.cos(x) * dy[0], 2 * x * dy[1], 3 * dy[2]]
        return sum(parts[i] for i in used)

    assert said(pair, (X,), came) == ("result-left-out", sentence)


def test_a_cotangent_in_the_place_of_another():
    found = said(pair, (X,), lambda dy, x: dy[1] * np.cos(x) + 2 * x * dy[0] + 3 * dy[2])
    assert found == ("result-mixed", "dx takes dy.0 and dy.1 in each other's place")


def recurrent(x):
    h, hs = np.zeros(3), []
    for t in range(5):
        h = np.tanh(x[t] + 0.5 * h)
        hs.append(h)
    slopes = 1 - np.square(hs)

    def back(dy):
        dx, dh = np.zeros_like(x), 0
        for t in reversed(range(5)):
            dx[t] = (dy[t] + dh) * slopes[t]
            dh = 0.5 * dx[t]
        return dx

    return np.stack(hs), back


def test_later_steps_left_out():
    found = said(recurrent, (V,), lambda dy, x: dy * (1 - np.square(recurrent(x)[0])))
    assert found[0] in ("diagonal", "only-up-to-0")


def test_a_backward_that_is_cut_off():
    def came(dy, x):
        slopes = 1 - np.square(recurrent(x)[0])
        later = np.pad(0.5 * dy[1:] * slopes[1:], ((0, 1), (0, 0)))
        return (dy + later) * slopes

    assert said(recurrent, (V,), came)[1] == (
        "dx lacks what comes from results that are later by more than 1 along axis 0"
    )


def overlapping(x):
    at = np.arange(3)[:, None] * 2 + np.arange(3)

    def back(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, at, dy)
        return dx

    return x[at], back


def test_windows_that_erase_each_other():
    def came(dy, x):
        dx = np.zeros_like(x)
        for t in range(3):
            dx[2 * t : 2 * t + 3] = dy[t]
        return dx

    found = said(overlapping, (draw(7),), came)
    assert found == (
        "only-last",
        "dx counts only the last use of entries that are read several times",
    )


def convolved(x, w):
    at = np.arange(5)[:, None] + np.arange(3)

    def back(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, at, dy[:, None] * w)
        return dx, x[at].T @ dy

    return x[at] @ w, back


def test_a_kernel_that_is_not_flipped():
    def came(dy, x, w):
        return convolved(x, w[::-1])[1](dy)[0], convolved(x, w)[1](dy)[1]

    found = said(convolved, (draw(7), draw(3)), came)
    assert found == ("operand-order", "dx is right for a w that is flipped along its axis")


def test_two_passes_that_share_a_buffer():
    after = np.tril(0.7 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))))
    before = np.triu((-0.4) ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))))

    def both(x):
        return after @ x + before @ x, lambda dy: after.T @ dy + before.T @ dy

    found = said(both, (draw(6),), lambda dy, x: after.T @ dy + before.T @ (after.T @ dy))
    assert found == (
        "overwritten",
        "dx takes, for one of two passes along axis 0, what the other wrote over dy "
        "(the pass that brings the later results back came first)",
    )


def test_single_ways():
    def came(dy, x):
        dx = M.T @ dy
        dx[1] -= M[2, 1] * dy[2]
        return dx

    assert said(mapped, (X,), came) == (
        "route-lost", "dx is routed wrongly: dx[1] lacks what comes from y[2]"
    )  # fmt: skip


def test_dy_read_as_it_lies_in_memory():
    def joined(x):
        return np.concatenate([2 * x, 5 * x], 1), lambda dy: 2 * dy[:, :3] + 5 * dy[:, 3:]

    def halves(x, z):
        return np.concatenate([2 * x, 5 * z], 1), lambda dy: (2 * dy[:, :3], 5 * dy[:, 3:])

    def came(dy, x, z):
        return 2 * dy.ravel()[:6].reshape(2, 3), 5 * dy[:, 3:]

    assert joined(draw(2, 3))[0].shape == (2, 6)
    assert said(halves, (draw(2, 3), draw(2, 3, seed=2)), came) == (
        "memory-order",
        "dx reads dy as if it lay in memory one number after the other from dy[0, 0] on",
    )


def test_a_jacobian_that_does_not_give_what_is_right_is_not_used():
    dy = draw(4)
    w = Wrong("dx", M @ dy, M.T @ dy, 1e-12, X, y={"y": X}, dy={"y": dy}, jacobian=2 * M)
    assert not usable(w)
    assert diagnose([w]) is None
