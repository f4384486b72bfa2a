"""A page that needs nothing else, whatever is said in it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from npcbam import pages

EVIL = "<script>alert('x')</script>\x1b&\"'"


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.opened, self.shown = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)

    def handle_data(self, data):
        self.shown += data


def test_text_is_text():
    seen = Tags(pages.text(EVIL))
    assert (seen.opened, seen.shown) == ([], "<script>alert('x')</script>\\x1b&\"'")


def test_a_page_is_allowed_its_own_style_and_nothing_else():
    page = pages.document(EVIL, ["<p>one</p>"], style="b { color: red; }")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style == pages.STYLE + "b { color: red; }"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"\"default-src 'none'; style-src 'sha256-{digest}'\"" in page
    assert "script" not in Tags(page).opened
    assert page.startswith("<!DOCTYPE html>\n")


def test_table():
    lines = [*pages.table(EVIL, ["a", "b"], [["1", EVIL], ["2", "3"]], ["differs", ""])]
    seen = Tags("\n".join(lines))
    assert seen.opened.count("td") == 4
    assert "script" not in seen.opened
    assert [line[:4] for line in lines if line.startswith("<tr")] == ["<tr>", "<tr ", "<tr>"]
    assert "<caption>" not in "".join(pages.table("", ["a"], [["1"]]))
    with pytest.raises(ValueError, match="zip"):
        [*pages.table("", ["a"], [["1"], ["2"]], ["differs"])]
