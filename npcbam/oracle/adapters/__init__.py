"""From what a user points at to a candidate: load it, build it, adapt it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from npcbam.checks import Array
from npcbam.oracle.adapters import functions
from npcbam.oracle.candidate import Candidate, CannotRun, sentence

# What constructors call the number of channels, the plainest names first.
CHANNELS = (
    *("channels", "channel", "in_channels", "in_channel", "in_planes", "inplanes", "in_places"),
    *("gate_channels", "gate_channel", "num_channels", "n_channels", "input_channels"),
    *("channel_in", "in_ch", "ch_in", "ch", "c1", "c", "C", "inp", "dim", "in_dim", "d_model"),
    *("embed_dim", "planes", "filters", "features", "in_features", "num_features"),
)
# A block that keeps its channels is often asked for them twice.
OUT_CHANNELS = ("out_channels", "out_channel", "out_planes", "channel_out", "out_ch", "c2", "oup")


def adapt(
    target: object,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
) -> Candidate:
    """Return `target` as a candidate.

    Parameters
    ----------
    target : "package.module:Name" or "path/to/file.py:Name"; or a class or factory, built with
        `channels` and `settings`; or a torch module, an npcbam layer, an object with `parameters`
        and `vjp`, a function f(params, x), or a Candidate
    parameters : those of a function f(params, x); without it `init(channels)` beside f is asked

    Raises
    ------
    CannotRun
        It is none of these, or loading or building it fails; the message says why.
    """
    if isinstance(target, str):
        name, target = target, load(target)
    else:
        name = _name(target)
    if isinstance(target, Candidate):
        return target
    if functions.is_forward(target):
        if parameters is None:
            parameters = _beside(target, name, channels, settings or {})
        return functions.from_function(target, parameters, name)
    if isinstance(target, type | functools.partial) or inspect.isroutine(target):
        target = construct(target, channels, settings or {})
        if isinstance(target, Candidate):
            return target
    elif settings:
        raise CannotRun(f"{name} is an instance already: there is nothing to set in it")
    if _is_torch_module(target):
        from npcbam.oracle.adapters.torch import TorchCandidate

        return TorchCandidate(target, name)
    return functions.from_object(target, name)


def load(target: str) -> object:
    """Import what "package.module:Name" or "path/to/file.py:Name" points at. This runs the file."""
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise CannotRun(f"{target}: expected package.module:Name or path/to/file.py:Name")
    is_file = place.endswith(".py") or "/" in place or "\\" in place
    found: Any = _import_file(Path(place)) if is_file else _import_module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key in dir(found) if not key.startswith("_")]
            listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise CannotRun(f"{place} has no {name}; it has {listed or 'nothing'}")
        found = getattr(found, part)
    return found


def construct(factory: Callable[..., Any], channels: int, settings: Mapping[str, object]) -> object:
    """Call `factory` with `channels` where its signature takes them, and with `settings`."""
    name = _name(factory)
    args, given = _arguments(factory, channels, settings)
    try:
        return factory(*args, **given)
    except (Exception, SystemExit) as error:
        spelled = ", ".join([*map(repr, args), *(f"{k}={value!r}" for k, value in given.items())])
        raise CannotRun(f"{name}({spelled}) raised {sentence(error)}") from error


def _arguments(
    factory: Callable[..., Any], channels: int, settings: Mapping[str, object]
) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the named arguments of `factory`."""
    try:
        known = dict(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        known = {}
    kinds = [p.kind for p in known.values()]
    named = {k: p for k, p in known.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    unknown = [key for key in settings if key not in named]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        takes = f"it takes {', '.join(named)}" if named else "it takes none"
        raise CannotRun(f"{_name(factory)} has no argument {unknown[0]}; {takes}")
    required = [k for k, p in named.items() if p.default is p.empty]
    places = [k for k in CHANNELS if k in named][:1] or required[:1]
    places += [k for k in OUT_CHANNELS if k in required]
    given = dict.fromkeys(places, channels) | dict(settings)
    missing = [key for key in required if key not in given]
    if missing:
        hint = " ".join(f"--set {key}=VALUE" for key in missing)
        raise CannotRun(f"{_name(factory)} needs {' and '.join(missing)}: give {hint}")
    args = [given.pop(k) for k, p in named.items() if p.kind is p.POSITIONAL_ONLY and k in given]
    if not named and inspect.Parameter.VAR_POSITIONAL in kinds:
        args = [channels]
    return args, given


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise CannotRun(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"_npcbam_target_{path.stem}", path)
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
        hint = "; try package.module:Name" if "relative import" in str(error) else ""
        raise CannotRun(f"{path} raised {sentence(error)}{hint}") from error
    return module


def _import_module(name: str) -> ModuleType:
    _see(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise CannotRun(f"{name}: no module named {error.name}") from error
        raise CannotRun(f"{name} raised {sentence(error)}") from error
    except (Exception, SystemExit) as error:
        raise CannotRun(f"{name} raised {sentence(error)}") from error


def _see(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _beside(
    function: Callable[..., Any], name: str, channels: int, settings: Mapping[str, object]
) -> Mapping[str, Array]:
    init = getattr(function, "__globals__", {}).get("init")
    if not isinstance(init, FunctionType):
        raise CannotRun(
            f"{name}(params, x) needs its parameters: pass parameters=, "
            "or write a function init(channels) beside it that returns them"
        )
    built = construct(init, channels, settings)
    if not isinstance(built, Mapping):
        raise CannotRun(f"init: expected a dict of named arrays, got {type(built).__name__}")
    return built


def _name(target: object) -> str:
    return str(getattr(target, "__name__", type(target).__name__))


def _is_torch_module(target: object) -> bool:
    # Who holds a torch module has imported torch; who has not must not be made to.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(target, torch.nn.Module)
