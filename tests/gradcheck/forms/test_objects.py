"""Places in an object, and copies of it with other arrays in them."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.objects import Place, captured, copied, parts, place, walk


class Thing:
    def __init__(self, **held):
        vars(self).update(held)

    def pairs(self):
        yield from vars(self).items()


def thing():
    w = np.arange(6.0).reshape(2, 3)
    inner = Thing(params={"w": w}, again=[w, (w, "s")])
    return Thing(inner=inner, n=3, view=w.T, name="x")


# By hand


def test_walk_goes_everywhere_once():
    found = {str(where): value for where, value in walk(thing()) if isinstance(value, np.ndarray)}
    assert found.keys() == {"view", "inner.params.w"}


def test_places():
    obj = thing()
    w = obj.inner.params["w"]
    assert place(obj, "inner.params.w").of(obj) is w
    assert place(obj, "inner.again.1.0").of(obj) is w
    assert str(place(obj, "inner.again.0")) == "inner.again.0"
    assert place(obj, "pairs").then("call", "__call__").get(obj) is not None
    assert Place().then("call", "pairs").then("item", 1).of(obj) == ("n", 3)
    assert Place().then("attribute", "m").get(obj) is None
    with pytest.raises(LookupError, match="v"):
        place(obj, "inner.params.v")


def test_parts():
    assert parts({"a": 1}) == {"a": 1}
    assert parts(thing()).keys() == {"inner", "n", "view", "name"}
    assert parts(np.ones(2)) == parts("text") == parts(3.0) == {}


# Copies


def test_a_copy_is_apart():
    obj = thing()
    other = copied(obj)
    other.inner.params["w"][...] = 7
    assert (obj.inner.params["w"] == np.arange(6.0).reshape(2, 3)).all()
    # What is one array is one array in the copy, and what is a view of it is a view.
    assert other.inner.again[0] is other.inner.params["w"]
    assert (other.view == 7).all()


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_values_in_every_place(dtype, order):
    obj = thing()
    obj.inner.params["w"] = w = np.array(obj.inner.params["w"], order=order)
    obj.rows, obj.back = w[1:], w[::-1, ::2]
    new = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)
    other = copied(obj, lambda held: [(w, new)])
    found = other.inner.params["w"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, new)
    np.testing.assert_array_equal(other.rows, new[1:])
    np.testing.assert_array_equal(other.back, new[::-1, ::2])
    assert np.shares_memory(other.back, found)
    assert (w == np.arange(6.0).reshape(2, 3)).all()


def test_a_parameter_that_is_a_view_of_all():
    flat = np.arange(4.0)
    obj = Thing(flat=flat, w=flat[:2], b=flat[2:])
    other = copied(obj, lambda held: [(held.w, np.array([5.0, 6.0]))])
    assert (other.flat == [5, 6, 2, 3]).all()
    assert (other.b == [2, 3]).all()


# What holds on to the original


def test_functions_that_refer_to_the_object():
    obj = thing()
    obj.free = np.tanh
    obj.plain = lambda x: x
    assert captured(obj) == []
    obj.bound = obj.pairs
    assert captured(obj) == []
    obj.closed = lambda: obj
    assert [str(where) for where, _ in captured(obj)] == ["closed"]
