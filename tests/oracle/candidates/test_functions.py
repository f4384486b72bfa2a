"""NumPy candidates and those that speak DLPack: precisions, layouts, effects, replays."""

import numpy as np
import pytest
import torch
from adapting import DY, X, assert_precisions, assert_replays, assert_same_as_reference

from npcbam import CBAM
from npcbam.oracle import BadOutput, CannotRun, examples
from npcbam.oracle.candidates import adapt

CHANNELS = X.shape[1]
PARAMS = {name: value / 8 for name, value in examples.init(CHANNELS).items()}


class Layer:
    """A block with biases, which computes by the reference, as an object."""

    def __init__(self, channels):
        self.layer = CBAM.init(0, channels, 8, preset="paper_biased")
        self.parameters = {"w0": self.layer.channel.mlp.w0}

    def vjp(self, x):
        return self.layer.vjp(x)


def channels_last(params, x):
    y, pullback = examples.right(params, np.moveaxis(x, -1, 1))

    def last_pullback(dy):
        dparams, dx = pullback(np.moveaxis(dy, -1, 1))
        return dparams, np.moveaxis(dx, 1, -1)

    return np.moveaxis(y, 1, -1), last_pullback


def test_same_as_reference():
    layer = adapt(CBAM.init(0, CHANNELS, 8, preset="paper_biased"))
    assert (layer.framework, layer.layout) == ("numpy", "NCHW")
    assert_same_as_reference(layer)


def test_layout_is_found_out():
    first, last = (adapt(f, parameters=PARAMS) for f in (examples.right, channels_last))
    assert (first.layout, last.layout) == ("NCHW", "NHWC")
    np.testing.assert_array_equal(first.forward({}, X), last.forward({}, X))
    for a, b in zip(first.vjp({}, X, DY), last.vjp({}, X, DY), strict=True):
        np.testing.assert_equal(a, b)


def test_precisions():
    layer = adapt(CBAM.init(0, CHANNELS, 8, preset="paper_biased"))
    assert layer.dtypes == ("float64", "float32")
    assert_precisions(layer)
    assert adapt(examples.right, parameters=PARAMS).dtypes == ("float64", "float32", "float16")


def test_an_object_keeps_its_precision():
    found = adapt(Layer, CHANNELS)
    with pytest.raises(CannotRun, match="Layer: expected a precision among float64, got float32"):
        found.at("float32")


def vandal(params, x):
    y = examples.right({name: value.copy() for name, value in params.items()}, x.copy())[0]
    print("oops")
    x *= 2
    params["w0"] += 1
    return y.astype(np.float32)


def test_effects_are_seen(capsys):
    found = adapt(vandal, parameters=PARAMS)
    seen = found.observe({}, X)
    np.testing.assert_array_equal(seen.x_after, 2 * X)
    np.testing.assert_array_equal(seen.params_after["w0"], PARAMS["w0"] + 1)
    np.testing.assert_array_equal(seen.params_after["w1"], PARAMS["w1"])
    assert (seen.dtype, seen.printed) == ("float32", "oops\n")
    assert capsys.readouterr().out == ""
    clean = adapt(examples.right, parameters=PARAMS).observe({}, X)
    np.testing.assert_array_equal(clean.x_after, X)
    assert (clean.dtype, clean.printed) == ("float64", "")


def test_effects_of_an_object_are_seen():
    class Spoils(Layer):
        def vjp(self, x):
            self.parameters["w0"] *= 0
            return super().vjp(x)

    found = adapt(Spoils, CHANNELS)
    assert not found.observe({}, X).params_after["w0"].any()
    assert found.parameters["w0"].any()


STRIDES = {
    "contiguous": [720, 30, 5, 1],
    "channels_last": [720, 1, 120, 24],
    "strided": [1440, 60, 10, 2],
}


@pytest.mark.parametrize("memory", STRIDES)
def test_memory(memory):
    def tells(params, x):
        print([step // x.itemsize for step in x.strides])
        return x

    seen = adapt(tells, parameters=PARAMS).observe({}, X, layout=memory)
    assert seen.printed == f"{STRIDES[memory]}\n"
    np.testing.assert_array_equal(seen.y, X)


class Speaks:
    """An array of which nothing is known but DLPack."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **how):
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def by_dlpack(params, x):
    return Speaks(torch.from_dlpack(x) * torch.from_dlpack(params["w"]))


def test_dlpack():
    found = adapt(by_dlpack, parameters={"w": np.full(1, 2.0)})
    np.testing.assert_array_equal(found.forward({}, X), 2 * X)
    assert found.vjp({}, X, DY) is None
    np.testing.assert_array_equal(found.observe({}, X).y, 2 * X)
    # What f makes of it is not handed over while autograd watches it.
    watched = adapt(lambda params, x: torch.tensor(x, requires_grad=True), parameters=PARAMS)
    with pytest.raises(BadOutput, match="y: DLPack does not hand it to NumPy: "):
        watched.forward({}, X)


def test_replay():
    layer = adapt(CBAM.init(0, CHANNELS, 8, preset="paper_biased"))
    layer.source = "from npcbam import CBAM\nblock = CBAM.init(1, 24, 8, preset='paper_biased')"
    assert_replays(layer)
    found = adapt("npcbam.oracle.examples:two_sigmoids", CHANNELS)
    scope = {"params": PARAMS, "x": X}
    exec(found.replay("params", "x"), scope)
    np.testing.assert_array_equal(scope["y"], found.forward(PARAMS, X))


# Lists in place of arrays


def nested(params, x):
    return examples.right(params["mlp"] | params["rest"], x)


def sized(params, x):
    return examples.right(params["arrays"], x)


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_of_numbers_are_refused(kind):
    lists = {name: value.tolist() for name, value in PARAMS.items()}
    (first, value), *_ = PARAMS.items()
    said = f"parameter {first}: expected an array, got {kind.__name__} of numbers with the shape "
    with pytest.raises(TypeError) as caught:
        adapt(examples.right, parameters={**PARAMS, first: kind(lists[first])})
    assert str(caught.value) == f"right: {said}{value.shape}"
    with pytest.raises(TypeError, match=f"parameter mlp.{first}: expected an array"):
        adapt(nested, parameters={"mlp": {first: kind(lists[first])}, "rest": PARAMS})


def test_lists_that_init_returns_are_refused(tmp_path):
    file = tmp_path / "lists.py"
    file.write_text(
        "from npcbam.oracle import examples\n"
        "def init(channels):\n"
        "    return {k: v.tolist() for k, v in examples.init(channels).items()}\n"
        "def right(params, x):\n"
        "    return examples.right(params, x)\n"
    )
    with pytest.raises(TypeError, match="right: parameter w0: expected an array, got list of"):
        adapt(f"{file}:right", CHANNELS)


@pytest.mark.parametrize("more", [[3, 3], (7,), [], {"eps": 1e-5}, [None, "same"]])
def test_what_is_no_list_of_weights_is_left_alone(more):
    assert set(adapt(sized, parameters={"arrays": PARAMS, "more": more}).parameters) == {
        f"arrays.{name}" for name in PARAMS
    }
