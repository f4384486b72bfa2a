"""Hold the verdicts of `examine` against the truths of the corpus, and count."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import io
import multiprocessing
import time
import warnings
from collections.abc import Iterable

import numpy as np
from everyday.halves import FUNCTIONS

from npcbam.gradcheck import examine

SIZES = (1, 7, 100, 1000, 10_000)
DTYPES = ("float64", "float32")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was said of one function at one point, and what is true."""

    name: str
    variant: str  # "right", or the planted fault
    size: int
    dtype: str
    seed: int
    truth: str
    outcome: str
    code: str
    reason: str
    seconds: float

    @property
    def false(self) -> bool:
        """Say whether the verdict is false; "cannot tell" of a function of one truth is not."""
        return self.outcome not in (self.truth, "cannot tell")

    @property
    def undecided(self) -> bool:
        """Say whether nothing was said of a function that is right or wrong."""
        return self.outcome == "cannot tell" != self.truth

    def __str__(self) -> str:
        place = f"{self.name} | {self.variant} | {self.size} | {self.dtype} | seed {self.seed}"
        return f"{place} | is {self.truth}, said {self.outcome} ({self.code}): {self.reason}"


def verdict_of(case, variant, f, args, options, place) -> Verdict:
    """Ask the checker of one function; an exception is an outcome of its own."""
    truth = case.truth if case.truth != "right" or variant == "right" else "wrong"
    start = time.perf_counter()
    np.random.seed(place[-1])  # noqa: NPY002  (some functions draw from NumPy's own state)
    try:
        report = examine(f, *args, seed=place[-1], **options)
        said = report.outcome, report.code, report.reason
    except Exception as error:
        said = "an exception", type(error).__name__, str(error)
    seconds = time.perf_counter() - start
    reason = " ".join(str(said[2]).split())[:300]
    return Verdict(case.name, variant, *place, truth, said[0], said[1], reason, seconds)


def check(task: tuple[str, int, str, int], planted: bool = True) -> list[Verdict]:
    """Check one case at one size, dtype and seed: right and, if asked, with each fault planted."""
    name, *place = task
    case = FUNCTIONS[name]
    size, dtype, seed = place
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        wrongs = case.wrongs(seed, size, dtype) if planted else {}
        verdicts = []
        for variant in ("right", *wrongs):
            # Arguments of its own for each, because a planted fault may write to them.
            f, args, options = case.make(seed, size, dtype)
            f = wrongs.get(variant, f)
            verdicts.append(verdict_of(case, variant, f, args, options, place))
    return verdicts


def tasks(half="all", seeds=20, sizes=SIZES, dtypes=DTYPES, only="") -> list[tuple]:
    """List what is to be checked, the quick sizes first."""
    return [
        (case.name, size, dtype, seed)
        for size in sizes
        for seed in range(seeds)
        for dtype in dtypes
        for case in FUNCTIONS.values()
        if case.fits(size, dtype) and half in ("all", case.half) and only in case.name
    ]


def run(todo: list[tuple], jobs: int = 1) -> Iterable[Verdict]:
    """Check all, in the given number of processes, and yield the verdicts as they come."""
    if jobs == 1:
        for task in todo:
            yield from check(task)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for verdicts in pool.map(check, todo, chunksize=8):
            yield from verdicts


def tell(verdicts: Iterable[Verdict], slow: float = 5.0) -> int:
    """Print what is false or undecided as it comes, then the totals; return how many are false."""
    start = time.perf_counter()
    checks = false = undecided = 0
    busy = 0.0
    for verdict in verdicts:
        checks += 1
        false += verdict.false
        undecided += verdict.undecided
        busy += verdict.seconds
        if verdict.false or verdict.undecided:
            print("FALSE      " if verdict.false else "cannot tell", verdict, flush=True)
        if verdict.seconds > slow:
            print(f"slow         {verdict.seconds:.1f} s: {verdict}", flush=True)
    print(
        f"{checks} checks: {false} false, {undecided} cannot tell "
        f"({100 * undecided / max(checks, 1):.2f} %); {busy:.0f} s of checks, "
        f"{time.perf_counter() - start:.0f} s in all"
    )
    return false
