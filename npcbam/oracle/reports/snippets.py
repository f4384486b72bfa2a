"""Code that replays a finding, as it stands: a forward in the candidate's own framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.findings import Finding
from npcbam.oracle.probing.inputs import battery
from npcbam.oracle.reports.report import told_apart

# The inputs that `case` knows, but for noise, of which the numerics and the effects have their own.
TRIED = {each.name for each in battery(np.random.default_rng(0), 1)} - {"noise"}
# The numerics make such inputs of it.
MADE = {
    "saturated gates": "params = {name: 1e3 * value for name, value in params.items()}",
    "large offset": "x = x + 4096.0",
    "tiny": "x = np.ldexp(x, -123)",
    "signed zeros": "x = np.copysign(0.0, x)",
    "NaN in one sample": "x[1, 0] = np.nan",
    "infinity in one sample": "x[1, 0] = np.inf",
}


def with_snippet(finding: Finding, candidate: Candidate, channels: int, seed: int) -> Finding:
    """Return the finding with the code that replays its evidence, where it has any.

    `case` draws weights, x and dy anew. What lies in gradients is replayed through the adapter.
    """
    if not finding.evidence:
        return finding
    seen = finding.evidence
    low = candidate.at(seen["dtype"]) if "dtype" in seen else candidate
    tensor = str(seen.get("tensor", "y"))
    backward = tensor == "dx" or finding.stage == "gradient" or tensor.startswith("d")
    lines = _given(seen, finding.stage, low, (channels, seed))
    if tensor == "y" and "index" in seen:
        seen = seen | {"index": list(candidate.index(tuple(seen["index"])))}
        finding = replace(finding, evidence=seen)
    if backward:
        lines += _through_adapter(low, channels)
        shown = _shown(tensor, seen, moved=False)
    else:
        # What binds the block stands above already.
        lines.append(low.replay("params", "x").replace(low.source, "").strip("\n"))
        shown = _shown("y", seen, moved=low.layout == "NHWC") if tensor == "y" else "print(y)"
    return replace(finding, snippet="\n".join([*lines, shown + _values(finding)]))


def _given(
    seen: Mapping[str, Any], stage: str, low: Candidate, drawn: tuple[int, int]
) -> list[str]:
    """Return lines that bind `block`, `params`, `x` and `dy`."""
    channels, seed = drawn
    name, shape = str(seen.get("input", "noise")), seen.get("shape")
    own = stage in ("numerics", "effects") and name not in TRIED
    part = f", stage={low.stage!r}" if low.stage != "whole" else ""
    how = f"channels={channels}, seed={seed}{part}"
    lines = [low.source, "from npcbam.oracle import case"]
    if "import numpy as np" not in low.source:
        lines.insert(0, "import numpy as np")
    lines.append(f"params, x, dy = case(block, {'noise' if own else name!r}, {how})")
    if shape is not None:
        lines.append(f"x = np.random.default_rng(0).standard_normal({tuple(shape)})")
    return lines + [made for key, made in MADE.items() if own and key == name]


def _through_adapter(low: Candidate, channels: int) -> list[str]:
    part = f", stage={low.stage!r}" if low.stage != "whole" else ""
    lines = [
        "from npcbam.oracle.candidates import adapt",
        f"candidate = adapt(block, {channels}, parameters=params{part})",
    ]
    lines += [f"candidate = candidate.at({low.dtype!r})"] * (low.dtype != low.dtypes[0])
    return [*lines, "dparams, dx = candidate.vjp(params, x, dy)"]


def _shown(tensor: str, seen: Mapping[str, Any], moved: bool) -> str:
    """Return the line that prints the entry; `moved` where the channels come last."""
    if tensor.startswith("d") and tensor != "dx":
        name = tensor.removeprefix("d ")
        return "print(dparams)" if name == tensor else f"print(dparams[{name!r}]{_at(seen)})"
    index = list(seen.get("index", ()))
    if moved and len(index) > 2:
        index.append(index.pop(1))
    return f"print({tensor}{_at({'index': index})})"


def _at(seen: Mapping[str, Any]) -> str:
    index = ", ".join(map(str, seen.get("index", ())))
    return f"[{index}]" if index else ""


def _values(finding: Finding) -> str:
    seen = finding.evidence
    if finding.stage in ("numerics", "effects") or "index" not in seen:
        return ""
    return "  # {}, expected {}".format(*told_apart(seen["got"], seen["expected"], 9))
