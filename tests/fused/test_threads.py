"""Work in several threads: BLAS has one of its own, and what each changes is set back."""

import sys

import numpy as np
import pytest

from npcbam.fused import kernels, threads


def blas_threads():
    return [library.get_num_threads() for library in threads._blas()]


def test_blas_has_one_thread_while_any_call_runs(monkeypatch):
    library = threads._blas()[0]
    before = library.get_num_threads()
    monkeypatch.setattr(threads._Held, "calls", 0)
    library.set_num_threads(2)
    try:
        inner = threads.each(lambda _: blas_threads(), [0, 1, 2], threads=2)
        nested = threads.each(lambda _: (threads.each(abs, [1], 1), blas_threads()), [0], threads=1)
        after = library.get_num_threads()
        with pytest.raises(ZeroDivisionError):
            threads.each(lambda i: 1 / i, [0, 1], threads=2)
        assert (inner[0][0], nested[0][1][0], after, blas_threads()[0]) == (1, 1, 2, 2)
    finally:
        library.set_num_threads(before)


def test_threads_need_no_threadpoolctl(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads._blas.cache_clear()
    try:
        assert threads._blas() == []
        assert threads.each(abs, [-1, -2, -3], threads=2) == [1, 2, 3]
    finally:
        threads._blas.cache_clear()


def test_the_buffer_of_ufuncs_is_set_back():
    size = np.getbufsize()
    assert threads.each(lambda _: np.getbufsize(), [0, 1], 2) == [kernels.BUFFER] * 2
    assert np.getbufsize() == size
