"""Code that replays a finding, as it stands: a forward in the candidate's own framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    seen, own = finding.evidence, finding.stage in ("numerics", "effects")
    if not seen:
        return finding
    low = candidate.at(seen["dtype"]) if "dtype" in seen else candidate
    tensor = str(seen.get("tensor", "y"))
    if tensor == "y" and "index" in seen:
        seen = seen | {"index": list(candidate.index(tuple(seen["index"])))}
    index = list(seen.get("index", ()))
    part = f", stage={low.stage!r}" if low.stage != "whole" else ""
    lines = _given(low.source, seen, own, f"channels={channels}, seed={seed}{part}")
    # The effects have parameters that are written to, all other stages gradients.
    if finding.stage == "gradient" or (tensor != "y" and finding.stage != "effects"):
        lines.append("from npcbam.oracle.candidates import adapt")
        lines.append(f"candidate = adapt(block, {channels}, parameters=params{part})")
        lines += [f"candidate = candidate.at({low.dtype!r})"] * (low.dtype != low.dtypes[0])
        lines.append("dparams, dx = candidate.vjp(params, x, dy)")
        lines.append(_printed(tensor, index))
    else:
        # What binds the block stands above already.
        lines.append(low.replay("params", "x").replace(low.source, "").strip("\n"))
        if low.layout == "NHWC" and len(index) > 2:
            index.append(index.pop(1))
        lines.append(_printed("y", index if tensor == "y" else []))
    if not own and "index" in seen:
        lines[-1] += "  # {}, expected {}".format(*told_apart(seen["got"], seen["expected"], 9))
    return replace(finding, evidence=seen, snippet="\n".join(lines))


def _given(source: str, seen: Mapping[str, Any], own: bool, how: str) -> list[str]:
    """Return lines that bind `block`, `params`, `x` and `dy`; a stage may have its `own` inputs."""
    name = str(seen.get("input", "noise"))
    made = own and name not in TRIED
    lines = [] if "import numpy as np" in source else ["import numpy as np"]
    lines += [source, "from npcbam.oracle import case"]
    lines.append(f"params, x, dy = case(block, {'noise' if made else name!r}, {how})")
    if "shape" in seen:
        lines.append(f"x = np.random.default_rng(0).standard_normal({tuple(seen['shape'])})")
    return [*lines, MADE[name]] if made and name in MADE else lines


def _printed(tensor: str, index: Sequence[int]) -> str:
    """Return the line that prints an entry, of a gradient "d NAME" or of y or dx."""
    at = f"[{', '.join(map(str, index))}]" if index else ""
    if tensor.startswith("d "):
        return f"print(dparams[{tensor.removeprefix('d ')!r}]{at})"
    return f"print({tensor}{at})" if tensor in ("y", "dx") else "print(dparams)"
