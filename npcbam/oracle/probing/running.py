"""Running a candidate on every input, and what came out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import BadOutput, Candidate, CannotRun, sentence
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.inputs import Input, battery, cotangent
from npcbam.oracle.probing.roles import every_size
from npcbam.oracle.rules.catalogue import rule

# Maps for which blocks of one fixed size are made, and before them a map for all others; up to
# three axes of each.
SQUARES = (7, 8, 14, 16, 28, 32, 56)
SPACES = ((7, 5, 4), *((side,) * 3 for side in SQUARES))
Progress = Callable[[str], None]


def silent(doing: str) -> None:
    """Keep to itself what is being done."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the candidate gave on one input: its results, or why there is none.

    `y` is shaped as features are; only that of a half that gives its map has a map's shape. `dy` is
    a cotangent of it.
    """

    input: Input
    dy: Array
    y: Array | None = None
    cotangents: tuple[dict[str, Array], Array] | None = None
    error: BaseException | None = None


def sizes(candidate: Candidate, channels: int) -> tuple[int, int]:
    """Return the `sizes_of` its roles: of all that the shapes allow, the first that it runs on.

    Parameters
    ----------
    channels : how many it has where no matrix tells
    """
    known = every_size(candidate.parameters, candidate.buffers, candidate.stage)
    for space, (width, axes) in itertools.product(SPACES, known if len(known) > 1 else ()):
        x = np.ones((3, width or channels, *space[:axes]))
        try:
            candidate.forward({}, x)
        except BadOutput:
            pass  # It runs.
        except (Exception, SystemExit):
            continue
        return width, axes
    return known[0]


def spread(y: Array, x: Array) -> Array:
    """Return y in the shape of x; a map alone is spread over it."""
    pairs = zip(y.shape, x.shape, strict=False)
    if y.ndim != x.ndim or not all(a in (1, b) for a, b in pairs):
        raise BadOutput(f"y: expected the shape of x, {x.shape}, got {y.shape}")
    return np.broadcast_to(y, x.shape)


def inputs(rng: np.random.Generator, channels: int, axes: int) -> Iterator[tuple[Input, Array]]:
    """Draw every input and a cotangent of it; last come maps that blocks of one size take."""
    for each in battery(rng, channels, axes):
        yield each, cotangent(rng, each.x.shape)
    for size in SQUARES:
        x = rng.standard_normal((2, channels, *[size] * axes))
        square = Input(f"square {size}", "a size that blocks of one fixed size take", x)
        yield square, cotangent(rng, x.shape)


def run_all(
    candidate: Candidate,
    values: Mapping[str, Array],
    drawn: Iterator[tuple[Input, Array]],
    progress: Progress = silent,
) -> list[Outcome]:
    """Run every input; where none succeeds, maps of sizes that blocks of one size take."""
    outcomes: list[Outcome] = []
    for each, dy in drawn:
        square = each.name.startswith("square")
        if square and any(o.y is not None and o.input.name != "point" for o in outcomes):
            return outcomes
        progress(f"checking `{each.name}`")
        outcome = run(candidate, values, each, dy)
        if not square or outcome.y is not None:
            outcomes.append(outcome)
    if any(outcome.y is not None or isinstance(outcome.error, BadOutput) for outcome in outcomes):
        return outcomes
    (first, error), *_ = _failed(outcomes)
    where = f"on shape {first.input.x.shape}"
    raise CannotRun(f"{candidate.name} fails {where}: {sentence(error)}") from error


def run(candidate: Candidate, values: Mapping[str, Array], each: Input, dy: Array) -> Outcome:
    """Run one input forward, and backward where y is what it is asked for."""
    outcome = Outcome(each, dy)
    try:
        y = candidate.forward(values, each.x.copy())
        full = spread(y, each.x)
        half = candidate.stage != "whole"
        outcome = replace(outcome, y=y if half else full, dy=_cut(dy, y) if half else dy)
        if y.shape != each.x.shape and not half:
            return outcome
        cotangents = candidate.vjp(values, each.x.copy(), outcome.dy.copy())
        if cotangents is not None:
            _shapes(candidate, each.x, cotangents)
        return replace(outcome, cotangents=cotangents)
    except (Exception, SystemExit) as error:
        return replace(outcome, error=error)


def _cut(dy: Array, y: Array) -> Array:
    """Return as much of a cotangent as belongs to y."""
    return np.ascontiguousarray(dy[tuple(slice(size) for size in y.shape)])


def _shapes(candidate: Candidate, x: Array, cotangents: tuple[dict[str, Array], Array]) -> None:
    wanted = {f"d {name}": value.shape for name, value in candidate.parameters.items()}
    got = {f"d {name}": value for name, value in cotangents[0].items()} | {"dx": cotangents[1]}
    for tensor, shape in (wanted | {"dx": x.shape}).items():
        if got[tensor].shape != shape:
            raise BadOutput(f"{tensor}: expected shape {shape}, got {got[tensor].shape}")


def _failed(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, BaseException]]:
    return [(outcome, outcome.error) for outcome in outcomes if outcome.error is not None]


def failures(outcomes: Sequence[Outcome]) -> list[Finding]:
    """Say where it fails, and why in the first place."""
    failed = _failed(outcomes)
    if not failed:
        return []
    (first, error), *more = failed
    last = outcomes[-1]
    also = f", and on {len(more)} more input{'s' * (len(more) > 1)}" if more else ""
    backward = first.y is not None
    code = "backward-fails" if backward else "fails-on-input"
    if isinstance(error, BadOutput):
        code = "output-kind"
    if last.input.name.startswith("square"):
        code = "one-size-only"
    found = rule(code).finding(
        who="its backward" if backward else "it",
        where=f"`{first.input.name}` ({first.input.reason}){also}",
        error=sentence(error),
        sizes=" x ".join(map(str, last.input.x.shape[2:])),
    )
    return [replace(found, stage="gradient" if backward else "effects")]
