"""From findings to the report: the worst decides, and what another explains is left out."""

from npcbam import CBAM
from npcbam.oracle.candidates import adapt
from npcbam.oracle.question import Question
from npcbam.oracle.reports.reported import Seen, reported
from npcbam.oracle.rules.catalogue import rule

SEEN = Seen(Question(expect="seed", seed=3), adapt(CBAM.init(0, 16)))


def test_the_worst_finding_decides():
    notes = [rule("dead-parameter").finding(name="b")]
    variant = [*notes, rule("residual").finding()]
    wrong = [*variant, rule("channel-two-sigmoids").finding()]
    verdicts = [reported(SEEN, found).verdict for found in ([], notes, variant, wrong)]
    assert verdicts == ["faithful", "faithful", "variant", "wrong"]
    assert reported(SEEN, wrong).findings[0].code == "channel-two-sigmoids"


def test_undecided_has_its_reason():
    report = reported(SEEN, [rule("never-runs").finding(what="fails")])
    assert (report.verdict, report.reason) == ("undecided", "it runs on no input: it fails")
    assert (report.expect, report.seed, report.target) == ("seed", 3, "CBAM")


def test_what_another_finding_explains_is_left_out():
    found = [rule("map-only").finding(), rule("output-shape").finding(got=1, expected=2)]
    assert [f.code for f in reported(SEEN, found).findings] == ["map-only"]
