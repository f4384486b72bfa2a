"""How the evidence becomes an outcome."""

import dataclasses
import math

import pytest
from judging import AGREE

from npcbam.gradcheck.report import Entry, LeafCheck
from npcbam.gradcheck.verdict import decide

FITS = Entry("x", (0,), got=1.0, left=1.0, right=1.0, allowed=0.5)
OFF, FAR = FITS.but(got=2.0), FITS.but(got=3.0, leaf="w")
KINKY = FITS.but(left=0.0, right=2.0, got=0.0, at_kink=True)
UNKNOWN = FITS.but(left=math.inf, right=math.inf)
FINE = LeafCheck("x", 4, "every entry", FITS, caught=0.01, scale=1.0, quiet=0.0)
ROUGH = (
    "the derivative is too rough here: an error of 0.011 in dx, "
    "whose largest entry is 1, would have passed"
)


@pytest.mark.parametrize(
    ("seen", "entries", "told"),
    [
        ([FINE], [FITS, FITS.but(other=True)], ("right", "right", AGREE)),
        ([], [], ("right", "right", AGREE)),
        ([FINE], [KINKY], ("right", "right", f"{AGREE} (this point sits on a kink)")),
        ([FINE], [FITS, OFF], ("wrong", "mismatch", str(OFF))),
        ([FINE], [OFF, FAR, FITS], ("wrong", "mismatch", str(FAR))),
        (
            [FINE],
            [FAR.but(other=True)],
            ("wrong", "nonlinear", f"the pullback is not linear in dy: {FAR}"),
        ),
        ([FINE], [FAR.but(other=True), OFF], ("wrong", "mismatch", str(OFF))),
        (
            [FINE],
            [OFF, FITS.but(got=math.nan)],
            ("wrong", "nan", str(FITS.but(got=math.nan))),
        ),
        ([FINE], [OFF, FITS.but(got=math.inf)], ("wrong", "nan", str(FITS.but(got=math.inf)))),
        ([FINE], [OFF, KINKY], ("wrong", "mismatch", f"{OFF}; the left derivative at a kink")),
        ([FINE], [FAR, KINKY], ("wrong", "mismatch", str(FAR))),
        (
            [FINE],
            [FITS, UNKNOWN],
            ("cannot tell", "nonfinite", "the derivative is not finite at this point"),
        ),
        ([FINE], [UNKNOWN, OFF], ("wrong", "mismatch", str(OFF))),
        (
            [FINE],
            [FITS, OFF.but(doubt="too near"), FAR.but(doubt="other")],
            ("cannot tell", "kink", f"too near: {OFF}"),
        ),
        ([FINE], [OFF, FAR.but(doubt="too near")], ("wrong", "mismatch", str(OFF))),
        ([dataclasses.replace(FINE, caught=0.011)], [], ("cannot tell", "resolution", ROUGH)),
        (
            [FINE, dataclasses.replace(FINE, caught=0.011)],
            [],
            ("cannot tell", "resolution", ROUGH),
        ),
        ([dataclasses.replace(FINE, caught=9.0, quiet=1.0)], [], ("right", "right", AGREE)),
        (
            [dataclasses.replace(FINE, caught=0.011, quiet=0.99)],
            [],
            ("cannot tell", "resolution", ROUGH),
        ),
    ],
)
def test_the_decision(seen, entries, told):
    kinky = [entry for entry in entries if entry.at_kink]
    assert decide(seen, entries, kinky) == told
