"""An Equinox module as a candidate. By its convention it maps one sample, (C, H, W)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

from npcbam.oracle.candidates.adapter import Options, evaluating, first_that_fits
from npcbam.oracle.candidates.candidate import LAYOUTS, CannotRun
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.candidates.jax import JaxCandidate, flattened

RECIPE = """\
import equinox as eqx
block = eqx.nn.inference_mode(jax.tree_util.tree_map_with_path(given, block))
y = {call}(x)"""


def wrap(module: eqx.Module, name: str, how: Options) -> JaxCandidate:
    """Return a module as a candidate; where it fails on one sample, it is given all at once."""
    if any(map(_is_state, jax.tree.leaves(module, is_leaf=_is_state))):
        raise CannotRun(
            f"{name} keeps state (eqx.nn.State, as BatchNorm does), which cannot be set from "
            "outside: check it with the norm folded into the convolution"
        )
    kinds = [_candidate(module, name, each) for each in (True, False)]
    tries = [kind.in_layout(layout) for kind in kinds for layout in LAYOUTS]
    return first_that_fits(tries, how.channels)


def _is_state(leaf: object) -> bool:
    return isinstance(leaf, eqx.nn.StateIndex)


def _candidate(module: Any, name: str, each: bool) -> JaxCandidate:
    arrays, rest = eqx.partition(eqx.nn.inference_mode(module), eqx.is_inexact_array)
    parameters, rebuild = flattened(arrays)
    still = evaluating(type(module).__call__)

    def call(state: dict[str, Any], x: Any) -> Any:
        block = eqx.combine(rebuild(state), rest)

        def one(sample: Any) -> Any:
            return block(sample, **still)

        return jax.vmap(one)(x) if each else one(x)

    recipe = RECIPE.replace("{call}", "jax.vmap(block)" if each else "block")
    return JaxCandidate(name, call, parameters, {}, "equinox", recipe)


FRAMEWORK = Framework(layers=(eqx.Module,), wrap=wrap)
