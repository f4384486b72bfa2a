"""The page of all rules."""

import re

from npcbam.oracle.rules import page
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.page import anchor, to_html
from npcbam.oracle.rules.rule import Rule

HTML = to_html(list(RULES.values()))


def test_every_rule_has_its_anchor_and_a_link_to_it():
    ids = re.findall(r'<section id="([^"]+)">', HTML)
    assert sorted(ids) == sorted(RULES)
    links = re.findall(r'<a href="#([^"]+)">', HTML)
    assert sorted(links) == sorted(RULES)
    assert len(re.findall(r' id="', HTML)) == len(RULES)


def test_no_script_and_nothing_is_loaded():
    assert "<script" not in HTML
    assert "default-src 'none'" in HTML
    assert not re.search(r'(src|href)="[^#"]', HTML)


def test_tags_are_closed():
    for tag in ("section", "div", "pre", "p", "table", "details", "h2", "h3"):
        assert len(re.findall(rf"<{tag}[ >]", HTML)) == HTML.count(f"</{tag}>"), tag


def test_what_surrounds_the_lines_is_shown():
    assert "def channel(x):" in HTML
    assert "dzs = dms * ms * (1 - ms)" in HTML


def test_text_is_no_markup():
    odd = Rule("odd", "channel", "wrong", "<b>", why="<i>", bad="x < 1 & <u>", fix="<s>")
    shown = to_html([odd])
    assert not re.search(r"<[bius]>", shown)
    assert "x &lt; 1 &amp; &lt;u&gt;" in shown


def test_an_anchor():
    assert anchor("map-only") == "rules.html#map-only"
    assert anchor("spatial-shifted-back") == "rules.html#spatial-shifted"
    assert anchor("no-such-rule") == ""
    assert page.PAGE == "rules.html"
