"""The exercises as data: each known mistake is wrong, like no other, and recognised."""

import inspect
import itertools

import numpy as np
import pytest
from answers import SOLUTIONS

from npcbam.lessons import EXERCISES, naming
from npcbam.lessons.attempt import Attempt
from npcbam.lessons.structure import close

EACH = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def same(one, other):
    if one[0].keys() != other[0].keys():
        return False
    return all(close(a[n], b[n]) for a, b in zip(one, other, strict=True) for n in a)


def planted(exercise, mistake):
    """Return attempts that answer as `mistake` would."""
    attempts = []
    for (point, values), given in zip(exercise.right.items(), exercise.known[mistake], strict=True):
        attempt = Attempt(exercise, point, values)
        names = [exercise.result] if exercise.result in given else exercise.cotangents
        attempt.got = {name: given.get(name, attempt.want(name)) for name in names}
        attempts.append(attempt)
    return attempts


@EACH
def test_every_mistake_is_wrong_and_like_no_other(exercise):
    for mistake, given in exercise.known.items():
        right = [{n: getattr(v, n) for n in given[0]} for v in exercise.right.values()]
        assert not same(given, right), mistake.code
        assert all(np.isfinite(array).all() for each in given for array in each.values())
    for one, two in itertools.combinations(exercise.known, 2):
        assert not same(exercise.known[one], exercise.known[two]), (one.code, two.code)


@EACH
def test_every_mistake_is_recognised(exercise):
    for mistake in exercise.mistakes:
        attempts = planted(exercise, mistake)
        wrong = naming.wrong_results(attempts, list(attempts[0].got))
        (found,) = naming.recognise(attempts, wrong)
        assert (found.codes, found.accepted) == ((mistake.code,), mistake.accepted)
        assert found.sentence == mistake.sentence
        assert set(found.results) == set(wrong)


@EACH
def test_names_and_sentences_are_told_apart(exercise):
    backward = [m for m in exercise.mistakes if exercise.result not in exercise.known[m][0]]
    assert len(backward) >= 6
    codes = [m.code for m in backward]
    assert len(codes) == len(set(codes))
    # A rule with a number stands there once for each number.
    forward = [(m.code, m.gives) for m in exercise.mistakes]
    assert len(forward) == len(set(forward))
    assert len(backward) == len({m.sentence for m in backward})
    for mistake in exercise.mistakes:
        assert mistake.sentence.strip(". ") == mistake.sentence


@EACH
def test_the_statement_fits_the_right_answer(exercise):
    assert list(inspect.signature(exercise.vjp).parameters) == list(exercise.takes)
    for values in exercise.right.values():
        for name in exercise.takes:
            assert getattr(values, f"d{name}").shape == getattr(values, name).shape
    for shape in exercise.takes.values():
        assert shape in exercise.task


@EACH
def test_the_answer_that_the_last_hint_gives_is_the_solution(exercise):
    solution = [line.split("#")[0].strip() for line in SOLUTIONS[exercise.name].split("\n")]
    for line in exercise.hints[2].split("\n"):
        assert line.strip() in solution


def test_sizes_are_told_apart():
    # A factor that one axis explains must not be explained by another.
    for exercise in EXERCISES.values():
        for values in list(exercise.right.values())[:1]:
            x = getattr(values, "x", None)
            assert x is None or len(set(x.shape)) == x.ndim
