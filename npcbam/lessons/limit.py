"""A time limit for an answer, whose loop may never end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

# For a map of a few hundred entries; an answer in plain loops takes milliseconds.
SECONDS = 20.0
# Then it rings again, for a loop that swallows whatever is raised in it.
AGAIN = 0.05


class TooLong(BaseException):
    """The time is over. No Exception, which an answer might catch."""


@contextmanager
def limited() -> Iterator[None]:
    """Raise TooLong after `SECONDS`: where the system has alarms, and none is set already."""
    if not _may_set_alarm():
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _may_set_alarm() -> bool:
    if not hasattr(signal, "setitimer"):
        return False
    main = threading.current_thread() is threading.main_thread()
    return main and not signal.getitimer(signal.ITIMER_REAL)[0]
