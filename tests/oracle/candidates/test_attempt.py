import warnings

import numpy as np
import pytest

from npcbam.oracle.candidates.attempt import attempt


def test_what_it_gives_or_what_it_raises():
    assert attempt(lambda: 3) == 3
    assert isinstance(attempt(lambda: 1 // 0), ZeroDivisionError)
    assert isinstance(attempt(exit), SystemExit)


def test_its_warnings_are_not_ours():
    assert attempt(lambda: warnings.warn("loud", stacklevel=1)) is None
    assert np.isinf(attempt(lambda: np.ones(1) / 0)).all()


def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
