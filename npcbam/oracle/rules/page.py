"""All rules as one page of HTML, or as data. Each has an anchor, to which reports can link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from npcbam.oracle.rules import lines
from npcbam.oracle.rules.catalogue import RULES, WAS
from npcbam.oracle.rules.rule import Rule
from npcbam.oracle.rules.text import TITLES, by_stage, codes, entries, template
from npcbam.pages import document, table, text

# What `npcbam rules --html` is asked to write, where a report links to it.
PAGE = "rules.html"
STYLE = """\
:root { --bad: #fde8e6; --fix: #e3f4e5; }
@media (prefers-color-scheme: dark) { :root { --bad: #4a211d; --fix: #1c3a22; } }
h2 { font-size: 1.25rem; margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2.5rem 0 0; }
h4, summary { font-size: 0.875rem; color: var(--soft); margin: 0; }
section p { margin: 0.4rem 0; }
section:target { outline: 2px solid; outline-offset: 0.5rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
pre { margin: 0.25rem 0; overflow-wrap: normal; }
.bad { background: var(--bad); }
.fix, .paper { background: var(--fix); }
a { color: inherit; }
"""
ABOUT = (
    "All that a check can say, each with the code that reports and scripts have for it, why "
    "it matters, lines of NumPy that do it, and lines that do it as the paper has it."
)
# What is shown beside both pieces of code, or as a heading, and not in the list below them.
SHOWN = ("code", "stage", "why", "bad", "fix", "here", "paper")


def anchor(code: str) -> str:
    """Return the address of a rule beside a report, or "" where there is no such rule.

    >>> anchor("channel-first")
    'rules.html#channel-first'
    """
    found = RULES.get(code) or WAS.get(code)
    return f"{PAGE}#{found.code}" if found else ""


def to_dict(rule: Rule) -> dict[str, object]:
    """Return all that is known of a rule as JSON has it."""
    words = ("code", "stage", "status", "sentence", "why", "bad", "fix")
    known: dict[str, object] = {name: getattr(rule, name) for name in words}
    lists = {name: list(getattr(rule, name)) for name in ("sources", "supersedes", "was")}
    return known | lists | {"number": rule.number or None}


def to_html(rules: Sequence[Rule]) -> str:
    """Return one page: a table of the rules by stage, then each with all that is known of it."""
    body = [f"<h1>The {len(rules)} rules of npcbam check</h1>", f"<p>{text(ABOUT)}</p>", *_around()]
    for stage, group in by_stage(rules):
        body.append(f"<h2>{text(TITLES[stage][0].upper() + TITLES[stage][1:])}</h2>")
        body += _index(group)
        for rule in group:
            body += _section(rule)
    return document("The rules of npcbam check", body, STYLE)


def _around() -> Iterable[str]:
    yield "<details><summary>What surrounds the lines: a right block</summary>"
    whole = lines.AROUND + "\n" + lines.WHOLE.format(lines="# forward").strip()
    yield f"<pre>{text(whole)}\n\n# backward\n{text(lines.FORWARD + lines.BACKWARD)}</pre></details>"


def _index(rules: Sequence[Rule]) -> Iterable[str]:
    rows = [(rule.code, rule.status, template(rule.sentence)) for rule in rules]
    for line in table("", ("code", "status", "what a report says"), rows):
        for code, *_ in rows:
            if line.startswith(f"<tr><td>{code}</td>"):
                line = line.replace(code, f'<a href="#{code}">{code}</a>', 1)
                break
        yield line


def _section(rule: Rule) -> Iterable[str]:
    yield f'<section id="{text(rule.code)}">'
    yield f"<h3>{text(template(rule.sentence))}</h3>"
    yield f'<p class="soft">{text(f"{rule.status}, {rule.stage}: {rule.code}")}</p>'
    yield f"<p>{text(rule.why)}</p>"
    yield '<div class="pair">'
    for label, code in codes(rule):
        yield f'<div><h4>{label}</h4><pre class="{label}">{text(code)}</pre></div>'
    yield "</div>"
    more = [f"{label}: {value}" for label, value in entries(rule) if label not in SHOWN]
    yield f'<p class="soft">{text("; ".join(more))}</p></section>'
