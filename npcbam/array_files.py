"""Arrays by name in .npz and .safetensors files, of which neither can run code when read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array

PathLike: TypeAlias = str | os.PathLike[str]


def load_arrays(path: PathLike) -> dict[str, Array]:
    """Read the arrays of a .npz or .safetensors file. Nothing is ever unpickled.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        It is of another kind, damaged, or holds what only unpickling could read.
    TypeError
        It holds bfloat16 or another type that NumPy lacks.
    ImportError
        The library safetensors is not installed.
    """
    kind = _kind(path)
    library = _safetensors() if kind == ".safetensors" else None
    with open(path, "rb") as file:
        # Parsers of foreign bytes raise a dozen kinds of exceptions, and all mean the same.
        try:
            arrays, foreign = _unzip(file) if library is None else _safe(path, library)
        except Exception as error:
            raise ValueError(f"{path}: expected a readable {kind} file; {error}") from error
    if foreign:
        listed = ", ".join(foreign)
        raise TypeError(f"{path}: NumPy lacks these types, a cast to float32 is exact: {listed}")
    return arrays


def save_arrays(path: PathLike, arrays: Mapping[str, Array]) -> None:
    """Write arrays to a .npz or .safetensors file.

    Raises
    ------
    ValueError
        `path` ends otherwise.
    TypeError
        `arrays` is no mapping, a key no string, a value no array of numbers or of a dtype that
        safetensors lacks.
    ImportError
        The library safetensors is not installed.
    """
    kind = _kind(path)
    _storable(arrays, kind)
    if kind == ".npz":
        # As np.savez does, which takes no key called "file" and no name in capitals.
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in arrays.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, value, allow_pickle=False)
    else:
        ordered = {key: np.array(value, order="C") for key, value in arrays.items()}
        _safetensors().numpy.save_file(ordered, path)


def _storable(arrays: object, kind: str) -> None:
    """Raise TypeError unless `arrays` can be written to a file of this kind."""
    if not isinstance(arrays, Mapping):
        got = type(arrays).__name__
        raise TypeError(f"arrays: expected a mapping of keys to arrays, got {got}")
    for key, value in arrays.items():
        if not isinstance(key, str):
            raise TypeError(f"arrays: expected strings as keys, got {key!r}")
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
            raise TypeError(f"{key}: expected an array of numbers, got {type(value).__name__}")
        if kind == ".safetensors" and value.dtype.itemsize > 8:
            raise TypeError(f"{key}: safetensors has no {value.dtype}; save a .npz, or cast")


def _kind(path: PathLike) -> str:
    kind = Path(path).suffix.lower()
    if kind not in (".npz", ".safetensors"):
        pickled = kind in (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt")
        why = "; reading a pickle can run code: load it yourself, and save the weights" * pickled
        how = " by safetensors.torch.save_file(state_dict, 'weights.safetensors')" * pickled
        raise ValueError(f"path: expected a .npz or .safetensors file, got {path}{why}{how}")
    return kind


def _unzip(file: Any) -> tuple[dict[str, Array], list[str]]:
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                try:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                except ValueError as error:
                    objects = "it holds Python objects, which only unpickling could read"
                    why = objects if "pickle" in str(error) else error
                    raise ValueError(f"{name}: {why}") from error
            arrays[name.removesuffix(".npy")] = array
    return arrays, []


def _safe(path: PathLike, library: Any) -> tuple[dict[str, Array], list[str]]:
    """Return the arrays, and the keys of those that NumPy has no dtype for."""
    arrays, foreign = {}, []
    with library.safe_open(path, framework="numpy") as file:
        for key in file.keys():  # noqa: SIM118, it is no mapping
            kind = file.get_slice(key).get_dtype()
            if kind == "BF16" or kind.startswith(("F8", "F4")):
                foreign.append(f"{key} is {kind}")
            else:
                arrays[key] = file.get_tensor(key)
    return arrays, foreign


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "reading and writing .safetensors needs the library: pip install 'npcbam[safetensors]'"
        ) from None
    return safetensors
