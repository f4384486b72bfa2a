"""`npcbam rules` and `npcbam explain`."""

import json

import pytest

from npcbam import cli
from npcbam.diagnosis.kinds import KINDS
from npcbam.gradcheck.codes import CODES
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.command import explain


def test_rules_are_listed(capsys):
    assert cli.main(["rules"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("channel: the channel gate, Eq. 2\n  channel-paper ")
    assert out.endswith(f"{len(RULES)} rules. `npcbam explain CODE` shows one in full.\n")
    assert all(f"\n  {code} " in out for code in RULES)


def test_rules_as_json(capsys):
    assert cli.main(["rules", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], len(found["rules"])) == (1, len(RULES))
    assert found["rules"][0]["code"] == "channel-paper"
    assert list(found["rules"][0]) == [
        "code", "stage", "status", "sentence", "why", "bad", "fix", "sources", "supersedes", "was",
        "number",
    ]  # fmt: skip


def test_files(tmp_path, capsys):
    page, data = tmp_path / "rules.html", tmp_path / "rules.json"
    assert cli.main(["rules", "--html", str(page), "--json", str(data)]) == 0
    assert capsys.readouterr().out == ""
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert len(json.loads(data.read_text())["rules"]) == len(RULES)


@pytest.mark.parametrize("code", [*RULES, *(each.code for each in (*CODES, *KINDS))])
def test_every_code_is_explained(code):
    assert f"  {code}\n" in explain(code)


def test_explain(capsys):
    assert cli.main(["explain", "channel-two-sigmoids", "sign"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("WRONG: each branch has its own sigmoid and the two are added")
    assert "\n\nWRONG ARRAY: the sign is the other one\n  code     sign\n" in out


def test_explain_as_json(tmp_path, capsys):
    assert cli.main(["explain", "shape", "spatial-tanh", "wrong", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = [(each["code"], each["status"]) for each in found["codes"]]
    assert (found["schema"], said) == (1, [
        ("shape", "wrong"), ("shape", "wrong array"), ("spatial-tanh", "wrong"), ("wrong", "wrong"),
    ])  # fmt: skip
    assert all(each["bad"] and each["fix"] for each in found["codes"][:3])
    assert "row-not-summed" in found["codes"][0]["exhibits"]
    data = tmp_path / "codes.json"
    assert cli.main(["explain", "sign", "--json", str(data)]) == 0
    assert capsys.readouterr().out == explain("sign") + "\n"
    assert [each["code"] for each in json.loads(data.read_text())["codes"]] == ["sign"]


def test_a_verdict_is_explained():
    assert explain("faithful") == explain("FAITHFUL")
    assert explain("wrong").startswith("WRONG: ")


def test_none_is_proposed_twice(capsys):
    assert cli.main(["explain", "not-linear"]) == 2
    assert capsys.readouterr().err.count("not-finite") == 1


def test_an_old_code_leads_to_its_rule():
    assert explain("spatial-shifted-back") == explain("spatial-shifted")


def test_a_word_with_two_meanings_has_both():
    assert "WRONG ARRAY" in explain("not-finite")
    assert "not-finite" in RULES
    assert len(explain("not-finite").split("\n\n")) == 2


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("chanel-two-sigmoid", "channel-two-sigmoids"),
        ("mismach", "mismatch"),
        ("CHANNEL-TWO-SIGMOIDS", "channel-two-sigmoids"),
    ],
)
def test_an_unknown_code(code, near, capsys):
    assert cli.main(["explain", code]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"npcbam: code: expected one that a report gives, got {code!r}; the")
    assert near in err
    assert err.count("\n") == 1


def test_unknown_codes_beside_known_ones(capsys):
    assert cli.main(["explain", "spatial-tanh", "?", "jump", "!"]) == 2
    out, err = capsys.readouterr()
    assert out.rstrip("\n") == "\n\n".join([explain("spatial-tanh"), explain("jump")])
    assert err.count("\n") == 1
    assert "got '?'" in err
    assert "got '!'" in err


def test_a_code_like_no_other(capsys):
    assert cli.main(["explain", "?"]) == 2
    assert capsys.readouterr().err.endswith("got '?'\n")
