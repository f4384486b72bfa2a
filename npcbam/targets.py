"""From "package.module:Name" or "path/to/file.py:Name" to what it names: this runs the file."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from npcbam.messages import CannotRun, sentence

# What this package names as extras, for who has a file but not its framework.
EXTRAS = ("torch", "jax", "flax", "equinox", "keras")
# Files of frameworks that tell how to run nothing, or only to who has the code.
WEIGHTS = (".pt", ".pth", ".ckpt", ".h5", ".keras", ".npz", ".npy", ".safetensors", ".msgpack")


def load(target: str, *, anew: bool = True) -> object:
    """Import what "package.module:Name" or "path/to/file.py:Name" points at. This runs the file.

    With anew=False a file that was loaded before is not run again.
    """
    if target.endswith(WEIGHTS):
        raise CannotRun(f"{target}: weights without code cannot be run; give path/to/file.py:Name")
    place, colon, name = target.rpartition(":")
    if target.endswith(".py") and Path(target).is_file():
        raise CannotRun(f"{target}: which of it? expected {target}:Name, {_defined(Path(target))}")
    if not colon or not place or not name:
        raise CannotRun(f"{target}: expected package.module:Name or path/to/file.py:Name")
    found: Any = _import_file(Path(place), anew) if _is_file(place) else _import_module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key in dir(found) if not key.startswith("_")]
            home = getattr(found, "__name__", None)
            own = [k for k in known if getattr(getattr(found, k), "__module__", "") == home]
            known = own or known
            listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise CannotRun(f"{place} has no {name}; it has {listed or 'nothing'}")
        found = getattr(found, part)
    return found


def _defined(path: Path) -> str:
    """Say what a file defines, without running it."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return "and it is no valid Python"
    names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return f"where Name is {', '.join(names[:8])}" if names else "and it defines nothing"


def import_lines(target: str) -> str:
    """Return the code that does what `load` does."""
    place, _, name = target.rpartition(":")
    path = Path(place)
    lines = ["from importlib import import_module"]
    if _is_file(place):
        lines += ["import sys", f"sys.path.insert(0, {str(path.resolve().parent)!r})"]
    module = path.stem if _is_file(place) else place
    return "\n".join([*lines, f"target = import_module({module!r}).{name}"])


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or "\\" in place


def _import_file(path: Path, anew: bool) -> ModuleType:
    if not path.is_file():
        raise CannotRun(f"{path}: no such file")
    name = f"_npcbam_target_{path.stem}"
    known = sys.modules.get(name)
    if not anew and known is not None and known.__file__ == str(path.absolute()):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CannotRun(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    # As `python path` does, so that it finds its neighbours.
    _see(path.resolve().parent)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        hint = "; try package.module:Name" if "relative import" in str(error) else _advice(error)
        raise CannotRun(f"{path} raised {sentence(error)}{hint}") from error
    return module


def _import_module(name: str) -> ModuleType:
    _see(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise CannotRun(f"{name}: no module named {error.name}") from error
        raise CannotRun(f"{name} raised {sentence(error)}{_advice(error)}") from error
    except (Exception, SystemExit) as error:
        raise CannotRun(f"{name} raised {sentence(error)}") from error


def _advice(error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing == "tensorflow" and "keras" in sys.modules:
        return "; set KERAS_BACKEND=jax or KERAS_BACKEND=torch"
    return f"; try pip install 'npcbam[{missing}]'" if missing in EXTRAS else ""


def _see(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def literal(text: str) -> object:
    """Return the value of a Python literal, and any other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def calls(f: Callable[..., object], package: str, seen: frozenset[object] = frozenset()) -> bool:
    """Tell whether the code of f, or of a function that it names, names a module of `package`."""
    f = inspect.unwrap(f)
    if not isinstance(f, FunctionType) or f in seen:
        return False
    for name in f.__code__.co_names:
        value = f.__globals__.get(name)
        here = isinstance(value, ModuleType) and value.__name__.partition(".")[0] == package
        if here or (name == package and value is None):  # the latter where f itself imports it
            return True
        if isinstance(value, FunctionType) and calls(value, package, seen | {f}):
            return True
    return False
