"""What all forms share: options, code that repeats a check, and the words for the pullback."""

import numpy as np
import pytest

from npcbam import gradcheck
from npcbam.gradcheck import CannotTellError, WrongGradientError

X, W = np.random.default_rng(0).normal(size=(2, 3))


class Layer:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2.01 * self.x * dout


def loss(x, w):
    return (x**2 * w).sum()


def grad(x, w):
    return 2.01 * x * w


def loss_and_grad(x, w):
    return loss(x, w), (grad(x, w), x**2)


def forward(x, w):
    return x**2 * w, (x, w)


def backward(dout, cache):
    x, w = cache
    return 2.01 * x * w * dout, x**2 * dout


def result(x, w):
    return x**2 * w


def push(x, w, dx, dw):
    return 2.01 * x * w * dx + x**2 * dw


def whole(x, w):
    return x**2 * w, lambda dy: (2 * x * w * dy, x**2 * dy)


def gradient(x, w):
    return 2 * x * w


def hessian(x, v, w):
    return 2.01 * w * v


obj = Layer()
# The call of each form, wrong by half a percent in x, and what it calls the pullback.
CALLS = {
    "check_grad": ((loss, grad, X, W), {}, "grad"),
    "check_loss": ((loss_and_grad, X, W), {}, "grad"),
    "check_cached": ((forward, backward, X, W), {}, "backward"),
    "check_jvp": ((result, push, X, W), {}, "jvp"),
    "check_pair": ((whole, push, X, W), {}, "the pullback"),
    "check_hvp": ((loss, hessian, X, W), {"grad": gradient}, "the pullback"),
    "check_layer": ((obj, X), {}, "backward"),
}
# Names by which the code calls what it is given.
GIVEN = {
    "x": X, "w": W, "f": loss, "loss": loss, "grad": grad, "loss_and_grad": loss_and_grad,
    "forward": forward, "backward": backward, "result": result, "push": push, "whole": whole,
    "hessian": hessian, "gradient": gradient, "obj": obj, "Layer": Layer, "before": np.geterr,
}  # fmt: skip


def run(name, **options):
    args, how, _ = CALLS[name]
    return getattr(gradcheck, name)(*args, **how, **{"raises": False, **options})


# By hand


@pytest.mark.parametrize("name", CALLS)
def test_the_report_names_what_was_checked(name):
    report, said = run(name), CALLS[name][2]
    assert (report.outcome, report.code, report.worst.leaf) == ("wrong", "mismatch", "x")
    if said != "the pullback":
        assert f"]: {said} gives " in report.evidence
        assert not any(
            "pullback" in text for each in report.findings for text in vars(each).values()
        )
    with pytest.raises(WrongGradientError) as caught:
        run(name, raises=True)
    assert str(caught.value.report) == str(report)


def test_what_cannot_be_told_is_raised_too():
    def random(x):
        return x * np.random.default_rng().normal(), x

    report = gradcheck.check_cached(random, lambda dout, cache: dout, X, raises=False)
    assert report.outcome == "cannot tell"
    with pytest.raises(CannotTellError):
        gradcheck.check_cached(random, lambda dout, cache: dout, X)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"check_layer"}))
def test_what_is_fixed_is_not_looked_at(name):
    """What is said of arguments that a form does not ask about is left out."""
    report = run(name, fixed=("w",))
    assert [leaf.leaf for leaf in report.leaves if "w" in leaf.leaf] == []
    assert report.worst.leaf == "x"


# Laws


OPTIONS = [
    {},
    {"seed": 3},
    {"directions": 2, "points": 1},
    {"before": np.geterr},
    {"domain": (-5, 5)},
    {"domain": {"x": (-5, 5)}, "rtol": 1e-4},
]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_code_repeats_the_check(name, options):
    report, there = run(name, **options), dict(GIVEN)
    exec(report.snippet, there)
    assert there["report"] == report
    assert str(there["report"]) == str(report)


@pytest.mark.parametrize("name", CALLS)
def test_without_a_seed_it_is_0(name):
    assert str(run(name)) == str(run(name, seed=0)) != str(run(name, seed=1))


@pytest.mark.parametrize("name", CALLS)
def test_what_must_be_called_before_is_called_before_each_call(name, monkeypatch):
    ready = []

    def guarded(f):
        def g(*args):
            assert ready, "before was not called"
            return f(*args)

        return g

    args, how, _ = CALLS[name]
    if name == "check_layer":
        monkeypatch.setattr(Layer, "forward", guarded(Layer.forward))
    else:
        args = (guarded(args[0]), *args[1:])
    names = ("x",) if name == "check_layer" else ("x", "w")
    report = getattr(gradcheck, name)(
        *args, **how, names=names, before=lambda: ready.append(0), raises=False
    )
    assert (report.outcome, report.code, report.worst.leaf) == ("wrong", "mismatch", "x")
