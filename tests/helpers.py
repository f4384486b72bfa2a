"""What the tests of all layers ask alike: the derivative by complex step, and the common laws."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, REORDERED

from npcbam import tree

# A power of two, so that dividing by it is exact, and so small that its square underflows to 0.
STEP = 2.0**-600
TINY = 120
DTYPES = [np.float32, np.float64, np.longdouble, np.complex128]


def cotangent(y, seed=0):
    """Return random signs times magnitudes from 0.5 to 1.5, all different."""
    rng = np.random.default_rng(seed)
    return _filled(lambda: rng.choice([-1, 1], y.shape) * (0.5 + _strata(rng, y.shape)), y.dtype)


def distinct(*shape, dtype=np.float64, seed=0):
    """Return numbers from -2 to 2, shuffled, no two of them nearer than 2 / size."""
    rng = np.random.default_rng(seed)
    return _filled(lambda: 4 * _strata(rng, shape) - 2, dtype)


def integers(*shape, dtype=np.float64, seed=0, low=-4, high=5):
    """Return small whole numbers, whose sums and products are exact."""
    rng = np.random.default_rng(seed)
    return _filled(lambda: rng.integers(low, high, shape).astype(float), dtype)


def _filled(draw, dtype):
    x = draw()
    return (x + 1j * draw() if np.dtype(dtype).kind == "c" else x).astype(dtype)


def _strata(rng, shape):
    size = int(np.prod(shape))
    places = rng.permutation(size) + rng.uniform(0.25, 0.75, size)
    return (places / max(size, 1)).reshape(shape)


def cast(thing, dtype):
    """Return an array, a layer or a tuple of them with all leaves of `dtype`."""
    return tree.map(lambda leaf: leaf.astype(dtype), thing)


def leaves(thing):
    return [leaf for _, leaf in tree.leaves(thing)]


def pulled(pullback, dy):
    """Return the cotangents as a tuple, also where there is only one."""
    found = pullback(dy)
    return found if isinstance(found, tuple) else (found,)


def assert_same(got, want):
    """Demand the same structure, and arrays that are equal bit for bit."""
    for (name, a), (_, b) in zip(tree.leaves(got), tree.leaves(want), strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name, strict=True)


def assert_close(got, want):
    """Demand equality up to the order of sums, relative to the largest entry of all leaves.

    One scale serves all, because some gradients are 0 by cancellation, such as that of a bias below
    a norm in training.
    """
    scale = max(np.abs(leaf).max(initial=0) for leaf in leaves(want))
    for (name, a), (_, b) in zip(tree.leaves(got), tree.leaves(want), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        limit = REORDERED[b.dtype] * scale + np.finfo(b.dtype).tiny
        np.testing.assert_array_less(np.abs(a - b), limit, err_msg=name)


def assert_derivative(f_vjp, *args, seed=0):
    """Compare every cotangent with the complex step, in float64.

    Along each leaf of the arguments, a random direction; where the leaf is tiny, each entry too.
    The scale of an error is the sum of the magnitudes that the derivative is made of, and at
    least that of the leaf's other entries.
    """
    y, pullback = f_vjp(*args)
    assert y.dtype == np.float64
    dy = cotangent(y, seed)
    slopes, points = leaves(pulled(pullback, dy)), leaves(args)
    assert [s.shape for s in slopes] == [p.shape for p in points]
    for at, (point, slope) in enumerate(zip(points, slopes, strict=True)):
        directions = [cotangent(point, seed + 1 + at)]
        if point.size <= TINY:
            directions += list(np.eye(point.size).reshape(-1, *point.shape))
        wanted = [_complex_step(f_vjp, args, at, v, dy) for v in directions]
        analytic = np.array([(slope * v).sum() for v in directions])
        terms = np.array([np.abs(want).sum() for want in wanted])
        terms = np.maximum(terms, np.abs(slope).max(initial=0))
        terms[1:] = terms[1:].max(initial=0)
        np.testing.assert_array_less(
            np.abs(analytic - [want.sum() for want in wanted]),
            COMPLEX_STEP * terms + np.finfo(float).tiny,
            err_msg=f"leaf {at}: {[name for name, _ in tree.leaves(args)][at]}",
        )


def _complex_step(f_vjp, args, at, v, dy):
    lifted = [leaf.astype(np.complex128) for leaf in leaves(args)]
    lifted[at] = lifted[at] + 1j * STEP * v
    y = f_vjp(*tree.replace_leaves(args, iter(lifted)))[0]
    return dy * (y.imag / STEP)


def assert_stencil(f_vjp, *args, step=2.0**-10, tolerance, seed=0):
    """Compare the cotangents with the five-point stencil, along one random direction."""
    y, pullback = f_vjp(*args)
    dy = cotangent(y, seed)
    slopes = pulled(pullback, dy)
    v = tree.map(lambda leaf: cotangent(leaf, seed + 1), args)

    def along(t):
        moved = tree.map(lambda leaf, d: leaf + leaf.dtype.type(t) * d, args, v)
        return (dy * f_vjp(*moved)[0]).sum()

    stencil = (
        along(-2 * step) - 8 * along(-step) + 8 * along(step) - along(2 * step)
    ) / (12 * step)  # fmt: skip
    analytic = sum((s * d).sum() for s, d in zip(leaves(slopes), leaves(v), strict=True))
    scale = sum(np.abs(s * d).sum() for s, d in zip(leaves(slopes), leaves(v), strict=True))
    assert abs(analytic - stencil) <= tolerance * scale


def assert_adjoint(f_vjp, x, v, dy):
    """Demand ⟨f(v), dy⟩ = ⟨v, pullback(dy)⟩ exactly: give small integers and a linear f."""
    _, pullback = f_vjp(x)
    (dx,) = pulled(pullback, dy)
    assert (f_vjp(v)[0] * dy).sum() == (v * dx).sum() != 0


def assert_laws(f_vjp, *args, seed=0):
    """Demand what every pullback promises, whatever the layer."""
    before = [leaf.copy() for leaf in leaves(args)]
    for leaf in leaves(args):
        leaf.flags.writeable = False
    y, pullback = f_vjp(*args)
    first, second = cotangent(y, seed), cotangent(y, seed + 1)
    for dy in (first, second):
        dy.flags.writeable = False
    got = pulled(pullback, first)

    # Cotangents look like the arguments.
    assert len(got) == len(args)
    for (name, d), (want, leaf) in zip(tree.leaves(got), tree.leaves(args), strict=True):
        assert (name, d.shape, d.dtype) == (want, leaf.shape, leaf.dtype)

    # A forward or a pullback done in between, in any order, changes nothing.
    other = pulled(pullback, second)
    f_vjp(*tree.map(lambda leaf: leaf + 1, args))[1](second)
    assert_same(pulled(pullback, first), got)

    # Linear: exactly so for a power of two, up to rounding for a sum.
    assert_same(pulled(pullback, -4 * first), tree.map(lambda d: -4 * d, got))
    assert_close(pulled(pullback, first + second), tree.add(got, other))

    # A result may be written to without a change in what the pullback saved.
    kept = tree.map(np.copy, got)
    for result in (y, *leaves(got)):
        if result.flags.writeable:
            result[...] = 77
    assert_same(pulled(pullback, first), kept)
    for leaf, was in zip(leaves(args), before, strict=True):
        np.testing.assert_array_equal(leaf, was)


def assert_layouts(draw_layout, f_vjp, *args):
    """Demand the same bits from arguments and a cotangent that lie oddly in memory."""
    y, pullback = f_vjp(*args)
    dy = cotangent(y)
    odd_args = tree.map(draw_layout, args)
    odd_y, odd_pullback = f_vjp(*odd_args)
    assert_same(odd_y, y)
    assert_same(pulled(odd_pullback, draw_layout(dy)), pulled(pullback, dy))


def assert_samples_apart(f_vjp, x, seed=0):
    """Demand that a NaN in the last sample is seen in that sample alone, forward and backward."""
    spoilt = x.copy()
    spoilt[-1].flat[0] = np.nan
    dy = cotangent(f_vjp(x)[0], seed)
    y, pullback = f_vjp(x)
    dx = pulled(pullback, dy)[-1]
    # NumPy's own complex functions warn of NaN; its real ones do not, nor may the layers.
    with np.errstate(invalid="ignore" if x.dtype.kind == "c" else "warn"):
        bad_y, bad_pullback = f_vjp(spoilt)
        bad_dx = pulled(bad_pullback, dy)[-1]
    assert_same((bad_y[:-1], bad_dx[:-1]), (y[:-1], dx[:-1]))
    assert np.isnan(bad_y[-1]).any()


def assert_empty_batch(f_vjp, layer, x):
    """Demand empty results and zero gradients of the parameters where N = 0."""
    y, pullback = f_vjp(layer, x[:0])
    assert y.shape[0] == 0
    dlayer, dx = pullback(y)
    assert (dx.shape, dx.dtype) == (x[:0].shape, x.dtype)
    assert_same(dlayer, tree.zeros_like(layer))


def assert_threads(f_vjp, *args):
    """Demand that eight threads at once, on one pullback too, find what one finds."""
    y, pullback = f_vjp(*args)
    dy = cotangent(y)
    want = (y, pulled(pullback, dy), pulled(pullback, dy))

    def run(_):
        mine, my_pullback = f_vjp(*args)
        return mine, pulled(my_pullback, dy), pulled(pullback, dy)

    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(run, range(32)):
            assert_same(got, want)


def assert_raises(kind, message, f, *args, **kwargs):
    """Demand exactly `kind` with exactly `message`."""
    with pytest.raises(kind) as caught:
        f(*args, **kwargs)
    assert (caught.type, str(caught.value)) == (kind, message)


# As an error names it: `test_arguments_of_others` asks with PyTorch's own.
Tensor = type("Tensor", (), {"__module__": "torch"})
NOT_ARRAYS = [
    ([[1.0]], "list"),
    (None, "NoneType"),
    (1.0, "float"),
    (np.float64(1), "numpy.float64"),
    (np.ma.masked_array([1.0]), "numpy.ma.MaskedArray"),
    (Tensor(), "torch.Tensor"),
]
EXACT = {
    "float16": "float32",
    "int64": "longdouble",
    "int32": "float64",
    "bool": "float32",
    "complex64": "complex128",
    ">f8": "float64",
    ">f4": "float32",
}


def bad_arrays(name, good):
    """Return values that no array argument may have, each with the error that it gets."""
    refused = [
        (value, TypeError, f"{name}: expected a NumPy array, got {kind}")
        for value, kind in NOT_ARRAYS
    ]
    supported = f"{name}: expected dtype float32, float64, longdouble or complex128, got"
    refused += [
        (good.astype(dtype), TypeError, f"{supported} {dtype}; {name}.astype('{wide}') is exact")
        for dtype, wide in EXACT.items()
    ]
    return [*refused, (good.astype(object), TypeError, f"{supported} object")]


def bad_cotangents(y, name="dy", like="y"):
    """Return cotangents that a result `y` may not get, each with its error."""
    shape, other = y.shape, (*y.shape[:-1], y.shape[-1] + 1)
    message = f"{name}: expected dtype {y.dtype} like {like}, got float32"
    return [
        *bad_arrays(name, y),
        (y[..., None], ValueError, f"{name}: expected shape {shape}, got {(*shape, 1)}"),
        (np.zeros(other), ValueError, f"{name}: expected shape {shape}, got {other}"),
        (y.astype("f4"), TypeError, f"{message}; cast one of them with .astype"),
    ]


def assert_refuses(f, cases):
    """Demand of every (bad, exception, message) that `f(bad)` raises it."""
    for bad, kind, message in cases:
        assert_raises(kind, message, f, bad)
