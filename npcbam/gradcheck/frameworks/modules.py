"""A torch module as a function of its inputs and its parameters."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from npcbam.gradcheck.frameworks.nest import walk
from npcbam.gradcheck.frameworks.tensors import is_real

# What `torch.compile` puts before the names of the module that it wraps.
COMPILED = "_orig_mod."


class Module:
    """A torch module as a function of its inputs and of a dict of its parameters."""

    def __init__(self, module: torch.nn.Module) -> None:
        prefix = COMPILED if hasattr(module, "_orig_mod") else ""
        self._module, self._prefix = module, prefix
        named = {name.removeprefix(prefix): p for name, p in module.named_parameters()}
        self.parameters = {name: p for name, p in named.items() if p.requires_grad}
        # Statistics, and what is frozen: each call gets copies, for a norm writes to them.
        buffers = {name.removeprefix(prefix): b for name, b in module.named_buffers()}
        self._rest = {**{n: p for n, p in named.items() if not p.requires_grad}, **buffers}
        self._dtype = next((t.dtype for t in {**named, **buffers}.values() if is_real(t)), None)

    def __call__(self, *args: Any) -> Any:
        """Run the module with the parameters that come last, all of it in their precision."""
        *inputs, params = args
        given = next((t for _, t in walk((params, inputs)) if is_real(t)), torch.zeros(()))
        casts = {self._dtype: given.dtype}
        rest = {
            name: t.detach().clone().to(given.device, casts.get(t.dtype, t.dtype))
            for name, t in self._rest.items()
        }
        state = {f"{self._prefix}{name}": t for name, t in {**rest, **params}.items()}
        with warnings.catch_warnings():
            if self._prefix:
                # Of the compiler's own doing, where it looks for the .grad of all it is given.
                warnings.filterwarnings("ignore", "The .grad attribute")
            return torch.func.functional_call(self._module, state, tuple(inputs))


def plain(module: torch.nn.Module) -> Any:
    """Return the module that `torch.compile` wraps, where it does."""
    return getattr(module, "_orig_mod", module)
