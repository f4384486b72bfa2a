"""The report as a page: well-formed, self-contained, and nothing in it that could run."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from reported import leaf, right, wrong

from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.page import to_html
from npcbam.gradcheck.picture import LEGEND, STYLE
from npcbam.gradcheck.report import GradReport

VOID = {"meta", "rect", "path"}


class Page(HTMLParser):
    """A page read back: its elements, its attributes, the text of each kind of element."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [text for kind, text in self.texts if kind == tag]


def test_says_all_that_the_report_says():
    report = wrong()
    page = Page(to_html(report, "layers.py:f"))
    assert not page.open
    assert page.of("h1") == ["wrong: dx: row 1 is 2 times the derivative"]
    assert page.of("title") == ["wrong: layers.py:f"]
    assert [f.sentence for f in report.findings] == page.of("h3")[:2]
    assert page.of("code") == [report.snippet]
    assert page.of("li")[-1] == "all of w are equal"
    cells = page.of("td")
    assert cells[:5] == ["dx", "(3, 4)", "every entry", "4 of 12", "8e+13"]
    assert cells[6:10] == ["dw", "(2,)", "every entry", "0 of 2"]


def test_all_that_a_page_says():
    report = replace(wrong(), ties="first", switch="x[0] is 0")
    want = report.leaves[0].want
    worst = [
        (f"[1, {j}]", f"{2 * want[1, j]:g}", f"{want[1, j]:g}", f"{want[1, j]:g}") for j in range(4)
    ]
    said = [text for tag, text in Page(to_html(report, "layers.py:f")).texts if tag != "style"]
    assert said == [
        "wrong: layers.py:f",
        "wrong: dx: row 1 is 2 times the derivative",
        "layers.py:f; reference: complex step; seed 3",
        "Findings",
        "dx: row 1 is 2 times the derivative",
        "mismatch, factor, dx, unrelated",
        "the pullback writes to w",
        "writes, dw",
        "Cotangents",
        "Errors in units of the allowed one: above 1, in bold, is no rounding.",
        *("of", "shape", "looked at", "wrong", "worst / allowed", "caught from"),
        *("dx", "(3, 4)", "every entry", "4 of 12", "8e+13", "1.0e-13"),
        *("dw", "(2,)", "every entry", "0 of 2", "0", "1.0e-13"),
        "Where it is wrong",
        *(words for _, words in LEGEND),
        "dx",
        "axis 1: 4",
        "axis 0: 3",
        "|dx - derivative|: at most 8",
        "The entries that are furthest off.",
        *("entry", "the pullback gives", "the derivative is", "off by"),
        *(cell for row in reversed(worst) for cell in row),
        "Notes",
        "Ties: first",
        "Switch: x[0] is 0",
        "all of w are equal",
        "To see it again",
        "npcbam grad layers.py:f",
    ]


def test_how_many_digits_agree():
    found = Finding("mismatch", "x", "dx is off", "factor", "2 digits")
    page = Page(to_html(replace(wrong(), findings=(found,))))
    assert "mismatch, factor, dx, agrees to 2 digits" in page.of("p")


def test_a_row_of_what_is_off_is_marked():
    source = to_html(wrong())
    assert source.count('<tr class="differs">') == 1
    assert '<tr class="differs"><td>dx</td>' in source


def test_a_page_has_the_style_of_its_pictures():
    assert STYLE in to_html(wrong())


def test_what_is_no_number_is_listed_without_a_warning():
    got, want = np.array([1e308, np.inf, 1.0]), np.array([-1e308, np.inf, 1.0])
    seen = replace(leaf("x", [1.0, 2], [1.0, 1]), got=got, want=want)
    cells = Page(to_html(replace(wrong(), leaves=(seen,)))).of("td")[6:]
    assert cells == ["[0]", "1e+308", "-1e+308", "inf", "[1]", "inf", "inf", "nan"]


def test_the_entry_that_shows_a_fault_stands_below_it():
    entry = "dx[0, 1]: the pullback gives 2, the derivative is 1"
    found = Finding("mismatch", "x", "dx is doubled", evidence=entry)
    report = replace(wrong(), reason=found.sentence, evidence=entry, findings=(found,))
    page = Page(to_html(report))
    assert (page.of("h1"), page.of("h3")[0]) == (["wrong: dx is doubled"], "dx is doubled")
    assert page.of("p").count(entry) == 1


def test_what_to_do_stands_below_what_cannot_be_told():
    page = Page(to_html(GradReport("cannot tell", "random", "f is random", 0, evidence="seed it")))
    assert page.of("p")[0] == "seed it"


def test_one_picture_a_wrong_leaf_and_its_worst_entries():
    page = Page(to_html(wrong()))
    assert page.tags.count("figure") == 1
    assert page.of("figcaption") == ["|dx - derivative|: at most 8"]
    rows = page.of("td")[12:]
    assert rows[:4] == ["[1, 3]", "16", "8", "8"]
    assert len(rows) == 4 * 4
    assert "figure" not in Page(to_html(right())).tags


def test_what_is_no_number_comes_first_and_what_is_not_known_never():
    got, want = np.array([np.nan, 5.0, 9.0, np.inf]), np.array([1.0, 1.0, np.nan, 2.0])
    seen = replace(leaf("x", [1.0, 2], [1.0, 1]), got=got, want=want)
    cells = Page(to_html(replace(wrong(), leaves=(seen,)))).of("td")[6:]
    assert cells[::4] == ["[0]", "[3]", "[1]"]


@pytest.mark.parametrize("outcome", ["right", "wrong", "cannot tell"])
def test_every_outcome(outcome):
    page = Page(to_html(GradReport(outcome, "x", "because", 0)))
    assert page.of("h1") == [f"{outcome}: because"]
    assert ("class", "ok" if outcome == "right" else "not-ok") in page.attributes


def test_loads_and_runs_nothing():
    source = to_html(wrong())
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in source.replace("&#x27;", "'")
    page = Page(source)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href", "style", "onload"} & {name for name, _ in page.attributes}


def test_what_comes_from_users_is_escaped():
    evil = '"><script>alert(1)</script>\x1b[2J'
    got, want = np.zeros(2), np.ones(2)
    report = replace(
        wrong(),
        reason=evil,
        findings=(Finding(evil, evil, evil, evil, evil),),
        leaves=(replace(leaf(evil, got, want), how=evil),),
        reference=evil,
        ties=evil,
        switch=evil,
        notes=(evil,),
        snippet=evil,
    )
    source = to_html(report, evil)
    assert "<script" not in source
    assert "\x1b" not in source
    page = Page(source)
    assert not page.open
    assert "script" not in page.tags
    assert source.count("alert(1)") >= 10
