"""Where a gradient is: every way in which a backward returns it, or leaves it in the object."""

from types import SimpleNamespace

import pytest

from npcbam.gradcheck.forms.naming import MisuseError
from npcbam.gradcheck.forms.objects import place
from npcbam.gradcheck.forms.parameters import Parameter
from npcbam.gradcheck.forms.returned import INPUTS, beside, of_inputs, of_parameters, used_up

EMPTY = SimpleNamespace()


def values(sources, returned, obj=EMPTY):
    """Return what the sources take out, and None where there is none."""
    return [source and source(obj, returned) for source in sources]


def parameters(obj, **gradients):
    """Return parameters of an object by their names, with the names of their gradients."""
    return [
        Parameter(name.replace("__", "."), place(obj, "w"), tuple(place(obj, g) for g in each))
        for name, each in gradients.items()
    ]


# By hand: strings stand for the gradients


@pytest.mark.parametrize(
    ("returned", "names", "asked", "found"),
    [
        # by name, and the only input by any of its usual names
        ({"dx": "a", "dw": "b"}, ["x"], [0], ["a"]),
        ({"dw": "b", "grad_x": "a"}, ["x"], [0], ["a"]),
        ({"x": "a"}, ["x"], [0], ["a"]),
        ({"a": "a", "db": "b"}, ["b", "a"], [0, 1], ["b", "a"]),
        ({"db": "b"}, ["a", "b"], [0, 1], [None, "b"]),
        ({"dx": "a"}, ["first", "second"], [0, 1], [None, None]),
        *[({"dw": "b", key: "a"}, ["first"], [0], ["a"]) for key in INPUTS],
        ({"dw": "b"}, ["first"], [0], [None]),
        # one after the other, with or without those of what has no floats
        (("a", "b"), ["x", "y"], [0, 1], ["a", "b"]),
        (["a", None, "c"], ["x", "y"], [0, 1], ["a", None]),
        (("a", "b", "c"), ["x"], [0], ["a"]),
        (("a",), ["words", "x"], [1], [None, "a"]),
        (("a", "b"), ["x", "words", "y"], [0, 2], ["a", None, "b"]),
        # alone
        ("a", ["x"], [0], ["a"]),
        ("a", ["words", "x"], [1], [None, "a"]),
        ("a", ["x", "y"], [0, 1], ["a", None]),
        ("a", ["words"], [], [None]),
    ],
)
def test_gradients_of_inputs(returned, names, asked, found):
    assert values(of_inputs(returned, EMPTY, names, asked), returned) == found


@pytest.mark.parametrize(
    ("held", "names", "found"),
    [
        ({"dx": "a"}, ["x"], ["a"]),
        ({"db": "b", "da": "a"}, ["a", "b"], ["a", "b"]),
        ({"grad_input": "a"}, ["anything"], ["a"]),
        ({"grad_input": "a"}, ["anything", "else"], [None, None]),
        ({"other": "a"}, ["x"], [None]),
    ],
)
def test_gradients_of_inputs_that_the_object_holds(held, names, found):
    obj = SimpleNamespace(**held)
    assert values(of_inputs(None, obj, names, range(len(names))), None, obj) == found


@pytest.mark.parametrize(
    ("returned", "inputs", "asked", "count", "rest"),
    [
        (("a", "b", "c"), 2, [0, 1], 2, ("c",)),
        (("a", "b"), 2, [0, 1], 2, ()),
        (("a", "b", "c"), 1, [], 1, ("b", "c")),
        (("a",), 2, [0], 1, ()),
        (("a",), 3, [], 0, ("a",)),
        ("a", 2, [0, 1], 1, ()),
        ("a", 1, [], 0, ("a",)),
        (None, 1, [], 0, ()),
        (("a", {"w": "b"}), 1, [0], 1, {"w": "b"}),
        (("a", ["b", "c"]), 1, [0], 1, ["b", "c"]),
        ({"dx": "a", "dw": "b"}, 1, [0], 1, {"dx": "a", "dw": "b"}),
    ],
)
def test_what_comes_after_the_inputs(returned, inputs, asked, count, rest):
    assert used_up(returned, inputs, asked) == count
    assert beside(returned, count) == rest


def test_gradients_of_parameters_by_name_or_in_order():
    obj = SimpleNamespace(w=1)
    two = parameters(obj, layer__w=[], b=[])
    named = ("a", {"dw": "w", "b": "b"})
    assert values(of_parameters(named, 1, two, "backward"), named) == ["w", "b"]
    in_order = ("a", "w", "b")
    assert values(of_parameters(in_order, 1, two, "backward"), in_order) == ["w", "b"]
    # One that the object holds is in no order.
    obj = SimpleNamespace(w=1, dv=5)
    mixed = parameters(obj, w=[], v=["dv"], b=[])
    assert values(of_parameters(in_order, 1, mixed, "backward"), in_order, obj) == ["w", 5, "b"]


def test_gradients_that_the_object_holds_in_several_places_add_up():
    """The same one, held twice, counts once."""
    obj = SimpleNamespace(w=1, dw=1000, more=234, none=None)
    obj.again = obj.dw
    for places, total in [(["dw"], 1000), (["dw", "more"], 1234), (["dw", "again", "none"], 1000)]:
        (source,) = of_parameters(None, 0, parameters(obj, w=places), "backward")
        assert source(obj, None) == total
    obj.dw = obj.again = None
    (source,) = of_parameters(None, 0, parameters(obj, w=["dw", "again"]), "backward")
    with pytest.raises(MisuseError) as caught:
        source(obj, None)
    assert str(caught.value) == "w: backward does not set dw and again"


# Errors


@pytest.mark.parametrize("returned", [("a",), ("a", "b"), ("a", {"dv": "b"}), None])
def test_a_parameter_without_a_gradient(returned):
    obj = SimpleNamespace(w=1)
    with pytest.raises(MisuseError) as caught:
        of_parameters(returned, 1, parameters(obj, layer__w=[], b=[]), "bprop")
    assert str(caught.value) == (
        "layer.w: bprop leaves no gradient for it, neither beside it, as in dlayer.w, nor in "
        "grads, and returns none; say where: params={'layer.w': 'dlayer.w'}"
    )
