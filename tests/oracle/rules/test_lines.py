"""How the lines of a rule are run: what surrounds them is right, and each name is what it says."""

import numpy as np
import pytest

from npcbam import CBAM, ChannelAttention, SharedMLP, SpatialAttention, gradcheck
from npcbam.conv import Conv
from npcbam.oracle.rules import lines
from npcbam.oracle.rules.lines import CHANNELS, HIDDEN, candidate, is_run
from npcbam.oracle.rules.rule import Rule

RIGHT = {
    "channel": "mc = column(sigmoid(mlp(avg(x)) + mlp(top(x))))",
    "spatial": "ms = sigmoid(conv(f.mean(1), f.max(1)))",
    "compose": "f = channel(x) * x\ny = spatial(f) * f",
    "gradient": "dx = mc * df + column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))",
    "effects": "def block(x):\n    f = channel(x) * x\n    return spatial(f) * f",
    "numerics": "def relu(z): return np.where(z > 0, z, 0)",
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, CHANNELS, 5, 6))


def made(text, stage="compose", which="bad"):
    return candidate(Rule("some-rule", stage, "wrong", "so", **{which: text}), which)


def drawn(parameters):
    return {
        name: RNG.uniform(-1, 1, value.shape) + 2 * (name == "var")
        for name, value in parameters.items()
    }


def of_package(weights):
    mlp = SharedMLP(weights["w0"], weights["w1"])
    return CBAM(ChannelAttention(mlp), SpatialAttention(Conv(weights["k"])))


@pytest.mark.parametrize("stage", RIGHT)
def test_what_surrounds_the_lines_is_right(stage):
    f, parameters = made(RIGHT[stage], stage)
    assert {name: value.shape for name, value in parameters.items()} == {
        "w0": (HIDDEN, CHANNELS),
        "w1": (CHANNELS, HIDDEN),
        "k": (1, 2, 7, 7),
    }
    weights = drawn(parameters)
    y = f(weights, X)
    y, pullback = y if isinstance(y, tuple) else (y, None)
    expected, right = of_package(weights).vjp(X)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)
    assert (pullback is not None) == (stage == "gradient")
    if pullback is not None:
        dy = RNG.normal(size=y.shape)
        dparams, dx = pullback(dy)
        dcbam, expected = right(dy)
        np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-11)
        np.testing.assert_allclose(dparams["w0"], dcbam.channel.mlp.w0, rtol=0, atol=1e-11)
        np.testing.assert_allclose(dparams["w1"], dcbam.channel.mlp.w1, rtol=0, atol=1e-11)
        np.testing.assert_allclose(dparams["k"], dcbam.spatial.conv.w, rtol=0, atol=1e-11)


def test_the_backward_is_the_derivative():
    f, parameters = made(RIGHT["gradient"], "gradient")
    weights, x = drawn(parameters), RNG.normal(size=(2, CHANNELS, 3, 4))

    def layer(*arrays):
        y, pullback = f(dict(zip(parameters, arrays[1:], strict=True)), arrays[0])

        def flat_pullback(dy):
            dparams, dx = pullback(dy)
            return dx, *dparams.values()

        return y, flat_pullback

    gradcheck.check_vjp(layer, x, *weights.values())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("y = x", ""),
        ("y = channel(x) * x", "w0 w1"),
        ("mc = channel(x)", "w0 w1 k"),
        ("mc = column(sigmoid(avg(x) @ w0.T @ w1.T + b1))", "w0 w1 b1 k"),
        ("def mlp(f): return relu(f @ w0.T + b0) @ w1.T + b1", "w0 w1 b0 b1 k"),
        ("mc = column(sigmoid(mlp(avg(x)) + relu(top(x) @ v0.T) @ v1.T))", "w0 w1 v0 v1 k"),
        ("ms = sigmoid(conv(f.mean(1), f.max(1)) + kb)", "w0 w1 k kb"),
        ("ms = sigmoid(norm(conv(f.mean(1), f.max(1))))", "w0 w1 k gamma beta mean var"),
        ("k = k[..., ::-1, ::-1]\nms = sigmoid(conv(f.mean(1), f.max(1)))", "w0 w1 k"),
        ("ms = spatial(f)\nmean = ms.mean()\nms = ms + 0 * mean", "w0 w1 k"),
        ("def block(x):\n    k = x.mean()\n    return channel(x) * x + 0 * k", "w0 w1"),
        ("# w: (C, C)\nmc = column(sigmoid(avg(x) @ w.T))", "k w"),
    ],
)
def test_parameters_are_those_that_are_read(text, names):
    f, parameters = made(text)
    assert [*parameters] == names.split()
    assert f(drawn(parameters), X).shape == X.shape


@pytest.mark.parametrize(
    ("text", "name", "shape"),
    [
        ("ms = sigmoid(conv(f.max(1)))", "k", (1, 1, 7, 7)),
        ("ms = sigmoid(conv(f.mean(1), f.max(1), f.min(1)))", "k", (1, 3, 7, 7)),
        ("# k: (1, 2, 3, 3)\nms = spatial(f)", "k", (1, 2, 3, 3)),
        ("# w: (C/r, 1, 5)\ny = x * w.sum()", "w", (HIDDEN, 1, 5)),
    ],
)
def test_shapes(text, name, shape):
    f, parameters = made(text)
    assert parameters[name].shape == shape
    assert f(drawn(parameters), X).shape == X.shape


def gradients(text):
    f, parameters = made(text, "gradient")
    weights, dy = drawn(parameters), RNG.normal(size=X.shape)
    dparams, dx = f(weights, X)[1](dy)
    dcbam, right = of_package(weights).vjp(X)[1](dy)
    expected = {"w0": dcbam.channel.mlp.w0, "w1": dcbam.channel.mlp.w1, "k": dcbam.spatial.conv.w}
    return dx, right, dparams, expected


def test_a_line_that_adds_stands_behind():
    dx, right, dparams, expected = gradients("dw1 *= 2")
    np.testing.assert_allclose(dparams["w1"], 2 * expected["w1"], rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(dx, right, rtol=0, atol=1e-11)


def test_a_line_of_another_name_goes_with_the_next():
    dx, right, dparams, expected = gradients(
        "half = dzc / 2\ndw1 = half.T @ h_avg\ndh_max = 0 * h_max"
    )
    assert not np.allclose(dx, right)
    assert not np.allclose(dparams["w1"], expected["w1"])
    np.testing.assert_allclose(dparams["k"], expected["k"], rtol=0, atol=1e-11)


def test_a_function_is_replaced():
    dx, right, *_ = gradients("def to_top(x, axis): return 0 * x")
    assert not np.allclose(dx, right)


def test_lines_that_bind_nothing_known():
    with pytest.raises(ValueError, match=r"^expected lines that bind one of dms, dzs, dk, "):
        made("nothing = 0", "gradient")


def test_calls_share_nothing():
    f, parameters = made("y = x * counter\ncounter = 2")
    with pytest.raises(NameError):
        f(drawn(parameters), X)
    with pytest.raises(NameError):
        f(drawn(parameters), X)


def test_lines_of_a_framework_are_not_run():
    assert is_run("y = x")
    assert not is_run("# torch\ny = x")
    with pytest.raises(
        ValueError, match=r"^some-rule: its lines are not NumPy's, and are not run$"
    ):
        made("# torch\ny = x")


def test_the_fix_is_run_too():
    f, _ = made("y = 2 * x", which="fix")
    np.testing.assert_array_equal(f({}, X), 2 * X)
    assert f.__name__ == "some_rule"


def test_each_precision_is_kept():
    for stage, text in RIGHT.items():
        f, parameters = made(text, stage)
        for dtype in (np.float32, np.float16):
            weights = {name: value.astype(dtype) for name, value in drawn(parameters).items()}
            y = f(weights, X.astype(dtype))
            y = y[0] if isinstance(y, tuple) else y
            assert y.dtype == dtype, stage


def test_no_program_binds_a_parameter():
    for program in (lines.FORWARD, lines.BACKWARD, lines.CHANNEL, lines.SPATIAL, lines.WHOLE):
        body = lines.ast.parse(program.format(lines="")).body
        bound = {name for each in body for name in lines._bound(each)}
        assert not bound & lines.SHAPES.keys()
