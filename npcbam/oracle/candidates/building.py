"""A class or factory is called: what it names its number of channels, and what else it may need."""

from __future__ import annotations

import dataclasses
import inspect
import operator
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import CannotRun, sentence

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


def construct(target: Any, channels: int, settings: Mapping[str, object]) -> tuple[Any, str]:
    """Call a class or factory with `channels` where its signature takes them, and with `settings`.

    What it returns comes with how the call is spelled, as in "target(channels=64)".
    """
    factory, called, init = target, "target", getattr(target, "init", None)
    if dataclasses.is_dataclass(target) and inspect.ismethod(init):
        # It is built from arrays; `init` draws them.
        factory, called = init, "target.init"
    args, given = _arguments(factory, channels, settings)
    code = {key: repr(value) for key, value in given.items()}
    for key, (home, maker) in RANDOM.items():
        if given.get(key) is ...:
            code[key] = f"{home}.{maker}(0)"
            given[key] = operator.attrgetter(maker)(sys.modules[home])(0)
    spelled = ", ".join([*map(repr, args), *(f"{key}={value}" for key, value in code.items())])
    try:
        return factory(*args, **given), f"{called}({spelled})"
    except (Exception, SystemExit) as error:
        raise CannotRun(f"{name_of(factory)}({spelled}) raised {sentence(error)}") from error


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
        raise CannotRun(f"{name_of(factory)} has no argument {unknown[0]}; {takes}")
    required = [k for k, p in named.items() if p.default is p.empty]
    places = [k for k in CHANNELS if k in named][:1] or required[:1]
    places = [k for k in places if k not in RANDOM] + [k for k in OUT_CHANNELS if k in required]
    given = dict.fromkeys(places, channels) | dict(settings)
    given |= {k: ... for k, (home, _) in RANDOM.items() if k in required and home in sys.modules}
    missing = [key for key in required if key not in given]
    if missing:
        hint = " ".join(f"--set {key}=VALUE" for key in missing)
        raise CannotRun(f"{name_of(factory)} needs {' and '.join(missing)}: give {hint}")
    args = [given.pop(k) for k, p in named.items() if p.kind is p.POSITIONAL_ONLY and k in given]
    if not named and inspect.Parameter.VAR_POSITIONAL in kinds:
        args = [channels]
    return args, given


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


def parameters_beside(
    function: Callable[..., Any], name: str, channels: int, settings: Mapping[str, object]
) -> Mapping[str, Array]:
    """Return what `init(channels)` beside a function f(params, x) returns."""
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


def imports_of(spelled: str) -> list[str]:
    """Return the lines that import what a call, as `construct` spells it, needs."""
    return [f"import {home}" for home, maker in RANDOM.values() if f"{home}.{maker}" in spelled]


def name_of(target: object) -> str:
    """Return what a target is called in messages."""
    return str(getattr(target, "__name__", type(target).__name__))
