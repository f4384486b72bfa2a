"""What arguments are called, and how people write the gradient of W."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# The commonest first; letters and underscores are compared exactly, then without regard to both.
SPELLINGS = (
    "d{}",
    "d_{}",
    "grad_{}",
    "{}_grad",
    "grad{}",
    "{}grad",
    "g{}",
    "gradient_{}",
    "{}_gradient",
    "dL_d{}",
    "dloss_d{}",
    "nabla_{}",
)


def argument_names(f: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Name the arguments as f's signature does, as far as it goes.

    >>> argument_names(lambda x, w: None, 3)
    ('x', 'w', 'arg2')
    """
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in positional][:count]
    return (*named, *(f"arg{i}" for i in range(len(named), count)))


def gradient_key(name: str, keys: Iterable[str], itself: bool = False) -> str | None:
    """Return the key that names the gradient of `name`; `itself` where "W" may stand for dW.

    >>> gradient_key("W", ["b", "db", "dW"]), gradient_key("weight", ["gradWeight"])
    ('dW', 'gradWeight')
    """
    known = list(keys)
    spelled = [form.format(name) for form in SPELLINGS] + [name] * itself
    for key in spelled:
        if key in known:
            return key
    loose = {_plain(key): key for key in reversed(known) if itself or key != name}
    return next((loose[_plain(key)] for key in spelled if _plain(key) in loose), None)


class MisuseError(TypeError):
    """Code has not the form that it is said to have."""


def by_name(who: str, given: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """Lay the gradients that `who` gave by name in the order of `names`; None where there is none.

    >>> by_name("backward", {"dw": 2, "dx": 1}, ("x", "w", "b"))
    (1, 2, None)
    """
    keys = [str(key) for key in given]
    places = [gradient_key(name, keys, itself=True) for name in names]
    strange = [key for key in keys if key not in places]
    if strange:
        raise MisuseError(
            f"{who}: expected gradients named after {', '.join(names)}, such as d{names[0]}, "
            f"got {strange[0]!r}"
        )
    return tuple(None if key is None else given[key] for key in places)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
