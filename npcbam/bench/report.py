"""What `npcbam bench` prints: the verdict first, then ratios."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Any

MODES = {"forward": "forward", "both": "forward+backward"}
OURS = ("fused", "layers")
Times = dict[str, Any]


def text(found: dict[str, Any]) -> str:
    """Return all of a measurement as text."""
    parts = [verdict(found["times"])]
    for threads in sorted({one["threads"] for one in found["times"]}):
        for mode, title in MODES.items():
            rows = [o for o in found["times"] if (o["threads"], o["mode"]) == (threads, mode)]
            parts.append(_ratios(f"{title}, threads: {threads}", rows))
    parts += [_memory(found["memory"]), _errors(found["times"]), _scaling(found["scaling"])]
    return "\n\n".join(part for part in parts if part)


def verdict(times: Sequence[Times]) -> str:
    """Return how `fused` fares against the quickest peer and the floor, in a line each."""
    lines = []
    for threads in sorted({one["threads"] for one in times}):
        for mode, title in MODES.items():
            rows = [o for o in times if (o["threads"], o["mode"]) == (threads, mode)]
            lines.append(f"fused, {title}, threads: {threads}: {_against(rows)}")
    return "\n".join([*lines, *_threading(times)])


def _against(rows: Sequence[Times]) -> str:
    said = []
    best = [against_best(one) for one in rows]
    if all(best):
        least = min(range(len(rows)), key=lambda i: best[i])
        said.append(
            f"{geometric_mean(best):.2f}× the speed of the quickest peer "
            f"(least {best[least]:.2f}× at {_spell(rows[least]['shape'])})"
        )
    eager = [o["seconds"]["torch"] / o["seconds"]["fused"] for o in rows if "torch" in o["seconds"]]
    if eager:
        said.append(f"{geometric_mean(eager):.1f}× that of eager PyTorch")
    said.append(f"{geometric_mean(_floors(rows)):.1f}× the time of a copy")
    return ", ".join(said)


def against_best(one: Times) -> float:
    """Return the time of the quickest peer by that of `fused`; 0 where there is no peer."""
    peers = [t for name, t in one["seconds"].items() if name not in (*OURS, "copy")]
    return min(peers, default=0.0) / float(one["seconds"]["fused"])


def _floors(rows: Iterable[Times]) -> list[float]:
    return [one["seconds"]["fused"] / one["seconds"]["copy"] for one in rows]


def _threading(times: Sequence[Times]) -> list[str]:
    """Return how much two threads gain at the two largest shapes, and what others gain there."""
    by = {(tuple(o["shape"]), o["mode"], o["threads"]): o["seconds"] for o in times}
    shapes = sorted({tuple(o["shape"]) for o in times}, key=math.prod)[-2:]
    lines = []
    for mode, title in MODES.items():
        pairs = [(s, by.get((s, mode, 1)), by.get((s, mode, 2))) for s in shapes]
        gains = [f"{_gains(one, two)} at {_spell(s)}" for s, one, two in pairs if one and two]
        if gains:
            lines.append(f"two threads against one, {title}: {', '.join(gains)}")
    return lines


def _gains(one: dict[str, float], two: dict[str, float]) -> str:
    gain = {name: one[name] / two[name] for name in one if name in two and name != "layers"}
    ours = gain.pop("fused")
    return f"{ours:.2f}× ({', '.join(f'{name} {each:.2f}×' for name, each in gain.items())})"


def _ratios(title: str, rows: Sequence[Times]) -> str:
    if not rows:
        return ""
    names = [name for name in rows[0]["seconds"] if name != "fused"]
    table = [[title, "fused", *names]]
    for one in rows:
        ours = one["seconds"]["fused"]
        others = [f"{one['seconds'][name] / ours:.2f}×" for name in names]
        table.append([_spell(one["shape"]), f"{1e3 * ours:.3g} ms", *others])
    return aligned(table)


def _memory(found: Sequence[dict[str, Any]]) -> str:
    known = [one for one in found if one["bytes"] is not None]
    if not known:
        return ""
    names = list(dict.fromkeys(one["name"] for one in known))
    by = {(tuple(one["shape"]), one["name"]): one["bytes"] for one in known}
    table = [["extra memory by that of x", *names]]
    for shape in dict.fromkeys(tuple(one["shape"]) for one in known):
        share = [by[shape, name] / (4 * math.prod(shape)) for name in names]
        table.append([_spell(shape), *(f"{s:.2f}" for s in share)])
    return aligned(table) + (
        "\nthe highest resident memory of a process during forward+backward, beyond x, y, dy and dx"
    )


def _errors(times: Sequence[Times]) -> str:
    """Return the largest error of each tensor over the shapes, in units of 2⁻²⁴."""
    rows = [one for one in times if one["mode"] == "both"]
    if not rows:
        return ""
    tensors, names = list(rows[0]["errors"]["fused"]), list(rows[0]["errors"])
    table = [["error in 2⁻²⁴ of the norm", *tensors]]
    for name in names:
        worst = [max(one["errors"][name][tensor] for one in rows) for tensor in tensors]
        table.append([name, *(f"{2**24 * error:.2g}" for error in worst)])
    return aligned(table)


def _scaling(scaling: dict[str, Sequence[Times]]) -> str:
    table = [["fused, ns an entry", *MODES.values()]]
    for axis, found in scaling.items():
        for shape in dict.fromkeys(tuple(one["shape"]) for one in found):
            row = {o["mode"]: o["seconds"]["fused"] for o in found if tuple(o["shape"]) == shape}
            each = [f"{1e9 * row[mode] / math.prod(shape):.2f}" for mode in MODES]
            table.append([f"{axis}: {_spell(shape)}", *each])
    return aligned(table) if scaling else ""


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Return a table with its columns aligned, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, *rest in table:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def _spell(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
