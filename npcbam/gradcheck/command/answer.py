"""The check that `npcbam grad` asks for, in the process of the candidate."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam.child import Progress, Stopped, failure
from npcbam.gradcheck import GradReport, examine
from npcbam.gradcheck.command.supply import Supply, from_maker, from_specs
from npcbam.messages import CannotRun, plain
from npcbam.targets import load

Answer = dict[str, Any]


def answer(
    target: str,
    specs: Sequence[str],
    make: str | None,
    seed: int,
    points: int,
    progress: Progress,
    **options: Any,
) -> Answer:
    """Check `target`, and return the report in what JSON can hold, or why there is none.

    Parameters
    ----------
    target : "path/to/file.py:name" or "package.module:name"
    specs : its arguments, as `--args` spells them
    make : the function that makes them instead: a name beside the target's, or a target
    points : how often they are drawn
    options : those of `examine`, as the command line has them
    """
    try:
        progress("loading it")
        f: Any = load(target)
        if not callable(f):
            raise CannotRun(f"{target}: expected a function, got {type(f).__name__}")
        maker: Any = load(make if ":" in make else f"{_home(target)}:{make}") if make else None
        report = None
        for point in range(points):
            at = f" at point {point + 1} of {points}" if points > 1 else ""
            progress("making its arguments" + at)
            # Of another stream than the check's own, whose cotangent would be x again.
            rng = np.random.default_rng((seed + point, 1))
            name = target.rpartition(":")[2]
            if maker is None:
                supply = from_specs(f, name, specs, rng)
            else:
                supply = from_maker(f, maker, str(make), rng)
            progress("checking it" + at)
            found = _checked(f, supply, seed + point, options)
            report = found if report is None else _worse(report, found)
        assert report is not None
        again = ["npcbam", "grad", target, *(["--args", *specs] if specs else [])]
        again += ["--make", make] if make else []
        again += ["--seed", str(report.seed)] if report.seed else []
        return as_answer(replace(report, snippet=shlex.join(again)), target)
    except BaseException as error:
        return failure(error)


def _home(target: str) -> str:
    return target.rpartition(":")[0]


def _checked(
    f: Callable[..., Any], supply: Supply, seed: int, options: Mapping[str, Any]
) -> GradReport:
    f = functools.partial(f, **supply.keywords) if supply.keywords else f
    how = {key: value for key, value in options.items() if value}
    if "domain" in how:
        named = {name: _pair(what) for name, what in how["domain"]}
        how["domain"] = named.get("", named)
    for key in ("names", "fixed", "allow"):
        if key in how:
            how[key] = tuple(how[key])
    return examine(f, *supply.args, seed=seed, **how)


def _pair(what: Any) -> Any:
    return tuple(what) if isinstance(what, list) else what


def _worse(one: GradReport, other: GradReport) -> GradReport:
    """Return the report that says more against it, the first of equals."""
    order = ("right", "cannot tell", "wrong")
    return max(one, other, key=lambda report: order.index(report.outcome))


def as_answer(report: GradReport, target: str) -> Answer:
    """Return the report in what JSON can hold."""
    data = {"target": target, "outcome": report.outcome, "code": report.code}
    return {
        "ok": report.outcome == "right",
        "text": str(report),
        "json": json.dumps(data, indent=2),
        "html": "",
    }


def stopped_report(stopped: Stopped, target: str, seed: int) -> Answer:
    """Return what `answer` does: a report with nothing in it but how the candidate stopped."""
    said = "it " + str(stopped).removeprefix(plain(target) + " ")
    return as_answer(GradReport("cannot tell", stopped.code, said, seed), target)
