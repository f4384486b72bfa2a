"""The check that `npcbam grad` asks for, in the process of the candidate."""

from __future__ import annotations

import json
import shlex
import sysconfig
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import npcbam
from npcbam.child import Progress, Stopped, failure
from npcbam.gradcheck.command.draws import Drawer
from npcbam.gradcheck.command.subject import Subject, subject
from npcbam.gradcheck.command.supply import Supply, from_maker, from_specs
from npcbam.gradcheck.page import to_html
from npcbam.gradcheck.report import GradReport
from npcbam.messages import CannotRun, plain, sentence
from npcbam.targets import load

Answer = dict[str, Any]
OURS = str(Path(npcbam.__file__).parent)
LIBRARIES = tuple({*sysconfig.get_paths().values()} - {sysconfig.get_path("data")})


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes
    ----------
    target : "path/to/file.py:name" or "package.module:name"
    specs : its arguments, as `--args` spells them
    make : the function that makes them instead
    form, other : one of FORMS, and the second function of those that have two
    settings : what a class is built with, as text
    seed, points : where drawing starts, and how often arguments are drawn
    before : a function that is called before each call
    options : those of `examine`

    `make`, `other` and `before` are names beside the target's, or targets.
    """

    target: str
    specs: Sequence[str] = ()
    make: str | None = None
    form: str = "auto"
    other: str | None = None
    settings: Sequence[tuple[str, str]] = ()
    seed: int = 0
    points: int = 1
    before: str | None = None
    options: Mapping[str, Any] | None = None

    def beside(self, name: str | None) -> Any:
        """Load a function of the target's file, or a target of its own."""
        if name is None:
            return None
        home = self.target.rpartition(":")[0]
        return load(name if ":" in name else f"{home}:{name}", anew=False)


def answer(progress: Progress, **request: Any) -> Answer:
    """Check a target, and return the report in what JSON can hold, or why there is none.

    Parameters
    ----------
    progress : is told what is being done
    request : the fields of `Request`
    """
    try:
        asked = Request(**request)
        return as_answer(_report(asked, progress), asked.target)
    except Exception as error:
        said = error if isinstance(error, CannotRun) else CannotRun(_whose(error, asked.target))
        return failure(said.with_traceback(error.__traceback__))
    except BaseException as error:
        return failure(error)


def _report(asked: Request, progress: Progress) -> GradReport:
    """Return the report of the first point at which something is wrong, or of the last one."""
    progress("loading it")
    name = asked.target.rpartition(":")[2]
    found, other = load(asked.target), asked.beside(asked.other)
    # What a file sets for itself, as by np.seterr, is not to stop what draws and reports.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawer = Drawer(np.random.default_rng((asked.seed, 2)))
        settings = {key: drawer.make(text) for key, text in asked.settings}
        it = subject(found, name, asked.form, other, settings, asked.seed)
        reports: list[GradReport] = []
        for point in range(asked.points):
            reports.append(_at_point(it, asked, point, progress))
            if reports[-1].outcome == "wrong":
                break
    order = ("right", "cannot tell", "wrong")
    worst = max(reports, key=lambda report: order.index(report.outcome))
    if asked.points > 1 and worst.outcome == "right":
        worst = replace(worst, notes=(*worst.notes, f"right at all {asked.points} points"))
    return worst


def _at_point(it: Subject, asked: Request, point: int, progress: Progress) -> GradReport:
    """Draw the arguments for one point, and check there."""
    at = f" at point {point + 1} of {asked.points}" if asked.points > 1 else ""
    seed = asked.seed + point
    progress(f"making its arguments{at}")
    supply = _supply(it, asked, seed)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in (asked.options or {}).items()}
    if asked.before is not None:
        options["before"] = asked.beside(asked.before)
    progress(f"checking it{at}")
    report = it.check(supply, {"seed": seed, **_with_domains(options, supply)})
    return replace(report, snippet=_again(asked, report))


def _supply(it: Subject, asked: Request, seed: int) -> Supply:
    # Of another stream than the check's own, whose cotangent could be x again.
    rng = np.random.default_rng((seed, 1))
    if asked.make is not None:
        return from_maker(it.takes, asked.beside(asked.make), asked.make, rng)
    return from_specs(it.takes, it.name, asked.specs, rng, it.dtype)


def _with_domains(options: dict[str, Any], supply: Supply) -> dict[str, Any]:
    """Add the domains that draws such as spd(4) have, where none are given."""
    given = options.get("domain", {})
    if not isinstance(given, Mapping):
        return options
    names = options.get("names", ())
    own = {names[i] if i < len(names) else name: what for i, (name, what) in supply.domains.items()}
    merged = {**own, **given}
    return {**options, "domain": merged} if merged else options


def _again(asked: Request, report: GradReport) -> str:
    """Return the command that shows this report."""
    options = dict(asked.options or {})
    domain = options.pop("domain", {})
    domains = domain if isinstance(domain, Mapping) else {"": domain}
    many = {"args": asked.specs, **{k: v for k, v in options.items() if isinstance(v, list)}}
    one: dict[str, Any] = {"make": asked.make, "with": asked.other, "before": asked.before}
    one |= {"form": asked.form if asked.form != "auto" else None, "seed": report.seed or None}
    one |= {key: value for key, value in options.items() if not isinstance(value, list)}
    words = ["npcbam", "grad", asked.target]
    for key, values in many.items():
        words += [f"--{key}", *values] if values else []
    for key, text in asked.settings:
        words += ["--set", f"{key}={text}"]
    for key, what in domains.items():
        said = what if isinstance(what, str) else ",".join(f"{bound:g}" for bound in what)
        words.append(f"--domain={key}={said}" if key else f"--domain={said}")
    words += [f"--{key}={value}" for key, value in one.items() if value is not None]
    return shlex.join(words)


def _whose(error: Exception, target: str) -> str:
    """Say what was raised, and where in the target's own code, unless it was said by this package.

    What npcbam says of an argument or an option is a sentence already.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if frames[-1].filename.startswith(OURS):
        known = isinstance(error, TypeError | ValueError)
        return str(error) if known else f"{sentence(error)} (--debug shows where)"
    libraries = (OURS, *LIBRARIES)
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    at = f" at line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""
    return f"{target} raised {sentence(error)}{at}"


def as_answer(report: GradReport, target: str) -> Answer:
    """Return the report in what JSON can hold."""
    data = {"target": target, "ok": report.outcome == "right", **report.to_dict()}
    return {
        "ok": data["ok"],
        "text": str(report),
        "json": json.dumps(data, indent=2, ensure_ascii=False),
        "html": to_html(report, target),
    }


def stopped_report(stopped: Stopped, target: str, seed: int) -> Answer:
    """Return what `answer` does: a report with nothing in it but how the candidate stopped."""
    said = "it " + str(stopped).removeprefix(plain(target) + " ")
    return as_answer(GradReport("cannot tell", stopped.code, said, seed), target)
