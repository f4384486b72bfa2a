"""The museum as one page of HTML that needs nothing else: no script, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from npcbam.gradcheck.museum.exhibit import Exhibit
from npcbam.gradcheck.museum.page import facts, said, sentences, titles
from npcbam.gradcheck.museum.source import lines, pair
from npcbam.pages import document, text

STYLE = """\
:root { --wrong: #fde8e6; --right: #e3f4e5; }
@media (prefers-color-scheme: dark) { :root { --wrong: #4a211d; --right: #1c3a22; } }
h2 { font-size: 1.25rem; margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.1rem; margin-top: 2.5rem; }
h4, summary { font-size: 0.875rem; color: var(--soft); margin: 0; }
nav ul { columns: 18rem; padding-left: 1.25rem; margin-top: 0.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
pre { margin: 0.25rem 0; overflow-wrap: normal; }
.wrong { background: var(--wrong); }
.right { background: var(--right); }
"""


def to_html(exhibits: Iterable[Exhibit]) -> str:
    """Return one page: the kinds with links to each exhibit, then all of them in full."""
    rooms = [
        (kind, list(group))
        for kind, group in groupby(
            sorted(exhibits, key=lambda each: (each.group, each.name)),
            key=lambda each: each.group,
        )
    ]
    count = sum(len(group) for _, group in rooms)
    title = "A museum of bugs in backward passes" if count > 1 else rooms[0][1][0].name
    parts = [f"<h1>{text(title)}</h1>"]
    if count > 1:
        parts += _index(rooms, count)
    for kind, group in rooms:
        parts.append(f"<h2>{text(kind)}</h2>")
        for each in group:
            parts += _section(each)
    return document(title, parts, STYLE)


def _index(rooms: list[tuple[str, list[Exhibit]]], count: int) -> list[str]:
    parts = [
        f"<p>{count} published bugs in hand-written gradients, each rebuilt in plain NumPy beside "
        "its repaired twin.</p>",
        "<nav>",
    ]
    for kind, group in rooms:
        links = (f'<li><a href="#{each.name}">{each.name}</a></li>' for each in group)
        parts += [f"<h4>{text(kind)}</h4>", "<ul>", *links, "</ul>"]
    return [*parts, "</nav>"]


def _section(exhibit: Exhibit) -> list[str]:
    names = titles(exhibit)
    parts = [
        f'<h3 id="{exhibit.name}">{exhibit.name}</h3>',
        f"<p>{text(exhibit.what)}.</p>",
        "<dl>",
        *(f"<dt>{head}</dt><dd>{text(known)}</dd>" for head, known in facts(exhibit).items()),
        "</dl>",
        '<div class="pair">',
    ]
    for name, side, rows in zip(names, ("wrong", "right"), pair(exhibit), strict=True):
        code = text("\n".join(rows)) or "(nothing)"
        parts.append(f'<div><h4>{name}</h4><pre class="{side}">{code}</pre></div>')
    parts += ["</div>", "<details><summary>in its place</summary>", _code(exhibit), "</details>"]
    parts.append("<h4>what npcbam says</h4>")
    for name, wrong in zip(names, (True, False), strict=True):
        told = "<br>".join(map(text, sentences(said(exhibit, wrong))))
        parts.append(f"<p><strong>of {name}</strong>: {told}</p>")
    return parts


def _code(exhibit: Exhibit) -> str:
    marks = {"": " ", "wrong": "-", "right": "+"}
    rows = []
    for line in lines(exhibit):
        row = text(f"{marks[line.side]} {line.text}".rstrip())
        rows.append(f'<span class="{line.side}">{row}</span>' if line.side else row)
    return "<pre>" + "\n".join(rows) + "</pre>"
