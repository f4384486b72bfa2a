"""Every message that a bad input gets: the argument, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

DTYPES = tuple(map(np.dtype, (np.float32, np.float64, np.longdouble, np.complex128)))
AXES = {3: "L", 4: "H, W", 5: "D, H, W"}
_EXACT = {
    "b1": "float32", "i1": "float32", "u1": "float32", "i2": "float32", "u2": "float32",
    "f2": "float32", "i4": "float64", "u4": "float64", "c8": "complex128",
    "i8": "longdouble", "u8": "longdouble", "f4": "float32", "f8": "float64", "c16": "complex128",
}  # fmt: skip


def array(name: str, value: object) -> Array:
    """Return `value` in C order if it is an array of a supported dtype; raise TypeError otherwise.

    A sum depends on the order of its terms in memory, and NumPy multiplies matrices that are not
    aligned without its BLAS. Bringing every array into one order, aligned, makes results the same,
    to the last bit, for any strides.
    """
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected a NumPy array, got {_kind(value)}")
    if value.dtype not in DTYPES:
        wide = "float32" if value.dtype.name == "bfloat16" else _EXACT.get(value.dtype.str[1:])
        cast = f"; {name}.astype('{wide}') is exact" if wide else ""
        raise TypeError(
            f"{name}: expected dtype float32, float64, longdouble or complex128, "
            f"got {value.dtype}{cast}"
        )
    found = np.asarray(value, order="C")
    return found if found.flags.aligned else found.copy()


def shaped(
    name: str,
    value: object,
    shape: Sequence[int | str],
    like: tuple[str, Array] | None = None,
) -> Array:
    """Return `array(name, value)` if its shape fits `shape`, whose strings match any size.

    `like` names an array whose dtype it must have.
    """
    found = array(name, value)
    fits = found.ndim == len(shape) and all(
        isinstance(want, str) or want == got for want, got in zip(shape, found.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {_spell(shape)}, got {_spell(found.shape)}")
    if like is not None:
        same_dtype([like, (name, found)])
    return found


def same_dtype(named: Iterable[tuple[str, Array]]) -> None:
    """Raise TypeError unless all arrays have the dtype of the first."""
    pairs = list(named)
    for name, value in pairs[1:]:
        first, want = pairs[0][0], pairs[0][1].dtype
        if value.dtype != want:
            raise TypeError(
                f"{name}: expected dtype {want} like {first}, got {value.dtype}; "
                f"cast one of them with .astype"
            )


def feature_map(
    x: object, like: tuple[str, Array] | None = None, channels: int | None = None, ndim: int = 0
) -> Array:
    """Return `x` if it is an (N, C, L), (N, C, H, W) or (N, C, D, H, W) array, in C order.

    `like` names a parameter whose dtype `x` must have; `channels` fixes C; `ndim`, where it is
    not 0, fixes the number of axes. N may be 0; C and the spatial axes may not.
    """
    found = array("x", x)
    wanted = [AXES[ndim]] if ndim else list(AXES.values())
    c = "C" if channels is None else channels
    if found.ndim not in ([ndim] if ndim else AXES) or channels not in (None, found.shape[1]):
        shapes = " or ".join(f"(N, {c}, {axes})" for axes in wanted)
        raise ValueError(f"x: expected shape {shapes}, got {_spell(found.shape)}")
    if 0 in found.shape[1:]:
        raise ValueError(f"x: expected at least one element a sample, got {_spell(found.shape)}")
    if like is not None:
        same_dtype([like, ("x", found)])
    return found


def batch(x: Array) -> None:
    """Raise ValueError unless each channel of a feature map has a variance."""
    if x.size < 2 * x.shape[1]:
        raise ValueError(
            f"x: expected at least 2 elements a channel in training, got shape {_spell(x.shape)}"
        )


def cotangent(dy: object, y: Array, name: str = "dy") -> Array:
    """Return `dy` if it has the shape and dtype of `y`, the result that it belongs to.

    It comes back in C order, as from `array`.
    """
    return shaped(name, dy, y.shape, like=(name.removeprefix("d") or "y", y))


def axes(value: Sequence[int], x: Array) -> tuple[int, ...]:
    """Return `value` as sorted, non-negative axes of `x` that are not empty."""
    valid = isinstance(value, tuple | list) and all(_whole(a) for a in value)
    if not valid or not value or not all(-x.ndim <= a < x.ndim for a in value):
        raise ValueError(
            f"axes: expected a tuple of axes of x, of which there are {x.ndim}, got {value!r}"
        )
    found = tuple(sorted(int(a) % x.ndim for a in value))
    if len(set(found)) < len(found):
        raise ValueError(f"axes: expected each axis once, got {value!r}")
    if any(x.shape[a] == 0 for a in found):
        raise ValueError(f"x: expected pooled axes of at least 1, got {_spell(x.shape)}")
    return found


def choice(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raise ValueError unless `value` is one of `allowed`."""
    known = list(allowed)
    value = int(value) if isinstance(value, np.integer) else value
    if not any(type(value) is type(item) and value == item for item in known):
        listed = ", ".join(map(repr, known[:-1]))
        raise ValueError(f"{name}: expected {listed} or {known[-1]!r}, got {value!r}")


def subset(name: str, value: object, allowed: Iterable[str]) -> None:
    """Raise ValueError unless `value` is a tuple of distinct names out of `allowed`."""
    known = list(allowed)
    names = value if isinstance(value, tuple) else ()
    valid = all(isinstance(item, str) and item in known for item in names)
    if not valid or not 0 < len(set(names)) == len(names):
        raise ValueError(f"{name}: expected a tuple out of {', '.join(known)}, got {value!r}")


def positive(name: str, value: object) -> None:
    """Raise unless `value` is an integer of at least 1."""
    if not _whole(value):
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")


def seed(name: str, value: object) -> None:
    """Raise unless `value` is a whole number that a random generator can start from."""
    if not _whole(value):
        wanted = "a whole number" if name == "seed" else "a Generator or a seed"
        raise TypeError(f"{name}: expected {wanted}, got {value!r}")
    if value < 0:
        raise ValueError(f"{name}: expected a seed of at least 0, got {value}")


def dtype(name: str, value: npt.DTypeLike | None) -> None:
    """Raise TypeError unless `value` names a supported dtype."""
    try:
        # To NumPy None is float64.
        known = value is not None and np.dtype(value) in DTYPES
    except (TypeError, ValueError, SyntaxError):  # NumPy parses strings such as "f4,f4"
        known = False
    if not known:
        raise TypeError(
            f"{name}: expected float32, float64, longdouble or complex128, got {value!r}"
        )


def layer(name: str, value: object, *kinds: type) -> None:
    """Raise TypeError unless `value` is a layer of one of the `kinds`."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name}: expected {wanted}, got {_kind(value)}")


def number(name: str, value: object, low: float, high: float) -> None:
    """Raise unless `value` is a real number from `low` to `high`."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, got {value!r}")


def odd(name: str, value: int) -> None:
    """Raise unless `value` is a kernel size that has a centre."""
    positive(name, value)
    if value % 2 == 0:
        raise ValueError(f"{name}: expected an odd kernel size, got {value}")


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _spell(shape: Sequence[int | str]) -> str:
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
