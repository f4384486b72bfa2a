"""Threads of our own over groups, each of which calls BLAS with one.

NumPy drops Python's lock within its loops and within BLAS, so that threads run side by side. BLAS
has threads too, which would then get into each other's way, and whose number may change the last
bits of a product. Where threadpoolctl is installed BLAS is held to one while a call runs; elsewhere
set OPENBLAS_NUM_THREADS=1 (or your BLAS's like) before Python starts.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from npcbam.fused.kernels import BUFFER

In = TypeVar("In")
Out = TypeVar("Out")


def each(job: Callable[[In], Out], items: Sequence[In], threads: int) -> list[Out]:
    """Map `job` over `items`, under the caller's `np.errstate`."""

    def run(item: In) -> Out:
        # It sets the buffer's size back, too. The layers' sigmoid lets underflow pass likewise.
        with np.errstate(under="ignore"):
            np.setbufsize(BUFFER)
            return job(item)

    with _one_blas_thread():
        if threads == 1 or len(items) < 2:
            return [run(item) for item in items]
        with ThreadPoolExecutor(min(threads, len(items))) as pool:
            contexts = [contextvars.copy_context() for _ in items]
            return list(pool.map(lambda context, item: context.run(run, item), contexts, items))


class _Held:
    """How many calls hold BLAS, and its threads before. It is one setting for the process."""

    lock = threading.Lock()
    calls = 0
    before: Sequence[int] = ()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, from the first call that runs to the last."""
    libraries = _blas()
    with _Held.lock:
        if _Held.calls == 0:
            _Held.before = [library.get_num_threads() for library in libraries]
            _set(libraries, [1] * len(libraries))
        _Held.calls += 1
    try:
        yield
    finally:
        with _Held.lock:
            _Held.calls -= 1
            if _Held.calls == 0:
                _set(libraries, _Held.before)


def _set(libraries: Sequence[Any], counts: Sequence[int]) -> None:
    for library, count in zip(libraries, counts, strict=True):
        if library.get_num_threads() != count:  # to ask is quicker
            library.set_num_threads(count)


@functools.cache
def _blas() -> list[Any]:
    """Return what is known to threadpoolctl, if that is installed."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
