"""How long it takes to check the gradients of one block, with `check_vjp` and with PyTorch's."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.bench.report import aligned
from npcbam.cbam import CBAM
from npcbam.gradcheck import check_vjp

CHANNELS, SIDE, ROUNDS = 16, 7, 3


def compare() -> str:
    """Return the times of both on a CBAM with 16 channels of 7 × 7, in float64."""
    cbam = CBAM.init(0, CHANNELS, 4)
    x = np.random.default_rng(0).normal(size=(1, CHANNELS, SIDE, SIDE))
    jobs: dict[str, Callable[[], Any]] = {"check_vjp": lambda: check_vjp(CBAM.vjp, cbam, x)}
    if find_spec("torch"):
        jobs["torch.autograd.gradcheck"] = _torch(cbam, x)
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - began)
    medians = {name: median(found) for name, found in times.items()}
    least = medians["check_vjp"]
    rows = [[name, f"{t:.3g} s", f"{t / least:.1f}×"] for name, t in medians.items()]
    title = f"all parameters and x, C = {CHANNELS}, {SIDE} × {SIDE}, float64"
    return aligned([[title, "time", "by check_vjp"], *rows])


def _torch(cbam: CBAM, x: Any) -> Callable[[], Any]:
    import torch

    from npcbam.bench.peers import torch_block

    arrays = [x, *(leaf for _, leaf in tree.leaves(cbam))]
    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    return lambda: torch.autograd.gradcheck(torch_block, inputs)
