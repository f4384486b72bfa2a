"""A Keras 3 layer or model as a candidate, on the backends JAX and torch."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import (
    Adapter,
    Options,
    built_in_its_layout,
    evaluating,
    in_its_layout,
    spelled,
)
from npcbam.oracle.candidates.candidate import LAYOUTS, CannotRun
from npcbam.oracle.candidates.framework import Framework

# But for TensorFlow, Keras makes float32 of every float64 that an operation results in.
NARROWED = getattr(sys.modules.get("keras.src.backend.common.dtypes"), "BIT64_TO_BIT32_DTYPE", {})

SETTING = """\
import keras
keras.config.set_floatx("{dtype}")
"""
JAX_SETTING = """\
import jax
jax.config.update("jax_enable_x64", True)
"""
RECIPE = """\
x = {x}.astype("{dtype}")
block(x)
# By their places, because Keras numbers layers anew.
names = {names}
for name, variable in zip(names, block.trainable_variables + block.non_trainable_variables):
    if name in {params}:
        variable.assign({params}[name])
y = block(x{evaluating})"""


def wrap(layer: Any, name: str, how: Options) -> Adapter:
    """Return a layer as a candidate; where it is not built, it is built on `how.channels`."""
    if keras.backend.backend() not in ("jax", "torch"):
        raise CannotRun(
            f"{name} runs on {keras.backend.backend()}: set KERAS_BACKEND=jax or "
            "KERAS_BACKEND=torch"
        )
    if layer.built:
        return in_its_layout(_candidate(layer, name, how), how)
    layouts: tuple[str, ...] = LAYOUTS[::-1]
    if how.again is None:
        # It can be built but once: as Keras takes its input unless it is told otherwise.
        last = keras.config.image_data_format() == "channels_last"
        layouts = ("NHWC",) if last else ("NCHW",)

    def build(x: Array) -> Adapter:
        fresh = layer if how.again is None else how.again()
        fresh(x)
        return _candidate(fresh, name, how)

    return built_in_its_layout(build, name, how, layouts)


def _candidate(layer: Any, name: str, how: Options) -> Adapter:
    parameters, buffers = _arrays(layer.trainable_variables), _arrays(layer.non_trainable_variables)
    still = evaluating(layer.call)
    call, backend = _stateless(layer, still), keras.backend.backend()
    candidate: Adapter
    if backend == "jax":
        from npcbam.oracle.candidates.jax import JaxCandidate

        candidate = JaxCandidate(name, call, parameters, buffers)
    else:
        from npcbam.oracle.candidates.torch import TorchCandidate, refuse_missing

        refuse_missing(how.device)
        candidate = TorchCandidate(name, call, parameters, buffers, how.device)
    names = [_name(each) for each in (*layer.trainable_variables, *layer.non_trainable_variables)]
    recipe = RECIPE.replace("{evaluating}", spelled(still))
    candidate.framework, candidate.recipe = "keras", recipe.replace("{names}", repr(names))
    candidate.setting = (JAX_SETTING if backend == "jax" else "") + SETTING
    return candidate


def _stateless(layer: Any, still: dict[str, bool]) -> Callable[[dict[str, Any], Any], Any]:
    """Return the layer as a function of its variables and x, at the precision of x."""

    on_torch = keras.backend.backend() == "torch"

    def given(variables: Any, state: dict[str, Any]) -> list[Any]:
        values = [state.get(_name(variable), variable.value) for variable in variables]
        return [_kernel_first(value) for value in values] if on_torch else values

    def call(state: dict[str, Any], x: Any) -> Any:
        with _precision(layer, keras.backend.standardize_dtype(x.dtype)):
            learned, kept = layer.trainable_variables, layer.non_trainable_variables
            y, after = layer.stateless_call(given(learned, state), given(kept, state), x, **still)
        # The statistics that the call has moved, for who watches it.
        moved = {_name(variable): value for variable, value in zip(kept, after, strict=True)}
        state.update({name: value for name, value in moved.items() if name in state})
        return y

    return call


def _kernel_first(value: Any) -> Any:
    """Lay a kernel (*K, P, 1) in memory as torch does, which has no other backward in float64."""
    if value.ndim < 3:
        return value
    ours = value.movedim((-1, -2), (0, 1)).contiguous()
    return ours.movedim((0, 1), (-1, -2))


@contextlib.contextmanager
def _precision(layer: Any, dtype: str) -> Iterator[None]:
    """Let the layer and all inside it compute at `dtype`; Keras settles that when it is made."""
    inside = layer._flatten_layers()
    real = [each for each in layer.variables if keras.backend.is_float_dtype(each._dtype)]
    were = keras.config.floatx(), [each.dtype_policy for each in inside], [v._dtype for v in real]

    def to(floatx: str, policies: Iterable[Any], dtypes: Iterable[str], wide: str) -> None:
        keras.config.set_floatx(floatx)
        for each, policy in zip(inside, policies, strict=False):
            each.dtype_policy = policy
        for variable, kind in zip(real, dtypes, strict=False):
            variable._dtype = kind
        NARROWED["float64"] = wide

    narrow = NARROWED.get("float64", "float64")
    to(dtype, itertools.repeat(dtype), itertools.repeat(dtype), "float64")
    try:
        yield
    finally:
        to(*were, narrow)


def _arrays(variables: Any) -> dict[str, Array]:
    # The state of random numbers is none of it.
    real = [each for each in variables if keras.backend.is_float_dtype(each.dtype)]
    return {_name(each): _numpy(each.value) for each in real}


def _numpy(value: Any) -> Array:
    # Keras's own way makes NumPy warn of torch.
    if keras.backend.backend() == "torch":
        value = value.detach().cpu().double().numpy()
    return np.array(value).astype(np.float64)


def _name(variable: Any) -> str:
    """Return the path of a variable below its layer, as in "dense.kernel"."""
    path: str = variable.path
    return ".".join(path.split("/")[1:]) or path


FRAMEWORK = Framework(layers=(keras.Layer,), wrap=wrap)
