"""One process that measures, with so many threads.

It is started for that, `python -m npcbam.bench.measure`, with a request on its standard input and
the answer on its standard output, both JSON: how many threads a library has is fixed when it is
imported.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.bench.peers import PEERS, Peer
from npcbam.cbam import CBAM

MODES = ("forward", "both")
# Inputs in rotation: so that the one that is next has left the cache.
INPUTS = 4
# Relative to the norm of the tensor; in float32 honest computations differ by less than 1e-5.
AGREE = 1e-3
# Rounds that are not counted.
WARM = 3

Shape = tuple[int, ...]
Timed = dict[str, Callable[[int], Any]]


def main() -> None:
    """Measure both modes at one shape."""
    request = json.load(sys.stdin)
    shape, names, threads = tuple(request["shape"]), request["names"], request["threads"]
    if hasattr(os, "sched_setaffinity"):
        # As many processors as threads, for libraries that cannot be told otherwise.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    found = [measure(shape, mode, names, threads, request["seconds"]) for mode in MODES]
    json.dump(found, sys.stdout)


def measure(
    shape: Shape, mode: str, names: Sequence[str], threads: int, seconds: float
) -> dict[str, Any]:
    """Return the medians, in seconds, of all that run `mode`, "forward" or "both", in turn.

    Raises
    ------
    ValueError
        One of them computes something else.
    """
    cbam = CBAM.init(0, shape[1], min(16, shape[1]), dtype=np.float32)
    rng = np.random.default_rng(0)
    xs, dys = ([rng.normal(size=shape).astype("f4") for _ in range(INPUTS)] for _ in range(2))
    timed: Timed = {"copy": floor(mode, xs, dys, threads)}
    want, errors = reference(cbam, xs[0], dys[0], mode), {}
    for name in names:
        peer = PEERS[name](cbam, threads)
        puts = [(peer.put(x), peer.put(dy)) for x, dy in zip(xs, dys, strict=True)]
        job = turn(peer, mode, puts)
        if job is not None:
            errors[name] = agreed(name, [peer.take(a) for a in job(0)], want)
            timed[name] = job
    times = interleaved(timed, seconds)
    return {"shape": shape, "threads": threads, "mode": mode, "seconds": times, "errors": errors}


def floor(mode: str, xs: list[Array], dys: list[Array], threads: int) -> Callable[[int], None]:
    """Return what moves the bytes that must be moved: x to y; and with backward x and dy to dx."""
    y, dx = np.empty_like(xs[0]), np.empty_like(xs[0])
    slabs = np.array_split(np.arange(y.shape[0] * y.shape[1]), threads)
    parts = [slice(slab[0], slab[-1] + 1) for slab in slabs if slab.size]

    def rows(a: Array) -> Array:
        return a.reshape(y.shape[0] * y.shape[1], -1)

    def move(i: int, part: slice) -> None:
        np.copyto(rows(y)[part], rows(xs[i])[part])
        if mode == "both":
            np.add(rows(xs[i])[part], rows(dys[i])[part], out=rows(dx)[part])

    if threads == 1:
        return lambda i: move(i, parts[0])
    pool = ThreadPoolExecutor(threads)

    def move_all(i: int) -> None:
        list(pool.map(lambda part: move(i, part), parts))

    return move_all


def turn(peer: Peer, mode: str, puts: list[tuple[Any, Any]]) -> Callable[[int], list[Any]] | None:
    """Return what runs a peer on the i-th input; None if it has no backward."""
    both = peer.both
    if mode == "forward":
        return lambda i: [peer.forward(puts[i][0])]
    return None if both is None else lambda i: both(*puts[i])


def reference(cbam: CBAM, x: Array, dy: Array, mode: str) -> list[Array]:
    """Return what the readable layers find in float64: y, and with backward all gradients."""
    wide = tree.map(lambda leaf: leaf.astype(np.float64), cbam)
    y, pullback = wide.vjp(x.astype(np.float64))
    if mode == "forward":
        return [y]
    dcbam, dx = pullback(dy.astype(np.float64))
    return [y, dx, *(leaf for _, leaf in tree.leaves(dcbam))]


def agreed(name: str, got: list[Array], want: list[Array]) -> dict[str, float]:
    """Return the error of each tensor, relative to its norm; raise if it computes another thing."""
    tensors = ("y", "dx", "dw0", "dw1", "dkernel")
    pairs = zip(tensors, got, want, strict=False)
    errors = {
        tensor: float(np.linalg.norm(np.ravel(a - b)) / (np.linalg.norm(np.ravel(b)) or 1))
        for tensor, a, b in pairs
    }
    if len(got) != len(want) or not max(errors.values()) < AGREE:
        raise ValueError(f"{name}: expected the results of the readable layers, is off by {errors}")
    return errors


def interleaved(timed: Timed, seconds: float) -> dict[str, float]:
    """Return the median time of each, run one after the other for so many seconds in all."""
    times: dict[str, list[float]] = {name: [] for name in timed}
    start, rounds = time.perf_counter(), 0
    gc.disable()
    while rounds < WARM + 5 or time.perf_counter() - start < seconds:
        # The next input each round, and another first one, so that none profits from a neighbour.
        order = list(timed)[rounds % len(timed) :] + list(timed)[: rounds % len(timed)]
        for name in order:
            began = time.perf_counter()
            timed[name](rounds % INPUTS)
            times[name].append(time.perf_counter() - began)
        rounds += 1
    gc.enable()
    return {name: median(found[WARM:]) for name, found in times.items()}


if __name__ == "__main__":
    main()
