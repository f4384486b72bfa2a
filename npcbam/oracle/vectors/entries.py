"""Read vectors and results. Neither is trusted: nothing is unpickled, and no path leads out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.messages import CannotRun
from npcbam.oracle.precision import PRECISIONS
from npcbam.oracle.rules.catalogue import WAS
from npcbam.oracle.vectors.encoding import DTYPES, decode
from npcbam.oracle.vectors.writing import MANIFEST, SCHEMA
from npcbam.presets import PRESETS

NAME = re.compile(r"\w[\w-]*", re.ASCII)
ROLES = ("given", "parameter", "computed")
# A header may claim any size.
MOST_ENTRIES = 2**24


@dataclass(frozen=True)
class Tensor:
    """One tensor of the manifest; see `writing.ABOUT`."""

    shape: tuple[int, ...]
    role: str
    path: str
    allowed: float


@dataclass(frozen=True)
class Entry:
    """One case of the manifest; see `writing.ABOUT`.

    Attributes
    ----------
    folder : of the vectors
    tells_apart : codes, as they are called now
    """

    folder: Path
    name: str
    preset: str
    dtype: str
    tensors: dict[str, Tensor]
    tells_apart: tuple[str, ...]

    @property
    def computed(self) -> list[str]:
        """The names of the tensors that a program is to compute."""
        return [name for name, tensor in self.tensors.items() if tensor.role == "computed"]

    def values(self, name: str) -> Array:
        """Return the expected values of a tensor; raise CannotRun if the file does not hold it."""
        file, shape = self.folder / self.name / f"{name}.npy", self.tensors[name].shape
        if not file.resolve().is_relative_to(self.folder.resolve()):
            raise CannotRun(f"{file}: a link that leads out of {self.folder}")
        value = load(file, self.dtype)
        if value.shape != shape:
            raise CannotRun(f"{file}: expected shape {shape}, as in {MANIFEST}, got {value.shape}")
        return value


def entries(folder: Path) -> list[Entry]:
    """Return the cases of the manifest of `folder`; raise CannotRun if there is no sound one."""
    place = folder / MANIFEST
    if not place.is_file():
        raise CannotRun(
            f"{folder}: expected a folder that `npcbam vectors write` made; it has no {MANIFEST}"
        )
    try:
        manifest = json.loads(place.read_text(encoding="utf-8"))
        schema = manifest["schema"]
        if schema != SCHEMA:
            raise CannotRun(f"{place}: expected schema {SCHEMA}, got {schema!r}")
        return [_entry(folder, case) for case in manifest["cases"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CannotRun(f"{place}: expected what `npcbam vectors write` wrote; {said}") from error


def load(place: Path, dtype: str) -> Array:
    """Return the finite or infinite numbers in a .npy, in float64; raise CannotRun if it has none.

    Half types may be stored as their bits, in 16-bit unsigned integers.
    """
    if not place.is_file():
        raise CannotRun(f"{place}: no such file")
    try:
        # Mapped: a header that claims more than the file holds is refused, and nothing allocated.
        found = np.load(place, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise CannotRun(f"{place}: expected a readable .npy file; {error}") from error
    if not isinstance(found, np.ndarray) or found.size > MOST_ENTRIES:
        raise CannotRun(f"{place}: expected one array of at most {MOST_ENTRIES} entries")
    half = PRECISIONS[dtype].file == "<u2"
    bits = half and found.dtype.kind == "u" and found.dtype.itemsize == 2
    if found.dtype.kind != "f" and not bits:
        wanted = " or uint16 bit patterns" if half else ""
        raise CannotRun(f"{place}: expected floating-point numbers{wanted}, got {found.dtype}")
    return decode(np.array(found), dtype if bits else "float64")


def _entry(folder: Path, case: Mapping[str, Any]) -> Entry:
    name = _word("name", case["name"])
    preset, dtype = case["preset"], case["dtype"]
    if preset not in PRESETS or dtype not in DTYPES:
        raise ValueError(f"{name} has the unknown preset {preset!r} or dtype {dtype!r}")
    tensors = {
        _word("tensor", key): _tensor(name, key, value) for key, value in case["tensors"].items()
    }
    codes = (WAS[code].code if code in WAS else str(code) for code in case["tells_apart"])
    return Entry(folder, name, preset, dtype, tensors, tuple(codes))


def _tensor(case: str, name: str, entry: Mapping[str, Any]) -> Tensor:
    if entry["file"] != f"{case}/{name}.npy":
        raise ValueError(f"the file of {name} in {case} is elsewhere: {entry['file']!r}")
    shape, role = tuple(entry["shape"]), entry["role"]
    if not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"the shape of {name} in {case} is {entry['shape']!r}")
    if role not in ROLES:
        raise ValueError(f"the role of {name} in {case} is {role!r}")
    limit = entry["allowed"] if role == "computed" else math.inf
    if role == "computed" and not (type(limit) is float and 0 < limit < math.inf):
        raise ValueError(f"the allowed error of {name} in {case} is {limit!r}")
    return Tensor(shape, role, entry["path"] if role == "parameter" else "", limit)


def _word(what: str, value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"the {what} {value!r} is no plain word")
    return value
