"""The messages. That each layer asks for them is tested with the layer."""

import numpy as np
import pytest
from helpers import DTYPES, assert_raises, assert_refuses, bad_arrays, bad_cotangents
from hypothesis import given, settings
from hypothesis import strategies as st

from npcbam import arguments
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.strategies import feature_maps, layouts

X = np.ones((2, 7, 3, 3))


# By hand: what passes


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_supported_dtype_passes_as_it_is(dtype):
    x = np.ones((2, 3), dtype)
    assert arguments.array("x", x) is x
    arguments.dtype("dtype", dtype)
    arguments.dtype("dtype", np.dtype(dtype).name)


def test_feature_maps_of_one_to_three_axes_pass():
    for shape in [(2, 4, 5), (0, 4, 5, 6), (1, 1, 1, 1, 1)]:
        x = np.ones(shape)
        assert arguments.feature_map(x, ("w", np.ones(1)), shape[1], len(shape)) is x


def test_axes_come_back_sorted_and_not_negative():
    assert arguments.axes((-1, 0), X) == (0, 3)
    assert arguments.axes([np.int64(2)], X) == (2,)
    assert arguments.axes((-4,), X) == (0,)
    assert all(type(axis) is int for axis in arguments.axes((np.int8(-1),), X))


def test_values_on_the_border_pass():
    arguments.positive("n", 1)
    arguments.positive("n", np.int32(7))
    arguments.seed("n", 0)
    arguments.number("n", 0, 0, 1)
    arguments.number("n", np.float32(1), 0, 1)
    arguments.odd("n", 1)
    arguments.choice("n", "b", ["a", "b"])
    arguments.choice("n", np.int64(2), (1, 2, 3))
    arguments.number("n", np.int64(1), 0, 1)
    arguments.subset("n", ("b", "a"), ["a", "b"])
    arguments.subset("n", ("b",), ["a", "b"])
    arguments.layer("n", Conv(np.ones((1, 1, 1))), BatchNorm, Conv)


# An independent statement of what `array` returns


def test_subclasses_of_arrays_become_plain_arrays(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(2, 2))
    mapped[...] = [[1, 2], [3, 4]]
    found = arguments.array("x", mapped)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


# Laws


@settings(deadline=None, max_examples=50)
@given(st.data(), feature_maps(dtype=None))
def test_arrays_come_back_aligned_in_c_order_with_the_same_bytes(data, x):
    for check in (arguments.array, lambda _, a: arguments.feature_map(a)):
        found = check("x", data.draw(layouts(x)))
        assert found.flags.c_contiguous
        assert found.flags.aligned
        assert (found.dtype, found.shape, found.tobytes()) == (x.dtype, x.shape, x.tobytes())


# Errors


def test_array():
    assert_refuses(lambda x: arguments.array("x", x), bad_arrays("x", X))
    wide = np.ones(1, np.clongdouble)
    assert_raises(
        TypeError,
        "x: expected dtype float32, float64, longdouble or complex128, "
        f"got {wide.dtype}",  # no supported dtype holds it
        arguments.array, "x", wide,
    )  # fmt: skip


def test_casts_that_errors_propose_are_exact():
    for dtype in ["f2", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"]:
        kind = np.dtype(dtype)
        info = None if dtype == "?" else np.finfo if dtype == "f2" else np.iinfo
        most = np.array([True if info is None else info(kind).max], kind)
        with pytest.raises(TypeError) as caught:
            arguments.array("x", most)
        wide = str(caught.value).split("'")[1]
        assert most.astype(wide).astype(kind) == most
        assert int(most.astype(wide)[0]) == int(most[0])


SHAPED = [
    (np.ones(3), "x: expected shape (2, N), got (3,)"),
    (np.ones((3, 2)), "x: expected shape (2, N), got (3, 2)"),
    (np.ones((2, 2, 1)), "x: expected shape (2, N), got (2, 2, 1)"),
    (np.array(1.0), "x: expected shape (2, N), got ()"),
]


@pytest.mark.parametrize(("bad", "message"), SHAPED)
def test_shaped(bad, message):
    assert_raises(ValueError, message, arguments.shaped, "x", bad, (2, "N"))


def test_same_dtype_names_the_first_that_differs():
    named = [("a", np.ones(1)), ("b", np.ones(1)), ("c", np.ones(1, "f4"))]
    message = "c: expected dtype float64 like a, got float32; cast one of them with .astype"
    assert_raises(TypeError, message, arguments.same_dtype, iter(named))
    arguments.same_dtype([])


EVERY_RANK = "x: expected shape (N, {0}, L) or (N, {0}, H, W) or (N, {0}, D, H, W), got"
FEATURE_MAPS = [
    ({}, X[0, 0], f"{EVERY_RANK.format('C')} (3, 3)"),
    ({}, X[None, None], f"{EVERY_RANK.format('C')} (1, 1, 2, 7, 3, 3)"),
    ({"channels": 8}, X, f"{EVERY_RANK.format(8)} (2, 7, 3, 3)"),
    ({"channels": 8, "ndim": 4}, X, "x: expected shape (N, 8, H, W), got (2, 7, 3, 3)"),
    ({"ndim": 3}, X, "x: expected shape (N, C, L), got (2, 7, 3, 3)"),
    ({"ndim": 5, "channels": 7}, X, "x: expected shape (N, 7, D, H, W), got (2, 7, 3, 3)"),
    ({}, X[:, :, :0], "x: expected at least one element a sample, got (2, 7, 0, 3)"),
    ({}, X[:, :0], "x: expected at least one element a sample, got (2, 0, 3, 3)"),
]


@pytest.mark.parametrize(("asked", "bad", "message"), FEATURE_MAPS)
def test_feature_map(asked, bad, message):
    assert_raises(ValueError, message, arguments.feature_map, bad, **asked)


def test_feature_map_of_no_array():
    assert_refuses(arguments.feature_map, bad_arrays("x", X))


def test_feature_map_of_another_dtype_than_the_layer():
    message = "x: expected dtype float32 like w0, got float64; cast one of them with .astype"
    assert_raises(TypeError, message, arguments.feature_map, X, ("w0", np.ones(1, "f4")))


@pytest.mark.parametrize("shape", [(2, 4, 1), (1, 4, 2), (1, 4, 1, 2), (1, 1, 2)])
def test_a_batch_of_two_elements_a_channel_has_a_variance(shape):
    arguments.batch(np.ones(shape))


@pytest.mark.parametrize("shape", [(1, 4, 1), (0, 4, 3), (1, 1, 1, 1)])
def test_a_batch_without_a_variance(shape):
    message = f"x: expected at least 2 elements a channel in training, got shape {shape}"
    assert_raises(ValueError, message, arguments.batch, np.ones(shape))


def test_cotangent():
    assert_refuses(lambda dy: arguments.cotangent(dy, X), bad_cotangents(X))
    assert_refuses(lambda dz: arguments.cotangent(dz, X, "dz"), bad_cotangents(X, "dz", "z"))
    assert_refuses(lambda d: arguments.cotangent(d, X, "d"), bad_cotangents(X, "d", "y"))


BAD_AXES = [
    (),
    [],
    1,
    True,
    (True,),
    (4,),
    (-5,),
    (1.0,),
    "1",
    ("1",),
    None,
    (None,),
    {1},
    range(2),
]
BAD_AXES += [np.array([1]), ([1],)]


@pytest.mark.parametrize("bad", BAD_AXES, ids=repr)
def test_axes(bad):
    wanted = "axes: expected a tuple of axes of x, of which there are 4"
    assert_raises(ValueError, f"{wanted}, got {bad!r}", arguments.axes, bad, X)


@pytest.mark.parametrize("bad", [(1, 1), (1, -3), (0, np.int64(0))], ids=repr)
def test_axes_that_come_twice(bad):
    assert_raises(ValueError, f"axes: expected each axis once, got {bad!r}", arguments.axes, bad, X)


def test_axes_that_are_empty():
    message = "x: expected pooled axes of at least 1, got (2, 7, 0, 3)"
    assert_raises(ValueError, message, arguments.axes, (1, 2), X[:, :, :0])


VALUES = [
    (arguments.positive, (), True, TypeError, "expected an integer, got True"),
    (arguments.positive, (), 2.0, TypeError, "expected an integer, got 2.0"),
    (arguments.positive, (), "3", TypeError, "expected an integer, got '3'"),
    (arguments.positive, (), 0, ValueError, "expected at least 1, got 0"),
    (arguments.seed, (), None, TypeError, "expected a Generator or a seed, got None"),
    (arguments.seed, (), 1.5, TypeError, "expected a Generator or a seed, got 1.5"),
    (arguments.seed, (), False, TypeError, "expected a Generator or a seed, got False"),
    (arguments.seed, (), -1, ValueError, "expected a seed of at least 0, got -1"),
    (arguments.odd, (), 2, ValueError, "expected an odd kernel size, got 2"),
    (arguments.odd, (), True, TypeError, "expected an integer, got True"),
    (arguments.odd, (), -1, ValueError, "expected at least 1, got -1"),
    (arguments.number, (0, 1), "1", TypeError, "expected a number, got '1'"),
    (arguments.number, (0, 1), True, TypeError, "expected a number, got True"),
    (arguments.number, (0, 1), 1j, TypeError, "expected a number, got 1j"),
    (arguments.number, (0, 1), 1.5, ValueError, "expected a number from 0 to 1, got 1.5"),
    (arguments.number, (0, 1), -0.5, ValueError, "expected a number from 0 to 1, got -0.5"),
    (arguments.number, (0, 1), np.nan, ValueError, "expected a number from 0 to 1, got nan"),
    (arguments.choice, (("a", "b"),), "c", ValueError, "expected 'a' or 'b', got 'c'"),
    (arguments.choice, (("a", "b"),), ["a"], ValueError, "expected 'a' or 'b', got ['a']"),
    (arguments.choice, ((1, 2, 3),), True, ValueError, "expected 1, 2 or 3, got True"),
    (arguments.choice, ((1, 2, 3),), 2.0, ValueError, "expected 1, 2 or 3, got 2.0"),
    (arguments.choice, ((False, True),), np.int64(1), ValueError, "expected False or True, got 1"),
    (arguments.choice, ((False, True),), 1, ValueError, "expected False or True, got 1"),
    *[
        (arguments.subset, ("ab",), bad, ValueError, f"expected a tuple out of a, b, got {bad!r}")
        for bad in [(), ["a"], "a", ("a", "a"), ("c",), ("a", None), (["a"],), None, (np.ones(2),)]
    ],
    (arguments.layer, (Conv,), None, TypeError, "expected Conv, got NoneType"),
    (arguments.layer, (Conv,), Conv, TypeError, "expected Conv, got type"),
    (
        arguments.layer,
        (Conv, BatchNorm),
        X,
        TypeError,
        "expected Conv or BatchNorm, got numpy.ndarray",
    ),
]


@pytest.mark.parametrize(("check", "rest", "bad", "kind", "message"), VALUES)
def test_values(check, rest, bad, kind, message):
    assert_raises(kind, f"name: {message}", check, "name", bad, *rest)


def test_an_argument_called_seed_takes_no_generator():
    assert_raises(TypeError, "seed: expected a whole number, got 1.5", arguments.seed, "seed", 1.5)


BAD_DTYPES = [
    "nonsense",
    "f2",
    "i8",
    ">f8",
    None,
    "c8",
    "?",
    "f4,f4",
    ",",
    "(2",
    3,
    len,
    {},
    [("a",)],
]


@pytest.mark.parametrize("bad", BAD_DTYPES, ids=repr)
def test_dtype(bad):
    message = f"dtype: expected float32, float64, longdouble or complex128, got {bad!r}"
    assert_raises(TypeError, message, arguments.dtype, "dtype", bad)
