"""Check a candidate in a process of its own, where it may hang, crash or shout.

The process is that of `npcbam.child`; here is what it is asked, and what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
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


def report_of(stopped: Stopped, target: str, question: Question) -> dict[str, Any]:
    """Return what `answer` does: a report with nothing in it but how the candidate stopped."""
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
    target: str,
    question: Question,
    timeout: float = 60.0,
    progress: Progress = silent,
    *,
    debug: bool = False,
) -> dict[str, Any]:
    """Return the `answer` to a question, from a process of its own.

    Parameters
    ----------
    target : where to find the candidate
    question : its settings are text, of Python literals or of themselves
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
    request = {"target": target, "question": asdict(question)}
    found, phase = ask(f"{__name__}:answer", request, timeout, progress, debug)
    return settle(target, found, phase)


def answer(target: str, question: Mapping[str, Any], progress: Progress = silent) -> dict[str, Any]:
    """Check a target, and return the report in what JSON can hold, or why there is none."""
    try:
        asked = Question(**question)
        settings = {name: literal(str(text)) for name, text in asked.settings.items()}
        return _as_answer(answered(target, replace(asked, settings=settings), progress))
    except BaseException as error:
        return failure(error)


def _as_answer(report: Report) -> dict[str, Any]:
    texts = {"text": str(report), "json": report.to_json(), "html": to_html(report)}
    return {"ok": report.ok} | texts
