"""The figures of a benchmark as a picture; needs the extra `plots`."""

from __future__ import annotations

from typing import Any

from npcbam.bench.report import MODES


def draw(found: dict[str, Any], file: str) -> None:
    """Draw each peer's time by that of `fused`, a panel for each mode and number of threads."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("--plot needs matplotlib: pip install 'npcbam[plots]'") from error

    counts = sorted({one["threads"] for one in found["times"]})
    figure = Figure(figsize=(6 * len(MODES), 3.5 * len(counts)), layout="constrained")
    panels = figure.subplots(len(counts), len(MODES), squeeze=False, sharey=True)
    for row, threads in zip(panels, counts, strict=True):
        for panel, (mode, title) in zip(row, MODES.items(), strict=True):
            rows = [o for o in found["times"] if (o["threads"], o["mode"]) == (threads, mode)]
            names = [name for name in rows[0]["seconds"] if name != "fused"]
            for i, name in enumerate(names):
                at = [j + (i - (len(names) - 1) / 2) * 0.8 / len(names) for j in range(len(rows))]
                by = [one["seconds"][name] / one["seconds"]["fused"] for one in rows]
                panel.bar(at, by, width=0.8 / len(names), label=name)
            panel.axhline(1, color="black", linewidth=1)
            panel.set_yscale("log")
            labels = ["×".join(map(str, one["shape"])) for one in rows]
            panel.set_xticks(range(len(rows)), labels, rotation=20, ha="right")
            panel.set_title(f"{title}, threads: {threads}")
        row[0].set_ylabel("time by that of fused")
    panels[0][0].legend(ncols=3, fontsize="small")
    figure.savefig(file)
