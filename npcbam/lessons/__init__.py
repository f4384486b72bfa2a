"""Exercises in backward passes, and what is wrong with an answer to one.

    from npcbam import lessons

    def mean_vjp(x):
        ...

    lessons.check(mean_vjp)     # "Right", "Not yet" and what is wrong, or "To do"
    lessons.hint("mean_vjp")    # a hint, then another, then the answer

The function's name says which exercise it answers; `EXERCISES` has them all, and their inputs by
name as `points`. An answer is run on those and compared with npcbam's own layers. A wrong one is
held against the known mistakes of the exercise, each of which is told by what it computes, and then
against relations such as a missing factor or a transposition. Read on in `exercise`,
`pools`, `judge` and `naming`.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from npcbam.lessons.correlation import CORRELATE
from npcbam.lessons.exercise import Exercise, Mistake
from npcbam.lessons.judge import judge
from npcbam.lessons.mlp import MLP
from npcbam.lessons.pools import MAX, MEAN
from npcbam.lessons.scale import SCALE
from npcbam.lessons.spatial import SPATIAL_ATTENTION
from npcbam.lessons.verdict import WIDTH, Verdict
from npcbam.lessons.whole import CBAM_WHOLE

__all__ = ["EXERCISES", "Exercise", "Mistake", "Verdict", "check", "examine", "hint"]

EXERCISES = {e.name: e for e in (MEAN, MAX, SCALE, MLP, CORRELATE, SPATIAL_ATTENTION, CBAM_WHOLE)}
_given: Counter[str] = Counter()


def check(answer: Any) -> None:
    """Print whether an answer is right, and if not, what is wrong with it.

    Parameters
    ----------
    answer : the function that the reader wrote, under the name of the exercise

    >>> def mean_vjp(x):
    ...     y = x.mean((2, 3), keepdims=True)
    ...     return y, lambda dy: dy + 0 * x
    >>> check(mean_vjp)  # doctest: +ELLIPSIS
    Not yet: every pixel gets the whole of dy: the 1/(H·W) of the mean is missing in dx.
      On `noise` dx[0, 2, 0, 0] is ...
    """
    print(examine(answer))


def examine(answer: Any) -> Verdict:
    """Return what `check` prints."""
    return judge(answer, EXERCISES)


def hint(name: Any) -> None:
    """Print a hint to the exercise called `name`; called again the second, and then the answer."""
    name = getattr(name, "__name__", name)
    if not isinstance(name, str) or name not in EXERCISES:
        print(f"There is no exercise called {name}. The exercises are {', '.join(EXERCISES)}.")
        return
    step = min(_given[name], 2)
    _given[name] += 1
    said = EXERCISES[name].hints[step]
    if step == 2:
        print(f"The answer:\n{said}")
    else:
        print(textwrap.fill(f"{('First', 'Second')[step]} hint: {said}", WIDTH))
