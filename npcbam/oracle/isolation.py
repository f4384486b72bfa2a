"""Check a candidate in a process of its own, where it may hang, crash or shout.

The process is that of `npcbam.child`; here is what it is asked, and what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npcbam.child import Failed as Failed
from npcbam.child import Progress, Stopped, ask, failure, settle
from npcbam.messages import plain
from npcbam.oracle.check import answer as answered
from npcbam.oracle.probing.running import silent
from npcbam.oracle.question import Question
from npcbam.oracle.reports.html import to_html
from npcbam.oracle.reports.report import Report
from npcbam.oracle.rules.catalogue import rule
from npcbam.targets import literal


def report_of(stopped: Stopped, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `answer` does: a report with nothing in it but how the candidate stopped."""
    target, question = request["target"], _question(request)
    found = rule(stopped.code).finding(what=str(stopped).removeprefix(f"{plain(target)} "))
    report = Report(
        target=target,
        verdict="undecided",
        expect=question.expect,
        reason=found.message,
        findings=(found,),
        seed=question.seed,
        framework="unknown",
        dtype=question.dtype or "unknown",
        stage=question.stage,
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


def answer(progress: Progress = silent, **request: Any) -> dict[str, Any]:
    """Check a target, and return the report in what JSON can hold, or why there is none.

    Parameters
    ----------
    progress : is told what is being done
    request : `target`, where to find the candidate; `settings`, the arguments of its class, as
        Python literals or else text; and the other fields of a `Question`
    """
    try:
        return _as_answer(answered(request["target"], _question(request), progress))
    except BaseException as error:
        return failure(error)


def _question(request: Mapping[str, Any]) -> Question:
    settings = {name: literal(text) for name, text in request.get("settings", {}).items()}
    rest = {name: value for name, value in request.items() if name not in ("target", "settings")}
    return Question(settings=settings, **rest)


def _as_answer(report: Report) -> dict[str, Any]:
    texts = {"text": str(report), "json": report.to_json(), "html": to_html(report)}
    return {"ok": report.ok} | texts
