"""From what a user points at to a candidate: load it, build it, adapt it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.candidates import building, framework, functions
from npcbam.oracle.candidates.adapter import Options
from npcbam.oracle.candidates.candidate import Candidate, CannotRun
from npcbam.targets import import_lines
from npcbam.targets import load as load


def adapt(
    target: object,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    *,
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
    device : what torch runs on
    stage : which part of a CBAM it is: "whole", "channel" or "spatial"

    Raises
    ------
    CannotRun
        It is none of these, or loading or building it fails; the message says why.
    """
    if isinstance(target, Candidate):
        return target
    candidate = _adapt(target, Options(channels, settings or {}, parameters, device))
    if device != "cpu" and candidate.device != device:
        raise CannotRun(f"{candidate.name}: only PyTorch takes a device, got {device}")
    candidate.stage = stage
    return candidate


def _adapt(target: Any, how: Options) -> Candidate:
    """Load, build and wrap `target`, and note how to do so again."""
    name = building.name_of(target)
    source, spelled = f"target = ...  # {name}", "target"
    if isinstance(target, str):
        if target.endswith(framework.suffixes()):
            return framework.of_file(target, how)
        name, source = target, import_lines(target)
        target = load(target)
    if functions.is_forward(target):
        candidate = framework.of_function(target, name, how)
    else:
        block = target
        if isinstance(target, type | functools.partial) or inspect.isroutine(target):
            construct = functools.partial(building.construct, target, how.channels, how.settings)
            block, spelled = construct()
            how = replace(how, again=lambda: construct()[0])
        elif how.settings:
            raise CannotRun(f"{name} is an instance already: there is nothing to set in it")
        if isinstance(block, Candidate):
            return block
        candidate = framework.of_layer(block, name, how)
    imports = ["import numpy as np", source, *building.imports_of(spelled)]
    candidate.source = "\n".join([*imports, f"block = {spelled}"])
    return candidate
