"""What a framework's file declares, and where such files are found.

A file in another distribution adds a framework by an entry point in the group `npcbam.candidates`:

    [project.entry-points."npcbam.candidates"]
    paddle = "npcbam_paddle:FRAMEWORK"

The name on the left says when the file is asked: once the module `paddle` is imported, or, where
it begins with a dot as in ".tflite", for a file that ends so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from npcbam.oracle.candidates import building, functions
from npcbam.oracle.candidates.adapter import Options
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.targets import calls

GROUP = "npcbam.candidates"
# Those of this package, each in a file of its name. Others are looked up in what is installed.
BUILT_IN = ("torch", "jax", "flax", "equinox", "keras", ".onnx")


@dataclass(frozen=True)
class Framework:
    """What candidates of one framework are known by, and what makes a `Candidate` of them.

    Attributes
    ----------
    layers : its classes of layers; of all frameworks the one with the nearest class is asked
    wrap : makes a candidate of a layer, its name and the options
    arrays : its classes of arrays; a function f(params, x) whose `params` hold one is its own
    of_function : makes a candidate of such a function, `params`, its name and the options
    in_code : the module by whose use in its code a function is known as well, where its functions
        take NumPy arrays too
    of_file : makes a candidate of the path of a file, its name and the options
    """

    layers: tuple[type, ...] = ()
    wrap: Callable[[Any, str, Options], Candidate] | None = None
    arrays: tuple[type, ...] = ()
    of_function: Callable[[Any, Any, str, Options], Candidate] | None = None
    in_code: str = ""
    of_file: Callable[[str, str, Options], Candidate] | None = None


def of_layer(layer: object, name: str, how: Options) -> Candidate:
    """Return a layer as a candidate, of NumPy where no framework knows its class."""
    known = {kind: found.wrap for found in _imported() for kind in found.layers}
    # The nearest class, for a Keras layer may be a torch module too.
    wrap = next((known[kind] for kind in type(layer).__mro__ if kind in known), None)
    if wrap:
        return wrap(layer, name, how)
    with _failures_told():
        return functions.wrap(layer, name, how)


def of_function(f: Any, name: str, how: Options) -> Candidate:
    """Return f(params, x) as a candidate, of NumPy where no framework knows it for its own."""
    parameters = how.parameters
    if parameters is None:
        parameters = building.parameters_beside(f, name, how.channels, how.settings)
    for found in _imported():
        its_own = _holds(parameters, found.arrays) or (found.in_code and calls(f, found.in_code))
        if found.of_function and its_own:
            return found.of_function(f, parameters, name, how)
    with _failures_told():
        return functions.of_function(f, parameters, name, how)


def of_file(path: str, how: Options) -> Candidate:
    """Return a file as a candidate; its name ends in one of `suffixes()`."""
    if not Path(path).is_file():
        raise CannotRun(f"{path}: no such file")
    if how.settings:
        raise CannotRun(f"{path} is a file: there is nothing to set in it")
    entry = next(entry for entry in _of_files() if path.endswith(entry.name))
    found = _loaded(entry)
    if found.of_file is None:
        raise CannotRun(f"{path}: {entry.value} takes no files")
    return found.of_file(path, path, how)


def suffixes() -> tuple[str, ...]:
    """Return how files end that are a candidate by themselves."""
    return tuple(entry.name for entry in _of_files())


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    """Return the entry points of this package, then those of all others."""
    files = {name: f"npcbam.oracle.candidates.{name.strip('.')}:FRAMEWORK" for name in BUILT_IN}
    own = [EntryPoint(name, value, GROUP) for name, value in files.items()]
    return *own, *importlib.metadata.entry_points(group=GROUP)


def _of_files() -> list[EntryPoint]:
    return [entry for entry in _entries() if entry.name.startswith(".")]


@contextlib.contextmanager
def _failures_told() -> Iterator[None]:
    """Where what is asked about is unknown, say which frameworks could not be asked, and why."""
    try:
        yield
    except CannotRun as error:
        failed = [sentence(found) for found in _asked() if isinstance(found, CannotRun)]
        raise CannotRun("; ".join([str(error), *failed])) from error


def _asked() -> Iterator[Framework | CannotRun]:
    """Yield the frameworks that are imported, or why the file of one cannot be loaded.

    Who holds a layer of one has imported it.
    """
    for entry in _entries():
        if sys.modules.get(entry.name) is not None:
            try:
                yield _loaded(entry)
            except CannotRun as error:
                yield error


def _imported() -> list[Framework]:
    # One that is too old, say, for its file is none: what is asked about may be another's.
    return [found for found in _asked() if isinstance(found, Framework)]


def _loaded(entry: EntryPoint) -> Framework:
    try:
        found = entry.load()
    except CannotRun:
        raise
    except Exception as error:
        raise CannotRun(f"{entry.value}, for {entry.name}, raised {sentence(error)}") from error
    if not isinstance(found, Framework):
        kind = type(found).__name__
        raise CannotRun(f"{entry.value}, for {entry.name}: expected a Framework, got {kind}")
    return found


def _holds(trees: Any, kinds: tuple[type, ...]) -> bool:
    """Tell whether a leaf of a tree of arrays is of one of these kinds."""
    if isinstance(trees, Mapping):
        return any(_holds(child, kinds) for child in trees.values())
    if isinstance(trees, list | tuple):
        return any(_holds(child, kinds) for child in trees)
    return isinstance(trees, kinds)
