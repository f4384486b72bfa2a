"""autograd.numpy, element by element: one argument and two, kinks, ties and tails."""

from __future__ import annotations

import autograd.numpy
import numpy as np
from autograd.numpy import numpy_wrapper as anp
from draws import at, between, complex_normal, either, normal, scalar, square
from hips_wrap import case

WHERE = autograd.numpy._original_where

# By name: where a generic argument lies.
ONE = {
    "negative": normal(3, 4),
    "absolute": either(0.1, 2, 3, 4),
    "fabs": either(0.1, 2, 3, 4),
    "reciprocal": either(0.3, 2, 3, 4),
    "exp": normal(3, 4),
    "exp2": normal(3, 4),
    "expm1": normal(3, 4),
    "log": between(0.1, 3, 3, 4),
    "log2": between(0.1, 3, 3, 4),
    "log10": between(0.1, 3, 3, 4),
    "log1p": between(-0.9, 3, 3, 4),
    "sin": normal(3, 4),
    "cos": normal(3, 4),
    "tan": between(-1.3, 1.3, 3, 4),
    "arcsin": between(-0.95, 0.95, 3, 4),
    "arccos": between(-0.95, 0.95, 3, 4),
    "arctan": normal(3, 4),
    "sinh": normal(3, 4),
    "cosh": normal(3, 4),
    "tanh": normal(3, 4),
    "arcsinh": normal(3, 4),
    "arccosh": between(1.1, 4, 3, 4),
    "arctanh": between(-0.95, 0.95, 3, 4),
    "rad2deg": normal(3, 4),
    "degrees": normal(3, 4),
    "deg2rad": normal(3, 4),
    "radians": normal(3, 4),
    "square": normal(3, 4),
    "sqrt": between(0.1, 3, 3, 4),
    "sinc": either(0.05, 2.5, 3, 4),
    "nan_to_num": normal(3, 4),
    "real": normal(3, 4),
    "conjugate": normal(3, 4),
    "real_if_close": normal(3, 4),
}

TWO = {
    "add": (normal(3, 4), normal(3, 4)),
    "subtract": (normal(3, 4), normal(3, 4)),
    "multiply": (normal(3, 4), normal(3, 4)),
    "divide": (normal(3, 4), either(0.3, 2, 3, 4)),
    "maximum": (normal(3, 4), normal(3, 4)),
    "minimum": (normal(3, 4), normal(3, 4)),
    "fmax": (normal(3, 4), normal(3, 4)),
    "fmin": (normal(3, 4), normal(3, 4)),
    "logaddexp": (normal(3, 4), normal(3, 4)),
    "logaddexp2": (normal(3, 4), normal(3, 4)),
    "remainder": (normal(3, 4), either(0.3, 2, 3, 4)),
    "power": (between(0.2, 2, 3, 4), normal(3, 4)),
    "arctan2": (either(0.2, 2, 3, 4), either(0.2, 2, 3, 4)),
    "hypot": (either(0.2, 2, 3, 4), either(0.2, 2, 3, 4)),
}

# Where the other argument of a broadcast pair lies, by the name of the primitive.
ROW = {"divide": either(0.3, 2, 4), "remainder": either(0.3, 2, 4), "power": normal(4)}
COLUMN = {"power": between(0.2, 2, 3, 1), "arctan2": either(0.2, 2, 3, 1)}

CASES = [
    *(case(f"numpy.{name}", getattr(anp, name), draw) for name, draw in ONE.items()),
    *(case(f"numpy.{name}", getattr(anp, name), *draws) for name, draws in TWO.items()),
    *(
        case(
            f"numpy.{name} broadcast",
            getattr(anp, name),
            COLUMN.get(name, either(0.2, 2, 3, 1)),
            ROW.get(name, either(0.2, 2, 4)),
        )
        for name in TWO
    ),
    *(
        case(f"numpy.{name} of one number", getattr(anp, name), scalar(0.2, 0.9))
        for name in ("exp", "sqrt", "arcsin", "tanh", "sinc", "absolute")
    ),
    # Kinks, ties and the edges of domains.
    case("numpy.absolute at 0", anp.absolute, at(-1.0, 0.0, 2.0)),
    case("numpy.fabs at 0", anp.fabs, at(-1.0, 0.0, 2.0)),
    case("numpy.maximum tied", anp.maximum, at(1.0, 2.0, 3.0), at(1.0, 0.5, 4.0)),
    case("numpy.minimum tied", anp.minimum, at(1.0, 2.0, 3.0), at(1.0, 0.5, 4.0)),
    case("numpy.fmax tied with a number", anp.fmax, at(0.0, 2.0, -3.0), 0.0),
    case("numpy.sinc at 0", anp.sinc, at(0.0, 0.5, 1.0)),
    case("numpy.sinc near 0", anp.sinc, at(1e-6, 0.5, 1.0)),
    case("numpy.sinc only near 0", anp.sinc, at(1.1e-8, 3e-8)),
    case("numpy.sinc at whole numbers", anp.sinc, at(1.0, -2.0, 3.0)),
    case("numpy.hypot at 0", anp.hypot, at(0.0, 1.0), at(0.0, 2.0)),
    case("numpy.power squared at 0", anp.power, at(0.0, 1.5, -2.0), 2.0),
    case("numpy.power cubed", anp.power, normal(5), 3.0),
    case("numpy.power to the 0", anp.power, at(0.0, 1.5, -2.0), 0.0),
    case("numpy.power of 0, both", anp.power, at(0.0, 1.5), at(2.0, 0.5)),
    case("numpy.power of -2", anp.power, either(0.3, 2, 5), -2.0),
    case("numpy.expm1 in the tail", anp.expm1, at(-45.0, -30.0, -1.0)),
    case("numpy.expm1 only in the tail", anp.expm1, at(-45.0, -40.0)),
    case("numpy.exp in the tail", anp.exp, at(-45.0, -300.0, 1.0)),
    case("numpy.tanh in the tail", anp.tanh, at(-20.0, 18.0, 1.0)),
    case("numpy.arctan in the tail", anp.arctan, at(-1e6, 1e8, 1.0)),
    case("numpy.arctan far in the tail", anp.arctan, at(-1e160, 1.0)),
    case("numpy.log1p near -1", anp.log1p, at(-1 + 1e-9, 1e-12, 1.0)),
    case("numpy.log of large and small", anp.log, at(1e-200, 1e200, 1.0)),
    case("numpy.arcsinh of large", anp.arcsinh, at(1e9, -1e5, 1.0)),
    case("numpy.arcsinh of very large", anp.arcsinh, at(1e160, 1.0)),
    case("numpy.arccosh near 1", anp.arccosh, at(1 + 1e-6, 2.0)),
    case("numpy.arcsin near 1", anp.arcsin, at(1 - 1e-6, -0.5)),
    case("numpy.sqrt of small", anp.sqrt, at(1e-12, 1e-200, 4.0)),
    case("numpy.logaddexp far apart", anp.logaddexp, at(700.0, -30.0, 1.0), at(1.0, 20.0, 1.0)),
    case("numpy.remainder negative", anp.remainder, either(0.3, 5, 3), at(-1.0, -2.0, 1.1)),
    case("numpy.nan_to_num of tiny", anp.nan_to_num, at(1e-300, 2.0)),
    # Complex numbers, as two planes.
    case("numpy.absolute complex", anp.absolute, complex_normal(3, 2)),
    case("numpy.angle", anp.angle, complex_normal(3, 2)),
    case("numpy.real complex", anp.real, complex_normal(3, 2)),
    case("numpy.imag", anp.imag, complex_normal(3, 2)),
    case("numpy.conjugate complex", anp.conjugate, complex_normal(3, 2)),
    case("numpy.exp complex", anp.exp, complex_normal(3, 2)),
    case("numpy.sqrt complex", anp.sqrt, complex_normal(3, 2)),
    case("numpy.tanh complex", anp.tanh, complex_normal(3, 2)),
    case("numpy.multiply complex", anp.multiply, complex_normal(3, 2), normal(3, 2)),
    case("numpy.divide complex", anp.divide, normal(3, 2), complex_normal(3, 2)),
    case("numpy.power complex", anp.power, complex_normal(3, 2), 2.5),
    # Choices and limits.
    case("numpy.where", WHERE, [[True, False], [False, True]], normal(2, 2), normal(2, 2)),
    case("numpy.where broadcast", WHERE, [[True, False]], normal(1, 2), normal(2, 1)),
    case("numpy.clip", anp.clip, normal(3, 4), -0.5, 0.8),
    case("numpy.clip at a bound", anp.clip, at(-0.5, 0.0, 0.8, 2.0), -0.5, 0.8),
    case("numpy.clip above", anp.clip, normal(3, 4), None, 0.3),
    case("numpy.astype", anp._astype, square(3), np.dtype(float)),
]
