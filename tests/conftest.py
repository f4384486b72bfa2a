"""Stands here so that pytest puts this directory on the path of the tests in those below."""

import gc
import os
import sys

import pytest

# The arrays are small: threads only wait for each other. PyTorch reads this when it is imported,
# NumPy too, unless a plugin of pytest has imported it before.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Without a word Keras asks for TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "torch")


def pytest_addoption(parser):
    """Add the option of the second tier."""
    parser.addoption(
        "--all", action="store_true", help="run the second tier, which takes minutes, and it alone"
    )


def pytest_collection_modifyitems(config, items):
    """Keep the tests of one tier: those of the other are not asked for, and not skipped."""
    second = config.getoption("--all")
    tiers = {True: [], False: []}
    for item in items:
        tiers[item.get_closest_marker("second_tier") is not None].append(item)
    items[:] = tiers[second]
    config.hook.pytest_deselected(items=tiers[not second])


def pytest_collection(session):
    """Make no search for garbage while thousands of tests and the frameworks come to live."""
    gc.disable()


def pytest_collection_finish(session):
    """Never look at them again: they live to the end."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path):
    """Leave what the tests import to them: some of it needs more than the extra `test`."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if helper else None


@pytest.fixture(autouse=True)
def seed():
    """Start PyTorch, where a test uses it, from the same seed."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
