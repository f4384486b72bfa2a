"""What the oracle says, as one page of HTML that needs nothing else, with pictures of both maps.

Names and messages come from code that nobody has vouched for: all text is escaped, the page runs no
script, and it forbids the browser to load anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.reports.report import Report, told_apart
from npcbam.oracle.rules.page import anchor
from npcbam.pages import document, table, text

NO_MAPS = "There are no pictures: the two maps could not be read off this candidate."
RULES = "Links lead to rules.html, which `npcbam rules --html rules.html` writes beside this page."
# Cells of a heat map and bars of a bar chart that are still to be seen.
MOST = 4096
WIDTH, HEIGHT = 280, 180


def to_html(report: Report) -> str:
    """Return the report as one page of HTML: verdict, findings, conventions, maps, what was tried.

    A picture is drawn of each map that the report has of both, the candidate and the reference.
    """
    body = [
        *_verdict(report),
        *_findings(report.findings),
        *_conventions(report),
        *_maps(report.maps),
        *_tried(report),
    ]
    return document(report.headline, body)


def _verdict(report: Report) -> Iterable[str]:
    yield f'<h1 class="{"ok" if report.ok else "not-ok"}">{text(report.headline)}</h1>'
    answer = "yes" if report.ok else "no"
    how = f"{report.framework}, {report.dtype}, seed {report.seed}"
    yield f'<p class="soft">Expected: {text(report.expect)}: {answer}. {text(how)}.</p>'


def _findings(findings: Sequence[Finding]) -> Iterable[str]:
    yield "<h2>Findings</h2>"
    if not findings:
        yield "<p>None: nothing sets it apart from what it was compared with.</p>"
    if any(anchor(finding.code) for finding in findings):
        yield f'<p class="soft">{text(RULES)}</p>'
    for finding in findings:
        head = f"{finding.status}, {finding.stage}: {finding.code}"
        yield f"<section><h3>{text(finding.message)}</h3>"
        yield f'<p class="soft">{text(head)}{_link(finding.code)}</p>'
        if finding.evidence:
            cells = [(key, _number(value)) for key, value in _apart(finding.evidence).items()]
            yield from table("", ("evidence", ""), cells)
        if finding.snippet:
            yield f"<pre><code>{text(finding.snippet)}</code></pre>"
        yield "</section>"


def _apart(seen: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence with what came and what was expected in digits that differ."""
    if "index" not in seen:
        return seen
    got, expected = told_apart(seen["got"], seen["expected"])
    return seen | {"got": got, "expected": expected}


def _link(code: str) -> str:
    """Return a link to the rule, on the page that `npcbam rules --html` writes."""
    address = anchor(code)
    return f' (<a href="{text(address)}">why, and how to mend it</a>)' if address else ""


def _conventions(report: Report) -> Iterable[str]:
    yield "<h2>Conventions</h2>"
    if not report.conventions:
        yield "<p>None was found out.</p>"
        return
    rows = [(row.axis, row.value, row.paper, row.authors) for row in report.conventions]
    marks = ["departs" if row.departs else "" for row in report.conventions]
    said = "Bold: departs from the paper where it leaves no choice."
    yield from table(said, ("convention", "here", "paper", "authors"), rows, marks)


def _tried(report: Report) -> Iterable[str]:
    yield "<h2>What was tried</h2>"
    if not report.rows:
        yield "<p>Nothing could be compared.</p>"
        return
    said = "Errors in units of the allowed one: above 1, in bold, is no rounding."
    heads = ("input", "tensor", "error", "caught from", "at", "got", "expected")
    rows = [
        tuple(map(_number, (r.input, r.tensor, r.times, r.smallest, r.index, r.got, r.expected)))
        for r in report.rows
    ]
    yield from table(said, heads, rows, ["" if row.ok else "differs" for row in report.rows])
    yield "<h2>Inputs</h2>"
    yield from table("", ("input", "why it is there"), list(report.inputs.items()))


def _number(value: Any) -> str:
    """Spell a value of the evidence, a float in as many digits as are worth reading."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_number, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# Pictures: every shade is the ink at some opacity, so that they read in grey, light and dark.


def _maps(maps: dict[str, Any] | None) -> Iterable[str]:
    yield "<h2>The two maps</h2>"
    titles = {"mc": "Mc: one weight a channel", "ms": "Ms: one weight a position"}
    known = {name: np.asarray(value, np.float64) for name, value in (maps or {}).items()}
    shown = [name for name in titles if {f"candidate_{name}", f"reference_{name}"} <= known.keys()]
    if not shown:
        yield f"<p>{NO_MAPS}</p>"
    for name in shown:
        yield f"<h3>{titles[name]}</h3>"
        draw = _bars if name == "mc" else _heat
        yield from _panels(known[f"candidate_{name}"], known[f"reference_{name}"], draw)


def _panels(got: Array, expected: Array, draw: Any) -> Iterable[str]:
    """Draw three pictures: the candidate, the reference, and how far they part."""
    if got.shape != expected.shape or not 0 < got.size <= MOST:
        yield f"<p>No picture: its shape is {got.shape}, the reference's {expected.shape}.</p>"
        return
    with np.errstate(invalid="ignore"):
        gap = got - expected
    both = [*_finite(got), *_finite(expected)]
    low, high = min([0.0, *both]), max([1.0, *both])
    far = max(map(abs, _finite(gap)), default=0.0)
    span = f"{low:.4g} to {high:.4g}"
    yield '<div class="panels">'
    yield _figure(draw(got, low, high), "candidate", span)
    yield _figure(draw(expected, low, high), "reference", span)
    said = f"at most {far:.3g}" if np.isfinite(gap).all() else "not finite everywhere"
    if draw is _heat:
        yield _figure(_heat(np.abs(gap), 0.0, far or 1.0), "where they differ", said)
    else:
        yield _figure(_bars(gap, -(far or 1.0), far or 1.0), "candidate less reference", said)
    yield "</div>"


def _figure(drawing: str, title: str, said: str) -> str:
    picture = (
        f'<svg role="img" aria-label="{text(title)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{drawing}</svg>'
    )
    return f"<figure>{picture}<figcaption>{text(title)}: {text(said)}</figcaption></figure>"


def _bars(values: Array, low: float, high: float) -> str:
    """Draw a bar from 0 to each value; one that is not finite is a line over all the height."""
    flat = values.ravel()
    step = WIDTH / flat.size
    zero = HEIGHT * high / (high - low)
    parts = []
    for i, value in enumerate(flat):
        end = HEIGHT * (high - value) / (high - low) if np.isfinite(value) else 0.0
        start = zero if np.isfinite(value) else float(HEIGHT)
        opacity = 0.75 if np.isfinite(value) else 0.25
        box = (i * step, min(start, end), step * 0.8, abs(start - end))
        parts.append(_box(box, opacity, f"channel {i}: {value:.6g}"))
    line = f'<path d="M0 {zero:.2f}H{WIDTH}" stroke="currentColor" stroke-width="1"/>'
    return "".join(parts) + line


def _heat(values: Array, low: float, high: float) -> str:
    """Draw each value as a cell, the larger the darker; one that is not finite is crossed out."""
    grid = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
    rows, columns = grid.shape
    side = min(WIDTH / columns, HEIGHT / rows)
    parts = []
    for (i, j), value in np.ndenumerate(grid):
        x, y = j * side, i * side
        finite = bool(np.isfinite(value))
        shade = (value - low) / (high - low) if finite else 0.0
        parts.append(_box((x, y, side, side), shade, f"[{i}, {j}]: {value:.6g}"))
        if not finite:
            cross = f"M{x:.2f} {y:.2f}l{side:.2f} {side:.2f}m0 {-side:.2f}l{-side:.2f} {side:.2f}"
            parts.append(f'<path d="{cross}" stroke="currentColor" stroke-width="1"/>')
    frame = f'width="{columns * side:.2f}" height="{rows * side:.2f}" fill="none"'
    return "".join(parts) + f'<rect {frame} stroke="currentColor" stroke-width="1"/>'


def _box(box: tuple[float, float, float, float], opacity: float, said: str) -> str:
    x, y, width, height = (f"{each:.2f}" for each in box)
    place = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    shade = f'fill="currentColor" fill-opacity="{opacity:.3f}"'
    return f"<rect {place} {shade}><title>{text(said)}</title></rect>"


def _finite(values: Array) -> list[float]:
    return [float(value) for value in values.ravel() if np.isfinite(value)]
