"""From what a user gives, and what a signature tells, to the arguments of a function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from npcbam.gradcheck.command.draws import DRAWS, Drawer, domain_of
from npcbam.messages import CannotRun, sentence

NAMED = re.compile(r"([A-Za-z_]\w*)=(?!=)(.*)", re.DOTALL)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Supply:
    """The arguments of one call.

    Attributes
    ----------
    args, keywords : those that have a place, and those that have none
    domains : by place, the name and the domain of what was drawn from one
    """

    args: tuple[Any, ...]
    keywords: dict[str, Any]
    domains: dict[int, tuple[str, str]] = field(default_factory=dict)


def from_specs(
    f: Callable[..., Any],
    name: str,
    specs: Sequence[str],
    rng: np.random.Generator,
    dtype: str | None = None,
) -> Supply:
    """Make arguments as `--args` spells them, and as f's signature does where it leaves them out.

    Parameters
    ----------
    specs : spellings in the order of the arguments, or NAME=SPELLING
    dtype : of draws of which neither the spelling nor the signature says one

    Raises
    ------
    CannotRun
        One is missing, one too many, or one is misspelled.
    """
    known = signature(f)
    given, more = _placed(known, name, specs)
    drawer = Drawer(rng)
    made: dict[str, Any] = {}
    domains: dict[str, str] = {}
    missing = []
    for key, parameter in known.items():
        text = given.pop(key, None) or _annotated(parameter)
        if text is not None:
            made[key] = _typed(drawer.make(text, _dtype_of(parameter) or dtype), parameter)
            if (domain := domain_of(text)) is not None:
                domains[key] = domain
        elif parameter.default is EMPTY and parameter.kind in (*POSITIONAL, parameter.KEYWORD_ONLY):
            missing.append(key)
    if missing:
        raise CannotRun(_what_to_give(name, missing, known))
    keywords = {key: drawer.make(text, dtype) for key, text in given.items()}  # of **others
    supply = _in_order(known, keywords | made, [drawer.make(text, dtype) for text in more])
    places = enumerate(known)
    return replace(supply, domains={i: (k, domains[k]) for i, k in places if k in domains})


def from_maker(
    f: Callable[..., Any], make: Callable[..., Any], name: str, rng: np.random.Generator
) -> Supply:
    """Call a function of the user's that makes the arguments: of a generator, or of nothing.

    It returns a tuple of arguments, a dict of them by name, or the only one.
    """
    takes = [p for p in signature(make).values() if p.kind in POSITIONAL]
    try:
        found = make(rng) if takes else make()
    except (Exception, SystemExit) as error:
        raise CannotRun(f"{name} raised {sentence(error)}") from error
    known = signature(f)
    if isinstance(found, Mapping) and set(found) and set(found) <= set(known):
        return _in_order(known, dict(found))
    args = tuple(found) if isinstance(found, tuple) else (found,)
    places = [key for key, parameter in known.items() if parameter.kind in POSITIONAL]
    return _in_order(known, dict(zip(places, args, strict=False)), args[len(places) :])


def _in_order(
    known: Mapping[str, inspect.Parameter], made: dict[str, Any], more: Sequence[Any] = ()
) -> Supply:
    """Give each argument the place that the signature has for it; defaults fill the rest."""
    places = [key for key, parameter in known.items() if parameter.kind in POSITIONAL]
    args = [made.pop(key, known[key].default) for key in places]
    missing = [key for key, arg in zip(places, args, strict=True) if arg is EMPTY]
    if missing:
        raise CannotRun(f"{missing[0]}: there is no such argument among those that were made")
    return Supply((*args, *more), made)


def signature(f: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of f by name, or none where Python cannot tell."""
    for resolve in (True, False):  # where a note is a draw, Python cannot resolve it
        try:
            return dict(inspect.signature(f, eval_str=resolve).parameters)
        except (TypeError, ValueError):
            return {}
        except Exception:  # whatever the notes of others raise
            continue
    return {}


def _placed(
    known: Mapping[str, inspect.Parameter], name: str, specs: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the spellings by name, and those that go to `*args`."""
    kinds = [parameter.kind for parameter in known.values()]
    places = [key for key, parameter in known.items() if parameter.kind in POSITIONAL]
    named = [(match[1], match[2]) for spec in specs if (match := NAMED.fullmatch(spec))]
    free = [spec for spec in specs if not NAMED.fullmatch(spec)]
    more = free[len(places) :]
    if more and known and inspect.Parameter.VAR_POSITIONAL not in kinds:
        raise CannotRun(f"--args: {_spelled(name, known)} takes {len(places)}, got {len(free)}")
    given = dict(zip(places, free, strict=False))
    for key, text in named:
        if key not in known and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise CannotRun(f"--args {key}=: there is no such argument of {_spelled(name, known)}")
        if key in given:
            raise CannotRun(f"--args {key}=: it is given twice")
        given[key] = text
    return given, more


def _annotated(parameter: inspect.Parameter) -> str | None:
    """Return the spelling that an annotation holds, such as x: "N(3,4)"; None without one."""
    if parameter.default is not EMPTY:
        return None
    note = parameter.annotation
    said = [note, *getattr(note, "__metadata__", ())]  # those of typing.Annotated
    texts = [text.strip().strip("\"'") for text in said if isinstance(text, str)]
    dims = getattr(note, "dim_str", None)  # of jaxtyping: Float[Array, "n 4"]
    if isinstance(dims, str) and re.fullmatch(r"[\w ]*", dims):
        kind = "I" if "Int" in note.__name__ else "B" if "Bool" in note.__name__ else "N"
        texts.append(f"{kind}({','.join(dims.split())})")
    return next((text for text in texts if _is_draw(text)), None)


def _is_draw(text: str) -> bool:
    return text.partition("(")[0] in DRAWS and "(" in text


def _dtype_of(parameter: inspect.Parameter) -> str | None:
    """Return the dtype that an annotation such as NDArray[np.float32] asks for."""
    note = parameter.annotation
    spelled = note if isinstance(note, str) else repr(note)
    match = re.search(r"\b(float16|float32|float64|longdouble)\b", spelled)
    return match[1] if match else None


def _typed(value: Any, parameter: inspect.Parameter) -> Any:
    """Return a number as the annotation has it: 2 is 2.0 where a float is asked for."""
    wants = parameter.annotation in (float, "float")
    return float(value) if wants and type(value) is int else value


def _spelled(name: str, known: Mapping[str, inspect.Parameter]) -> str:
    """Spell the signature without its types."""
    bare = [parameter.replace(annotation=EMPTY) for parameter in known.values()]
    return f"{name}{inspect.Signature(bare)}"


def _what_to_give(name: str, missing: Sequence[str], known: Mapping[str, inspect.Parameter]) -> str:
    needs = " and ".join(missing) if len(missing) < 3 else ", ".join(missing)
    example = " ".join(f'{key}="N(3,4)"' for key in missing)
    return (
        f"{_spelled(name, known)} needs {needs}: say how to draw them, as in --args {example}, "
        "or give --make NAME, a function that returns them"
    )
