"""Gradient checks in pytest: `pip install npcbam` is all that it takes.

    def test_linear(gradcheck):
        gradcheck(linear_vjp, x, w)

`gradcheck` is `npcbam.gradcheck.check_vjp` with the seed of `--npcbam-seed`; its attributes are the
other checks: `gradcheck.examine`, `gradcheck.check_layer` and so on. Where a check fails, its
report is shown as it is, below the line of the test that asked for it.

Nothing else of npcbam, and not NumPy, is imported before the first check: pytest loads this file
in every run.
"""

from __future__ import annotations

import functools
import inspect
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).parent)
SEED = pytest.StashKey[int]()
OPTION = "--npcbam-seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the seed."""
    parser.getgroup("npcbam").addoption(
        OPTION,
        default="0",
        metavar="N",
        help="the seed of the fixture gradcheck, or `random` for another one each time (0)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed, the same in all workers of pytest-xdist."""
    asked = config.getoption(OPTION)
    of_worker = getattr(config, "workerinput", {})
    if "npcbam_seed" in of_worker:
        seed = int(of_worker["npcbam_seed"])
    elif asked == "random":
        seed = secrets.randbelow(2**31)
    elif asked.isdecimal():
        seed = int(asked)
    else:
        raise pytest.UsageError(f"{OPTION}: expected a seed of at least 0 or `random`, got {asked}")
    config.stash[SEED] = seed


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of pytest-xdist the seed that was drawn."""
    node.workerinput["npcbam_seed"] = node.config.stash[SEED]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say the seed where it is not the usual one."""
    seed = config.stash[SEED]
    return f"npcbam: {OPTION} {seed}" if config.getoption(OPTION) != "0" else None


class GradCheck:
    """`check_vjp` with a seed of its own; the other checks of `npcbam.gradcheck` are attributes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, f: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Do as `npcbam.gradcheck.check_vjp` does."""
        return self.check_vjp(f, *args, **options)

    def __getattr__(self, name: str) -> Any:
        """Return a function of `npcbam.gradcheck`, with this seed unless another is given."""
        from npcbam import gradcheck

        if name.startswith("_") or not hasattr(gradcheck, name):
            raise AttributeError(f"gradcheck has no {name}; it has what npcbam.gradcheck has")
        found = getattr(gradcheck, name)
        if inspect.isfunction(found) and _takes_seed(found):
            return functools.partial(found, seed=self.seed)
        return found


def _takes_seed(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> GradCheck:
    """Check hand-written gradients: npcbam.gradcheck.check_vjp with the seed of --npcbam-seed."""
    return GradCheck(request.config.stash[SEED])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the report of a failing check as it is, below the line that asked for it."""
    outcome = yield
    known = sys.modules.get("npcbam.gradcheck.report")
    found = call.excinfo
    if known is None or found is None or item.config.getoption("fulltrace", False):
        return
    lines = _theirs(item, found)
    if not lines:
        return
    if isinstance(found.value, known.GradientError):
        found.traceback = lines
        outcome.get_result().longrepr = _told(item, found)
    elif _of_a_check(found):
        found.traceback = lines
        outcome.get_result().longrepr = found.getrepr(style=_style(item))


def _theirs(item: pytest.Item, found: pytest.ExceptionInfo[Any]) -> Any:
    """Return the lines of the user's own that led to what was raised."""

    def theirs(entry: Any) -> bool:
        home = entry.frame.f_globals.get("__name__", "").partition(".")[0]
        return not _ours(entry) and home not in ("_pytest", "pluggy")

    return found.traceback.cut(path=item.path).filter(theirs)


def _ours(entry: Any) -> bool:
    return str(entry.path).startswith(HERE)


def _of_a_check(found: pytest.ExceptionInfo[Any]) -> bool:
    """Tell whether a check was misused, or what it called raised; a fault of its own is neither."""
    checks = [entry for entry in found.traceback if "gradcheck" in str(entry.path) and _ours(entry)]
    misused = isinstance(found.value, TypeError | ValueError)
    return bool(checks) and (misused or not _ours(found.traceback[-1]))


def _style(item: pytest.Item) -> Any:
    return "line" if item.config.getoption("tbstyle", "auto") == "line" else "short"


def _told(item: pytest.Item, found: pytest.ExceptionInfo[Any]) -> Any:
    """Return the lines of the user's that led to the check, and the check's own report."""
    said = str(found.value)
    brief = _style(item) == "line"
    shown: Any = found.getrepr(style=_style(item), chain=False)
    shown.reprcrash.message = said.partition("\n")[0]
    last = shown.reprtraceback.reprentries[-1]
    if brief:
        last.lines = last.lines[:1]
    else:
        # pytest repeats the message below the last line, each line of it marked; we show it once.
        last.lines = [line for line in last.lines if not line.startswith("E ")]
        shown.addsection("gradient check", said)
    return shown
