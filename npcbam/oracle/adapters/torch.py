"""A torch module as a candidate: a float64 copy of it, in evaluation mode, on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from npcbam.checks import Array
from npcbam.oracle.candidate import BadOutput, Candidate, CannotRun, sentence


class TorchCandidate(Candidate):
    """A `torch.nn.Module` that maps one tensor to one tensor. The module itself is not touched."""

    def __init__(self, module: Any, name: str) -> None:
        self.name = name
        try:
            self._module = copy.deepcopy(module).to("cpu", torch.float64).eval()
            self.parameters = _arrays(self._module.named_parameters())
            self.buffers = _arrays(self._module.named_buffers())
        except Exception as error:
            raise CannotRun(f"{name} cannot be copied to float64: {sentence(error)}") from error

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        with torch.no_grad():
            return _numpy(self._call(_tensors(self.state(params)), torch.tensor(x)))

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array]:
        """Return the cotangents by autograd, zero where y does not depend; see `Candidate.vjp`."""
        state = _tensors(self.state(params))
        sources = [*(state[name].requires_grad_() for name in self.parameters)]
        sources.append(torch.tensor(x, requires_grad=True))
        with torch.enable_grad():
            # A clone, because a module may write to its input, and autograd forbids that of a leaf.
            y = self._call(state, sources[-1].clone()).double()
            grads: Any = [None] * len(sources)
            if y.requires_grad:
                grads = torch.autograd.grad(y, sources, torch.tensor(dy), allow_unused=True)
        found = [
            np.zeros(source.shape) if grad is None else _numpy(grad)
            for source, grad in zip(sources, grads, strict=True)
        ]
        return dict(zip(self.parameters, found, strict=False)), found[-1]

    def _call(self, state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        y: Any = torch.func.functional_call(self._module, state, (x,))
        if not isinstance(y, torch.Tensor):
            raise BadOutput(f"forward: expected one tensor, got {type(y).__name__}")
        return y


def _arrays(named: Any) -> dict[str, Array]:
    # Integers count batches; nothing is computed from them.
    return {name: _numpy(value) for name, value in named if value.is_floating_point()}


def _numpy(tensor: torch.Tensor) -> Array:
    return np.array(tensor.detach().double().cpu().numpy())


def _tensors(arrays: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in arrays.items()}
