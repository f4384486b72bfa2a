"""The sizes of maps that a candidate takes."""

from __future__ import annotations

from collections.abc import Iterator

from npcbam.oracle.behaviour.watched import Watched, failure
from npcbam.oracle.findings import Finding, Status

# The sizes that are tried, up to three spatial axes of each.
SIZES = {"even": (8, 12, 6), "odd": (9, 11, 7), "small": (2, 3, 2), "point": (1, 1, 1)}
SQUARE = (8, 8, 8)


def sizes(seen: Watched) -> Iterator[Finding]:
    """Look which sizes of maps fail."""
    batch, space = seen.x.shape[:2], seen.x.shape[2:]
    tries = {name: (*batch, *size[: len(space)]) for name, size in SIZES.items()}
    tries = {name: shape for name, shape in tries.items() if shape != seen.x.shape}
    tried = {name: refusal(seen, shape) for name, shape in tries.items()}
    failed = {name: error for name, error in tried.items() if error is not None}
    square = (*batch, *SQUARE[: len(space)])
    oblong = {"even", "odd"} <= failed.keys() and len(set(space)) == 1 and square != seen.x.shape
    if oblong and refusal(seen, square) is None:
        yield failure("square-only", tries["even"], failed["even"])
    elif len(failed) == len(tried):
        name, error = next(iter(failed.items()))
        words = {"sizes": " x ".join(map(str, space))}
        yield failure("fixed-size", tries[name], error, if_static(seen), **words)
    else:
        for name, error in failed.items():
            yield failure(f"fails-on-{name}", tries[name], error)


def refusal(seen: Watched, shape: tuple[int, ...]) -> BaseException | None:
    """Return why the candidate does not take inputs of a shape; None if it does."""
    there = seen.run(seen.noise(shape))
    if isinstance(there, BaseException):
        return there
    if seen.first.y.shape == seen.x.shape and there.y.shape != shape:
        return ValueError(f"y has shape {there.y.shape}, where x has {shape}")
    return None


def if_static(seen: Watched) -> Status | None:
    """Return that one size alone is worth a note, where that is so."""
    return "note" if seen.candidate.is_static else None
