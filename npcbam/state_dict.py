"""The weights of a CBAM under the names, and with the axes, that PyTorch code gives them.

| preset | its weights are those of |
|---|---|
| seed | a common PyTorch block: `ca.se.0.weight`, `sa.conv.weight`, ... |
| official | the authors' code: `ChannelGate.mlp.1.weight`, `SpatialGate.spatial.conv.weight`, ... |
| timm, timm_light | timm: `channel.fc1.weight`, `spatial.conv.conv.weight`, ... |
| paper, paper_biased, se | this package: `channel.mlp.w0`, `spatial.conv.w`, ... |

The MLP is made of Linear layers, (C/r, C), in `official` and here, and of 1 × 1 convolutions,
(C/r, C, 1, 1), in the others. Reading takes either, writing gives the one that is theirs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npcbam import arguments, presets, tree
from npcbam.arguments import Array
from npcbam.array_files import PathLike, load_arrays, save_arrays
from npcbam.cbam import CBAM

__all__ = ["from_state_dict", "load_arrays", "save_arrays", "to_state_dict"]

_NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
_TIMM = {
    "channel.mlp.w0": "channel.fc1.weight",
    "channel.mlp.w1": "channel.fc2.weight",
    "spatial.conv.w": "spatial.conv.conv.weight",
    **{f"spatial.norm.{ours}": f"spatial.conv.bn.{theirs}" for ours, theirs in _NORM.items()},
}
# Our path of a leaf to the key of it; a preset that is not here has our paths for keys.
KEYS = {
    "seed": {
        "channel.mlp.w0": "ca.se.0.weight",
        "channel.mlp.w1": "ca.se.2.weight",
        "spatial.conv.w": "sa.conv.weight",
        "spatial.conv.b": "sa.conv.bias",
    },
    "official": {
        "channel.mlp.w0": "ChannelGate.mlp.1.weight",
        "channel.mlp.b0": "ChannelGate.mlp.1.bias",
        "channel.mlp.w1": "ChannelGate.mlp.3.weight",
        "channel.mlp.b1": "ChannelGate.mlp.3.bias",
        "spatial.conv.w": "SpatialGate.spatial.conv.weight",
        **{f"spatial.norm.{ours}": f"SpatialGate.spatial.bn.{_NORM[ours]}" for ours in _NORM},
    },
    "timm": _TIMM,
    "timm_light": _TIMM,
}
_POINTWISE = ("seed", "timm", "timm_light")  # those whose MLP is made of 1 × 1 convolutions
_WEIGHTS = ("channel.mlp.w0", "channel.mlp.w1")


def from_state_dict(
    source: Mapping[str, Any] | PathLike, preset: str, prefix: str | None = None
) -> CBAM:
    """Build a CBAM from the weights of another implementation.

    Parameters
    ----------
    source : a mapping of keys to NumPy arrays, torch tensors, jax arrays or anything else with
        `__array__` or `__dlpack__`; or the path of a file, see `load_arrays`. Values are copied.
    preset : a key of `presets.PRESETS`; it settles the keys, and all that is not an array
    prefix : what stands before the keys, such as "layer1.0.cbam."; found where it is left out and
        the source holds one CBAM. A further "module." before it, as of DataParallel, is passed
        over. Keys that do not start with the prefix belong to other layers.

    Raises
    ------
    ValueError
        Keys are missing, unknown or of the wrong shape: the message lists all. Or there is no
        CBAM in the source, or there are several and no prefix says which.
    TypeError
        A value is no array, of an unsupported dtype, or not of the dtype of the first: all again.

    >>> seed = CBAM.init(0, channels=32, preset="seed")
    >>> weights = to_state_dict(seed, "seed", prefix="layer1.0.cbam.")
    >>> {key: value.shape for key, value in weights.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'layer1.0.cbam.ca.se.0.weight': (2, 32, 1, 1), 'layer1.0.cbam.ca.se.2.weight': (32, 2, 1, 1),
     'layer1.0.cbam.sa.conv.weight': (1, 2, 7, 7), 'layer1.0.cbam.sa.conv.bias': (1,)}
    >>> from_state_dict(weights, "seed").channel.mlp.w0.shape
    (2, 32)
    """
    keys = _keys(preset)
    named = _named(source)
    start = _start(named, preset, prefix)
    wrong: list[TypeError | ValueError] = []
    raw = {}
    for path, key in keys.items():
        with _noting(wrong):
            if start + key not in named:
                raise ValueError(f"{start}{key}: missing")
            raw[path] = _numpy(start + key, named[start + key])
    arrays = {}
    for path, shape in _shapes(preset, raw).items():
        if path in raw:
            with _noting(wrong):
                arrays[path] = _fitted(start + keys[path], raw[path], shape)
    pairs = [(start + keys[path], array) for path, array in arrays.items()]
    for pair in pairs[1:]:
        with _noting(wrong):
            arguments.same_dtype([pairs[0], pair])
    known = {start + key for key in (*keys.values(), *_counter(keys))}
    unknown = [name for name in named if name.startswith(start) and name not in known]
    wrong += [ValueError(f"{name}: unknown") for name in unknown]
    if wrong:
        kind = ValueError if any(isinstance(error, ValueError) for error in wrong) else TypeError
        lines = "".join(f"\n  {error}" for error in wrong)
        raise kind(f"source: expected the keys of preset {preset!r} under {start!r}, got{lines}")
    return CBAM.build(preset, arrays)


def to_state_dict(cbam: CBAM, preset: str, prefix: str = "") -> dict[str, Array]:
    """Return copies of the weights of a CBAM, or of its gradient, as another implementation's.

    Parameters
    ----------
    cbam : a CBAM as `preset` builds it
    preset : a key of `presets.PRESETS`
    prefix : put before each key

    Returns
    -------
    arrays by key, in the order in which PyTorch has them. With a norm there is also its
    `num_batches_tracked`, 0, so that `load_state_dict(strict=True)` finds all that it wants.

    Raises
    ------
    TypeError
        `cbam` is no CBAM.
    ValueError
        `cbam` is not as the preset builds it, so that reading would give another function.

    >>> weights = to_state_dict(CBAM.init(0, channels=32, preset="timm"), "timm", prefix="cbam")
    >>> list(weights)[:2], weights["cbam.channel.fc1.weight"].shape
    (['cbam.channel.fc1.weight', 'cbam.channel.fc2.weight'], (2, 32, 1, 1))
    """
    keys, start = _keys(preset), _dotted(prefix)
    if not isinstance(cbam, CBAM):
        raise TypeError(f"cbam: expected a CBAM, got {type(cbam).__name__}")
    leaves = dict(tree.leaves(cbam))
    try:
        tree.map(lambda _, leaf: leaf, CBAM.build(preset, leaves), cbam)
    except ValueError as error:
        raise ValueError(f"cbam: expected a CBAM of preset {preset!r}; {error}") from None
    ones = [1] * (cbam.spatial.conv.w.ndim - 2) if preset in _POINTWISE and cbam.spatial else []
    shapes = {path: (*leaves[path].shape, *ones) for path in _WEIGHTS}
    written = {
        start + key: np.array(leaves[path]).reshape(shapes.get(path, leaves[path].shape))
        for path, key in keys.items()
    }
    return written | {start + key: np.zeros((), np.int64) for key in _counter(keys)}


def _keys(preset: str) -> dict[str, str]:
    paths = presets.shapes(preset, 1, 1, ())
    return KEYS.get(preset, {path: path for path in paths})


def _counter(keys: dict[str, str]) -> list[str]:
    """Return the key of the batches that a norm has counted, if there is a norm."""
    variances = [key for key in keys.values() if key.endswith("running_var")]
    return [key.replace("running_var", "num_batches_tracked") for key in variances]


def _dotted(prefix: str) -> str:
    if not isinstance(prefix, str):
        raise TypeError(f"prefix: expected a string, got {prefix!r}")
    return prefix if prefix == "" or prefix.endswith(".") else f"{prefix}."


def _named(source: Any) -> Mapping[str, Any]:
    if isinstance(source, str | os.PathLike):
        return load_arrays(source)
    if not isinstance(source, Mapping):
        raise TypeError(f"source: expected a mapping or a path, got {type(source).__name__}")
    for key in source:
        if not isinstance(key, str):
            raise TypeError(f"source: expected strings as keys, got {key!r}")
    return source


def _start(named: Mapping[str, Any], preset: str, prefix: str | None) -> str:
    """Return what stands before the keys of the one CBAM that is meant."""
    found = _starts(named, preset)
    if prefix is not None:
        start = _dotted(prefix)
        meant = [s for s in (start, f"module.{start}") if s in found][:1]
    else:
        meant = found
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(map(repr, found))
    if meant:
        raise ValueError(f"source: expected one CBAM, or a prefix= to choose one, got {listed}")
    wanted = ", ".join(_keys(preset).values())
    got = ", ".join(list(named)[:20]) + (f" and {len(named) - 20} more" if len(named) > 20 else "")
    under = "any prefix" if prefix is None else f"prefix {prefix!r}"
    elsewhere = f"; there is a CBAM under {listed}" if found else ""
    other = [f"; these look like preset {p!r}" for p in presets.PRESETS if _starts(named, p)]
    raise ValueError(
        f"source: expected the keys of preset {preset!r} under {under}: {wanted}; "
        f"got {got or 'none'}{elsewhere or ''.join(other[:1])}"
    )


def _starts(named: Mapping[str, Any], preset: str) -> list[str]:
    """Return all that stands before a key of the preset."""
    keys = _keys(preset).values()
    starts = {name.removesuffix(key) for name in named for key in keys if name.endswith(key)}
    return sorted(start for start in starts if start == _dotted(start))


def _numpy(key: str, value: Any) -> Any:
    """Return torch tensors, jax arrays and the like as NumPy arrays, and all else as it is."""
    try:
        if hasattr(value, "detach"):  # torch: NumPy cannot see what is differentiated or on a GPU
            value = value.detach().cpu()
            if str(value.dtype) in ("torch.float16", "torch.bfloat16"):
                raise TypeError(
                    f"{key}: expected dtype float32, float64 or complex128, got {value.dtype}; "
                    f"{key}.to(torch.float32) is exact"
                )
        if hasattr(value, "__array__") and not isinstance(value, np.ndarray):
            return np.asarray(value)
        if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
            return np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, ValueError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(f"{key}: expected what NumPy can read, got {kind}; {error}") from error
    return value


def _shapes(preset: str, raw: dict[str, Any]) -> dict[str, tuple[int | str, ...]]:
    """Return the shape of each leaf, with the sizes that the first weight and the kernel have."""
    shapes = {path: np.shape(value) for path, value in raw.items() if hasattr(value, "shape")}
    hidden, channels, kernel = "C/r", "C", shapes.get("spatial.conv.w", ())[2:]
    axes = len(kernel) if len(kernel) in (1, 2, 3) else 2
    symbolic = presets.shapes(preset, channels, hidden, ("K",) * axes)
    sizes: dict[int | str, int] = {}
    for path in _WEIGHTS:
        if path in shapes and len(shapes[path]) > 1 and not sizes:
            sizes = dict(zip(symbolic[path], shapes[path], strict=False))
    return {
        path: tuple(sizes.get(size, size) if isinstance(size, str) else size for size in shape)
        for path, shape in symbolic.items()
    }


def _fitted(key: str, value: Any, shape: tuple[int | str, ...]) -> Array:
    """Return a copy of `value`, which must have `shape`, apart from the axes of 1 × 1 kernels."""
    if len(shape) == 2 and getattr(value, "shape", ())[2:] in ((1,), (1, 1), (1, 1, 1)):
        value = value.reshape(value.shape[:2])
    fitted = arguments.shaped(key, value, shape)
    for size in fitted.shape[2:]:
        arguments.odd(key, size)
    return np.array(fitted)


@contextlib.contextmanager
def _noting(wrong: list[TypeError | ValueError]) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        wrong.append(error)
