"""From what a user points at to a candidate: load it, build it, adapt it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.candidates import building, framework, functions
from npcbam.oracle.candidates.adapter import Options, in_its_layout
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.targets import import_lines
from npcbam.targets import load as load


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
    if device != "cpu" and candidate.device != device:
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
    name, source = building.name_of(target), ""
    if isinstance(target, str):
        if target.endswith(framework.suffixes()):
            return _of_file(target, how)
        name, source = target, import_lines(target)
        target = load(target)
    built, spelled = target, "target"
    if functions.is_forward(target):
        candidate = _of_function(target, name, how)
    else:
        if isinstance(target, type | functools.partial) or inspect.isroutine(target):
            factory, called = building.factory_of(target)
            built, spelled = building.construct(factory, how.channels, how.settings)
            spelled = f"{called}{spelled}"
            again = functools.partial(building.construct, factory, how.channels, how.settings)
            how = replace(how, again=lambda: again()[0])
        elif how.settings:
            raise CannotRun(f"{name} is an instance already: there is nothing to set in it")
        if isinstance(built, Candidate):
            return built
        candidate = _of_object(built, name, how)
    lines = ["import numpy as np", source or f"target = ...  # {name}"]
    lines += building.imports_of(spelled)
    candidate.source = "\n".join([*lines, f"block = {spelled}"])
    return candidate


def _of_object(built: Any, name: str, how: Options) -> Candidate:
    found = framework.of_layer(built, name, how)
    if found:
        return found
    with framework.failures_told():
        return in_its_layout(functions.from_object(built, name), how)


def _of_function(f: Any, name: str, how: Options) -> Candidate:
    parameters = how.parameters
    if parameters is None:
        parameters = building.parameters_beside(f, name, how.channels, how.settings)
    found = framework.of_function(f, parameters, name, how)
    if found:
        return found
    with framework.failures_told():
        return in_its_layout(functions.from_function(f, parameters, name), how)


def _of_file(path: str, how: Options) -> Candidate:
    if not Path(path).is_file():
        raise CannotRun(f"{path}: no such file")
    if how.settings:
        raise CannotRun(f"{path} is a file: there is nothing to set in it")
    return framework.of_file(path, how)
