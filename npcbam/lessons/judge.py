"""From a function to a verdict: the forward first, then what the pullback gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npcbam import gradcheck
from npcbam.lessons import naming
from npcbam.lessons.attempt import Attempt, backward, find, forward
from npcbam.lessons.exercise import Exercise, listed
from npcbam.lessons.facts import proven
from npcbam.lessons.verdict import Stop, Verdict


def judge(answer: Any, exercises: Mapping[str, Exercise]) -> Verdict:
    """Return the verdict on an answer; whatever it does, nothing is raised."""
    try:
        exercise = find(answer, exercises)
        with np.errstate(all="ignore"):
            return _judge(answer, exercise)
    except Stop as stop:
        return stop.verdict


def _judge(answer: Callable[..., Any], exercise: Exercise) -> Verdict:
    attempts = [forward(answer, exercise, *point) for point in exercise.right.items()]
    verdict = _compare(answer, attempts, [exercise.result])
    if verdict.outcome == "wrong":
        return _with_advice(verdict, answer, attempts[0])
    for attempt in attempts:
        backward(attempt)
    verdict = _compare(answer, attempts, exercise.cotangents)
    if verdict.outcome == "right":
        _keeps_dtype(answer, attempts)
    return verdict


def _compare(
    answer: Callable[..., Any], attempts: Sequence[Attempt], names: Sequence[str]
) -> Verdict:
    exercise = attempts[0].exercise
    wrong = naming.wrong_results(attempts, names)
    found = naming.recognise(attempts, wrong) if wrong else []
    known = {name for each in found for name in each.results}
    bad = [each for each in found if not each.accepted]
    unknown = [name for name in wrong if name not in known]
    if not bad and not unknown:
        given = listed([exercise.result, *exercise.cotangents])
        praise = f"{exercise.name} gives {given} on all {len(attempts)} inputs"
        remarks = [each.sentence[0].upper() + each.sentence[1:] for each in found]
        codes = tuple(code for each in found for code in each.codes)
        return Verdict("right", codes, (praise, *remarks))
    reasons = [each.sentence for each in bad]
    reasons += [_unknown(attempts, name) for name in unknown]
    evidence = [naming.worst(attempts, name) for name in wrong][:2]
    facts = [fact for name in unknown[:1] for fact in proven(answer, attempts, name)]
    right = [name for name in names if name not in wrong]
    good = [f"{listed(right)} {'are' if right[1:] else 'is'} right"] if right else []
    codes = tuple(code for each in bad for code in each.codes)
    help_ = f'lessons.hint("{exercise.name}") has a hint'
    return Verdict("wrong", codes, (*reasons, *evidence, *facts, *good, help_))


def _unknown(attempts: Sequence[Attempt], name: str) -> str:
    if any(a.got[name].shape != a.want(name).shape for a in attempts):
        return f"{name} has the wrong shape: {attempts[0].exercise.shape_of(name)} is expected"
    return f"{name} is not right, and like no mistake that is known here"


def _with_advice(verdict: Verdict, answer: Callable[..., Any], attempt: Attempt) -> Verdict:
    """Tell of a wrong forward whether the pullback fits it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the answer is run where its writer did not mean it
            fits = gradcheck.examine(answer, *attempt.args(), directions=1).outcome == "right"
    except Exception:  # what is no pullback yet has no report
        fits = False
    if not fits:
        return verdict
    *reasons, help_ = verdict.reasons
    advice = "Your pullback is the gradient of your own forward: mend the forward, then this one"
    return Verdict(verdict.outcome, verdict.codes, (*reasons, advice, help_))


def _keeps_dtype(answer: Callable[..., Any], attempts: Sequence[Attempt]) -> None:
    """Demand float64 where the arguments are, and float32 where they are."""
    exercise = attempts[0].exercise
    narrow = tuple(arg.astype(np.float32) for arg in attempts[0].args())
    single = forward(answer, exercise, attempts[0].point, exercise.values(narrow))
    backward(single)
    for attempt, dtype in ((attempts[0], np.float64), (single, np.float32)):
        for name, value in attempt.got.items():
            if value.dtype != dtype:
                wanted = np.dtype(dtype).name
                reason = (
                    f"the numbers are right, but for {wanted} arguments {name} is {value.dtype}"
                )
                widens = "; np.zeros makes float64, and so does dividing by an array of counts"
                advice = "Make arrays of the arguments' dtype, as np.zeros_like does"
                advice += widens if value.dtype == np.float64 else ""
                raise Stop("dtype", reason, advice)
