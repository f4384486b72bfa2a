"""What a gradient check says, as one page of HTML, with a picture of each wrong cotangent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.picture import STYLE, legend, picture
from npcbam.gradcheck.report import GradReport
from npcbam.pages import document, table, text

WORST = 5  # entries listed beside a picture


def to_html(report: GradReport, target: str = "") -> str:
    """Return the report as one page: verdict, findings, leaves, pictures, how to see it again.

    Parameters
    ----------
    target : where the function was found
    """
    body = [
        *_verdict(report, target),
        *_findings(report),
        *_leaves(report),
        *_pictures(report),
        *_notes(report),
        *_again(report),
    ]
    return document(f"{report.outcome}: {target or report.reason}", body, STYLE)


def _verdict(report: GradReport, target: str) -> Iterable[str]:
    mark = "ok" if report.outcome == "right" else "not-ok"
    yield f'<h1 class="{mark}">{text(report.outcome)}: {text(report.reason)}</h1>'
    parts = [target, f"{report.source}seed {report.seed}"]
    yield f"<p>{text(report.evidence)}</p>" if report.evidence and not report.findings else ""
    yield f'<p class="soft">{text("; ".join(part for part in parts if part))}</p>'


def _findings(report: GradReport) -> Iterable[str]:
    if not report.findings:
        return
    yield "<h2>Findings</h2>"
    for finding in report.findings:
        agrees = f"agrees to {finding.severity}" if "digit" in finding.severity else ""
        said = [finding.code, finding.kind, finding.leaf and f"d{finding.leaf}"]
        said += [agrees or finding.severity]
        yield f"<section><h3>{text(finding.sentence)}</h3>"
        yield f"<p>{text(finding.evidence)}</p>" if finding.evidence else ""
        yield f'<p class="soft">{text(", ".join(part for part in said if part))}</p></section>'


def _leaves(report: GradReport) -> Iterable[str]:
    if not report.leaves:
        return
    yield "<h2>Cotangents</h2>"
    heads = ("of", "shape", "looked at", "wrong", "worst / allowed", "caught from")
    rows = [
        (
            f"d{seen.leaf}",
            f"({', '.join(map(str, seen.shape))}{',' if len(seen.shape) == 1 else ''})",
            seen.how if seen.size else "empty",
            seen.count,
            f"{seen.worst.badness:.3g}",
            f"{seen.caught:.1e}",
        )
        for seen in report.leaves
    ]
    marks = ["differs" if seen.off else "" for seen in report.leaves]
    said = "Errors in units of the allowed one: above 1, in bold, is no rounding."
    yield from table(said, heads, rows, marks)


def _pictures(report: GradReport) -> Iterable[str]:
    """Draw each leaf that is wrong, and list its worst entries."""
    drawn = [seen for seen in report.leaves if seen.got is not None and seen.want is not None]
    drawn = [seen for seen in drawn if seen.size]
    if not drawn:
        return
    yield "<h2>Where it is wrong</h2>"
    yield legend()
    for seen in drawn:
        assert seen.got is not None
        assert seen.want is not None
        yield f"<h3>d{text(seen.leaf)}</h3>"
        yield '<div class="panels">'
        yield picture(seen.got, seen.want, seen.leaf)
        yield "<div>"
        heads = ("entry", "the pullback gives", "the derivative is", "off by")
        yield from table("The entries that are furthest off.", heads, _worst(seen.got, seen.want))
        yield "</div></div>"


def _worst(got: Array, want: Array) -> list[tuple[str, ...]]:
    """Return the entries that are furthest off; first those that are no numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(np.asarray(got, np.float64) - want).ravel()
    known = ~np.isnan(want).ravel()
    order = np.where(np.isnan(off), np.inf, off)
    order[~known] = -1
    places = [int(i) for i in np.argsort(-order, kind="stable")[:WORST] if order[i] > 0]
    rows: list[tuple[str, ...]] = []
    for i in places:
        index = ", ".join(str(int(k)) for k in np.unravel_index(i, want.shape))
        values = (float(got.ravel()[i]), float(want.ravel()[i]))
        rows.append((f"[{index}]", f"{values[0]:.8g}", f"{values[1]:.8g}", f"{off[i]:.3g}"))
    return rows


def _notes(report: GradReport) -> Iterable[str]:
    told = [("Ties", report.ties), ("Switch", report.switch)]
    said = [f"{title}: {words}" for title, words in told if words]
    said += report.notes
    if said:
        yield "<h2>Notes</h2>"
        yield f"<ul>{''.join(f'<li>{text(note)}</li>' for note in said)}</ul>"


def _again(report: GradReport) -> Iterable[str]:
    if report.snippet:
        yield "<h2>To see it again</h2>"
        yield f"<pre><code>{text(report.snippet)}</code></pre>"
