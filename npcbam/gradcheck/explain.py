"""What is wrong with a cotangent, in words: its entries beside the right ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import diagnosis
from npcbam.arguments import Array
from npcbam.gradcheck.columns import Move, Sums
from npcbam.gradcheck.findings import Finding, LeafCheck
from npcbam.gradcheck.judge import Judge
from npcbam.gradcheck.numbers import NOISE, SUM, Numbers

LEAST = 32  # calls of f at least, to find out what is wrong,
TIMES = 0.6  # and so many times those that it took to find out that something is.
COST, SLACK = 10, 1.6  # calls an entry by differences; all of a leaf tells more than nearly all
MOST = 4_000_000  # numbers of a Jacobian
TOLD = ("mismatch", "nan", "nonlinear", "shape", "structure")


@dataclass(eq=False)
class Known:
    """Entries of one leaf, for each of two cotangents, and the Jacobian's columns for them.

    Attributes
    ----------
    want, allowed : lists of arrays of the leaf's shape, NaN where nothing is known
    jacobian : (m, size of the leaf), NaN where not known; None if it would be too large
    """

    want: list[Array]
    allowed: list[Array]
    jacobian: Array | None
    looked: int = 0


def explained(
    judge: Judge, numbers: Numbers, leaves: Sequence[LeafCheck], findings: Sequence[Finding]
) -> tuple[list[LeafCheck], list[Finding]]:
    """Return the leaves and findings, with what is known of those that are wrong."""
    layout = numbers.forward.layout
    names = [leaf.name for leaf in layout.leaves]
    wrong = [f.leaf for f in findings if f.code in TOLD and f.leaf in names]
    wrong = [name for name in dict.fromkeys(wrong) if layout.leaves[names.index(name)].size]
    if not wrong:
        return list(leaves), list(findings)
    calls = numbers.forward.calls
    budget = int((TIMES * calls + LEAST) / len(wrong))
    known = {name: _known(judge, numbers, names.index(name), budget) for name in wrong}
    seen = {f"d{name}": _wrongs(numbers, names.index(name), known, names) for name in wrong}
    told = {n: d for d in diagnosis.diagnose_all(seen) for n in d.names}
    shown = [_counted(leaf, known, numbers, names) for leaf in leaves]
    counted = {leaf.leaf: leaf for leaf in shown if leaf.got is not None and leaf.wrong}
    return shown, list(_told(findings, told, counted))


def _told(
    findings: Sequence[Finding],
    told: Mapping[str, diagnosis.Diagnosis],
    wrong: Mapping[str, LeafCheck],
) -> Iterator[Finding]:
    """Yield the findings with what they are; what several have in common is said once."""
    said: set[str] = set()
    for finding in findings:
        found = told.get(f"d{finding.leaf}") if finding.code in TOLD else None
        kind, shown = finding.kind, finding.evidence or finding.sentence
        if finding.code == "nonlinear" and finding.evidence:
            shown = f"{finding.sentence}: {finding.evidence}"
        if found is not None:
            kind, sentence = found.code, found.sentence + _besides(found, wrong.get(finding.leaf))
            if finding.code == "structure":  # what came is no array; in its place stands 0
                yield replace(finding, kind=kind)
                continue
        elif finding.code in ("mismatch", "nan") and not kind and finding.leaf in wrong:
            sentence = _where(wrong[finding.leaf])
        else:
            yield finding
            continue
        if sentence in said:
            yield replace(finding, kind=kind, sentence=shown, evidence="")
            continue
        said.add(sentence)
        yield replace(finding, kind=kind, sentence=sentence, evidence=shown)


def _besides(found: diagnosis.Diagnosis, leaf: LeafCheck | None) -> str:
    """Say how many numbers are wrong beside those that are none."""
    if found.code != "not-finite" or leaf is None or leaf.got is None or leaf.want is None:
        return ""
    if leaf.got.shape != leaf.want.shape:
        return ""
    none = int((np.isfinite(leaf.want) & ~np.isfinite(leaf.got)).sum())
    more = leaf.wrong - none
    return f", and wrong at {more} more" if more > 0 else ""


def _where(leaf: LeafCheck) -> str:
    """Say of a cotangent that is like no known mistake how much of it is wrong."""
    if leaf.size == 1:
        return f"d{leaf.leaf} is wrong"
    if leaf.looked < leaf.size:
        return f"d{leaf.leaf} is wrong at {leaf.wrong} of {leaf.looked} entries looked at"
    if leaf.wrong == leaf.size:
        return f"d{leaf.leaf} is wrong at each of its {leaf.size} entries"
    return f"d{leaf.leaf} is wrong at {leaf.wrong} of its {leaf.size} entries"


def _known(judge: Judge, numbers: Numbers, i: int, budget: int) -> Known:
    """Take the derivative by as many entries of leaf i as a number of calls allows."""
    leaf = numbers.forward.layout.leaves[i]
    start, size = leaf.part.start, leaf.size
    m = numbers.forward.y.size
    small = m * size <= MOST
    known = Known(
        [np.full(size, np.nan) for _ in range(2)],
        [np.full(size, np.nan) for _ in range(2)],
        np.full((m, size), np.nan) if small else None,
    )
    kinked = judge.kinked(i)
    some_calls = budget // 2 if kinked else budget
    whole = size * COST if size * COST <= SLACK * some_calls else 0
    entries = judge.entries_for(i, max(some_calls, whole))
    moves = list(judge.columns.moves(i, entries, both=kinked))
    # One product is quicker than many sums.
    together = small and all(m.alone and m.slopes.left is m.slopes.right for m in moves)
    for some in [moves] if together and moves else [[move] for move in moves]:
        at = np.concatenate([move.entries for move in some])
        steps = np.concatenate([move.v[move.entries] for move in some])
        for k in range(2):
            found = _together(some, numbers, k) if together else some[0].sums(numbers.asked[k].dy)
            low, high = np.sort([found.low / steps, found.high / steps], axis=0)
            got = np.nan_to_num(numbers.g(k)[at].astype(np.float64))
            known.want[k][at - start] = np.clip(got, low, high)
            known.allowed[k][at - start] = _allowed(numbers, found, k, at, steps)
        if known.jacobian is not None:
            known.jacobian[:, at - start] = np.hstack([move.columns() for move in some]) / steps
    known.looked = int(np.isfinite(known.want[0]).sum())
    return known


def _together(moves: Sequence[Move], numbers: Numbers, k: int) -> Sums:
    """Return what `Move.sums` does, of many moves of one entry each that have no kinks."""
    dy = numbers.asked[k].dy
    slopes = np.stack([move.slopes.right for move in moves])
    error = np.stack([move.slopes.error for move in moves]) * np.abs(dy)
    value, scale = slopes @ dy, np.abs(slopes) @ np.abs(dy)
    error = np.minimum(error.sum(axis=1), 3 * np.sqrt(np.square(error).sum(axis=1)))
    none = np.zeros(value.shape, bool)
    return Sums(value, value, none, scale, error, none)


def _allowed(numbers: Numbers, sums: Sums, k: int, at: Array, steps: Array) -> Array:
    """Return the error allowed to each of some entries."""
    allowed = (SUM * numbers.unit * sums.scale + sums.error + numbers.tiny) / np.abs(steps)
    noise = NOISE * numbers.noise[at] * numbers.asked[k].size
    return np.asarray(allowed + noise)


def _wrongs(
    numbers: Numbers, i: int, known: dict[str, Known], names: list[str]
) -> list[diagnosis.Wrong]:
    """Return one leaf as the diagnosis takes it, once for each of two cotangents."""
    results = numbers.forward.results
    leaf = numbers.forward.layout.leaves[i]
    mine = known[leaf.name]
    inputs = {
        name: numbers.forward.x[each.part].reshape(each.value.shape).astype(np.float64)
        for name, each in zip(names, numbers.forward.layout.leaves, strict=True)
    }
    found = []
    for k in range(2):
        dy = {
            name: numbers.asked[k].dy[part].reshape(each.shape)
            for name, part, each in zip(results.names, results.parts, results.leaves, strict=True)
        }
        y = {
            name: numbers.forward.y[part].reshape(each.shape).astype(np.float64)
            for name, part, each in zip(results.names, results.parts, results.leaves, strict=True)
        }
        found.append(
            diagnosis.Wrong(
                name=f"d{leaf.name}",
                got=_got(numbers, i, k),
                want=mine.want[k].reshape(leaf.value.shape),
                allowed=mine.allowed[k].reshape(leaf.value.shape),
                argument=inputs[leaf.name],
                arguments=inputs,
                y=y,
                dy=dy,
                others=_others(numbers, i, k, known, names),
                jacobian=mine.jacobian,
            )
        )
    return found


def _got(numbers: Numbers, i: int, k: int) -> Array:
    """Return what came for a leaf, in whatever shape it came."""
    leaf = numbers.forward.layout.leaves[i]
    reading = numbers.readings[k]
    if i in reading.unread:
        return np.asarray(reading.given.get(i, np.zeros(0)), np.float64)
    return np.asarray(reading.g[leaf.part].reshape(leaf.value.shape), np.float64)


def _others(
    numbers: Numbers, i: int, k: int, known: dict[str, Known], names: list[str]
) -> dict[str, Array]:
    """Return the right cotangents of the other leaves."""
    found = {}
    for j, leaf in enumerate(numbers.forward.layout.leaves):
        if j == i or j in numbers.readings[k].unread:
            continue
        own = known.get(names[j])
        value = numbers.g(k)[leaf.part] if own is None else own.want[k]
        found[f"d{leaf.name}"] = value.reshape(leaf.value.shape).astype(np.float64)
    return found


def _counted(
    leaf: LeafCheck, known: dict[str, Known], numbers: Numbers, names: list[str]
) -> LeafCheck:
    """Count the wrong entries of a leaf, and keep both arrays for a picture."""
    if leaf.leaf not in known:
        return leaf
    mine = known[leaf.leaf]
    want, allowed = mine.want[0], mine.allowed[0]
    got = _got(numbers, names.index(leaf.leaf), 0)
    at = np.isfinite(want)
    off = ~(np.abs(got.ravel()[at] - want[at]) <= allowed[at])
    return replace(
        leaf,
        wrong=max(int(off.sum()), min(leaf.wrong, 1)),
        looked=max(mine.looked, 1),
        got=got,
        want=want.reshape(leaf.shape),
        scale=max(leaf.scale, float(np.abs(want[at]).max(initial=0))),
    )
