"""Compositions: a rule's function is what its lines compute, and no two are alike."""

import itertools

import numpy as np
import pytest

from npcbam.oracle.rules import compositions, lines
from npcbam.oracle.rules.composition import Maps

MADE = [rule for rule in compositions.RULES if rule.made is not None]
X = np.random.default_rng(0).standard_normal((2, lines.CHANNELS, 8, 9))


def maps(params):
    """Return both maps of the right block that surrounds the lines."""
    names = {"np": np, "expit": lines.expit, **params}
    exec(lines.AROUND_CODE, names)

    def zc(f):
        return names["column"](names["mlp"](names["avg"](f)) + names["mlp"](names["top"](f)))

    def zs(f):
        return names["conv"](f.mean(1), f.max(1))

    return Maps(names["channel"], names["spatial"], zc, zs)


def weights():
    rng = np.random.default_rng(1)
    shapes = {"w0": (4, 16), "w1": (16, 4), "k": (1, 2, 7, 7)}
    return {name: rng.standard_normal(shape) / 4 for name, shape in shapes.items()}


@pytest.mark.parametrize("rule", MADE, ids=lambda rule: rule.code)
def test_lines_compute_what_the_rule_makes(rule):
    f, named = lines.candidate(rule, "bad")
    params = {name: value for name, value in weights().items() if name in named}
    y = np.broadcast_to(f(params, X.copy()), X.shape)
    np.testing.assert_allclose(y, rule.made(X, maps(weights())), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", MADE, ids=lambda rule: rule.code)
def test_complex_step_gives_the_derivative(rule):
    rng = np.random.default_rng(2)
    v = rng.standard_normal(X.shape)

    def gate(scale, axes):
        return lambda f: scale + np.tanh(f.mean(axes, keepdims=True)) / 4

    s = Maps(gate(0.6, (2, 3)), gate(0.4, 1), gate(0.1, (2, 3)), gate(-0.2, 1))
    exact = np.imag(rule.made(X + 1e-30j * v, s)) / 1e-30
    near = (rule.made(X + 1e-6 * v, s) - rule.made(X - 1e-6 * v, s)) / 2e-6
    # At a kink of a ReLU the two part.
    assert np.mean(np.abs(exact - near) > 1e-6 * (1 + np.abs(exact))) < 1e-3


def test_no_two_are_alike_with_x_added_or_without():
    given = maps(weights())
    found = {rule.code: rule.made(X, given) for rule in MADE}
    free = [rule.code for rule in MADE if "residual" not in rule.sets]
    found |= {f"{code} + x": found[code] + X for code in free}
    for (one, a), (other, b) in itertools.combinations(found.items(), 2):
        # With a kernel that has no effect, or none, the gate is not there.
        alike = {"channel-only", "spatial-not-applied"} == {
            name.split(" ")[0] for name in (one, other)
        }
        assert alike or np.abs(a - b).max() > 1e-3, (one, other)


def test_residual_is_a_rule_of_its_own():
    rule = next(rule for rule in compositions.RULES if rule.code == "residual")
    assert rule.made is None
    assert rule.sets == {"residual": True}
