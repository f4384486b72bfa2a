"""Running the two methods of an object, on copies with other values."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.naming import MisuseError
from npcbam.gradcheck.forms.objects import place
from npcbam.gradcheck.forms.parameters import Parameter
from npcbam.gradcheck.forms.stateful import RESULTS, Methods, untouched, with_values

METHODS = Methods("forward", "backward", {})


class Scale:
    def __init__(self):
        self.w, self.dw = np.array([2.0, 3.0]), np.array([7.0, 7.0])

    def forward(self, x, times=1, log=None):
        self.x = x
        if log is not None:
            log.append(x)
        return times * self.w * x

    def backward(self, dout):
        self.dw = dout * self.x
        return dout * self.w


class Silent:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def forward(self, x):
        setattr(self, self.name, self.value)

    def backward(self):
        return "pulled"


# By hand


def test_forward_is_called_with_a_copy_of_the_options():
    log = []
    how = Methods("forward", "backward", {"times": 10, "log": log})
    assert how.run(Scale(), (1,)).tolist() == [20, 30]
    assert log == []


@pytest.mark.parametrize("name", RESULTS)
def test_a_forward_that_returns_nothing_leaves_its_result(name):
    assert METHODS.run(Silent(name, 5.0), (1,)) == 5.0


@pytest.mark.parametrize(("name", "value"), [("elsewhere", 5.0), ("out", None)])
def test_a_forward_without_a_result(name, value):
    with pytest.raises(MisuseError) as caught:
        METHODS.run(Silent(name, value), (1,))
    assert str(caught.value) == "forward: expected it to return y, got None"


def test_a_backward_is_given_dy_unless_it_takes_nothing():
    layer = Scale()
    METHODS.run(layer, (np.array([10.0, 100.0]),))
    assert METHODS.pull(layer, np.array([1.0, 2.0])).tolist() == [2, 6]
    assert layer.dw.tolist() == [10, 200]
    assert METHODS.pull(Silent("out", 1.0), "dy") == "pulled"
    assert not METHODS.starts_itself(layer)
    assert METHODS.starts_itself(Silent("out", 1.0))
    # Whose signature nobody knows is given dy.
    layer.backward = type("C", (), {"__call__": lambda self, dy: dy, "__signature__": 3})()
    assert METHODS.pull(layer, "dy") == "dy"


def test_a_copy_with_values_has_gradients_of_0_in_their_precision():
    layer = Scale()
    parameter = Parameter("w", place(layer, "w"), (place(layer, "dw"),))
    other = with_values(layer, [parameter], [np.array([5.0, 6.0], np.complex128)])
    assert other is not layer
    assert (other.w.tolist(), other.dw.tolist()) == ([5, 6], [0, 0])
    assert (other.w.dtype, other.dw.dtype) == (np.complex128, np.complex128)
    assert (layer.w.tolist(), layer.dw.tolist()) == ([2, 3], [7, 7])
    layer.dw = None
    assert with_values(layer, [parameter], [np.array([5.0, 6.0])]).dw is None


def test_what_a_run_leaves_as_it_was():
    layer = Scale()
    layer.nothing = np.array([np.nan, 1.0])
    written = np.zeros(2)
    layer.written = written

    def run():
        METHODS.run(layer, (np.ones(2),))
        layer.written += 1
        layer.dw = np.array([7.0, 7.0])  # another one with the same values

    found = untouched(run, layer)
    assert [str(where) for where, _ in found] == ["w", "nothing"]
    assert found[0][1] is layer.w


# Errors


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (Scale, "expected an object, got the class Scale; build it: check_layer(Scale(...), x)"),
        (3, "expected an object with forward and backward, got int, which has no forward"),
        (
            type("Half", (), {"forward": len, "backward": 3})(),
            "expected an object with forward and backward, got Half, which has no backward",
        ),
        (
            type("Theirs", (type("Module", (), {"__module__": "torch.nn"}),), {"forward": len})(),
            "expected an object with forward and backward, got Theirs, which has no backward; "
            "check_vjp(module, x) takes modules of torch",
        ),
    ],
)
def test_what_is_no_layer(obj, said):
    with pytest.raises(MisuseError) as caught:
        METHODS.demand(obj)
    assert str(caught.value) == f"obj: {said}"


def test_what_no_copy_can_be_made_of():
    layer = Scale()
    layer.__deepcopy__ = None
    layer.f = lambda: layer
    with pytest.raises(MisuseError) as caught:
        METHODS.demand(layer)
    assert str(caught.value) == (
        "obj: f is a function (<lambda>) that refers to the object, so that a copy would still use "
        "the original; make it a method"
    )

    class Refuses(Scale):
        def __deepcopy__(self, memo):
            raise ValueError("no")

    with pytest.raises(MisuseError, match=r"^obj: it cannot be copied: no$"):
        METHODS.demand(Refuses())
    METHODS.demand(Scale())
