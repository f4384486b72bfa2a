"""Code that repeats a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npcbam.gradcheck.report import GradReport


def of(
    f: Callable[..., Any], report: GradReport, labels: Sequence[str], options: Mapping[str, Any]
) -> str:
    """Return code that repeats the check, and shows the worst entry where there is one."""
    name = getattr(f, "__name__", "f")
    where, call = getattr(f, "__module__", None), "f" if name == "<lambda>" else name
    imported = getattr(f, "__qualname__", "<") == name and where not in (None, "__main__")
    lines = [
        f"from {where} import {name}" if imported and call != "f" else f"# {call}: your function"
    ]
    known = {key: value for key, value in options.items() if value is not None}
    # A function cannot be written out; it keeps the name of its option.
    more = "".join(f", {key}={key if callable(v) else repr(v)}" for key, v in known.items())
    lines += ["from npcbam.gradcheck import examine", ""]
    lines += [f"report = examine({call}, {', '.join(labels)}, seed={report.seed}{more})"]
    lines.append("print(report)")
    if report.worst is not None:
        lines.append("print(report.worst)")
    return "\n".join(lines)
