"""From a function and its arguments to a report: the stages of a gradient check, in order."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam.gradcheck import frameworks, hints, options, snippet
from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.outcomes import Stop
from npcbam.gradcheck.report import CannotTellError, GradReport, WrongGradientError
from npcbam.gradcheck.trial import Trial, examined


def check_vjp(
    f: Callable[..., Any],
    *args: Any,
    seed: int = 0,
    names: Sequence[str] | None = None,
    fixed: Sequence[str] = (),
    domain: Any = None,
    before: Callable[[], object] | None = None,
    allow: Sequence[str] = (),
    rtol: float | None = None,
    points: int = 1,
    directions: int | None = None,
    device: Any = None,
) -> GradReport:
    """Check a hand-written pullback against the derivative of its forward.

    Parameters
    ----------
    f : `f(*args) -> (y, pullback)`; `pullback(dy)` gives one cotangent for each argument, or for
        each that has a gradient, bare where there is one. A torch.autograd.Function, a torch
        module, a function of tensors or one of jax is taken too: its own backward is the pullback
    args : real floating arrays, or dicts, lists and dataclasses of them; integers, booleans, None,
        strings and generators are passed by, and so is a Python float that gets no cotangent
    seed : of the random cotangents and directions
    names : of the arguments in the report; by default those of f's signature
    fixed : names of arguments, or of parts such as "params.b", that are not asked about
    domain : "positive", "symmetric", "simplex" (along the last axis) or (low, high), of all
        arguments or, as a dict, by name: probes stay inside, and directions that leave it are not
        asked about
    before : is called before each call of f, as `lambda: np.random.seed(0)`
    allow : what is meant and no fault: "writes", "dtype", "layout", "impure", "stale"
    rtol : a relative error that passes, besides what rounding explains
    points : at so many places: the one given, and others drawn around it
    directions : check every leaf along so many random directions
    device : what torch or jax runs on

    Returns
    -------
    GradReport, whose outcome is "right"; print it to see what was checked and what the smallest
    error is that would have been caught

    Raises
    ------
    WrongGradientError
        The pullback is wrong: a value, the number of cotangents, a structure, shape or dtype; or
        it writes to its inputs, or gives another result when called again.
    CannotTellError
        Nothing can be told here; the report says why.
    TypeError, ValueError
        An argument has nothing to differentiate by, or an option is none.

    Both errors are AssertionErrors and carry the report as `report`.

    >>> report = check_vjp(lambda x: (x**2, lambda dy: 2 * x * dy), np.array([1.0, -3.0]))
    >>> report.outcome, report.reference
    ('right', 'complex step')
    """
    report = examine(
        f,
        *args,
        seed=seed,
        names=names,
        fixed=fixed,
        domain=domain,
        before=before,
        allow=allow,
        rtol=rtol,
        points=points,
        directions=directions,
        device=device,
    )
    if report.outcome == "wrong":
        raise WrongGradientError(report)
    if report.outcome == "cannot tell":
        raise CannotTellError(report)
    return report


def examine(
    f: Callable[..., Any],
    *args: Any,
    seed: int = 0,
    names: Sequence[str] | None = None,
    fixed: Sequence[str] = (),
    domain: Any = None,
    before: Callable[[], object] | None = None,
    allow: Sequence[str] = (),
    rtol: float | None = None,
    points: int = 1,
    directions: int | None = None,
    device: Any = None,
) -> GradReport:
    """Do as `check_vjp`, but return the report whatever the outcome is."""
    options.validated(
        seed=seed,
        fixed=fixed,
        before=before,
        allow=allow,
        rtol=rtol,
        points=points,
        directions=directions,
    )
    original, labels = f, _argument_names(f, len(args))
    framed = frameworks.as_vjp(f, args, device)
    if framed is not None:
        f, args, labels = framed
    labels = options.labelled(names, labels, len(args))
    layout = Layout(args, labels, fixed)
    _known(layout, fixed)
    _ask_for_something(layout)
    reports = []
    for point in range(points):
        rng = np.random.default_rng([seed, point] if point else seed)
        here = layout if not point else hints.another_point(f, layout, domain, rng)
        trial = Trial(f, here, rng, domain, before, tuple(allow), rtol or 0.0, directions)
        reports.append(_examine(trial, seed))
        if reports[-1].outcome != "right":
            break
    report = _of_points(reports)
    said = {
        "fixed": tuple(fixed) or None,
        "domain": domain,
        "before": before,
        "allow": tuple(allow) or None,
        "rtol": rtol,
        "points": points if points > 1 else None,
        "directions": directions,
    }
    return replace(report, snippet=snippet.of(original, report, labels, said))


def _examine(trial: Trial, seed: int) -> GradReport:
    """Return the report of one point; f is probed beyond where its user would go."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            return examined(trial, seed)
        except Stop as stop:
            found = Finding(stop.code, "", stop.reason, evidence=stop.evidence)
            wrong = (found,) if stop.outcome == "wrong" else ()
            findings = (*trial.findings, *wrong)
            if trial.findings and stop.outcome != "wrong":
                first = trial.findings[0]
                said = (first.code, first.sentence, seed, findings)
                return GradReport("wrong", *said, evidence=first.evidence)
            said = (stop.code, stop.reason, seed, findings)
            return GradReport(stop.outcome, *said, evidence=stop.evidence)


def _of_points(reports: list[GradReport]) -> GradReport:
    """Return the report that is not right, if there is one; else the first, with their number."""
    last = reports[-1]
    if len(reports) == 1:
        return last
    if last.outcome != "right":
        note = f"this is point {len(reports)}, drawn around the one given, where all is right"
        return replace(last, notes=(note, *last.notes))
    note = f"the same at {len(reports)} points, of which {len(reports) - 1} were drawn"
    hidden = [set(report.notes) for report in reports]
    return replace(reports[0], notes=(*sorted(set.intersection(*hidden)), note))


def _ask_for_something(layout: Layout) -> None:
    """Raise TypeError unless there is an array to differentiate by."""
    arrays = any(layout.has_gradient(i) for i in range(len(layout.args)))
    for label, arg in zip(layout.labels, layout.args, strict=True):
        if isinstance(arg, list | tuple) and _bare(arg) and not arrays:
            kind = type(arg).__name__
            raise TypeError(
                f"{label}: expected a NumPy array or a tree of them, got a {kind} of numbers; "
                f"np.array({label}) makes one"
            )
    if not layout.args:
        raise TypeError("args: expected at least one array or layer")
    if not layout.leaves:
        got = ", ".join(f"{n}: {_kind(a)}" for n, a in zip(layout.labels, layout.args, strict=True))
        rest = " that is not fixed" if layout.fixed else ""
        raise TypeError(f"args: expected a real floating array{rest}, got {got}")


def _known(layout: Layout, fixed: Sequence[str]) -> None:
    """Raise ValueError unless each name of `fixed` is that of an argument or a part of one."""
    every = [name for _, name, _ in layout.found()]
    for name in fixed:
        if not any(each == name or each.startswith(f"{name}.") for each in every):
            raise ValueError(
                f"fixed: expected names of arguments ({', '.join(every)}), got {name!r}"
            )


def _bare(value: Any) -> bool:
    """Tell whether a value is a number, or a list of numbers however deep."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_bare, value))
    return isinstance(value, int | float | np.generic)


def _kind(value: Any) -> str:
    return f"dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _argument_names(f: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Name the arguments as f's signature does, as far as it goes."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in positional][:count]
    return (*named, *(f"arg{i}" for i in range(len(named), count)))
