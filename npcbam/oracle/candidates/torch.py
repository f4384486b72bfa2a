"""A torch module, or a function of tensors, as a candidate: a copy of it in evaluation mode."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from torch.nn.utils import parametrize

from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import Adapter, Options, arranged, in_its_layout, split
from npcbam.oracle.candidates.candidate import BadOutput, CannotRun, sentence
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.precision import DTYPES

Tensors: TypeAlias = dict[str, torch.Tensor]
Call: TypeAlias = Callable[[Tensors, torch.Tensor], Any]
Then: TypeAlias = Callable[[Any], Any]

# What `torch.compile` puts before the names of the module that it wraps.
COMPILED = "_orig_mod."
RECIPE = """\
import torch
block = block.to(torch.{dtype}).eval()
state = {name: torch.tensor(value) for name, value in {params}.items()}
block.load_state_dict(state, strict=False)
y = block(torch.tensor({x}, dtype=torch.{dtype}))"""


def _same(y: Any) -> Any:
    return y


class TorchCandidate(Adapter):
    """A function f(params, x) of tensors; gradients by autograd, zero where y does not depend."""

    framework = "torch"
    dtypes = DTYPES

    def __init__(
        self,
        name: str,
        f: Call,
        parameters: dict[str, Array],
        buffers: dict[str, Array],
        device: str = "cpu",
    ) -> None:
        self.name, self._f, self.device = name, f, device
        self.parameters, self.buffers = parameters, buffers

    def _give(self, value: Array) -> torch.Tensor:
        # Two steps, both exact, because NumPy has no bfloat16.
        return torch.tensor(value).to(self.device, getattr(torch, self.dtype))

    def _take(self, name: str, value: Any) -> Array:
        if not isinstance(value, torch.Tensor):
            said = "forward: expected one tensor" if name == "y" else f"{name}: expected a tensor"
            raise BadOutput(f"{said}, got {type(value).__name__}")
        return _numpy(value)

    def _run(self, state: Tensors, x: torch.Tensor) -> Any:
        with torch.no_grad():
            return self._call(state, x)

    def _pull(
        self, state: Tensors, x: torch.Tensor, dy: torch.Tensor
    ) -> tuple[Mapping[str, Any], Any]:
        sources = [*(state[name].requires_grad_() for name in self.parameters), x.requires_grad_()]
        with torch.enable_grad():
            # A clone, because a module may write to its input, and autograd forbids that of a leaf.
            grads: Any = self._call(state, x.clone(), lambda y: self._grads(y, sources, dy))
        pairs = zip(grads, sources, strict=True)
        found = [torch.zeros_like(source) if grad is None else grad for grad, source in pairs]
        return dict(zip(self.parameters, found, strict=False)), found[-1]

    def _grads(self, y: Any, sources: list[torch.Tensor], dy: torch.Tensor) -> Any:
        self._take("y", y)
        if not y.requires_grad:
            return [None] * len(sources)
        return torch.autograd.grad(y, sources, dy.to(y.dtype), allow_unused=True)

    def _call(self, state: Tensors, x: torch.Tensor, then: Then = _same) -> Any:
        """Return what `then` makes of y, while the state is in force."""
        return then(self._f(state, x))

    def _arrange(self, x: torch.Tensor, memory: str) -> torch.Tensor:
        like = arranged(np.zeros(x.shape), memory)
        strides = [step // like.itemsize for step in like.strides]
        return torch.empty_strided(x.shape, strides, dtype=x.dtype, device=x.device).copy_(x)


class ModuleCandidate(TorchCandidate):
    """A `torch.nn.Module` that maps one tensor to one tensor. The module itself is not touched."""

    recipe = RECIPE

    def __init__(self, module: torch.nn.Module, name: str, device: str = "cpu") -> None:
        try:
            self._module = _plain(copy.deepcopy(module).to(device, torch.float64).eval())
            parameters = _arrays(self._module.named_parameters())
            buffers = _arrays(self._module.named_buffers())
        except Exception as error:
            raise CannotRun(f"{name} cannot be copied to float64: {sentence(error)}") from error
        super().__init__(name, self._module, parameters, buffers, device)
        self._prefix = COMPILED if hasattr(module, "_orig_mod") else ""

    def at(self, dtype: str) -> Self:
        """Return the same block at another precision; see `Candidate.at`."""
        other = super().at(dtype)
        # Every parameter is set in every call; but a module may ask for the dtype of its own.
        other._module = copy.deepcopy(self._module).to(getattr(torch, dtype))
        return other

    def eager(self) -> ModuleCandidate:
        """Return the module that `torch.compile` wraps, where it does."""
        inner = getattr(self._module, "_orig_mod", None)
        return self if inner is None else ModuleCandidate(inner, self.name, self.device)

    def _call(self, state: Tensors, x: torch.Tensor, then: Then = _same) -> Any:
        named = {f"inner.{self._prefix}{name}": value for name, value in state.items()}
        with warnings.catch_warnings():
            if self._prefix:
                # Of the compiler's own doing, where it looks for the .grad of all that it is given.
                warnings.filterwarnings("ignore", "The .grad attribute")
            # Checkpointed parts run again in the backward, which has to find the state in place.
            found = torch.func.functional_call(_Followed(self._module, then), named, (x,))
        # What the module has set anew is seen in `named` alone.
        state.update({name: named[f"inner.{self._prefix}{name}"] for name in state})
        return found


class _Followed(torch.nn.Module):
    """A module, and what is made of its y."""

    def __init__(self, inner: torch.nn.Module, then: Then) -> None:
        super().__init__()
        self.inner, self._then = inner, then
        self.training = inner.training

    def forward(self, x: torch.Tensor) -> Any:
        return self._then(self.inner(x))


def _plain(module: torch.nn.Module) -> torch.nn.Module:
    """Return the module with the weights themselves where they are made of other parameters."""
    for part in module.modules():
        for name in [*getattr(part, "parametrizations", ())]:
            parametrize.remove_parametrizations(part, name)
    return module


def wrap(module: torch.nn.Module, name: str, how: Options) -> ModuleCandidate:
    """Return a module as a candidate, in the layout that it runs in."""
    refuse_missing(how.device)
    candidate = ModuleCandidate(module, name, how.device)
    # Compiled code is compiled anew for every shape: the eager one tells the layout as well.
    return candidate.in_layout(in_its_layout(candidate.eager(), how).layout)


def of_function(f: Call, tensors: Mapping[str, Any], name: str, how: Options) -> TorchCandidate:
    """Return a function f(params, x) of tensors as a candidate, in the layout that it runs in."""
    refuse_missing(how.device)
    try:
        arrays = {key: _numpy(value) for key, value in tensors.items()}
    except AttributeError as error:
        raise CannotRun(f"{name}: expected a dict of tensors: {error}") from error
    return in_its_layout(TorchCandidate(name, f, *split(arrays), how.device), how)


def refuse_missing(device: str) -> None:
    """Raise CannotRun where torch has no such device here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CannotRun(f"device: PyTorch has no {device} here: {sentence(error)}") from error


def _numpy(tensor: torch.Tensor) -> Array:
    return np.array(tensor.detach().cpu().double().numpy())


def _arrays(named: Any) -> dict[str, Array]:
    # Integers count batches; nothing is computed from them.
    found = {name: value for name, value in named if value.is_floating_point()}
    return {name.removeprefix(COMPILED): _numpy(value) for name, value in found.items()}


FRAMEWORK = Framework(
    layers=(torch.nn.Module,), wrap=wrap, arrays=(torch.Tensor,), of_function=of_function
)
