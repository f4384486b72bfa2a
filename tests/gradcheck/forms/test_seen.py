"""What one run of an object shows: what adds up, and what y depends on."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.seen import MOST, Seen
from npcbam.gradcheck.forms.stateful import Methods

X = np.array([1.0, 2.0])


class Layer:
    """y = w x + c, with gradients that add up, or do not, and an array that is of no use."""

    def __init__(self, adds=False):
        self.adds = adds
        self.w, self.b, self.shift, self.unused = (np.array([v, v]) for v in (3.0, 0.0, 4.0, 5.0))
        self.dw, self.db = np.zeros(2), np.zeros(2)

    def forward(self, x):
        self.x = x
        return self.w * x + self.b + self.shift

    def backward(self, dout):
        self.dw = dout * self.x + (self.dw if self.adds else 0)
        self.db = dout + (self.db if self.adds else 0)
        return dout * self.w


def seen(layer):
    return Seen.of(layer, (X,), Methods("forward", "backward", {}))


def notes(layer):
    found = seen(layer)
    parameters, _ = found.gradients((X,), ("x",), None, None)
    return [*found.notes(parameters)]


DEPENDS = (
    "y depends on {}, held by the object, for which backward leaves no gradient: not asked about"
)
ADDS = "backward adds to the gradients of w, b; they were set to 0 before each call"


# By hand


def test_a_run_keeps_what_forward_left_alone():
    layer = Layer()
    found = seen(layer)
    assert {str(where) for where, _ in found.stays} >= {"w", "b", "shift", "unused"}
    assert "x" not in {str(where) for where, _ in found.stays}
    assert found.obj is not layer
    assert not hasattr(layer, "x")
    assert (found.dy.tolist(), found.returned.tolist()) == ([1, 1], [3, 3])


def test_parameters_and_sources():
    found = seen(Layer())
    parameters, sources = found.gradients((X,), ("x",), None, None)
    assert [p.name for p in parameters] == ["w", "b"]
    got = [source(found.obj, found.returned).tolist() for source in sources]
    assert got == [[3, 3], [1, 2], [1, 1]]


def test_what_y_depends_on_is_told():
    assert notes(Layer()) == [DEPENDS.format("shift")]
    assert notes(Layer(adds=True)) == [ADDS, DEPENDS.format("shift")]


def test_a_gradient_of_another_shape_does_not_add_up():
    class Grows(Layer):
        def backward(self, dout):
            dx = super().backward(dout)
            self.dw = np.append(self.dw, 1.0) if not hasattr(self, "again") else self.dw
            self.again = True
            return dx

    found = seen(Grows())
    parameters, _ = found.gradients((X,), ("x",), None, None)
    assert not any("adds" in note for note in found.notes(parameters))


def test_a_backward_that_runs_once_adds_nothing():
    class Once(Layer):
        def backward(self, dout):
            dx = super().backward(dout)
            del self.x
            return dx

    assert notes(Once()) == [DEPENDS.format("shift")]


def test_no_number_equals_itself():
    """A gradient with NaN in it does not add up for that."""

    class Nan(Layer):
        def backward(self, dout):
            dx = super().backward(dout)
            self.dw = self.dw * np.array([np.nan, 1.0])
            return dx

        def forward(self, x):
            return super().forward(x) * np.array([np.nan, 1.0])

    assert notes(Nan()) == [DEPENDS.format("shift")]


def test_what_fails_with_other_values_is_not_told():
    class Picky(Layer):
        def forward(self, x):
            assert (self.shift == 4).all()
            return super().forward(x)

    assert notes(Picky()) == []


def test_parts_and_views_are_told_once():
    layer = Layer()
    layer.part = layer.w[:1]
    layer.whole = np.array([1.0, 1.0])
    layer.shift = layer.whole
    assert notes(layer) == [DEPENDS.format("shift")]


def test_gradients_that_are_returned_belong_to_what_stays():
    class Returns:
        def __init__(self):
            self.kernel, self.offset = np.ones((2, 3)), np.ones(3)

        def forward(self, x):
            self.x = x
            return x @ self.kernel + self.offset

        def backward(self, dout):
            return dout @ self.kernel.T, np.outer(self.x, dout), dout

    found = seen(Returns())
    parameters, sources = found.gradients((X,), ("x",), None, None)
    assert [p.name for p in parameters] == ["kernel", "offset"]
    shapes = [source(found.obj, found.returned).shape for source in sources]
    assert shapes == [(2,), (2, 3), (3,)]


@pytest.mark.parametrize(("count", "told"), [(MOST, MOST), (MOST + 5, MOST)])
def test_no_more_than_so_many_are_looked_at(count, told):
    class Many:
        def __init__(self):
            self.held = [np.ones(2) for _ in range(count)]

        def forward(self, x):
            return x * sum(self.held)

        def backward(self, dout):
            return dout * sum(self.held)

    (note,) = notes(Many())
    assert note.count("held.") == told
