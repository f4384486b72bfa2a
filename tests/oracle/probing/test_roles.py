"""Roles: every way that the shapes allow, and the way back of a gradient."""

import itertools

import numpy as np
import pytest

from npcbam.oracle.probing.roles import MOST, Role, assignments, every_size, sizes_of


def arrays(**shapes):
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def names(roles):
    return {role.path.split(".", 1)[1]: role.name for role in roles}


@pytest.mark.parametrize(
    ("parameters", "buffers", "wanted"),
    [
        (
            {"a": (2, 8), "b": (8, 2), "k": (1, 2, 7, 7)},
            {},
            {"mlp.w0": "a", "mlp.w1": "b", "conv.w": "k"},
        ),
        (
            {"k": (1, 1, 5), "b": (8, 2, 1), "a": (2, 8, 1), "p": (2,), "q": (8,), "r": (1,)},
            {},
            {"mlp.w0": "a", "mlp.w1": "b", "mlp.b0": "p", "mlp.b1": "q", "conv.w": "k",
             "conv.b": "r"},
        ),
        (
            {"a": (2, 8), "b": (8, 2), "k": (1, 2, 7, 7)},
            {"m": (1,), "v": (1,)},
            {"mlp.w0": "a", "mlp.w1": "b", "conv.w": "k", "norm.mean": "m", "norm.var": "v"},
        ),
        ({"a": (2, 8), "b": (8, 2), "q": (1, 8, 1, 1)}, {},
         {"mlp.w0": "a", "mlp.w1": "b", "mlp.b1": "q"}),
        ({"a": (8, 2), "b": (2, 8)}, {}, {"mlp.w0": "b", "mlp.w1": "a"}),
    ],
)  # fmt: skip
def test_shapes_settle_it(parameters, buffers, wanted):
    found = assignments(arrays(**parameters), arrays(**buffers))
    assert names(found[0]) == wanted


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"a": (4, 4), "b": (4, 4)}, 8 + 4),
        ({"a": (1, 8), "b": (8, 1), "p": (1,), "k": (1, 2, 3, 3)}, 4),
        ({"a": (2, 8), "b": (8, 2), "c": (2, 8), "d": (8, 2)}, 2 * 2 + 12),
        # Of two MLPs both W0, and both W1, are stored alike.
        (dict.fromkeys("abcd", (4, 4)), 12 * 4),
        ({"a": (4, 4)}, 2),
        ({"k": (1, 2, 7, 7)}, 1),
        ({"a": (2, 8)}, 0),
        ({"a": (2, 8), "b": (2, 8)}, 2),
        ({"a": (2, 8), "b": (2, 9)}, 0),
        ({"k": (18,)}, 0),
        ({"a": (0, 8), "b": (8, 0)}, 0),
        ({"a": (2, 8, 3, 3), "b": (8, 2, 3, 3)}, 0),
        ({}, 0),
    ],
)
def test_every_choice_is_listed_once(parameters, count):
    found = assignments(arrays(**parameters), {})
    assert len(found) == len(set(found))
    # Ways to leave an array out come last.
    most = [roles for roles in found if len(roles) == len(found[0])]
    assert len(found) == count or len(most) == count


def test_two_mlps():
    shapes = {"a": (2, 8), "b": (8, 2), "c": (2, 8), "d": (8, 2), "p": (8,), "q": (8,)}
    first = assignments(arrays(**shapes), {})[0]
    keys = {role.name: role.key for role in first}
    assert keys == {"a": "w0", "b": "w1", "c": "w0'", "d": "w1'", "p": "b1", "q": "b1'"}


def test_what_has_no_effect_is_placed_last():
    shapes = arrays(a=(2, 8), b=(8, 2), c=(2, 8), d=(8, 2))
    assert {r.name for r in assignments(shapes, {})[0]} == {"a", "b", "c", "d"}
    live = assignments(shapes | arrays(p=(2,), q=(2,)), {}, dead={"p"})
    assert "q" in {role.name for role in live[0]}


def test_the_search_ends():
    many = arrays(**{f"p{i}": (1,) for i in range(12)}, a=(1, 8), b=(8, 1), k=(1, 2, 7, 7))
    assert len(assignments(many, arrays(m=(1,), v=(1,)))) == MOST


def test_one_number_of_channels():
    found = assignments(arrays(a=(2, 8), b=(8, 2), c=(2, 9), d=(9, 2)), {})
    assert {sizes_of(roles) for roles in found} == {(8, 2)}


def test_a_norm_keeps_both_statistics_or_none():
    shapes = {"a": (2, 8), "b": (8, 2), "k": (1, 2, 7, 7), "gamma": (1,), "beta": (1,)}
    for buffers in ({}, arrays(m=(1,))):
        none = names(assignments(arrays(**shapes), buffers)[0])
        assert {"norm.gamma", "norm.beta"} < set(none)
        assert not {"norm.mean", "norm.var"} & set(none)
    assert "norm.gamma" not in names(assignments(arrays(**shapes) | {"beta": np.ones(2)}, {})[0])
    both = assignments(arrays(**shapes), arrays(m=(1,), v=(1,)))
    assert {"norm.gamma", "norm.beta", "norm.mean", "norm.var"} < set(names(both[0]))


def test_each_matrix_may_be_stored_either_way():
    for a, b in itertools.product([(2, 8), (8, 2)], repeat=2):
        shapes = arrays(a=a, b=b)
        carried = {
            tuple((role.path, role.carry(shapes[role.name]).shape) for role in roles)
            for roles in assignments(shapes, {})
        }
        assert carried == {(("channel.mlp.w0", (2, 8)), ("channel.mlp.w1", (8, 2)))}


def test_a_hidden_layer_may_be_the_wider_one():
    shapes = arrays(a=(8, 2), b=(2, 8), p=(8,), q=(2,))
    assert every_size(shapes, {}) == [(8, 2), (2, 2)]
    assert names(assignments(shapes, {})[0])["mlp.w0"] == "b"
    wide = assignments(shapes, {}, sizes=(2, 2))
    assert names(wide[0]) == {"mlp.w0": "a", "mlp.w1": "b", "mlp.b0": "p", "mlp.b1": "q"}
    assert {sizes_of(roles) for roles in wide} == {(2, 2)}


@pytest.mark.parametrize("shape", [(18,), (1, 18), (18, 1), (2, 9), (9, 2), (3, 3, 2)])
def test_a_kernel_of_another_shape_is_read_in_order(shape):
    shapes = arrays(a=(4, 20), b=(20, 4)) | {"k": np.arange(18.0).reshape(shape)}
    planes_first, planes_last = (
        next(role.carry(shapes["k"]) for role in roles if role.key == "k")
        for roles in assignments(shapes, {})[:2]
    )
    np.testing.assert_array_equal(planes_first, np.arange(18.0).reshape(1, 2, 3, 3))
    np.testing.assert_array_equal(planes_last[0, 1], 1 + 2 * np.arange(9.0).reshape(3, 3))


def test_one_plane_may_be_stored_otherwise_too():
    roles = assignments(arrays(a=(4, 20), b=(20, 4), k=(25,)), {})[0]
    assert {role.shape for role in roles if role.key == "k"} == {(1, 1, 5, 5)}


def test_an_array_is_a_bias_sooner_than_a_kernel():
    shapes = arrays(a=(4, 18), b=(18, 4), p=(18,))
    assert names(assignments(shapes, {})[0])["mlp.b1"] == "p"
    both = arrays(a=(4, 18), b=(18, 4), p=(18,), k=(1, 2, 7, 7))
    assert {role.name for r in assignments(both, {}) for role in r if role.key == "k"} == {"k"}


@pytest.mark.parametrize("shape", [(1, 2, 5, 7), (5, 7, 2, 1), (2, 5, 7), (1, 1, 2, 5, 7)])
def test_kernel_layouts(shape):
    parameters = arrays(a=(2, 8), b=(8, 2), k=shape)
    roles = assignments(parameters, {})[0]
    assert sizes_of(roles) == (8, 2)
    kernel = next(role for role in roles if role.name == "k")
    assert kernel.carry(parameters["k"]).shape == (1, 2, 5, 7)


@pytest.mark.parametrize(
    ("shape", "axes"), [((1, 3, 5), [2]), ((1, 3, 7, 7), [2, 3]), ((1, 1, 5), [1]), ((25,), [2])]
)
def test_how_many_axes_the_maps_may_have(shape, axes):
    known = every_size(arrays(a=(2, 8), b=(8, 2), k=shape), {})
    assert [size[1] for size in known if size[0] == 8] == axes


def test_even_kernels_have_no_role():
    roles = assignments(arrays(a=(2, 8), b=(8, 2), k=(1, 2, 4, 4)), {})[0]
    assert "k" not in names(roles).values()


@pytest.mark.parametrize(
    ("shape", "to", "axes"),
    [
        ((2, 8, 1, 1), (2, 8), (0, 1)),
        ((8, 2), (8, 2), (1, 0)),
        ((3, 5, 2, 1),) * 2 + ((3, 2, 0, 1),),
    ],
)
def test_back_undoes_carry(shape, to, axes):
    role = Role("channel.mlp.w0", "a", to, axes)
    value = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(role.back(role.carry(value), value), value)


def test_carry_by_hand():
    role = Role("channel.mlp.w0", "a", (2, 3), (1, 0))
    carried = role.carry(np.arange(6.0).reshape(1, 1, 2, 3))
    np.testing.assert_array_equal(carried, [[0, 3], [1, 4], [2, 5]])
