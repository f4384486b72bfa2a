"""Check a candidate in a process of its own, where it may hang, crash or shout.

The process is that of `npcbam.child`; here is what it is asked, and what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npcbam.child import Failed as Failed
from npcbam.child import Progress, Stopped, ask, failure, settle
from npcbam.messages import plain
from npcbam.oracle.check import check_aloud
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.running import silent
from npcbam.oracle.reports.html import to_html
from npcbam.oracle.reports.report import Report
from npcbam.oracle.rules.conventions import FAITHFUL
from npcbam.targets import literal


def report_of(
    stopped: Stopped,
    target: str,
    expect: str = FAITHFUL,
    seed: int = 0,
    stage: str = "whole",
    dtype: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    """Return what `answer` does: a report with nothing in it but how the candidate stopped."""
    said = "it " + str(stopped).removeprefix(plain(target) + " ")
    report = Report(
        target=target,
        verdict="undecided",
        expect=expect,
        reason=said,
        findings=(Finding("effects", stopped.code, said, "undecided"),),
        seed=seed,
        framework="unknown",
        dtype=dtype or "unknown",
        stage=stage,
    )
    return _as_answer(report)


def run(
    request: Mapping[str, Any],
    timeout: float = 60.0,
    progress: Progress = silent,
    *,
    debug: bool = False,
) -> dict[str, Any]:
    """Return the `answer` to a request, from a process of its own.

    Parameters
    ----------
    request : the arguments of `answer`, in what JSON can hold
    timeout : seconds until the process is ended, its start included
    progress : is told what is being done
    debug : let what the candidate prints, and where it hangs or crashes, go to standard error

    Raises
    ------
    Failed
        The candidate cannot be loaded, built or run.
    Stopped
        It hangs, crashes or exits.
    """
    found, phase = _ask(request, timeout, progress, debug)
    return settle(request["target"], found, phase)


def _ask(
    request: Mapping[str, Any], timeout: float, progress: Progress, debug: bool
) -> tuple[dict[str, Any], str]:
    return ask(f"{__name__}:answer", request, timeout, progress, debug)


def answer(
    target: str,
    settings: Mapping[str, str],
    progress: Progress = silent,
    **options: Any,
) -> dict[str, Any]:
    """Check `target`, and return the report in what JSON can hold, or why there is none.

    Parameters
    ----------
    target : where to find the candidate
    settings : the arguments of its class, as Python literals or else text
    progress : is told what is being done
    options : those of `check`
    """
    try:
        values = {name: literal(text) for name, text in settings.items()}
        report = check_aloud(target, settings=values, progress=progress, **options)
        return _as_answer(report)
    except BaseException as error:
        return failure(error)


def _as_answer(report: Report) -> dict[str, Any]:
    texts = {"text": str(report), "json": report.to_json(), "html": to_html(report)}
    return {"ok": report.ok} | texts
