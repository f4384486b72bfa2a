"""autograd.numpy, whole arrays: sums, choices, shapes, products, indices."""

from __future__ import annotations

import numpy as np
from autograd.numpy import numpy_wrapper as anp
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.util import func
from draws import at, complex_normal, either, normal, scalar
from hips_wrap import case

AXES = [("all", {}), ("axis 0", {"axis": 0}), ("axis -1", {"axis": -1})]
AXES += [("kept", {"axis": 1, "keepdims": True}), ("two axes", {"axis": (0, 2)})]
FROM_ARRAY = anp._array_from_scalar_or_array
TAKE = func(ArrayBox.__getitem__)

REDUCE = {
    "sum": anp.sum,
    "mean": anp._primitive_mean,
    "var": anp._primitive_var,
    "std": anp._primitive_std,
    "max": anp.max,
    "min": anp.min,
    "amax": anp.amax,
    "amin": anp.amin,
    "prod": anp.prod,
}

VECTORS = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4))]
BATCHES = [((2, 2, 3), (3, 4)), ((2, 3), (2, 3, 4)), ((4, 2, 3), (3,))]
PRODUCTS = {
    "dot": [*VECTORS, *BATCHES, ((), (3, 2)), ((4, 2, 3), (2, 3, 2))],
    "matmul": [*VECTORS, *BATCHES, ((1, 2, 3), (5, 3, 4)), ((3,), (2, 3, 4))],
    "inner": [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (4, 3))],
}

CASES = [
    *(
        case(f"numpy.{name} {which}", fun, either(0.2, 2, 2, 3, 4), **kwargs)
        for name, fun in REDUCE.items()
        for which, kwargs in AXES
    ),
    case("numpy.var ddof", anp._primitive_var, normal(4, 3), axis=0, ddof=1),
    case("numpy.std ddof", anp._primitive_std, normal(4, 3), axis=0, ddof=1),
    case("numpy.var of equal", anp._primitive_var, at(2.0, 2.0, 2.0)),
    case("numpy.std of equal", anp._primitive_std, at(2.0, 2.0, 2.0)),
    case("numpy.std of one", anp._primitive_std, normal(1)),
    case("numpy.max tied", anp.max, at([1.0, 3.0, 3.0], [2.0, 2.0, 2.0]), axis=1),
    case("numpy.min tied", anp.min, at([1.0, 3.0, 1.0], [2.0, 2.0, 2.0])),
    case("numpy.prod with a 0", anp.prod, at(0.0, 2.0, 3.0)),
    case("numpy.sum of one number", anp.sum, scalar(0.2, 2)),
    case("numpy.cumsum all", anp.cumsum, normal(3, 4)),
    case("numpy.cumsum axis 0", anp.cumsum, normal(3, 4), axis=0),
    case("numpy.cumsum axis 1", anp.cumsum, normal(3, 4), axis=1),
    case("numpy.cumsum axis -1", anp.cumsum, normal(3, 4), axis=-1),
    case("numpy.cumsum axis -2", anp.cumsum, normal(3, 4), axis=-2),
    case("numpy.diff", anp.diff, normal(3, 5)),
    case("numpy.diff twice", anp.diff, normal(5, 3), n=2, axis=0),
    case("numpy.gradient", anp.gradient, normal(7)),
    case("numpy.gradient axis", anp.gradient, normal(6, 5), axis=1),
    case("numpy.gradient both axes", anp.gradient, normal(6, 5)),
    case("numpy.gradient of 4", anp.gradient, normal(4)),
    case("numpy.gradient of 3", anp.gradient, normal(3)),
    # Shapes.
    case("numpy.reshape", anp.reshape, normal(3, 4), (2, 6)),
    case("numpy.reshape Fortran", anp.reshape, normal(3, 4), (2, 6), order="F"),
    case("numpy.ravel", anp.ravel, normal(3, 4)),
    case("numpy.ravel Fortran", anp.ravel, normal(3, 4), order="F"),
    case("numpy.expand_dims", anp.expand_dims, normal(3, 4), 1),
    case("numpy.squeeze", anp.squeeze, normal(3, 1, 4)),
    case("numpy.roll", anp.roll, normal(5), 2),
    case("numpy.roll axis", anp.roll, normal(3, 4), 1, axis=1),
    case("numpy.flipud", anp.flipud, normal(3, 4)),
    case("numpy.fliplr", anp.fliplr, normal(3, 4)),
    case("numpy.rot90", anp.rot90, normal(3, 4)),
    case("numpy.rot90 thrice", anp.rot90, normal(3, 4), k=3),
    case("numpy.swapaxes", anp.swapaxes, normal(2, 3, 4), 0, 2),
    case("numpy.moveaxis", anp.moveaxis, normal(2, 3, 4), 0, 2),
    case("numpy.moveaxis two", anp.moveaxis, normal(2, 3, 4), (0, 1), (1, 2)),
    case("numpy.rollaxis", anp.rollaxis, normal(2, 3, 4), 2),
    case("numpy.rollaxis behind", anp.rollaxis, normal(2, 3, 4), 0, 2),
    case("numpy.transpose", anp.transpose, normal(2, 3, 4)),
    case("numpy.transpose axes", anp.transpose, normal(2, 3, 4), (1, 2, 0)),
    case("numpy.transpose negative axes", anp.transpose, normal(3, 3, 3), (-1, 0, 1)),
    case("numpy.broadcast_to", anp.broadcast_to, normal(3, 1), (3, 4)),
    case("numpy.repeat all", anp.repeat, normal(3, 2), 2),
    case("numpy.repeat axis", anp.repeat, normal(3, 2), 3, axis=1),
    case("numpy.tile", anp.tile, normal(4), 3),
    case("numpy.tile two", anp.tile, normal(2, 3), (2, 2)),
    case("numpy.tile fewer than axes", anp.tile, normal(2, 4), 2),
    case("numpy.atleast_1d", anp.atleast_1d, scalar(0.2, 2)),
    case("numpy.atleast_2d", anp.atleast_2d, normal(3)),
    case("numpy.atleast_3d", anp.atleast_3d, normal(3, 2)),
    case("numpy.array_split", anp.array_split, normal(5, 2), 3),
    case("numpy.split", anp.split, normal(4, 3), 2),
    case("numpy.split at", anp.split, normal(4, 5), [1, 3], axis=1),
    case("numpy.vsplit", anp.vsplit, normal(4, 3), 2),
    case("numpy.hsplit", anp.hsplit, normal(3, 4), 2),
    case("numpy.dsplit", anp.dsplit, normal(2, 3, 4), 2),
    case("numpy.concatenate_args", anp.concatenate_args, 1, normal(2, 3), normal(2, 1)),
    case("numpy.array_from_args", anp.array_from_args, (), {}, normal(3), normal(3)),
    case(
        "numpy._array_from_scalar_or_array",
        FROM_ARRAY,
        (),
        {"ndmin": 3},
        normal(3),
    ),
    case("numpy.pad", anp.pad, normal(3, 4), 2, "constant"),
    case("numpy.pad uneven", anp.pad, normal(3, 4), ((1, 0), (2, 3)), "constant"),
    case("numpy.pad one pair", anp.pad, normal(3, 4), (1, 2), "constant"),
    # Triangles and diagonals.
    case("numpy.triu", anp.triu, normal(3, 4), k=1),
    case("numpy.tril", anp.tril, normal(3, 4)),
    case("numpy.trace", anp.trace, normal(3, 3)),
    case("numpy.trace offset", anp.trace, normal(3, 4), offset=1),
    case("numpy.trace batch", anp.trace, normal(3, 3, 2)),
    case("numpy.diag of a vector", anp.diag, normal(3), k=1),
    case("numpy.diag of a square", anp.diag, normal(3, 3)),
    case("numpy.diag of an oblong", anp.diag, normal(3, 4)),
    case("numpy.diagonal", anp.diagonal, normal(2, 3, 3), axis1=-1, axis2=-2),
    case("numpy.make_diagonal", anp.make_diagonal, normal(2, 3), axis1=-1, axis2=-2),
    case("numpy.full", anp.full, (2, 3), scalar(0.2, 2)),
    case("numpy.linspace", anp.linspace, scalar(0, 1), scalar(2, 3), 5),
    # Products.
    *(
        case(f"numpy.{name} {a} {b}", getattr(anp, name), normal(*a), normal(*b))
        for name, shapes in PRODUCTS.items()
        for a, b in shapes
    ),
    case("numpy.tensordot", anp.tensordot, normal(2, 3, 4), normal(3, 4, 2)),
    case(
        "numpy.tensordot axes",
        anp.tensordot,
        normal(2, 3, 4),
        normal(4, 2, 2),
        axes=[[2, 0], [0, 1]],
    ),
    case("numpy.tensordot outer", anp.tensordot, normal(2), normal(3), axes=0),
    case("numpy.outer", anp.outer, normal(3), normal(4)),
    case("numpy.outer of a matrix", anp.outer, normal(2, 2), normal(3)),
    case("numpy.kron", anp.kron, normal(2, 3), normal(3, 2)),
    case("numpy.kron of vectors", anp.kron, normal(3), normal(2)),
    case("numpy.cross", anp.cross, normal(2, 3), normal(2, 3)),
    case("numpy.cross axis", anp.cross, normal(3, 2), normal(3, 2), axis=0),
    case("numpy.cross broadcast", anp.cross, normal(3), normal(2, 3)),
    case("numpy.einsum", anp.einsum, "ij,jk->ik", normal(2, 3), normal(3, 4)),
    case("numpy.einsum batch", anp.einsum, "bij,jk->bk", normal(2, 3, 4), normal(4, 2)),
    case("numpy.einsum of three", anp.einsum, "i,ij,j->", normal(2), normal(2, 3), normal(3)),
    case("numpy.einsum ellipsis", anp.einsum, "...ij,...jk->...ik", normal(2, 2, 3), normal(3, 2)),
    case("numpy.einsum of length 1", anp.einsum, "i,i->i", normal(1), normal(3)),
    case("numpy.einsum trace", anp.einsum, "ii->", normal(3, 3)),
    case("numpy.einsum summed inside", anp.einsum, "ijk->j", normal(2, 3, 2)),
    case("numpy.einsum complex", anp.einsum, "ij,jk->ik", complex_normal(2, 3), normal(3, 2)),
    # Order and places.
    case("numpy.sort", anp.sort, normal(6)),
    case("numpy.sort tied", anp.sort, at(2.0, 1.0, 2.0, 0.0)),
    case("numpy.partition", anp.partition, normal(7), 3),
    case("numpy.getitem slice", TAKE, normal(4, 3), slice(1, 3)),
    case("numpy.getitem repeated", TAKE, normal(4, 3), np.array([0, 2, 2, 0])),
    case("numpy.getitem mask", TAKE, normal(4), np.array([True, False, True, True])),
    case("numpy.getitem list", TAKE, normal(4, 3), [1, 1, 3]),
    case("numpy.getitem mixed", TAKE, normal(4, 3), (slice(None), np.array([0, 0, 2]))),
]
