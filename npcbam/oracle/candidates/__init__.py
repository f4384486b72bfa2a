"""From what a user points at to a candidate: load it, build it, adapt it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.candidates import functions
from npcbam.oracle.candidates.adapter import Adapter, Options, in_its_layout
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.targets import calls, import_lines
from npcbam.targets import load as load

# What constructors call the number of channels, the plainest names first.
CHANNELS = (
    *("channels", "channel", "in_channels", "in_channel", "in_planes", "inplanes", "in_places"),
    *("gate_channels", "gate_channel", "num_channels", "n_channels", "input_channels"),
    *("channel_in", "in_ch", "ch_in", "ch", "c1", "c", "C", "inp", "dim", "in_dim", "d_model"),
    *("embed_dim", "planes", "filters", "features", "in_features", "num_features"),
)
# A block that keeps its channels is often asked for them twice.
OUT_CHANNELS = ("out_channels", "out_channel", "out_planes", "channel_out", "out_ch", "c2", "oup")
# What else a constructor may demand: where it comes from, and what makes it of a seed.
RANDOM = {
    "rngs": ("flax.nnx", "Rngs"),
    "key": ("jax", "random.PRNGKey"),
    "rng": ("numpy", "random.default_rng"),
}

# The classes of layers and of arrays by which a framework is known, and its adapter. A Keras layer
# may be a torch module too.
FRAMEWORKS = (
    ("keras", "Layer", "keras"),
    ("flax.linen", "Module", "flax"),
    ("flax.nnx", "Module", "flax"),
    ("equinox", "Module", "equinox"),
    ("torch", "nn.Module", "torch"),
)
ARRAYS = (("jax", "Array", "jax"), ("torch", "Tensor", "torch"))


def adapt(
    target: object,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    *,
    layout: str | None = None,
    device: str = "cpu",
    stage: str = "whole",
) -> Candidate:
    """Return `target` as a candidate.

    Parameters
    ----------
    target : "package.module:Name" or "path/to/file.py:Name"; "path/to/model.onnx"; or a class or
        factory, built with `channels` and `settings`; or a torch, flax or equinox module, a Keras
        layer, an npcbam layer, an object with `parameters` and `vjp`, a function f(params, x), or
        a Candidate
    parameters : those of a function f(params, x); without it `init(channels)` beside f is asked
    layout : "NCHW" or "NHWC"; None to find it out
    device : what torch runs on
    stage : which part of a CBAM it is: "whole", "channel" or "spatial"

    Raises
    ------
    CannotRun
        It is none of these, or loading or building it fails; the message says why.
    """
    if isinstance(target, Candidate):
        return target
    how = Options(channels, settings or {}, parameters, layout, device)
    with _on(device):
        candidate = _adapt(target, how)
    if device != "cpu" and getattr(candidate, "_device", "cpu") != device:
        raise CannotRun(f"{candidate.name}: only PyTorch takes a device, got {device}")
    if candidate is not target:
        candidate.stage = stage
    return candidate


@contextlib.contextmanager
def _on(device: str) -> Iterator[None]:
    """Say of a device that torch does not have that it has none, whatever fails for that."""
    try:
        yield
    except CannotRun as error:
        torch = sys.modules.get("torch")
        if device != "cpu" and torch is not None:
            try:
                torch.empty(0, device=device)
            except (RuntimeError, AssertionError, NotImplementedError) as missing:
                said = f"device: PyTorch has no {device} here: {sentence(missing)}"
                raise CannotRun(said) from error
        raise


def _adapt(target: Any, how: Options) -> Candidate:
    """Load, build and wrap `target`, and note how to do so again."""
    name, source = _name(target), ""
    if isinstance(target, str):
        if target.endswith(".onnx"):
            return _of_file(target, how)
        name, source = target, import_lines(target)
        target = load(target)
    built, spelled = target, "target"
    if functions.is_forward(target):
        candidate = _of_function(target, name, how)
    else:
        if isinstance(target, type | functools.partial) or inspect.isroutine(target):
            factory, called = _factory(target)
            built, spelled = construct(factory, how.channels, how.settings)
            spelled = f"{called}{spelled}"
            how = replace(how, again=lambda: construct(factory, how.channels, how.settings)[0])
        elif how.settings:
            raise CannotRun(f"{name} is an instance already: there is nothing to set in it")
        if isinstance(built, Candidate):
            return built
        candidate = _wrap(built, name, how)
    lines = ["import numpy as np", source or f"target = ...  # {name}"]
    lines += [f"import {home}" for home, maker in RANDOM.values() if f"{home}.{maker}" in spelled]
    candidate.source = "\n".join([*lines, f"block = {spelled}"])
    return candidate


def _factory(target: Any) -> tuple[Callable[..., Any], str]:
    """Return what builds a candidate of a class or factory, and how it is spelled."""
    # A dataclass of arrays is built from arrays; `init` draws them.
    init = getattr(target, "init", None)
    if dataclasses.is_dataclass(target) and inspect.ismethod(init):
        return init, "target.init"
    return target, "target"


def _wrap(target: Any, name: str, how: Options) -> Candidate:
    """Ask the adapter of the framework that `target` is written in."""
    for home, base, adapter in FRAMEWORKS:
        # Who holds an instance has imported its framework; who has not must not be made to.
        module = sys.modules.get(home)
        if module is not None and isinstance(target, operator.attrgetter(base)(module)):
            wrap = importlib.import_module(f"{__name__}.{adapter}").wrap
            candidate: Candidate = wrap(target, name, how)
            return candidate
    return in_its_layout(functions.from_object(target, name), how)


def _of_function(f: Any, name: str, how: Options) -> Candidate:
    parameters = how.parameters
    if parameters is None:
        parameters = _beside(f, name, how.channels, how.settings)
    for home, base, adapter in ARRAYS:
        module = sys.modules.get(home)
        kind = module and operator.attrgetter(base)(module)
        # JAX functions take NumPy arrays too, but forget their precision and give no gradient.
        if kind is not None and (_holds(parameters, kind) or (home == "jax" and calls(f, home))):
            of_function = importlib.import_module(f"{__name__}.{adapter}").of_function
            candidate: Adapter = of_function(f, parameters, name, how)
            return in_its_layout(candidate, how)
    return in_its_layout(functions.from_function(f, parameters, name), how)


def _of_file(path: str, how: Options) -> Candidate:
    if not Path(path).is_file():
        raise CannotRun(f"{path}: no such file")
    if how.settings:
        raise CannotRun(f"{path} is a file: there is nothing to set in it")
    candidate: Candidate = importlib.import_module(f"{__name__}.onnx").wrap(path, path, how)
    return candidate


def _signature(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        known = dict(inspect.signature(factory).parameters)
        if isinstance(factory, type) and not _named(known):
            # A metaclass may hide what __init__ takes.
            initialiser = inspect.getattr_static(factory, "__init__")
            known = dict([*inspect.signature(initialiser).parameters.items()][1:])
    except (TypeError, ValueError):
        known = {}
    return known


def _named(known: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {key: p for key, p in known.items() if p.kind not in variadic}


def construct(
    factory: Callable[..., Any], channels: int, settings: Mapping[str, object]
) -> tuple[Any, str]:
    """Call `factory` with `channels` where its signature takes them, and with `settings`.

    What it returns comes with how the call is spelled, as in "(channels=64)".
    """
    name = _name(factory)
    args, given = _arguments(factory, channels, settings)
    code = {key: repr(value) for key, value in given.items()}
    for key, (home, maker) in RANDOM.items():
        if given.get(key) is ...:
            code[key] = f"{home}.{maker}(0)"
            given[key] = operator.attrgetter(maker)(sys.modules[home])(0)
    spelled = ", ".join([*map(repr, args), *(f"{key}={value}" for key, value in code.items())])
    try:
        return factory(*args, **given), f"({spelled})"
    except (Exception, SystemExit) as error:
        raise CannotRun(f"{name}({spelled}) raised {sentence(error)}") from error


def _arguments(
    factory: Callable[..., Any], channels: int, settings: Mapping[str, object]
) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the named arguments of `factory`."""
    known = _signature(factory)
    kinds = [p.kind for p in known.values()]
    named = _named(known)
    unknown = [key for key in settings if key not in named]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        takes = f"it takes {', '.join(named)}" if named else "it takes none"
        raise CannotRun(f"{_name(factory)} has no argument {unknown[0]}; {takes}")
    required = [k for k, p in named.items() if p.default is p.empty]
    places = [k for k in CHANNELS if k in named][:1] or required[:1]
    places = [k for k in places if k not in RANDOM] + [k for k in OUT_CHANNELS if k in required]
    given = dict.fromkeys(places, channels) | dict(settings)
    given |= {k: ... for k, (home, _) in RANDOM.items() if k in required and home in sys.modules}
    missing = [key for key in required if key not in given]
    if missing:
        hint = " ".join(f"--set {key}=VALUE" for key in missing)
        raise CannotRun(f"{_name(factory)} needs {' and '.join(missing)}: give {hint}")
    args = [given.pop(k) for k, p in named.items() if p.kind is p.POSITIONAL_ONLY and k in given]
    if not named and inspect.Parameter.VAR_POSITIONAL in kinds:
        args = [channels]
    return args, given


def _beside(
    function: Callable[..., Any], name: str, channels: int, settings: Mapping[str, object]
) -> Mapping[str, Array]:
    init = getattr(inspect.unwrap(function), "__globals__", {}).get("init")
    if not isinstance(init, FunctionType):
        raise CannotRun(
            f"{name}(params, x) needs its parameters: pass parameters=, "
            "or write a function init(channels) beside it that returns them"
        )
    built, _ = construct(init, channels, settings)
    if not isinstance(built, Mapping):
        raise CannotRun(f"init: expected a dict of named arrays, got {type(built).__name__}")
    return built


def _name(target: object) -> str:
    return str(getattr(target, "__name__", type(target).__name__))


def _holds(trees: Any, kind: Any) -> bool:
    """Tell whether a leaf of a tree of arrays is of this kind."""
    if isinstance(trees, Mapping):
        return any(_holds(child, kind) for child in trees.values())
    if isinstance(trees, list | tuple):
        return any(_holds(child, kind) for child in trees)
    return isinstance(trees, kind)
