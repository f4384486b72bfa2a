"""Running what belongs to others, and may fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def attempt(f: Callable[[], T]) -> T | BaseException:
    """Return f(), or what it raises; its warnings are not ours."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return f()
        except (Exception, SystemExit) as error:
            return error
