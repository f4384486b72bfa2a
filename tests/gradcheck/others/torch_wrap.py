"""From a function of torch tensors to f(*arrays) -> (y, pullback), by torch's own backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from running import Case

torch.set_num_threads(1)


def operator(name: str, fun: Callable[..., Any], *draws: Any, **asked: Any) -> Case:
    """Return the case of `fun` at drawn arguments; `asked` goes to `examine`."""

    def make(rng: np.random.Generator) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return through_torch(fun), tuple(draw(rng) for draw in draws)

    options = dict(asked, names=tuple(f"x{i}" for i in range(len(draws))))
    return Case(name, make, ((name.split(" ")[0], 0),), options)


def through_torch(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Return f of NumPy arrays, whose pullback is torch.autograd.grad."""

    def f(*arrays: Any) -> tuple[Any, Callable[[Any], Any]]:
        tensors = [torch.tensor(np.asarray(x)).requires_grad_() for x in arrays]
        result = fun(*tensors)
        several = isinstance(result, tuple | list)
        ys = list(result) if several else [result]

        def torch_pullback(dy: Any) -> Any:
            given = [torch.tensor(np.asarray(d)) for d in (dy if several else (dy,))]
            back = torch.autograd.grad(
                ys, tensors, given, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            out = tuple(d.resolve_conj().numpy(force=True) for d in back)
            return out if len(out) > 1 else out[0]

        y = tuple(part.detach().resolve_conj().numpy().copy() for part in ys)
        return y if several else y[0], torch_pullback

    return f
