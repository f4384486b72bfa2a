"""The report as a page: well-formed, self-contained, nothing in it that a candidate could run."""

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from npcbam.messages import plain
from npcbam.oracle import check, examples
from npcbam.oracle.findings import Finding
from npcbam.oracle.reports.html import NO_MAPS, to_html

VOID = {"meta", "rect", "path", "br"}


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
        if tag not in VOID or tag == "rect":
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


@pytest.fixture(scope="module")
def wrong():
    return check(examples.two_sigmoids, channels=32)


@pytest.fixture(scope="module")
def right():
    return check(examples.right, channels=32)


def maps(mc=(2, 1), ms=((1.0, 0.5, 0.25), (0.5, 0.5, 0.5))):
    """Two channels and 2 x 3 positions; the candidate's map is off at one of each."""
    return {
        "candidate_mc": list(mc),
        "reference_mc": [1.0, 1.0],
        "candidate_ms": [list(row) for row in ms],
        "reference_ms": [[1.0, 0.5, 0.25], [0.5, 0.5, 1.0]],
    }


def test_says_all_that_the_report_says(wrong):
    page = Page(to_html(wrong))
    assert not page.open
    assert page.of("h1") == [wrong.headline]
    assert page.of("h3")[0] == wrong.findings[0].message
    assert wrong.findings[0].snippet in page.of("code")
    cells = page.of("td")
    for row in wrong.conventions:
        assert (row.axis, row.value, row.paper, row.authors) in zip(
            cells, cells[1:], cells[2:], cells[3:], strict=False
        )
    for row in wrong.rows:
        assert (row.input, row.tensor) in itertools.pairwise(cells)
    assert set(wrong.inputs.values()) <= set(cells)


def test_the_verdict_stands_first(wrong, right):
    for report, mark in ((wrong, "not-ok"), (right, "ok")):
        source = to_html(report)
        assert source.index(f'<body>\n<h1 class="{mark}">') < source.index("<h2>")
    assert "None: nothing sets it apart" in to_html(right)


def test_needs_and_loads_nothing(wrong):
    source = to_html(replace(wrong, maps=maps()))
    page = Page(source)
    loading = {"src", "xlink:href", "srcset", "action", "style", "background", "data"}
    assert not {name for name, _ in page.attributes if name in loading or name.startswith("on")}
    # A link loads nothing until it is followed, and all lead to the page of rules.
    links = [value for name, value in page.attributes if name == "href"]
    assert all(value.startswith("rules.html#") for value in links)
    assert not {"script", "link", "iframe", "object", "embed", "base", "img"} & set(page.tags)
    assert "url(" not in source
    assert "@import" not in source


def test_the_policy_lets_its_own_style_through(wrong):
    source = to_html(wrong)
    (style,) = re.findall("<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [text for _, text in Page(source).attributes if text and "default-src" in text]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"


EVIL = "</style></title><script>alert('1')</script>\"onload=\"x\x1b\x00\ud800\u202e"


def test_nothing_of_a_candidate_is_markup(wrong):
    finding = Finding("effects", EVIL, EVIL, evidence={EVIL: EVIL}, snippet=EVIL)
    rows = tuple(replace(row, input=EVIL, tensor=EVIL) for row in wrong.rows)
    conventions = tuple(replace(row, axis=EVIL, value=EVIL) for row in wrong.conventions)
    hurt = replace(
        wrong,
        target=EVIL,
        expect=EVIL,
        reason=EVIL,
        findings=(finding,),
        conventions=conventions,
        rows=rows,
        inputs={EVIL: EVIL},
        framework=EVIL,
        dtype=EVIL,
    )
    source, safe = to_html(hurt), to_html(wrong)
    assert "alert(" in source
    assert "<script" not in source
    assert not set(source) & {"\x1b", "\x00", "\ud800", "\u202e"}
    assert source.encode("utf-8")
    # No rule is linked to that there is not.
    assert set(Page(source).tags) == set(Page(safe).tags) - {"a"}


def test_a_class_of_an_evil_name():
    evil = type("<script>alert(1)</script>", (), {})
    evil.parameters = {"w": np.ones(3)}
    evil.vjp = lambda self, x: (x, lambda dy: (self, dy))
    source = to_html(check(evil()))
    assert "&lt;script&gt;alert(1)" in source
    assert "<script" not in source


def test_says_why_there_are_no_maps(wrong):
    assert NO_MAPS in Page(to_html(replace(wrong, maps=None))).of("p")
    half = {name: maps()[name] for name in ("candidate_mc", "reference_ms")}
    assert NO_MAPS in Page(to_html(replace(wrong, maps=half))).of("p")


def boxes(source):
    """Return the boxes of each picture: x, y, width, height, opacity."""
    number = r'"([\d.e+-]+)"'
    box = f"<rect x={number} y={number} width={number} height={number} .*?opacity={number}>"
    pictures = re.findall(r"<svg.*?</svg>", source, re.DOTALL)
    return [[tuple(map(float, found)) for found in re.findall(box, one)] for one in pictures]


def test_a_report_comes_with_its_maps(wrong):
    """Mc runs to 2 and is drawn so; Ms then differs as well, for it reads F'."""
    pictures = boxes(to_html(wrong))
    assert [len(picture) for picture in pictures] == [32] * 3 + [35] * 3
    assert max(wrong.maps["candidate_mc"]) > 1
    assert max(box[3] for box in pictures[0]) == 180 > max(box[3] for box in pictures[1])
    assert any(box[4] for box in pictures[5])


def test_pictures_by_hand(wrong):
    got, expected, gap, got_ms, expected_ms, gap_ms = boxes(to_html(replace(wrong, maps=maps())))
    # Bars of 2, 1 and of 1, 1, in a picture 180 high that spans 0 to 2; they part by 1, 0.
    assert [box[3] for box in got] == [180, 90]
    assert [box[3] for box in expected] == [90, 90]
    assert [(box[1], box[3]) for box in gap] == [(0, 90), (90, 0)]
    assert [box[4] for box in got_ms] == [1, 0.5, 0.25, 0.5, 0.5, 0.5]
    assert [box[4] for box in expected_ms] == [1, 0.5, 0.25, 0.5, 0.5, 1]
    assert [box[4] for box in gap_ms] == [0, 0, 0, 0, 0, 1]
    side = 180 / 2
    assert [box[:2] for box in got_ms] == [(side * j, side * i) for i in (0, 1) for j in range(3)]


def test_equal_maps_show_no_difference(wrong):
    same = maps((1, 1), ((1.0, 0.5, 0.25), (0.5, 0.5, 1.0)))
    pictures = boxes(to_html(replace(wrong, maps=same)))
    assert not any(box[3] for box in pictures[2])
    assert not any(box[4] for box in pictures[5])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(wrong, bad):
    source = to_html(replace(wrong, maps=maps((bad, 1), ((bad, 0.5, 0.25), (0.5, 0.5, 0.5)))))
    assert source.count("not finite everywhere") == 2
    for picture in boxes(source):
        assert all(np.isfinite(box).all() and 0 <= box[4] <= 1 for box in picture)
    # A bar over all the height, and a cell that is crossed out.
    assert boxes(source)[0][0][3] == 180
    assert source.count("m0 -") == 2


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (1, 1)])
def test_maps_of_any_rank(wrong, shape):
    ms = np.linspace(0, 1, int(np.prod(shape))).reshape(shape).tolist()
    pictures = boxes(to_html(replace(wrong, maps={"candidate_ms": ms, "reference_ms": ms})))
    assert [len(picture) for picture in pictures] == [np.prod(shape)] * 3


@pytest.mark.parametrize("shape", [(2, 2), (100, 100)])
def test_no_picture_of_what_cannot_be_drawn(wrong, shape):
    pair = {"candidate_ms": np.ones(shape).tolist(), "reference_ms": np.ones((100, 100)).tolist()}
    source = to_html(replace(wrong, maps=pair))
    assert "<svg" not in source
    assert f"No picture: its shape is {shape}" in source


def test_plain():
    assert plain("W₀ ⊗ x\n") == "W₀ ⊗ x\n"
    assert plain("\x1b[2J\r\u202e\ud800") == "\\x1b[2J\\r\\u202e\\ud800"
