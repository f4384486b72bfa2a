"""Running a candidate: weights that hide nothing, every input of the battery, and what came out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import BadOutput, Candidate, CannotRun, sentence
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.inputs import Input, battery, cotangent
from npcbam.oracle.probing.roles import Roles, every_size, is_weight

# Maps for which blocks of one fixed size are made.
SQUARES = (7, 8, 14, 16, 28, 32, 56)
Progress = Callable[[str], None]


def silent(doing: str) -> None:
    """Keep to itself what is being done."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the candidate gave on one input: its results, or why there is none."""

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
    known = every_size(candidate.parameters, candidate.buffers)
    spaces = [(7, 5, 4), *((side,) * 3 for side in SQUARES)]
    for space, (width, axes) in itertools.product(spaces, known if len(known) > 1 else ()):
        x = np.ones((3, width or channels, *space[:axes]))
        try:
            candidate.forward({}, x)
        except BadOutput:
            pass  # It runs.
        except (Exception, SystemExit):
            continue
        return width, axes
    return known[0]


def draw(
    candidate: Candidate, rng: np.random.Generator, kernels: Collection[str] = ()
) -> dict[str, Array]:
    """Draw values for all parameters and buffers: none is 0, and no gate saturates.

    What may be one of the `kernels` is summed over, whatever its shape.

    What a network starts with would hide faults: a norm with gamma = 0 switches the spatial gate
    off, biases of 0 hide that there are any, and mean = 0 and var = 1 that they are used.
    """
    frozen = {name: value for name, value in candidate.buffers.items() if is_weight(value)}
    values = {}
    for name, value in (candidate.parameters | frozen).items():
        fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
        fan = value.size if name in kernels else fan
        spread = 2 / np.sqrt(fan) if fan > 1 else 1.0
        values[name] = spread * cotangent(rng, value.shape)
    # All above 0, for any may be a variance.
    rest = {name: v for name, v in candidate.buffers.items() if name not in frozen}
    return values | {name: rng.uniform(0.5, 1.5, v.shape) for name, v in rest.items()}


def awake(values: Mapping[str, Array], roles: Roles) -> dict[str, Array]:
    """Return the values with the signs of W0 such that a large maximum wakes every hidden unit."""
    found = dict(values)
    for role in roles:
        if role.key.startswith("w0"):
            w0 = role.carry(values[role.name])
            signs = np.where(w0.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
            found[role.name] = role.back(signs * w0, values[role.name])
    return found


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
    values: dict[str, Array],
    rng: np.random.Generator,
    channels: int,
    axes: int,
    progress: Progress = silent,
) -> list[Outcome]:
    """Run every input; where none succeeds, maps of sizes that blocks of one size take."""
    outcomes: list[Outcome] = []
    for each, dy in inputs(rng, channels, axes):
        square = each.name.startswith("square")
        if square and any(o.y is not None and o.input.name != "point" for o in outcomes):
            return outcomes
        progress(f"checking `{each.name}`")
        outcome = _run(candidate, values, each, dy)
        if not square or outcome.y is not None:
            outcomes.append(outcome)
    if any(outcome.y is not None or isinstance(outcome.error, BadOutput) for outcome in outcomes):
        return outcomes
    error, shape = outcomes[0].error, outcomes[0].input.x.shape
    assert error is not None
    raise CannotRun(f"{candidate.name} fails on shape {shape}: {sentence(error)}") from error


def _run(candidate: Candidate, values: dict[str, Array], each: Input, dy: Array) -> Outcome:
    outcome = Outcome(each, dy)
    try:
        y = candidate.forward(values, each.x.copy())
        outcome = replace(outcome, y=spread(y, each.x))
        if y.shape != each.x.shape:
            return outcome
        cotangents = candidate.vjp(values, each.x.copy(), dy.copy())
        if cotangents is not None:
            _shapes(candidate, each.x, cotangents)
        return replace(outcome, cotangents=cotangents)
    except (Exception, SystemExit) as error:
        return replace(outcome, error=error)


def _shapes(candidate: Candidate, x: Array, cotangents: tuple[dict[str, Array], Array]) -> None:
    wanted = {f"d {name}": value.shape for name, value in candidate.parameters.items()}
    got = {f"d {name}": value for name, value in cotangents[0].items()} | {"dx": cotangents[1]}
    for tensor, shape in (wanted | {"dx": x.shape}).items():
        if got[tensor].shape != shape:
            raise BadOutput(f"{tensor}: expected shape {shape}, got {got[tensor].shape}")


def failures(outcomes: Sequence[Outcome]) -> list[Finding]:
    """Say where it fails, and why in the first place."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return []
    first, more, last = failed[0], len(failed) - 1, outcomes[-1]
    also = f", and on {more} more input{'s' * (more > 1)}" if more else ""
    backward = first.y is not None
    assert first.error is not None
    where = f"`{first.input.name}` ({first.input.reason}){also}"
    what = "its backward fails on" if backward else "it fails on"
    said = f"{what} {where}: {sentence(first.error)}"
    code = "backward-fails" if backward else "fails-on-input"
    if isinstance(first.error, BadOutput):
        code = "output-kind"
    if last.input.name.startswith("square"):
        said += f"; it runs on maps of {' x '.join(map(str, last.input.x.shape[2:]))}"
        code = "one-size-only"
    return [Finding("gradient" if backward else "effects", code, said)]


def dead(candidate: Candidate, values: Mapping[str, Array], x: Array) -> set[str]:
    """Return the names of the arrays that y does not depend on."""
    y = candidate.forward(values, x.copy())
    found = set()
    for name, value in values.items():
        moved = candidate.forward({**values, name: 1.5 * value + 0.3}, x.copy())
        if np.array_equal(moved, y, equal_nan=True):
            found.add(name)
    return found
