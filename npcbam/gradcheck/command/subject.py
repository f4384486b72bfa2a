"""What a target is, which of the checks is for it, and the check."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.gradcheck import examine, forms, frameworks
from npcbam.gradcheck.command import tensors
from npcbam.gradcheck.command.supply import Supply
from npcbam.gradcheck.report import GradReport
from npcbam.messages import CannotRun, sentence

# What --with names in the forms that have two functions.
TWO = {
    "cached": "the backward",
    "grad": "the gradient",
    "jvp": "the jvp",
    "pair": "the jvp",
    "hvp": "the Hessian-vector product",
}
FORMS = ("auto", "vjp", "layer", "loss", *TWO)


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes
    ----------
    found, name : the function or object itself, and what it is called
    takes : the function whose signature says which arguments it takes
    form : one of FORMS, where it is known before it has run
    other : the second function of the forms that have two
    dtype : of what is drawn for it, where it says one
    """

    found: Any
    name: str
    takes: Callable[..., Any]
    form: str
    other: Any = None
    dtype: str | None = None

    def check(self, supply: Supply, options: Mapping[str, Any]) -> GradReport:
        """Check it at these arguments; `options` are those of the check."""
        form = self.form if self.form != "auto" else self._by_its_result(supply)
        if form != "layer" and {"params", "grads"} & set(options):
            raise CannotRun(f"--params: {self.name} is no object with forward and backward")
        found, other, more = self.found, self.other, {}
        if form == "layer":
            more = {"call": supply.keywords} if supply.keywords else {}
        elif supply.keywords:
            found = _with(found, supply.keywords)
            other = other if form == "cached" or not other else _with(other, supply.keywords)
        if form == "vjp":
            return examine(found, *tensors.of(self.found, supply.args), **options)
        second = [other] if form in TWO else []
        check: Any = getattr(forms, f"check_{form}")
        report: GradReport = check(found, *second, *supply.args, raises=False, **more, **options)
        return report

    def _by_its_result(self, supply: Supply) -> str:
        """Call it once, and tell by what comes back which form it has."""
        if self.other is None and frameworks.as_vjp(self.found, supply.args) is not None:
            return "vjp"
        args, keywords = copy.deepcopy((supply.args, supply.keywords))
        try:
            with np.errstate(all="ignore"):
                result = self.found(*args, **keywords)
        except Exception:
            return "cached" if self.other is not None else "vjp"  # which say what it raises
        pair = isinstance(result, tuple) and len(result) > 1
        if self.other is not None:
            second = getattr(self.other, "__name__", "").lower()
            named = next((form for form in ("jvp", "hvp") if form in second), "grad")
            cached = pair and not callable(result[-1]) and named == "grad"
            return "cached" if cached else named
        if not pair and isinstance(result, np.ndarray | np.generic | float):
            raise CannotRun(
                f"{self.name} returns {type(result).__name__} and no pullback: give the gradient "
                "as --with NAME"
            )
        if not pair or callable(result[-1]):
            return "vjp"
        if np.ndim(result[0]) == 0:
            return "loss"
        raise CannotRun(
            f"{self.name} returns a tuple without a pullback: if it is (out, cache), give the "
            "backward as --with NAME"
        )


def _with(f: Callable[..., Any], keywords: Mapping[str, Any]) -> Callable[..., Any]:
    return functools.partial(f, **keywords)


def subject(
    found: Any, name: str, form: str, other: Any, settings: Mapping[str, object], seed: int
) -> Subject:
    """Return what a target is: a class is built with `settings`, all else is as it came."""
    if inspect.isclass(found) and not _of_torch(found, "autograd.Function"):
        found = _built(found, name, settings, seed)
    elif settings:
        raise CannotRun(f"--set: {name} is no class: there is nothing to set in it")
    layered = callable(getattr(found, "forward", None)) and callable(
        getattr(found, "backward", None)
    )
    if inspect.isclass(found):  # of torch: its forward takes ctx first
        takes = functools.partial(getattr(found, "forward"), None)  # noqa: B009
        return Subject(found, name, takes, "vjp")
    if _of_torch(type(found), "nn.Module"):
        own = [str(p.dtype).removeprefix("torch.") for p in found.parameters()]
        return Subject(found, name, found.forward, "vjp", dtype=own[0] if own else None)
    if form == "layer" and not layered:
        raise CannotRun(f"--form layer: expected an object with forward and backward, got {name}")
    if form in ("layer", "auto") and layered:
        return Subject(found, name, found.forward, "layer")
    if not callable(found):
        raise CannotRun(f"{name}: expected a function, or a class with forward and backward")
    if _needs_self(found):
        method = name.rpartition(".")[2]
        raise CannotRun(
            f"{name}: a method needs its object: say obj = ... in its file, and give obj.{method}"
        )
    if form in TWO and other is None:
        raise CannotRun(f"--form {form}: give {TWO[form]} as well, as in --with NAME")
    return Subject(found, name, found, form, other)


def _built(kind: Any, name: str, settings: Mapping[str, object], seed: int) -> Any:
    """Build an object of a class; what it draws is drawn from `seed`."""
    np.random.seed(seed)  # noqa: NPY002  the one that the class draws from
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    try:
        return kind(**settings)
    except (Exception, SystemExit) as error:
        spelled = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        hint = "; give --set NAME=VALUE" if isinstance(error, TypeError) else ""
        raise CannotRun(f"{name}({spelled}) raised {sentence(error)}{hint}") from error


def _needs_self(found: Any) -> bool:
    """Tell whether a function is a method that was read off its class."""
    try:
        first = next(iter(inspect.signature(found).parameters), "")
    except (TypeError, ValueError):
        return False
    return first == "self" and "." in getattr(found, "__qualname__", "")


def _of_torch(kind: Any, base: str) -> bool:
    """Tell whether a class is one of torch's; who has one has imported torch already."""
    known: Any = sys.modules.get("torch")
    for part in base.split("."):
        known = getattr(known, part, None)
    return known is not None and issubclass(kind, known)
