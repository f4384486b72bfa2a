"""An answer has its time, and where it may not be limited it is run all the same."""

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor

from of_mean import judged, pulled, spread


def test_a_loop_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr("npcbam.lessons.limit.SECONDS", 0.05)

    def mean_vjp(x):
        while True:
            with contextlib.suppress(Exception):
                x = x + 1

    outcome, said, line = judged(mean_vjp)
    assert (outcome, said) == (
        "wrong", "mean_vjp was still running after 20 s: is there a loop without an end?"
    )  # fmt: skip
    assert line.startswith("The line is `")


def test_a_loop_that_swallows_all_is_stopped_too(monkeypatch):
    monkeypatch.setattr("npcbam.lessons.limit.SECONDS", 0.05)
    monkeypatch.setattr("npcbam.lessons.limit.AGAIN", 0.001)

    def mean_vjp(x):
        while x is not None:
            with contextlib.suppress(BaseException):
                len(x)

    assert judged(mean_vjp)[1].startswith("mean_vjp was still running after ")


def test_an_alarm_of_the_reader_is_left_alone():
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        assert pulled(spread)[0] == "right"
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert pulled(spread)[0] == "right"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_other_threads_have_no_limit():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(pulled, spread).result()[0] == "right"
