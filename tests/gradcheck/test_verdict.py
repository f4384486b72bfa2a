"""How the evidence becomes findings and doubts."""

import dataclasses
import math

import pytest

from npcbam.gradcheck.findings import Entry, LeafCheck
from npcbam.gradcheck.judge import Seen
from npcbam.gradcheck.verdict import COARSE, doubts, mismatches

FITS = Entry("x", (0,), got=1.0, left=1.0, right=1.0, allowed=0.5)
OFF, FAR = FITS.but(got=2.0), FITS.but(got=3.0, index=(4,))
ALONG = FITS.but(got=9.0, index=None)
OTHER = FAR.but(cotangent="another dy")
KINKY = FITS.but(left=0.0, right=2.0, got=0.0, at_kink=True)
UNKNOWN = FITS.but(left=math.inf, right=math.inf)
FINE = LeafCheck("x", (9,), 9, "every entry", FITS, caught=COARSE, scale=1.0)
ROUGH = (
    f"the derivative is too rough here: an error of {1.1 * COARSE:.2g} in dx, "
    "whose largest entry is 1, would have passed"
)


def told(entries, leaf=FINE, **more):
    """Return what is found wrong with one leaf, or None."""
    found = mismatches([leaf], [Seen(entries=entries, **more)])
    assert len(found) <= 1
    if found and found[0].evidence:
        return found[0].code, found[0].sentence, found[0].evidence
    return (found[0].code, found[0].sentence) if found else None


# What is wrong


@pytest.mark.parametrize(
    ("entries", "finding"),
    [
        ([FITS], None),
        ([], None),
        ([KINKY], None),
        ([FITS, OFF], ("mismatch", str(OFF))),
        ([OFF, FAR, FITS], ("mismatch", str(FAR))),
        # An entry says more than a direction.
        ([ALONG, OFF], ("mismatch", str(OFF))),
        ([ALONG], ("mismatch", str(ALONG))),
        # Another cotangent counts where the first one was right.
        ([OTHER, OFF], ("mismatch", str(OFF))),
        (
            [OTHER, FITS],
            (
                "nonlinear",
                "the pullback is not linear in dy: dx is right for one dy, wrong for another dy",
                str(OTHER),
            ),
        ),
        # What is not finite is further off than anything.
        ([OFF, FITS.but(got=math.nan)], ("nan", str(FITS.but(got=math.nan)))),
        ([OFF, FITS.but(got=-math.inf)], ("nan", str(FITS.but(got=-math.inf)))),
        # What is in doubt, or not known, is no mismatch.
        ([OFF.but(doubt="too near")], None),
        ([OFF, FAR.but(doubt="too near")], ("mismatch", str(OFF))),
        ([UNKNOWN], None),
        ([UNKNOWN, OFF], ("mismatch", str(OFF))),
    ],
)
def test_mismatches(entries, finding):
    assert told(entries) == finding


def test_each_leaf_has_a_finding_of_its_own():
    leaves = [dataclasses.replace(FINE, leaf=name) for name in ("a", "b", "c")]
    seen = [Seen(entries=[OFF]), Seen(entries=[FITS]), Seen(entries=[FAR])]
    assert [each.leaf for each in mismatches(leaves, seen)] == ["a", "c"]


def test_a_finding_says_how_severe_it_is():
    near = FITS.but(got=1.001, allowed=1e-9)
    (found,) = mismatches([FINE], [Seen(entries=[near])])
    assert found.severity == "3 digits"


# What cannot be told


@pytest.mark.parametrize(
    ("seen", "leaf", "doubt"),
    [
        (Seen(entries=[FITS]), FINE, None),
        (Seen(entries=[]), FINE, None),
        (
            Seen(entries=[FITS, UNKNOWN]),
            FINE,
            (
                "cannot tell",
                "nonfinite",
                "the derivative is not finite at this point, in dx[0]",
                "",
            ),
        ),
        (
            Seen(entries=[FITS, UNKNOWN], jumps=True),
            FINE,
            ("cannot tell", "jump", "f jumps at this point, or moves in steps, in dx[0]", ""),
        ),
        (Seen(entries=[FITS], jumps=True), FINE, None),
        (
            Seen(entries=[FITS, OFF.but(doubt="too near"), FAR.but(doubt="other")]),
            FINE,
            ("cannot tell", "kink", "too near", str(OFF)),
        ),
        (
            Seen(entries=[FITS, FITS.but(allowed=math.inf, index=(4,))]),
            dataclasses.replace(FINE, caught=math.inf),
            (
                "cannot tell",
                "nonfinite",
                "the derivative is not finite at this point, in dx[4], or f is not beside it",
                "",
            ),
        ),
        (
            Seen(entries=[FITS]),
            dataclasses.replace(FINE, caught=1.1 * COARSE),
            ("cannot tell", "resolution", ROUGH, ""),
        ),
        (Seen(entries=[FITS]), dataclasses.replace(FINE, caught=9.0, scale=0.0), None),
    ],
)
def test_doubts(seen, leaf, doubt):
    assert doubts([leaf], [seen]) == doubt


def test_the_first_doubt_is_told():
    rough = dataclasses.replace(FINE, caught=1.1 * COARSE)
    seen = [Seen(entries=[FITS]), Seen(entries=[UNKNOWN])]
    assert doubts([rough, FINE], seen)[1] == "resolution"
    assert doubts([FINE, rough], seen[::-1])[1] == "nonfinite"
