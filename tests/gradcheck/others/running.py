"""What the scripts beside this share: cases of others, their verdicts, a table and the totals."""

from __future__ import annotations

import argparse
import collections
import inspect
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam.gradcheck import examine


@dataclass(frozen=True)
class Case:
    """A function of others: `make(rng)` gives f and its arguments; `pairs` says what is judged."""

    name: str
    make: Callable[[np.random.Generator], tuple[Callable[..., Any], tuple[Any, ...]]]
    pairs: tuple[tuple[str, Any], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is really so with a case that is not right: the outcome it must have, and why.

    "right or wrong" where digits are lost that one may or may not ask for.
    """

    outcome: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What `examine` said of one case from one seed."""

    seed: int
    outcome: str
    code: str
    reason: str
    seconds: float


def judge(case: Case, seed: int) -> Verdict:
    """Draw the arguments of a case from `seed` and examine it there."""
    f, args = case.make(np.random.default_rng([seed, 7]))
    taken = inspect.signature(examine).parameters
    options = {key: value for key, value in case.options.items() if key in taken}
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = examine(f, *args, seed=seed, **options)
        said = (report.outcome, report.code, report.reason)
    except Exception as error:  # a checker must not raise: one more kind of false verdict
        said = ("raised", type(error).__name__, str(error))
    return Verdict(seed, *said, time.perf_counter() - start)


def meets(verdict: Verdict, known: Known | None) -> bool:
    """Tell whether a verdict is what is really so."""
    return verdict.outcome in (known.outcome if known else "right").split(" or ")


def main(what: str, cases: list[Case], known: dict[str, Known], doc: str | None) -> None:
    """Judge all cases and print them; exit with 1 if a verdict is not what is really so."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 on")
    parser.add_argument("--only", default="", help="only cases with this in their names")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON alone")
    parser.add_argument("--verbose", action="store_true", help="print the right ones too")
    chosen = parser.parse_args()
    unknown = set(known) - {case.name for case in cases}
    if unknown:
        raise SystemExit(f"known, but no case: {sorted(unknown)}")
    found = {}
    for case in cases:
        if chosen.only in case.name:
            found[case.name] = [judge(case, seed) for seed in range(chosen.seeds)]
            if not chosen.json:
                _row(case.name, found[case.name], known.get(case.name), chosen.verbose)
    totals = _totals(what, [case for case in cases if case.name in found], found, known)
    if chosen.json:
        rows = {name: [vars(verdict) for verdict in said] for name, said in found.items()}
        print(json.dumps({"totals": totals, "verdicts": rows}, indent=1))
    else:
        print("\n" + "\n".join(f"{key:>40}: {value}" for key, value in totals.items()))
    sys.exit(1 if totals["false"] else 0)


def _row(name: str, said: list[Verdict], known: Known | None, verbose: bool) -> None:
    ok = all(meets(verdict, known) for verdict in said)
    if ok and known is None and not verbose:
        return
    counts = collections.Counter(verdict.outcome for verdict in said)
    told = ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
    mark = " " if ok else "!"
    print(f"{mark} {name:52} {told:24} {sum(v.seconds for v in said):7.2f} s", flush=True)
    if known:
        print(f"      so it is: {known.outcome}: {known.sentence}")
    shown = [v for v in said if not meets(v, known)] or [v for v in said if v.outcome != "right"]
    for verdict in shown[:1]:
        reason = " ".join(verdict.reason.split())[:300]
        print(f"      seed {verdict.seed}, {verdict.code}: {reason}", flush=True)


def _totals(
    what: str, cases: list[Case], found: dict[str, list[Verdict]], known: dict[str, Known]
) -> dict[str, Any]:
    pairs = {pair for case in cases for pair in case.pairs}
    every = [(case, verdict) for case in cases for verdict in found[case.name]]
    false = [(c, v) for c, v in every if not meets(v, known.get(c.name))]
    alarms = [v for c, v in false if c.name not in known and v.outcome == "wrong"]
    return {
        f"{what}": len(pairs),
        "cases": len(cases),
        "checks": len(every),
        "right": sum(verdict.outcome == "right" for _, verdict in every),
        "really wrong, and said so": sum(
            verdict.outcome == "wrong" and case.name in known and meets(verdict, known[case.name])
            for case, verdict in every
        ),
        "cannot tell": sum(verdict.outcome == "cannot tell" for _, verdict in every),
        "false": len(false),
        "of these right called wrong": len(alarms),
        "of these wrong called right": sum(v.outcome == "right" for _, v in false),
        "seconds": round(sum(verdict.seconds for _, verdict in every), 1),
    }
