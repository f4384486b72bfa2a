"""Run a candidate in a process of its own: whatever it does there, the caller lives on.

It may hang, crash, exit, run out of memory or write to any stream. This is for accidents and no
sandbox: the candidate can still do all that its user can.

The request goes to the child's standard input as JSON. What the child says comes as lines of a
file, each with a token drawn for this run, so that nothing that is printed passes for an answer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from npcbam.messages import CannotRun, plain, sentence

Progress: TypeAlias = Callable[[str], None]

# The child sees the modules that the parent sees. The flag -P keeps those of the present directory
# from standing in for the standard library before it does.
START = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request.pop('path'); "
    "from npcbam.child import serve; serve(**request)"
)
POLL = 0.02  # seconds between two looks at the child
GRACE = 0.5  # seconds that the child has to end itself, and so to say where it hangs


class Failed(CannotRun):
    """There is no report, and why in one sentence; `trace` is the traceback, if there was one."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(plain(message))
        self.trace = trace


class Stopped(Failed):
    """The candidate took the process with it: it "hangs", "crashes" or "exits", says `code`."""

    def __init__(self, code: str, message: str, trace: str = "") -> None:
        super().__init__(message, trace)
        self.code = code


def settle(target: str, found: dict[str, Any], phase: str) -> dict[str, Any]:
    """Return what `ask` found, if it is an answer; raise `Failed` or `Stopped` where it is none."""
    if "code" in found:
        said = f"{target} {found['failure']}, while {phase}"
        raise Stopped(found["code"], said, found.get("trace", ""))
    if "failure" in found:
        raise Failed(found["failure"], found["trace"])
    return found


def ask(
    answer: str, request: Mapping[str, Any], timeout: float, progress: Progress, debug: bool
) -> tuple[dict[str, Any], str]:
    """Return what a new process answers, or how it ended, and what it was doing last.

    Parameters
    ----------
    answer : "module:function" that answers: it takes the request's items, and `progress`
    request : the arguments of the function, in what JSON can hold
    timeout : seconds until the process is ended, its start included
    progress : is told what is being done
    debug : let what the candidate prints, and where it hangs or crashes, go to standard error
    """
    token = secrets.token_hex(16)
    deadline = time.monotonic() + timeout
    with tempfile.TemporaryDirectory(prefix="npcbam-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "answers"
        place.touch()
        served = {"answer": answer, "request": dict(request), "place": str(place), "token": token}
        child = _start(served | {"path": sys.path, "deadline": deadline}, debug)
        try:
            found, phase = _listen(child, _lines(place, token), deadline, progress)
        finally:
            _end(child)
    if found is None:
        found = _end_of(child, timeout, late=time.monotonic() >= deadline)
    return found, phase


def _start(request: dict[str, Any], debug: bool) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", START],
        stdin=subprocess.PIPE,
        stdout=2 if debug else subprocess.DEVNULL,
        stderr=None if debug else subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(json.dumps(request).encode())
    return child


def _listen(
    child: subprocess.Popen[bytes],
    said: Iterator[dict[str, Any] | None],
    deadline: float,
    progress: Progress,
) -> tuple[dict[str, Any] | None, str]:
    """Return the answer, if there is one, and what the child was doing last."""
    phase = "starting"
    while True:
        # Seen before the last look at what it said, so that nothing is missed.
        over = child.poll() is not None or time.monotonic() > deadline + GRACE
        while (line := next(said)) is not None:
            if "answer" in line:
                return line["answer"], phase
            phase = line["phase"]
            progress(plain(phase))
        if over:
            return None, phase
        time.sleep(POLL)


def _lines(place: Path, token: str) -> Iterator[dict[str, Any] | None]:
    """Yield what the child said, line by line, and None where there is no more for now."""
    with place.open("rb") as file:
        rest = b""
        while True:
            *whole, rest = (rest + file.read()).split(b"\n")
            for line in whole:
                mark, _, said = line.partition(b" ")
                if mark == token.encode():
                    yield json.loads(said)
            yield None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child, and what it started."""
    with contextlib.suppress(AttributeError, ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


def _end_of(child: subprocess.Popen[bytes], timeout: float, late: bool) -> dict[str, str]:
    """Say how a child ended that gave no answer: in a word, and in words."""
    status = child.returncode
    if late:
        return {"code": "hangs", "failure": f"gave no answer within {timeout:g} s"}
    if status >= 0:
        return {"code": "exits", "failure": f"ended its process with status {status}"}
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    # So does Linux where memory runs out.
    by = "was ended with SIGKILL, perhaps for its memory" if name == "SIGKILL" else ""
    return {"code": "crashes", "failure": by or f"crashed with {name}"}


def serve(answer: str, request: dict[str, Any], place: str, token: str, deadline: float) -> None:
    """Be the child: answer the request. The parent then ends what the candidate left running."""
    _prepare(deadline)

    def tell(**said: Any) -> None:
        # Opened anew each time: no stray write to an open file of this process can reach it.
        with contextlib.suppress(OSError), open(place, "a", encoding="ascii") as file:
            file.write(f"\n{token} {json.dumps(said)}\n")

    home, _, name = answer.partition(":")
    function = getattr(importlib.import_module(home), name)
    tell(answer=function(progress=lambda phase: tell(phase=phase), **request))


def _prepare(deadline: float) -> None:
    # Shows where it crashes or hangs, and ends the process in time even if the parent is gone.
    faulthandler.enable()
    left = max(deadline - time.monotonic(), 0.01)
    faulthandler.dump_traceback_later(left, exit=True)
    # Where memory runs out, Linux is to end this process and no other.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def failure(error: BaseException) -> dict[str, str]:
    """Say what was raised in the process of a candidate, in what JSON can hold."""
    said, trace = sentence(error), "".join(traceback.format_exception(error))
    if not isinstance(error, Exception):
        # SystemExit above all: the end of the candidate, which is not to be ours.
        return {"code": "exits", "failure": f"raised {said}", "trace": trace}
    if not isinstance(error, CannotRun | OSError | TypeError | ValueError):
        said += " (--debug shows where)"
    return {"failure": said, "trace": trace}
