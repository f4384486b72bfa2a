"""A user's code as f(*args) -> (y, pullback), and how every form of it is checked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.gradcheck import options
from npcbam.gradcheck.forms.naming import MisuseError, argument_names
from npcbam.gradcheck.report import CannotTellError, GradReport, WrongGradientError

# What a user calls that which the checker calls the pullback.
CALLED = {
    "check_cached": "backward",
    "check_layer": "backward",
    "check_loss": "grad",
    "check_grad": "grad",
    "check_jvp": "jvp",
}
# What `tried` gives where the code that it tries raises.
FAILED = object()


class Options(options.Options, total=False):
    """What every form takes by keyword: the options of `check_vjp`, and `raises`.

    With raises=False the report is returned whatever the outcome is.
    """

    raises: bool


@dataclass(frozen=True)
class Form:
    """A function as the checker wants it, where to check it, and the call that repeats it."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    names: tuple[str, ...]
    repeat: str
    notes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # options that are seen to already


def check(form: Form, options: Options) -> GradReport:
    """Examine a form, and raise as `check_vjp` does unless raises=False."""
    return check_all([form], options)


def check_all(forms: list[Form], options: Options, told: int = 0) -> GradReport:
    """Examine one form after the other until one is not right, and return the report of that.

    If all are right the report of form `told` is returned. Raises as `check_vjp` does unless
    raises=False.
    """
    reports = []
    for form in forms:
        reports.append(_examined(form, options))
        if reports[-1].outcome != "right":
            break
    report = reports[told] if reports[-1].outcome == "right" else reports[-1]
    if options.get("raises", True) and report.outcome == "wrong":
        raise WrongGradientError(report)
    if options.get("raises", True) and report.outcome == "cannot tell":
        raise CannotTellError(report)
    return report


def _examined(form: Form, options: Options) -> GradReport:
    from npcbam.gradcheck.check import examine  # which looks at the forms for its hints

    asked: dict[str, Any] = {k: v for k, v in options.items() if k not in ("raises", *form.without)}
    asked = _about(form.names, {**asked, "names": form.names})
    report = _in_words_of(form, examine(form.f, *form.args, **asked))
    notes = (*report.notes, *form.notes)
    return replace(report, snippet=_snippet(form, options), notes=notes)


def _in_words_of(form: Form, report: GradReport) -> GradReport:
    """Call the pullback what the user's own code calls it."""
    name = CALLED.get(form.repeat.partition("(")[0], "the pullback")

    def said(text: str) -> str:
        return text.replace("the pullback", name)

    findings = tuple(
        replace(each, sentence=said(each.sentence), evidence=said(each.evidence))
        for each in report.findings
    )
    reason, evidence = said(report.reason), said(report.evidence)
    return replace(report, reason=reason, evidence=evidence, findings=findings)


def labels(f: Callable[..., Any], args: tuple[Any, ...], options: Options) -> tuple[str, ...]:
    """Return the names of all arguments: those that were given, or those of f's signature."""
    names = options.get("names") or argument_names(f, len(args))
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names: expected a tuple of strings, got {names!r}")
    if len(names) != len(args):
        raise ValueError(f"names: expected {len(args)} names, got {len(names)}")
    return tuple(names)


def tried(f: Callable[..., Any], args: tuple[Any, ...], options: Options) -> Any:
    """Return what f gives for copies of its arguments, or FAILED where it raises.

    The checker runs f again and says in its own way what f raises.
    """
    before = options.get("before")
    try:
        with np.errstate(all="ignore"):
            if before is not None:
                before()
            return f(*copy.deepcopy(args))
    except MisuseError:
        raise
    except Exception:
        return FAILED


def ones_like(y: Any) -> Any:
    """Return a cotangent of ones for a result, be it a number or a tree of arrays."""
    return tree.map(np.ones_like, np.asarray(y) if np.isscalar(y) else y)


def _about(names: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is said of arguments that the checker does not see."""

    def seen(place: str) -> bool:
        return any(place == name or place.startswith(f"{name}.") for name in names)

    if "fixed" in asked:
        asked["fixed"] = tuple(place for place in asked["fixed"] if seen(place))
        if not asked["fixed"]:
            del asked["fixed"]
    if isinstance(asked.get("domain"), Mapping):
        asked["domain"] = {k: v for k, v in asked["domain"].items() if seen(k)}
    return asked


def _snippet(form: Form, options: Options) -> str:
    """Return code that repeats the check."""
    given = {"seed": 0, **{k: v for k, v in options.items() if k != "raises"}}
    said = [f"{k}={v!r}" if k != "before" else "before=before" for k, v in given.items()]
    name = form.repeat.partition("(")[0]
    call = f"{form.repeat.removesuffix(')')}, {', '.join([*said, 'raises=False'])})"
    return f"from npcbam.gradcheck import {name}\n\nreport = {call}\nprint(report)"


def spelled(f: Any, otherwise: str) -> str:
    """Return f's name as code can write it."""
    name = str(getattr(f, "__name__", otherwise))
    return name if name.isidentifier() else otherwise
