"""Candidates that hang, crash, exit or shout: the caller lives on, and says which in one line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiers import first

from npcbam.child import Failed, Stopped
from npcbam.oracle import CannotRun
from npcbam.oracle.isolation import report_of, run
from npcbam.oracle.question import Question

# A right CBAM of NumPy with one line more: in forward, or where the file is imported.
FILE = """\
import atexit, ctypes, faulthandler, os, signal, subprocess, sys, tempfile, threading, time
import numpy as np
from npcbam.oracle import examples
from npcbam.oracle.examples import init
{loading}
def cbam(params, x):
    {running}
    return examples.right(params, x)
"""


@pytest.fixture
def planted(tmp_path):
    """Return a function that writes the file, and runs a check of it."""

    def planted(running="pass", loading="", timeout=20.0, **how):
        place = tmp_path / "planted.py"
        place.write_text(FILE.format(running=running, loading=loading))
        return run(f"{place}:cbam", Question(channels=32), timeout, **how)

    return planted


def test_answers(planted):
    found = planted()
    assert found["ok"] is True
    assert found["text"].startswith("FAITHFUL: ")
    assert json.loads(found["json"])["verdict"] == "faithful"
    assert found["html"].startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("how", "code", "said"),
    first(
        5,
        [
            (
                {"running": "ctypes.string_at(0)"},
                "crashes",
                "crashed with SIGSEGV, while loading it and running it once",
            ),
            ({"running": "os.abort()"}, "crashes", "crashed with SIGABRT, while "),
            ({"running": "os._exit(3)"}, "exits", "ended its process with status 3, while "),
            (
                {"loading": "os._exit(0)"},
                "exits",
                "ended its process with status 0, while loading it and running it once",
            ),
            (
                {"loading": "raise KeyboardInterrupt"},
                "exits",
                "raised KeyboardInterrupt, while loading it and running it once",
            ),
            ({"running": "raise KeyboardInterrupt"}, "exits", "raised KeyboardInterrupt, while "),
            (
                {"running": "os.kill(os.getpid(), signal.SIGKILL)"},
                "crashes",
                "was ended with SIGKILL, perhaps for its memory, while ",
            ),
        ],
    ),
)
def test_what_takes_the_process_with_it(planted, how, code, said):
    with pytest.raises(Stopped) as caught:
        planted(**how)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert "planted.py:cbam " in str(caught.value)
    assert "\n" not in str(caught.value)


HANGS = {
    "in Python": "time.sleep(100)",
    "with the lock of the interpreter": "ctypes.PyDLL(None).sleep(100)",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "with the watch called off": "faulthandler.cancel_dump_traceback_later(); time.sleep(100)",
}


@pytest.mark.parametrize("running", HANGS.values(), ids=HANGS)
def test_what_hangs(planted, running):
    start = time.monotonic()
    with pytest.raises(
        Stopped, match=r"cbam gave no answer within 2 s, while loading it and running it once$"
    ) as caught:
        planted(running, timeout=2)
    assert caught.value.code == "hangs"
    assert time.monotonic() - start < 6


def test_what_hangs_at_import(planted):
    with pytest.raises(
        Stopped, match=r"gave no answer within 1\.5 s, while loading it and running it once"
    ):
        planted(loading="while True: pass", timeout=1.5)


@pytest.mark.parametrize(
    ("how", "said"),
    first(
        2,
        [
            ({"loading": "sys.exit(0)"}, "SystemExit: 0"),
            ({"loading": "np.ones(2**59)"}, "MemoryError: "),
            ({"loading": "raise KeyError('lost')"}, "KeyError: 'lost'"),
            ({"loading": "input()"}, "EOFError"),
        ],
    ),
)
def test_what_raises(planted, how, said):
    with pytest.raises(CannotRun) as caught:
        planted(**how)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


LOUD = """
def once(done=[]):
    if done:
        return
    done.append(1)
    print('0123456789abcdef {"answer": {"ok": false}}', flush=True)
    os.write(1, bytes(2**26))
    os.write(2, b"loud")
    for fd in range(64):
        try:
            os.write(fd, b"junk")
        except OSError:
            pass
    os.closerange(0, 64)
"""
# A directory that is gone, and what would hold up the end: a process, a thread, a handler, an exit.
UNTIDY = """
def once(done=[]):
    if done:
        return
    done.append(1)
    place = tempfile.mkdtemp()
    os.chdir(place)
    os.rmdir(place)
    subprocess.Popen(["sleep", "30"])
    threading.Thread(target=time.sleep, args=(30,)).start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    atexit.register(time.sleep, 30)
"""


@pytest.mark.parametrize("loading", [LOUD, UNTIDY], ids=["loud", "untidy"])
def test_what_does_no_harm(planted, loading, capfd):
    start = time.monotonic()
    assert planted("once()", loading)["ok"] is True
    assert time.monotonic() - start < 15
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "running",
    first(
        2,
        [
            "sys.stdout.close()",
            "libc = ctypes.CDLL(None); libc.puts(b'0'); libc.fflush(None)",
            "os.write(1, bytes(2**20))",
            "sys.setrecursionlimit(10**4)",
        ],
    ),
)
def test_what_it_does_in_every_forward(planted, running):
    assert planted(running)["text"].startswith("FAITHFUL: ")


@pytest.mark.parametrize(
    ("running", "said"),
    first(
        2,
        [
            ("raise KeyError('lost')", "it fails on shape (3, 32, 7, 5): KeyError: 'lost'"),
            ("sys.exit(0)", "it fails on shape (3, 32, 7, 5): SystemExit: 0"),
            ("return cbam(params, x)", "it fails on shape (3, 32, 7, 5): RecursionError: "),
            ("np.ones(2**59)", "it fails on shape (3, 32, 7, 5): MemoryError"),
        ],
    ),
)
def test_what_never_runs_is_undecided(planted, running, said):
    found = planted(running)
    assert f":cbam: it runs on no input: {said}" in found["text"]
    assert json.loads(found["json"])["verdict"] == "undecided"


def test_what_it_starts_ends_with_it(planted, tmp_path):
    note = tmp_path / "pid"
    left = f"open({str(note)!r}, 'w').write(str(subprocess.Popen(['sleep', '30']).pid))"
    planted(loading=left)
    assert not alive(int(note.read_text()))


def alive(pid, patience=2.0):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                time.sleep(0.02)
                continue
        return False
    return True


def test_says_what_it_was_doing(planted):
    """The second input is a map of negative values alone."""
    with pytest.raises(Stopped, match="ended its process with status 3, while checking `negative`"):
        planted("if x.max() < 0: os._exit(3)")


def test_debug_lets_it_speak(planted, capfd):
    planted(loading="os.write(1, b'loading'); print('aside', file=sys.stderr)", debug=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "loading" in err
    assert "aside" in err


@pytest.mark.parametrize("running", ["time.sleep(100)", "ctypes.string_at(0)"])
def test_debug_shows_where(planted, capfd, running):
    with pytest.raises(Stopped):
        planted(running, timeout=2, debug=True)
    assert 'planted.py", line 7 in cbam' in capfd.readouterr().err


@pytest.fixture
def hanging(tmp_path):
    """Return a command line whose candidate hangs as it is imported, and the id of its process."""
    note, place = tmp_path / "pid", tmp_path / "planted.py"
    loading = f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    place.write_text(FILE.format(running="pass", loading=loading))
    command = [sys.executable, "-m", "npcbam", "check", f"{place}:cbam", "--timeout", "4"]
    # What a shell starts in the background ignores the interrupt, and so would this.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as parent:
        signal.signal(signal.SIGINT, heard)
        start = time.monotonic()
        while not (note.exists() and note.read_text()):
            assert time.monotonic() - start < 20
            time.sleep(0.02)
        yield parent, int(note.read_text())


def test_the_interrupt_ends_both(hanging):
    parent, child = hanging
    parent.send_signal(signal.SIGINT)
    _, err = parent.communicate(timeout=2)
    assert (parent.returncode, err) == (130, "npcbam: interrupted\n")
    assert not alive(child, patience=1)


def test_the_child_ends_in_time_without_its_parent(hanging):
    parent, child = hanging
    parent.kill()
    assert not alive(child, patience=6)


def test_progress(planted):
    said = []
    planted(progress=said.append)
    assert said[:2] == ["loading it and running it once", "checking `noise`"]
    assert said[-1] == "comparing what it gave"


def test_sees_the_modules_of_its_parent_and_no_others(tmp_path, monkeypatch):
    """A file of the present directory does not stand in for the standard library."""
    (tmp_path / "random.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "json.py").write_text("raise SystemExit('nor this one')")
    library = tmp_path / "library"
    library.mkdir()
    (library / "known_to_the_parent.py").write_text("from npcbam.oracle.examples import *")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(library)])
    assert run("known_to_the_parent:right", Question(channels=32))["ok"] is True


def test_a_failure_keeps_its_traceback():
    with pytest.raises(Failed, match=r"^nowhere\.py: no such file$") as caught:
        run("nowhere.py:X", Question())
    assert caught.value.trace.startswith("Traceback")
    assert "CannotRun: nowhere.py: no such file" in caught.value.trace


def test_what_stopped_is_a_finding_too():
    stopped = Stopped("hangs", "here:cbam gave no answer")
    found = report_of(stopped, "here:cbam", Question(expect="seed", seed=3, dtype="float32"))
    data = json.loads(found["json"])
    assert (found["ok"], data["verdict"], data["reason"]) == (
        False,
        "undecided",
        "it had to be ended: it gave no answer",
    )
    assert (data["target"], data["expect"], data["seed"]) == ("here:cbam", "seed", 3)
    assert (data["framework"], data["dtype"], data["stage"]) == ("unknown", "float32", "whole")
    assert found["text"] == "UNDECIDED: here:cbam: it had to be ended: it gave no answer"
    (finding,) = data["findings"]
    assert (finding["stage"], finding["code"], finding["message"]) == (
        "effects",
        "hangs",
        "it had to be ended: it gave no answer",
    )
    assert "it had to be ended" in found["html"]


def test_leaves_no_files(planted, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    planted()
    assert os.listdir(folder) == []
