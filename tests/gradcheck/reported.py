"""Reports put together by hand, for what shows them."""

import numpy as np

from npcbam.gradcheck.findings import Entry, Finding, LeafCheck
from npcbam.gradcheck.report import GradReport


def leaf(name, got, want):
    """A leaf of which all was looked at; with the arrays where they differ."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    wrong = int((got != want).sum())
    at = np.unravel_index(int(np.argmax(np.abs(got - want))), want.shape)
    entry = Entry(
        name, tuple(map(int, at)), float(got[at]), float(want[at]), float(want[at]), 1e-13
    )
    arrays = {"got": got, "want": want} if wrong else {}
    return LeafCheck(
        name, want.shape, want.size, "every entry", entry, 1e-13, 1.0, wrong, want.size, **arrays
    )


def right():
    seen = leaf("x", np.ones((2, 3)), np.ones((2, 3)))
    return GradReport("right", "right", "all cotangents agree with the derivative", 0, (), (seen,))


def wrong():
    want = np.arange(12.0).reshape(3, 4) + 1
    got = want.copy()
    got[1] *= 2
    return GradReport(
        "wrong",
        "mismatch",
        "dx: row 1 is 2 times the derivative",
        3,
        (
            Finding("mismatch", "x", "dx: row 1 is 2 times the derivative", "factor", "unrelated"),
            Finding("writes", "w", "the pullback writes to w"),
        ),
        (leaf("x", got, want), leaf("w", np.ones(2), np.ones(2))),
        "complex step",
        notes=("all of w are equal",),
        snippet="npcbam grad layers.py:f",
    )
