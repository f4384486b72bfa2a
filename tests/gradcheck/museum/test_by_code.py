"""Which exhibits show what a code means."""

from npcbam.gradcheck.museum import EXHIBITS, exhibit
from npcbam.gradcheck.museum.by_code import lines, of_array, of_report


def test_by_the_code_of_a_report():
    assert [each.name for each in of_report("stale")] == ["input-kept-on-layer"]
    assert {each.truth for each in of_report("right")} == {"right"}
    assert sum(len(of_report(code)) for code in {e.code for e in EXHIBITS.values()}) == len(
        EXHIBITS
    )


def test_by_the_wrong_array():
    assert [each.array for each in of_array("factor")][:1] == ["factor"]
    assert [each.array for each in of_array("factor-partly")][:1] == ["factor-partly"]
    assert {each.array for each in of_array("only-up-to")} == {"only-up-to-0"}
    assert of_array("no-such") == []


def test_what_has_no_wrong_line_comes_last():
    found = of_array("not-finite")
    assert found[0].name != "norm-at-zero"
    assert lines([exhibit("norm-at-zero"), exhibit("docs-sign")]) == (
        "dz = dy * -np.sin(x)  # that is the derivative of cos",
        "dz = dy * np.sin(x)",
    )
    assert lines([exhibit("norm-at-zero")]) == lines([]) == ("", "")


def test_of_what_is_right_nothing_is_shown_as_wrong():
    assert lines(of_report("right")) == ("", "")
