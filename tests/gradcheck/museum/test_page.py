"""A page has the sentence, the source, both lines and both verdicts, as text, data and HTML."""

import json
import re

import pytest

from npcbam.gradcheck.museum import EXHIBITS, exhibit
from npcbam.gradcheck.museum.html import to_html
from npcbam.gradcheck.museum.page import to_dict, to_text

FEW = [exhibit(name) for name in ("row-not-summed", "bias-mean", "reduce-max-even")]


# By hand


def test_the_wrong_line_stands_beside_the_right_one():
    text = to_text(exhibit("bias-mean"))
    assert re.search(r"db = dy\.mean\(axis=0\) .* +db = dy\.sum\(axis=0\)\n", text)
    assert re.search(r"^source +kvfrans/notes#5$", text, re.MULTILINE)
    assert re.search(r"^  wrong +wrong: ", text, re.MULTILINE)
    assert re.search(r"^  right +right: ", text, re.MULTILINE)
    assert text.startswith("bias-mean\n\nThe bias gradient takes the mean")


def test_what_was_reported_and_is_right_is_not_called_wrong():
    text = to_text(exhibit("reduce-max-even"))
    assert "In its place (reported -, the other way +)" in text
    assert not re.search(r"^  wrong", text, re.MULTILINE)


def test_a_line_that_is_missing_is_nothing():
    assert "(nothing)" in to_text(exhibit("pool-ties-all"))


# Laws


@pytest.mark.parametrize("each", FEW, ids=lambda each: each.name)
def test_a_page_fits_a_terminal(each):
    assert max(map(len, to_text(each).splitlines())) <= 100


def test_the_data_is_json_with_both_verdicts():
    page = json.loads(json.dumps(to_dict(exhibit("row-not-summed"))))
    assert page["npcbam"]["wrong"]["code"] == "shape"
    assert page["npcbam"]["right"]["outcome"] == "right"
    assert page["lines"]["right"] == ["db = dy.sum(axis=0, keepdims=True)"]
    assert page["source"] == "deeplearning4j/nd4j#2424"


def test_the_html_has_an_anchor_for_each_link_and_loads_nothing():
    html = to_html(FEW)
    links = re.findall(r'href="(.*?)"', html)
    assert links == [f"#{each.name}" for each in sorted(FEW, key=lambda e: (e.group, e.name))]
    assert all(f'id="{each.name}"' in html for each in FEW)
    assert "default-src 'none'" in html
    assert not re.search(r"<script|https?://|\bsrc=", html)
    assert "while n &gt; 1" in to_html([EXHIBITS["odd-tree-reduction"]])
