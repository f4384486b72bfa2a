"""torch through its own calls: Functions, modules, functions of tensors, in every precision."""

import ml_dtypes
import numpy as np
import pytest
import torch

from npcbam.gradcheck import WrongGradientError, check_vjp, examine
from npcbam.gradcheck.frameworks import as_vjp
from npcbam.gradcheck.frameworks.tensors import array_of, tensor_of

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
X, W = torch.tensor(RNG.normal(size=(4, 3))), torch.tensor(RNG.normal(size=(3, 2)))


class Right(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x**2 @ w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return 2 * x * (g @ w.T), (x**2).T @ g


class Wrong(Right):
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return 2 * x * (g @ w.T), x.T @ g


class Missing(Right):
    @staticmethod
    def backward(ctx, g):
        return Right.backward(ctx, g)[0], None


class Power(torch.autograd.Function):
    """In the newer style, with a whole number."""

    @staticmethod
    def forward(x, k):
        return x**k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.k = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return g * ctx.k * ctx.saved_tensors[0] ** (ctx.k - 1), None


class WritesToCotangent(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        return g.mul_(2 * ctx.saved_tensors[0])


class WantsOneLayout(WritesToCotangent):
    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g.view(-1).view(g.shape)


class Norm(torch.nn.Module):
    """A module with a buffer that forward writes to, and a frozen parameter."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([0.5, -1.5, 2.0]))
        self.frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x):
        self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return (x - x.mean(0)) * self.scale * self.frozen


# By hand


def test_the_function_of_arrays_by_hand():
    f, args, names = as_vjp(Right, (X, W))
    assert names == ("x", "w")
    assert all(isinstance(arg, np.ndarray) for arg in args)
    y, pullback = f(*args)
    np.testing.assert_allclose(y, (X**2 @ W).numpy())
    dy = RNG.normal(size=y.shape)
    dx, dw = pullback(dy)
    np.testing.assert_allclose(dx, 2 * X.numpy() * (dy @ W.numpy().T))
    np.testing.assert_allclose(dw, (X**2).numpy().T @ dy)
    np.testing.assert_array_equal(pullback(dy)[0], dx)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_there_and_back(dtype):
    tensor = torch.tensor([[1.5, -0.3], [7.0, 0.1]], dtype=dtype).T
    array = array_of(tensor)
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    assert torch.equal(tensor_of(array), tensor)
    assert tensor_of(array[::-1]).dtype == dtype


def test_bfloat16_is_that_of_ml_dtypes():
    assert array_of(torch.ones(2, dtype=torch.bfloat16)).dtype == ml_dtypes.bfloat16


# Right, and planted wrong


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("f", [Right, Right.apply])
def test_right_functions(f, dtype):
    assert check_vjp(f, X.to(dtype), W.to(dtype)).outcome == "right"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_wrong_functions(dtype):
    with pytest.raises(WrongGradientError, match="dw"):
        check_vjp(Wrong.apply, X.to(dtype), W.to(dtype))


WRONG = {
    "no gradient": (Missing, (X, W), "dw"),
    "the cotangent is written to": (WritesToCotangent, (X,), "writes to its cotangent"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    f, args, said = WRONG[name]
    with pytest.raises(WrongGradientError, match=said):
        check_vjp(f, *args)


def test_what_refuses_a_layout_aloud_is_noted():
    report = check_vjp(WantsOneLayout, X)
    assert any("view size is not compatible" in note for note in report.notes)


RIGHT = {
    "newer style": (Power, (X, 3), ["x"]),
    "a function": (lambda x, w: torch.sigmoid(x @ w), (X, W), ["x", "w"]),
    "what requires a gradient": (
        lambda x, w: torch.sigmoid(x @ w),
        (X, W.clone().requires_grad_()),
        ["w"],
    ),
    "classes": (torch.nn.functional.cross_entropy, (X, torch.tensor([0, 2, 1, 0])), ["input"]),
    "trees": (
        lambda p, n: (p["a"] @ p["b"][0]) * n,
        ({"a": X, "b": [W]}, 3),
        ["p.a", "p.b.0"],
    ),
    "two results": (lambda x: {"y": x**2, "z": [x.sum(), "word"]}, (X,), ["x"]),
    "by hand": (lambda x: (x**2, lambda dy: 2 * x * dy), (X,), ["x"]),
    "one that y does not see": (lambda x, w: x**2, (X, W), ["x", "w"]),
    "nothing is differentiable": (lambda x: x.detach().floor(), (X,), ["x"]),
    "compiled": (torch.compile(lambda x: x * torch.tanh(x), backend="eager"), (X,), ["x"]),
    "a module": (torch.nn.Linear(3, 2), (X.float(),), ["input", "params.weight", "params.bias"]),
    "a module of arrays": (
        torch.nn.Linear(3, 2).double(),
        (X.numpy(),),
        ["input", "params.weight", "params.bias"],
    ),
    "a compiled module": (
        torch.compile(torch.nn.Linear(3, 2), backend="eager"),
        (X.float(),),
        ["input", "params.weight", "params.bias"],
    ),
    "no parameters": (torch.nn.Tanh(), (X,), ["input"]),
    "in place": (torch.nn.ReLU(inplace=True), (X,), ["input"]),
    "buffers": (Norm(), (X.float(),), ["x", "params.scale"]),
    "sparse gradients": (
        torch.nn.Embedding(4, 3, sparse=True),
        (torch.tensor([0, 2, 2]),),
        ["params.weight"],
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, args, leaves = RIGHT[name]
    report = check_vjp(f, *args)
    assert report.outcome == "right"
    assert [leaf.leaf for leaf in report.leaves] == leaves


def test_a_wrong_pullback_by_hand():
    with pytest.raises(WrongGradientError, match="dx"):
        check_vjp(lambda x: (x**2, lambda dy: x * dy), X)


def test_a_device():
    assert check_vjp(Right, X, W, device="cpu").outcome == "right"


# Random functions


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_dropout(dtype):
    drop, x = torch.nn.Dropout(0.5), X.to(dtype)
    assert examine(drop, x).code == "random"
    assert check_vjp(drop, x, before=lambda: torch.manual_seed(0)).outcome == "right"


def test_draws_that_are_others_in_float64():
    def f(x):
        seeded = torch.Generator().manual_seed(0)
        return x * (torch.rand(x.shape, dtype=x.dtype, generator=seeded) < 0.5)

    assert check_vjp(f, X.float()).outcome == "right"


# Apart


def test_module_and_tensors_are_not_written_to():
    module, x = Norm(), X.float()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    check_vjp(module, x)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(x, X.float())
    assert x.grad is None
    assert module.scale.grad is None


# Errors


def test_complex_numbers_are_refused():
    f, args, _ = as_vjp(Right, (X, W))
    with pytest.raises(TypeError, match="expected real numbers, got complex128"):
        f(*(arg.astype(complex) for arg in args))
