"""Is this CBAM correct? Run the candidate beside the reference and compare all that comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import checks, tree
from npcbam.checks import Array
from npcbam.oracle.adapters import adapt
from npcbam.oracle.battery import Input, battery, cotangent
from npcbam.oracle.candidate import BadOutput, Candidate, CannotRun, sentence
from npcbam.oracle.hypotheses import EXPECTATIONS, FAITHFUL, conventions, departures, presets_of
from npcbam.oracle.identify import Identified, identify, settle_ties
from npcbam.oracle.report import Report, Row, compare
from npcbam.oracle.roles import STATISTICS, Roles, assignments, sizes_of

MOST_ARRAYS = 30
# Maps for which blocks of one fixed size are made.
SQUARES = (7, 8, 14, 16, 28, 32, 56)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the candidate gave on one input: its results, or why there is none."""

    input: Input
    dy: Array
    y: Array | None = None
    cotangents: tuple[dict[str, Array], Array] | None = None
    error: Exception | None = None


def check(
    candidate: object,
    *,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    expect: str = FAITHFUL,
    seed: int = 0,
) -> Report:
    """Tell whether a CBAM is correct.

    Its weights are drawn anew, carried into the reference by their shapes, and y, dx and every
    parameter gradient are compared with all documented ways to compute the block.

    Parameters
    ----------
    candidate : a torch module or its class; an npcbam layer; a NumPy function f(params, x) that
        returns y or (y, pullback); an object with a dict `parameters` and `vjp(x)`; or where to
        find one, as "package.module:Name" or "path/to/file.py:Name"
    channels, settings : what a class or factory is built with
    parameters : the arrays of a function f(params, x), by name
    expect : "faithful", which is Eqs. 1 to 3, or the name of a preset
    seed : of the weights, inputs and cotangents

    Returns
    -------
    Report
        Its `ok` tells whether the candidate is what `expect` asks for; print it for the rest.

    Raises
    ------
    CannotRun
        The candidate cannot be built, or raises on every input.
    TypeError, ValueError
        `channels`, `expect` or `seed` is out of range.

    >>> from npcbam import CBAM
    >>> print(check(CBAM.init(0, channels=32)).headline)
    FAITHFUL: CBAM computes CBAM, Eqs. 1 to 3, as preset `paper` does
    """
    checks.positive("channels", channels)
    checks.choice("expect", expect, EXPECTATIONS)
    checks.seed("seed", seed)
    return judge(adapt(candidate, channels, settings, parameters), expect, seed)


def judge(candidate: Candidate, expect: str = FAITHFUL, seed: int = 0) -> Report:
    """Compare a `Candidate` with the reference; see `check`."""
    blank = Report(candidate.name, "wrong", expect, (), {}, (), (), (), {}, seed)
    few = len(candidate.parameters) + len(candidate.buffers) <= MOST_ARRAYS
    known = assignments(candidate.parameters, candidate.buffers) if few else []
    if not known:
        return replace(blank, reasons=(_no_roles(candidate),))
    rng = np.random.default_rng(seed)
    values = draw(candidate, rng)
    outcomes = _run_all(candidate, values, rng, known[0])
    blank = replace(blank, inputs={o.input.name: o.input.reason for o in outcomes})
    failures = _failures(outcomes)
    seen = [outcome for outcome in outcomes if outcome.y is not None]
    by_chance = len(seen) == 1 and isinstance(outcomes[0].error, BadOutput)
    if not seen or by_chance:
        # A map that is returned in place of features has the shape of x on one position alone.
        return replace(blank, reasons=failures)
    pairs = [(outcome.input.x, outcome.y) for outcome in seen if outcome.y is not None]
    found, ties = _settle(identify(known, values, pairs, expect), seen)
    rows = tuple(row for outcome in seen for row in _rows(candidate, found, outcome))
    apart = tuple(departures(found.reading))
    reasons = (*failures, *_differences(rows))
    return replace(
        blank,
        verdict="wrong" if reasons else "variant" if apart else "faithful",
        presets=() if reasons else tuple(presets_of(found.reading, ties)),
        conventions=conventions(found.reading, ties),
        departures=apart,
        reasons=reasons,
        rows=rows,
    )


def draw(candidate: Candidate, rng: np.random.Generator) -> dict[str, Array]:
    """Draw values for all parameters and buffers: none is 0, and no gate saturates.

    What a network starts with would hide faults: a norm with gamma = 0 switches the spatial gate
    off, biases of 0 hide that there are any, and mean = 0 and var = 1 that they are used.
    """
    values = {}
    for name, value in candidate.parameters.items():
        fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
        spread = 2 / np.sqrt(fan) if fan > 1 else 1.0
        values[name] = spread * cotangent(rng, value.shape)
    # All above 0, for any may be a variance.
    values |= {name: rng.uniform(0.5, 1.5, v.shape) for name, v in candidate.buffers.items()}
    return values


def _no_roles(candidate: Candidate) -> str:
    arrays = [f"{name} {value.shape}" for name, value in candidate.parameters.items()]
    if not arrays:
        return "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"
    if len(arrays) + len(candidate.buffers) > MOST_ARRAYS:
        return f"it has {len(arrays)} arrays of parameters, where a CBAM has at most 7"
    empty = [name for name, value in candidate.parameters.items() if value.size == 0]
    if empty:
        return f"its hidden layer has no unit, {empty[0]} is empty: build it with more channels"
    listed = ", ".join(arrays[:6]) + (f" and {len(arrays) - 6} more" if len(arrays) > 6 else "")
    return f"no two of its parameters can be W0 (C/r, C) and W1 (C, C/r): it has {listed}"


def _run_all(
    candidate: Candidate, values: dict[str, Array], rng: np.random.Generator, roles: Roles
) -> list[Outcome]:
    channels, axes = sizes_of(roles)
    inputs = battery(rng, channels, axes)
    outcomes = [_run(candidate, values, each, cotangent(rng, each.x.shape)) for each in inputs]
    if any(outcome.y is not None for outcome in outcomes):
        return outcomes
    for size in SQUARES:
        x = rng.standard_normal((2, channels, *[size] * axes))
        square = Input(f"square {size}", "a size that blocks of one fixed size take", x)
        outcome = _run(candidate, values, square, cotangent(rng, x.shape))
        if outcome.y is not None:
            return [*outcomes, outcome]
    if any(isinstance(outcome.error, BadOutput) for outcome in outcomes):
        return outcomes
    error = outcomes[0].error
    shape = outcomes[0].input.x.shape
    assert error is not None
    raise CannotRun(f"{candidate.name} fails on shape {shape}: {sentence(error)}") from error


def _run(candidate: Candidate, values: dict[str, Array], each: Input, dy: Array) -> Outcome:
    outcome = Outcome(each, dy)
    try:
        y = candidate.forward(values, each.x.copy())
        if y.shape != each.x.shape:
            raise BadOutput(f"y: expected the shape of x, {each.x.shape}, got {y.shape}")
        outcome = replace(outcome, y=y)
        cotangents = candidate.vjp(values, each.x.copy(), dy.copy())
        if cotangents is not None:
            _shapes(candidate, each.x, cotangents)
        return replace(outcome, cotangents=cotangents)
    except Exception as error:
        return replace(outcome, error=error)


def _shapes(candidate: Candidate, x: Array, cotangents: tuple[dict[str, Array], Array]) -> None:
    wanted = {f"d {name}": value.shape for name, value in candidate.parameters.items()}
    got = {f"d {name}": value for name, value in cotangents[0].items()} | {"dx": cotangents[1]}
    for tensor, shape in (wanted | {"dx": x.shape}).items():
        if got[tensor].shape != shape:
            raise BadOutput(f"{tensor}: expected shape {shape}, got {got[tensor].shape}")


def _settle(found: Identified, seen: Sequence[Outcome]) -> tuple[Identified, bool]:
    """Settle the tie rules on the input that has ties; tell whether there was a gradient."""
    for outcome in seen:
        if outcome.input.name == "ties" and outcome.cotangents is not None:
            x, dx = outcome.input.x, outcome.cotangents[1]
            return replace(found, reading=settle_ties(found.reading, x, outcome.dy, dx)), True
    return found, False


def _rows(candidate: Candidate, found: Identified, outcome: Outcome) -> list[Row]:
    name = outcome.input.name
    y, pullback = found.reading.vjp(outcome.input.x)
    assert outcome.y is not None
    rows = [compare(name, "y", outcome.y, y)]
    if outcome.cotangents is None:
        return rows
    dparams, dx = outcome.cotangents
    dreading, expected_dx = pullback(outcome.dy)
    rows.append(compare(name, "dx", dx, expected_dx))
    leaves, roles = dict(tree.leaves(dreading)), {role.name: role for role in found.roles}
    for key, got in dparams.items():
        # An array without a role has no effect on the reading.
        expected = np.zeros_like(got)
        if key in roles and roles[key].path not in STATISTICS.values():
            expected = roles[key].back(leaves[roles[key].path], got)
        if got.size:
            rows.append(compare(name, f"d {key}", got, expected))
    return rows


def _failures(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Say where it fails, and why in the first place."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return ()
    first, more, last = failed[0], len(failed) - 1, outcomes[-1]
    also = f", and on {more} more input{'s' * (more > 1)}" if more else ""
    what = "its backward fails on" if first.y is not None else "it fails on"
    assert first.error is not None
    where = f"`{first.input.name}` ({first.input.reason}){also}"
    said = [f"{what} {where}: {sentence(first.error)}"]
    if last.input.name.startswith("square"):
        said.append(f"it runs on maps of {' x '.join(map(str, last.input.x.shape[2:]))}")
    return tuple(said)


def _differences(rows: Sequence[Row]) -> list[str]:
    """Say which tensors differ, the output first: where it is wrong, gradients must be too."""
    bad: dict[str, list[Row]] = {}
    for row in rows:
        if not row.ok:
            bad.setdefault(row.tensor, []).append(row)
    if not bad:
        return []
    tensor = next(iter(bad))
    tried = sum(row.tensor == tensor for row in rows)
    where = ", ".join(row.input for row in bad[tensor])
    said = f"{tensor} differs on {len(bad[tensor])} of {tried} inputs: {where}"
    if tensor != "y":
        said = f"y is right, but {said}"
        if len(bad) > 1:
            said += f"; so do {', '.join(list(bad)[1:])}"
    worst = max(bad[tensor], key=lambda row: row.error)
    if not np.isfinite(worst.got):
        said += f"; it holds {worst.got}"
    return [said]
