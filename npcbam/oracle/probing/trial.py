"""A trial: a candidate, the weights that it was run with, and what it gave on every input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.oracle.candidates.wrapped import FlatMap, WithConstants
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.roles import Roles, assignments, sizes_of
from npcbam.oracle.probing.running import Outcome, Progress, inputs, run_all, silent, sizes, spread
from npcbam.oracle.probing.single import only_single
from npcbam.oracle.probing.weights import awake, draw
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.rule import Run


class FailureError(Exception):
    """A candidate that ran fails on samples or weights that would tell what it computes."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(where)
        self.where, self.error = where, error

    def finding(self) -> Finding:
        """Return what is said of it."""
        return rule("raises").finding(where=self.where, error=sentence(self.error))


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate that was run.

    Attributes
    ----------
    candidate : at the precision that it is identified at, the widest at which it runs
    asked : at the precision that it is judged at
    values : the parameters and buffers that it was run with, by name
    outcomes : what it gave
    sizes : the `roles.sizes_of` the arrays, as it runs
    channels, seed : what the inputs are drawn with
    dtypes : the precisions that its numerics are judged at
    alone : whether each sample is run by itself, because it mixes those that come together
    single : whether something in it is computed in float32 whatever comes in
    """

    candidate: Candidate
    asked: Candidate
    values: Mapping[str, Array]
    outcomes: Sequence[Outcome]
    sizes: tuple[int, int]
    channels: int
    seed: int
    dtypes: Sequence[str]
    alone: bool = False
    single: bool = False

    @property
    def seen(self) -> list[Outcome]:
        """The inputs on which there is a y, those of one sample where each is to be alone."""
        seen = [outcome for outcome in self.outcomes if outcome.y is not None]
        return [each for each in seen if not self.alone or len(each.input.x) == 1] or seen[:1]

    @property
    def large(self) -> list[Outcome]:
        """Those of more than one position."""
        return [outcome for outcome in self.seen if outcome.input.name != "point"]

    def draws(self, purpose: int) -> np.random.Generator:
        """Return the random numbers of one purpose."""
        return np.random.default_rng([self.seed, purpose])

    def weights(self, roles: Roles) -> dict[str, Array]:
        """Return the weights by key."""
        return {role.key: role.carry(self.values[role.name]) for role in roles}

    def forward(self, values: Mapping[str, Array], x: Array) -> Array:
        """Return y, or raise `FailureError`."""
        y = attempt(lambda: self.candidate.forward(values, x.copy()))
        if isinstance(y, BaseException):
            others = "" if values is self.values else " with other weights"
            raise FailureError(f"on {_samples(x)}{others}", y)
        return y

    def taken(self, x: Array) -> tuple[Array, FailureError | None]:
        """Return the samples of x that it takes, and how it fails on all of them, if it does."""
        try:
            self.forward(self.values, x)
        except FailureError as failed:
            takes = [self._takes(sample) for sample in np.split(x, len(x))]
            if not any(takes):
                raise
            where = f"on {takes.count(False)} of {_samples(x)}"
            return x[takes], FailureError(where, failed.error)
        return x, None

    def _takes(self, x: Array) -> bool:
        y = attempt(lambda: self.candidate.forward(self.values, x.copy()))
        return not isinstance(y, BaseException)

    def runs(self, roles: Roles) -> Run:
        """Return y of the candidate, in the shape of x, as a function of weights by key and x."""

        def run(weights: Mapping[str, Array], x: Array) -> Array:
            values = dict(self.values)
            for role in roles:
                values[role.name] = role.back(weights[role.key], values[role.name])
            parts = np.split(x, len(x)) if self.alone else [x]
            return np.concatenate([spread(self.forward(values, f), f) for f in parts])

        return run


def _samples(x: Array) -> str:
    return f"{len(x)} samples of {' x '.join(map(str, x.shape[2:]))}"


def with_a_column(candidate: Candidate) -> Candidate:
    """Return a channel gate that gives its map as (N, C) with axes for the positions."""
    if candidate.stage != "channel":
        return candidate
    known = assignments(candidate.parameters, candidate.buffers, part=candidate.stage)
    channels = sizes_of(known[0])[0] if known else 0
    x = np.random.default_rng(0).standard_normal((2, channels or 1, 5, 7))
    y = attempt(lambda: candidate.forward({}, x))
    return FlatMap(candidate) if isinstance(y, np.ndarray) and y.ndim == 2 else candidate


def with_constants(candidate: Candidate) -> Candidate:
    """Return a candidate whose buffers that have no role are left as they came.

    A mask, or a temperature, that is no part of a CBAM is what the user set it to.
    """
    known = assignments(candidate.parameters, candidate.buffers, part=candidate.stage)
    placed = {role.name for role in known[0]} if known else candidate.buffers.keys()
    constants = [name for name in candidate.buffers if name not in placed]
    return WithConstants(candidate, constants) if constants else candidate


def drawn(
    candidate: Candidate, channels: int, rng: np.random.Generator
) -> tuple[dict[str, Array], tuple[int, int]]:
    """Draw weights; return them with the `sizes` that they are made for."""
    found = sizes(candidate, channels)
    known = assignments(candidate.parameters, candidate.buffers, sizes=found, part=candidate.stage)
    kernels = {role.name for roles in known for role in roles if role.key == "k"}
    values = draw(candidate, rng, kernels)
    woken = awake({role.key: role.carry(values[role.name]) for role in known[0]})
    laid = {role.name: role.back(woken[role.key], values[role.name]) for role in known[0]}
    return values | laid, found


def tried(
    candidate: Candidate,
    channels: int,
    seed: int = 0,
    dtype: str | None = None,
    progress: Progress = silent,
) -> Trial:
    """Run every input at the widest precision at which it runs.

    Parameters
    ----------
    dtype : the one precision that it is judged at; None for all that it has

    Raises
    ------
    CannotRun
        It runs on no input.
    """
    failed: list[CannotRun] = []
    judged = candidate.dtypes if dtype is None else (dtype,)
    for name in dict.fromkeys((candidate.dtype, *judged)):
        wide, rng = candidate.at(name), np.random.default_rng(seed)
        values, found = drawn(wide, channels, rng)
        width = found[0] or channels
        try:
            outcomes = run_all(wide, values, inputs(rng, width, found[1]), progress)
        except CannotRun as error:
            failed.append(error)
            continue
        asked = wide if dtype is None else candidate.at(dtype)
        return _in_single(Trial(wide, asked, values, outcomes, found, width, seed, judged))
    raise failed[0]


def _in_single(trial: Trial) -> Trial:
    """Return the trial at float32 where no more can be had and that will do."""
    if trial.candidate.dtype != "float64" or not trial.large:
        return trial
    first = trial.large[0]
    dy = first.dy if first.cotangents is not None else None
    if not only_single(trial.candidate, trial.values, first.input.x, dy):
        return trial
    single = replace(trial, single=True)
    if trial.asked.dtype != "float64" or "float32" not in trial.dtypes:
        return single
    lower = replace(single, asked=trial.candidate.at("float32"))
    runs = attempt(lambda: lower.asked.forward(trial.values, first.input.x.copy()))
    return single if isinstance(runs, BaseException) else lower
