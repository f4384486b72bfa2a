"""Objects with forward and backward: found, run apart, right and planted wrong."""

import numpy as np
import pytest
from composite_layers import LAYERS, Norm, Tanh, Tied
from layers_in_the_wild import Attributes, Dicts, Lists, Suffixed

from npcbam.gradcheck import WrongGradientError
from npcbam.gradcheck.forms import check_layer

X = np.random.default_rng(1).normal(size=(4, 3))


# By hand


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_right_and_named(kind):
    names, how = LAYERS[kind]
    report = check_layer(kind(), X, **how)
    assert report.outcome == "right"
    assert tuple(leaf.leaf for leaf in report.leaves) == names


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_a_planted_fault_is_said_of_its_parameter(kind):
    names, how = LAYERS[kind]
    with pytest.raises(WrongGradientError) as caught:
        check_layer(kind(1.01), X, **how)
    report = caught.value.report
    bad = [leaf.leaf for leaf in report.leaves if not leaf.worst.ok]
    assert bad == [names[-2]]
    assert report.code == "mismatch"


def test_no_parameters():
    assert check_layer(Tanh(), X).outcome == "right"
    assert [leaf.leaf for leaf in check_layer(Attributes(), X, params=()).leaves] == ["x"]


def test_float32():
    layer = Attributes(wide=np.float32)
    assert check_layer(layer, X.astype(np.float32)).outcome == "right"


# Named by the user


class OwnNames:
    def __init__(self):
        self.kernel, self.parts = np.ones((3, 2)), {"shift": np.ones(2)}

    def forward(self, x):
        self.x = x
        return x @ self.kernel + self.parts["shift"]

    def backward(self, dout):
        self.step = self.x.T @ dout
        self.parts["back"] = dout.sum(0)
        return dout @ self.kernel.T


NAMED = [
    {"params": {"kernel": "step", "parts.shift": "parts.back"}},
    {"params": ("kernel", "parts.shift"), "grads": ("step", "parts.back")},
]


@pytest.mark.parametrize("how", NAMED)
def test_named(how):
    report = check_layer(OwnNames(), X, **how)
    assert [leaf.leaf for leaf in report.leaves] == ["x", "kernel", "parts.shift"]


def test_what_is_not_asked_about_is_said():
    report = check_layer(OwnNames(), X)
    assert (
        "y depends on kernel, parts.shift, held by the object, for which backward leaves no "
        "gradient: not asked about"
    ) in report.notes


def test_containers_by_name():
    layer = Dicts()
    layer.mine = layer.params
    report = check_layer(layer, X, params="mine", grads="grads")
    assert [leaf.leaf for leaf in report.leaves] == ["x", "mine.W", "mine.b"]
    report = check_layer(layer, X, params=("params.W",))
    assert [leaf.leaf for leaf in report.leaves] == ["x", "W"]


def test_one_array_by_name_and_a_container_that_is_not_there():
    report = check_layer(Dicts(), X, params="params.W")
    assert [leaf.leaf for leaf in report.leaves] == ["x", "W"]
    said = "expected names of what Dicts holds after backward, got {0!r}, of which there is no {0}"
    with pytest.raises(TypeError) as caught:
        check_layer(Dicts(), X, params="params", grads="slopes")
    assert str(caught.value) == f"grads: {said.format('slopes')}"
    with pytest.raises(TypeError) as caught:
        check_layer(Dicts(), X, params="weights")
    assert str(caught.value) == f"params: {said.format('weights')}"


def test_fixed():
    assert check_layer(Attributes(), X, fixed=("nothing.of.this",)).outcome == "right"


# Other forms of the two methods


class Loss:
    def forward(self, x, target):
        self.left = x - target
        return float((self.left**2).sum()) if np.isrealobj(x) else (self.left**2).sum()

    def backward(self):
        return 2 * self.left


class Embedding:
    def __init__(self):
        self.table = X.copy()

    def forward(self, words):
        self.words = words
        return self.table[words]

    def backward(self, dout):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.words, dout)


class Product:
    def forward(self, a, b):
        self.a, self.b = a, b
        return a * b

    def backward(self, dout):
        return dout * self.b, dout * self.a


class Passes(Attributes):
    fprop, bprop = Attributes.forward, Attributes.backward
    forward = backward = None


class Drops:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_an_embedding_has_no_gradient_of_its_input():
    report = check_layer(Embedding(), np.array([0, 2, 2]))
    assert [leaf.leaf for leaf in report.leaves] == ["table"]


def test_two_inputs():
    assert [leaf.leaf for leaf in check_layer(Product(), X, 2 * X).leaves] == ["a", "b"]


def test_other_names_of_the_methods():
    assert check_layer(Passes(), X, methods=("fprop", "bprop")).outcome == "right"


def test_a_generator_inside_draws_the_same_in_every_copy():
    assert check_layer(Drops(), X).outcome == "right"


class Flat(Attributes):
    def __init__(self, fault=1.0):
        super().__init__(fault)
        self.theta = np.concatenate([self.W.ravel(), self.b])
        self.W, self.b = self.theta[:6].reshape(3, 2), self.theta[6:]

    def backward(self, dout):
        dx = super().backward(dout)
        self.dtheta = np.concatenate([self.dW.ravel(), self.db])
        return dx


def test_a_flat_array_and_its_parts_are_the_same_parameters():
    names = [leaf.leaf for leaf in check_layer(Flat(), X).leaves]
    assert names in (["x", "theta"], ["x", "W", "b"])
    assert check_layer(Flat(), X, params=("theta",)).outcome == "right"
    assert check_layer(Flat(), X, params=("W", "b")).outcome == "right"
    assert check_layer(Flat(1.01), X, params=("theta",), raises=False).outcome == "wrong"
    with pytest.raises(TypeError, match="params: W and theta share memory; name one"):
        check_layer(Flat(), X, params=("W", "theta"))


# Apart


def test_the_object_is_not_changed():
    for layer in (Suffixed(), Norm(), Lists(), Tied()):
        before = {k: np.copy(v) for k, v in vars(layer).items() if isinstance(v, np.ndarray)}
        held = set(vars(layer))
        check_layer(layer, X, call={"train": True} if isinstance(layer, Norm) else None)
        assert set(vars(layer)) == held
        for name, value in before.items():
            np.testing.assert_array_equal(getattr(layer, name), value)


def test_gradients_that_add_up_are_told():
    assert "backward adds to the gradients of W, b; they were set to 0 before each call" in (
        check_layer(Suffixed(), X).notes
    )
    assert not any("adds" in note for note in check_layer(Attributes(), X).notes)


def test_statistics_are_told_where_y_depends_on_them():
    report = check_layer(Norm(), X, call={"train": True})
    assert not any("running_mean" in note for note in report.notes)
    report = check_layer(Norm(), X, call={"train": False}, methods=("forward", "backward_of_eval"))
    assert any(note.startswith("y depends on running_mean") for note in report.notes)


def test_a_layer_that_ran_before():
    layer = Suffixed()
    layer.forward(X)
    layer.backward(np.ones((4, 2)))
    assert check_layer(layer, X).outcome == "right"


def test_without_raising():
    report = check_layer(Attributes(2.0), X, seed=5, raises=False)
    assert report.outcome == "wrong"
    assert "check_layer(obj, x, seed=5, raises=False)" in report.snippet
