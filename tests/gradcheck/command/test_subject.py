"""What a target is: told by itself, or by what it returns."""

import functools

import numpy as np
import pytest
import targets

from npcbam.gradcheck.command import tensors
from npcbam.gradcheck.command.subject import subject
from npcbam.gradcheck.command.supply import Supply
from npcbam.messages import CannotRun


def told(found, other=None, form="auto", settings=None):
    return subject(found, "it", form, other, settings or {}, 0)


x, w = np.linspace(-1, 2, 12).reshape(3, 4), np.linspace(1, 3, 20).reshape(4, 5)


@pytest.mark.parametrize(
    ("found", "other", "args", "form"),
    [
        (targets.linear, None, (x, w), "vjp"),
        (targets.forward, targets.backward, (x, w), "cached"),
        (targets.energy, targets.force, (x,), "grad"),
        (targets.loss, None, (x,), "loss"),
        (targets.fails, None, (x,), "vjp"),
        (targets.fails, targets.backward, (x,), "cached"),
        (lambda x: ((x, x), lambda dy: dy), None, (x,), "vjp"),
        (lambda x: (0.5, {"x": x}), None, (x,), "loss"),
        (lambda x: None, None, (x,), "vjp"),
    ],
)
def test_the_form_is_told_by_the_result(found, other, args, form):
    assert told(found, other)._by_its_result(Supply(args, {})) == form


def test_a_call_to_tell_changes_nothing():
    def writes(x):
        x += 1
        return x, lambda dy: dy

    mine = x.copy()
    assert told(writes)._by_its_result(Supply((mine,), {})) == "vjp"
    np.testing.assert_array_equal(mine, x)


def test_objects_and_classes():
    assert told(targets.layer).form == "layer"
    one, two = (told(targets.Linear, settings={"features": 3}).found.W for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (4, 3)
    assert told(targets.Linear, settings={"features": 3}).takes.__name__ == "forward"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"found": targets.number}, "it: expected a function, or a class with forward and"),
        ({"found": targets.linear, "settings": {"a": 1}}, "--set: it is no class: there is nothin"),
        ({"found": targets.Linear}, "it() raised TypeError: "),
        (
            {"found": targets.linear, "form": "layer"},
            "--form layer: expected an object with forward and backward, got it",
        ),
        ({"found": targets.Linear.forward}, "it: a method needs its object: say obj = ... in its"),
        (
            {"found": targets.Linear, "settings": {"features": "3"}},
            "it(features='3') raised TypeEr",
        ),
        (
            {"found": targets.energy, "form": "grad"},
            "--form grad: give the gradient as well, as in",
        ),
        ({"found": targets.forward, "form": "cached"}, "--form cached: give the backward as well"),
        (
            {"found": targets.forward, "form": "jvp"},
            "--form jvp: give the jvp as well, as in --with",
        ),
    ],
)
def test_says_what_is_missing(how, said):
    with pytest.raises(CannotRun) as caught:
        told(**how)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (targets.energy, "it returns float64 and no pullback: give the gradient as --with NAME"),
        (targets.forward, "it returns a tuple without a pullback: if it is (out, cache), give the"),
    ],
)
def test_says_which_other_function_is_missing(found, said):
    with pytest.raises(CannotRun) as caught:
        told(found).check(Supply((x, w)[: found.__code__.co_argcount], {}), {})
    assert str(caught.value).startswith(said)


def test_parameters_are_of_objects_alone():
    report = told(targets.layer).check(Supply((x,), {}), {"params": ("W",)})
    assert [seen.leaf for seen in report.leaves] == ["x", "W"]
    with pytest.raises(CannotRun, match=r"^--params: it is no object with forward and backward$"):
        told(targets.linear).check(Supply((x, w), {}), {"params": ("W",)})


def test_functions_of_arrays_get_arrays():
    assert tensors.of(targets.linear, (x, w)) == (x, w)
    assert tensors.of(functools.partial(targets.linear, x), (w,)) == (w,)
    assert tensors.of(targets.fails, (x,)) == (x,)


def test_torch():
    torch = pytest.importorskip("torch")

    def sine(x, k):
        import torch

        return torch.sin(x[0]) ** k["k"]

    given = tensors.of(sine, ([x], {"k": 2, "i": np.arange(3)}))
    assert isinstance(given[0][0], torch.Tensor)
    assert given[1]["i"].dtype == torch.int64
    report = told(sine).check(Supply(([x], {"k": 2}), {}), {"seed": 3})
    assert (report.outcome, report.seed) == ("right", 3)
    module = told(torch.nn.Linear, settings={"in_features": 4, "out_features": 2})
    assert (module.form, module.dtype) == ("vjp", "float32")
    report = module.check(Supply((x.astype(np.float32),), {}), {})
    assert [seen.leaf for seen in report.leaves][1:] == ["params.weight", "params.bias"]


class TestFunction:
    def test_is_checked_through_its_own_backward(self):
        torch = pytest.importorskip("torch")

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**2

            @staticmethod
            def backward(ctx, dy):
                (x,) = ctx.saved_tensors
                return x * dy

        it = told(Square)
        report = it.check(Supply((x,), {}), {})
        assert report.outcome == "wrong"
        assert report.findings[0].leaf == "x"


def test_jax():
    jax = pytest.importorskip("jax")

    def sine(x):
        return jax.numpy.sin(x)

    assert isinstance(tensors.of(sine, (x,))[0], jax.Array)
    assert told(jax.jit(sine)).check(Supply((x,), {}), {}).outcome == "right"
