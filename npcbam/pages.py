"""A page of HTML that needs nothing else: no script, and the browser is forbidden to load anything.

Names and messages come from code that nobody has vouched for: all of it goes through `text`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from npcbam.messages import plain

STYLE = """\
:root { color-scheme: light dark; --back: #fff; --ink: #1a1a1a; --soft: #595959; --line: #bbb; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181b; --ink: #eee; --soft: #aaa; --line: #555; }
}
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif;
  background: var(--back); color: var(--ink); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; border-left: 0.5rem solid; padding-left: 0.75rem; }
h1.ok { border-left-style: double; }
.soft, figcaption, caption { color: var(--soft); font-size: 0.875rem; text-align: left; }
.scroll { overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; font-size: 0.875rem; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid var(--line); }
tr.differs td, tr.departs td { font-weight: bold; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid var(--line); font-size: 0.8125rem; }
.panels { display: flex; flex-wrap: wrap; gap: 1.5rem; }
figure { margin: 0; }
svg { display: block; color: var(--ink); }
"""


def document(title: object, body: Iterable[str], style: str = "") -> str:
    """Return a whole page; `style` is added to that of all pages."""
    style = STYLE + style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def text(value: object) -> str:
    """Return what a page may show of a value: letters alone, and no markup.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    return escape(plain(value))


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    marks: Sequence[str] = (),
) -> Iterable[str]:
    """Yield the lines of a table; `marks` are the classes of its rows."""
    yield '<div class="scroll"><table>'
    if caption:
        yield f"<caption>{text(caption)}</caption>"
    yield f"<tr>{''.join(f'<th>{text(head)}</th>' for head in heads)}</tr>"
    for row, mark in zip(rows, marks or [""] * len(rows), strict=True):
        opened = f'<tr class="{mark}">' if mark else "<tr>"
        yield f"{opened}{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>"
    yield "</table></div>"
