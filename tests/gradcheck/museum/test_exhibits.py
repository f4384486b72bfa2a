"""Each exhibit has one forward, a right backward and a wrong one, and npcbam tells which is which.

The twins are held against each other and against central differences, so that no exhibit rests on
the checker that it is shown to.
"""

import functools
import inspect
import re

import numpy as np
import pytest
from run import blamed, recognised

from npcbam.gradcheck.museum import EXHIBITS, exhibit
from npcbam.gradcheck.museum.exhibit import register
from npcbam.gradcheck.museum.page import said

NAMES = list(EXHIBITS)
DISPUTED = {"max-pool-one-of-ties", "reduce-max-even", "single-precision-alarm", "tvd-tie"}
# Not smooth where they are shown: a central difference is another subgradient there.
AT_KINKS = {*DISPUTED, "maximum-both", "pool-ties-all", "norm-at-zero", "half-tie-count"}
# What is wrong is not in the numbers of one call.
BY_CONDUCT = {
    "input-kept-on-layer": ("x", "w"), "swiglu-overwrites-saved": ("a", "b"),
    "cross-entropy-writes-logits": ("x",), "rope-writes-query": ("q",),
    "step-inside-backward": ("w",),
}  # fmt: skip

# Several things at once are wrong with these, and no one sentence accounts for the numbers.
UNNAMED = {
    "adder-normalised", "bidirectional-cotangent", "causal-corner", "causal-never",
    "conv-transpose-stride-dilation", "gate-not-recomputed", "half-tie-count", "ln-gamma-index",
    "maximum-both", "padded-scale", "pool-ties-all",
}  # fmt: skip

examined = functools.cache(said)  # each is asked about more than once


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def cotangents(name, wrong, seed=0):
    """Return arguments by name, y, dy and what the pullback gives for it."""
    f, args = EXHIBITS[name].vjp(seed, wrong)
    given = dict(zip(inspect.signature(f).parameters, [arg.copy() for arg in args], strict=True))
    y, pullback = f(*args)
    rng = np.random.default_rng(5)
    dy = [rng.normal(size=np.shape(part)).astype(np.asarray(part).dtype) for part in parts(y)]
    if name == "cotangent-other-order":
        dy = [np.asfortranarray(part) for part in dy]
    if name == "loss-weight-zero":
        dy = [0 * part for part in dy]
    got = pullback(tuple(dy) if isinstance(y, tuple) else np.asarray(dy[0]))
    return given, [np.array(part) for part in parts(y)], dy, parts(got)


# By hand


def test_a_mean_for_a_sum():
    f, args = exhibit("bias-mean").vjp(seed=0, wrong=True)
    _, pullback = f(*args)
    *_, db = pullback(np.arange(15.0).reshape(5, 3))
    np.testing.assert_array_equal(db, [6, 7, 8])  # the sums are 30, 35 and 40


def test_the_last_of_repeated_indices_wins():
    dx = {}
    for wrong in (True, False):
        f, args = exhibit("gather-overwrites").vjp(seed=0, wrong=wrong)
        dx[wrong] = f(*args)[1](np.arange(12.0).reshape(6, 2))[:, 0].tolist()
    assert dx == {True: [10, 6, 8, 0], False: [10, 6, 14, 0]}


# An independent derivative


@pytest.mark.parametrize("name", [name for name in NAMES if name not in AT_KINKS])
def test_the_right_twin_agrees_with_central_differences(name):
    given, _, dy, got = cotangents(name, wrong=False)
    f, _ = EXHIBITS[name].vjp(0, wrong=False)
    args = [value.astype(np.float64) for value in given.values()]

    def loss(*at):
        with np.errstate(all="ignore"):
            y = parts(f(*[value.copy() for value in at])[0])
        return sum((np.asarray(part) * d).sum() for part, d in zip(y, dy, strict=True))

    for i, arg in enumerate(args):
        want = np.zeros_like(arg)
        for at in np.ndindex(arg.shape):
            step = np.zeros_like(arg)
            step[at] = 1e-5
            ahead, behind = (loss(*args[:i], arg + sign * step, *args[i + 1 :]) for sign in (1, -1))
            want[at] = (ahead - behind) / 2e-5
        np.testing.assert_allclose(got[i], want, rtol=1e-4, atol=1e-6)


# Laws of a pair of twins


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_twins_differ_in_the_cotangents_that_are_said_to_be_wrong(name, seed):
    given, y, _, wrong = cotangents(name, wrong=True, seed=seed)
    other, same, _, right = cotangents(name, wrong=False, seed=seed)
    assert list(given) == list(other)
    for a, b in (*zip(given.values(), other.values(), strict=True), *zip(y, same, strict=True)):
        np.testing.assert_array_equal(a, b)
    differing = tuple(
        leaf for leaf, a, b in zip(given, wrong, right, strict=False) if not alike(a, b)
    )
    if name not in DISPUTED:
        by_numbers = set(EXHIBITS[name].leaves) - set(BY_CONDUCT.get(name, ()))
        assert set(differing) == by_numbers


def alike(a, b):
    same = a is not None and a.shape == b.shape and a.dtype == b.dtype
    return same and np.allclose(a, b, rtol=1e-9, atol=0)


def test_there_are_98_and_each_says_where_it_was_seen():
    assert len(EXHIBITS) == 98
    for each in EXHIBITS.values():
        assert re.search(r"^[\w.-]+/[\w.-]+(#\d+| \S+ @[0-9a-f]{7})", each.source), each.source
        assert each.what
        assert not each.what.endswith(".")
        assert each.shows
        assert (each.truth == "right") == (each.name in DISPUTED) == (each.code == "right")


# What npcbam says


@pytest.mark.parametrize("name", NAMES)
def test_the_right_twin_is_called_right(name):
    assert examined(EXHIBITS[name], wrong=False).outcome == "right"


@pytest.mark.parametrize("name", NAMES)
def test_the_wrong_twin_is_called_wrong_and_blamed_for_what_is_wrong(name):
    each = EXHIBITS[name]
    found = examined(each, wrong=True)
    assert found.outcome == each.truth
    if each.truth == "wrong":
        # Numbers that are wrong for the first cotangent are enough, and say more.
        wanted = {each.code, "mismatch"} if each.code == "nonlinear" else {each.code}
        assert wanted & {found.code, *(finding.code for finding in found.findings)}
        assert found.code == "stale" or set(each.leaves) <= blamed(found)


def test_nearly_all_are_named_as_a_maintainer_would_say_it():
    wrong = [each for each in EXHIBITS.values() if each.truth == "wrong"]
    unnamed = {each.name for each in wrong if not recognised(each, examined(each, wrong=True))}
    assert unnamed <= UNNAMED


# Errors


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bias-meen", r"got 'bias-meen'; did you mean bias-mean"),
        ("", r"expected an exhibit, as `npcbam museum` lists them, got ''$"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_near(name, message):
    with pytest.raises(ValueError, match=message):
        exhibit(name)


def test_a_name_is_given_once():
    def bias_mean(rng, wrong):
        """Another."""

    with pytest.raises(ValueError, match="got bias-mean a second time"):
        register("a/b#1", "kind", shows="silent")(bias_mean)


@pytest.mark.parametrize("name", NAMES)
def test_the_wrong_array_is_what_is_diagnosed(name):
    kinds = [finding.kind for finding in examined(exhibit(name), True).findings]
    assert exhibit(name).array == next((kind for kind in kinds if kind), "")
