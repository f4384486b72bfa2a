"""What `explain` says of the codes of a checked gradient, and its lines, run."""

import ast

import numpy as np
import pytest

from npcbam.diagnosis.kinds import KINDS
from npcbam.gradcheck import examine
from npcbam.gradcheck.codes import CODES
from npcbam.oracle.rules.of_gradients import meanings, to_dict, to_text

ALL = dict.fromkeys(each.code for each in (*CODES, *KINDS))


def test_a_code_of_a_gradient_check():
    (kink,) = meanings("kink")
    assert to_text(kink).splitlines() == [
        "CANNOT TELL: the point lies on a kink, where any of several cotangents is right",
        "  code    kink",
        "  stage   a gradient check: `npcbam grad`, `npcbam.gradcheck`",
        "  why     At relu's 0, or where two entries are the largest, the two sides have other"
        " slopes.",
        "  advice  Check at a point that is drawn at random.",
        "  bad     x = np.zeros(3)",
        "  fix     x = np.random.default_rng(0).normal(size=3)",
    ]


def test_a_kind_of_wrong_array_is_shown_by_an_exhibit():
    (sign,) = meanings("sign")
    said = to_text(sign).splitlines()
    assert said[:3] == [
        "WRONG ARRAY: the sign is the other one",
        "  code     sign",
        "  stage    what a wrong array is like: the kind of a finding of a gradient check",
    ]
    assert [line[:8].strip() for line in said[3:-4]] == ["why", "advice"]
    assert said[-4:] == [
        "  bad      dz = dy * -np.sin(x)  # that is the derivative of cos",
        "  fix      dz = dy * np.sin(x)",
        "  sources  jax-ml/jax#3213",
        "  seen in  `npcbam museum docs-sign`",
    ]


def test_of_many_exhibits_some_are_named():
    (several,) = meanings("only-last")
    assert to_text(several).splitlines()[-2:] == [
        "  seen in  `npcbam museum gather-overwrites`",
        "           `npcbam museum pool-overlap-assigns`",
    ]
    (mismatch,) = meanings("mismatch")
    many = len(mismatch.exhibits)
    assert to_text(mismatch).splitlines()[-1] == f"           and {many - 3} more"
    assert len(to_dict(mismatch)["exhibits"]) == many > 50


def test_a_word_with_two_meanings():
    assert [each.status for each in meanings("shape")] == ["wrong", "wrong array"]
    assert meanings("no-such") == []


def test_a_code_that_is_made_of_another():
    (partly,) = meanings("factor-partly")
    assert "modified-huber-two" in [each.name for each in partly.exhibits[:3]]
    assert all(partly.lines)


@pytest.mark.parametrize("code", ALL)
def test_each_has_lines_that_are_python(code):
    for meaning in meanings(code):
        data = to_dict(meaning)
        # Nothing is bad about what is right.
        assert bool(data["bad"] and data["fix"]) == (meaning.status != "right")
        ast.parse(data["bad"])
        ast.parse(data["fix"])
        assert data["bad"] != data["fix"] or not data["bad"]
        assert max(map(len, to_text(meaning).splitlines())) <= 112


# What the lines of a code are run with, where they do not say it themselves.
DRAW = np.random.default_rng(0)
GIVEN = {
    "x": DRAW.uniform(0.5, 2, (4, 3)) * [1, -1, 1], "w": DRAW.normal(size=(3, 5)),
    "a": DRAW.normal(size=(4, 3)), "b": DRAW.normal(size=(4, 3)), "c": DRAW.normal(size=(4, 3)),
}  # fmt: skip
OTHERS = {
    "mismatch": {"b": DRAW.normal(size=3)}, "digits": {"x": DRAW.uniform(0.5, 2, (4, 3))},
    "shifted": {"x": DRAW.normal(size=5)}, "cotangent-masked": {"x": DRAW.uniform(0.5, 2, (4, 3))},
}  # fmt: skip
# A point alone; there is nothing to run.
POINTS = {"kink", "jump"}
OWN = [each for each in (*CODES, *KINDS) if each.bad and each.code not in POINTS]


def bound(line):
    names = (node for node in ast.walk(line) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def read(line):
    return [node.id for node in ast.walk(line) if isinstance(node, ast.Name)]


def run(code, text):
    """Return what a check says of lines: the point, the forward until y, and the backward."""
    names = {"np": np, "rng": np.random.default_rng(1), "at": np.array([0, 0, 1, 2, 2, 2])}
    given = GIVEN | OTHERS.get(code, {})
    lines = ast.parse(text).body
    last = next(at for at, line in enumerate(lines) if "y" in bound(line))
    forward, backward = lines[: last + 1], lines[last + 1 :]
    while not any(name in given for name in read(forward[0])) or bound(forward[0]) & set("xab"):
        point = forward.pop(0)
        exec(ast.unparse(point), names)
        given |= {name: names[name] for name in bound(point)}
    args = [name for name in dict.fromkeys(n for f in forward for n in read(f)) if name in given]

    def values(arrays):
        seen = names | dict(zip(args, arrays, strict=True))
        exec("\n".join(map(ast.unparse, forward)), seen)
        return seen

    def left_out(name, arrays, dy):
        """Return a cotangent that the lines do not speak of, by complex steps."""
        found = np.zeros(arrays[args.index(name)].shape)
        for at in np.ndindex(found.shape):
            moved = [array.astype(complex) for array in arrays]
            moved[args.index(name)][at] += 1e-30j
            found[at] = (dy * values(moved)["y"].imag).sum() / 1e-30
        return found

    def f(*arrays):
        seen = values(arrays)

        def pullback(dy):
            after = seen | {"dy": dy}
            exec("\n".join(map(ast.unparse, backward)), after)
            found = (
                after[f"d{name}"] if f"d{name}" in after else left_out(name, arrays, dy)
                for name in args
            )
            return next(found) if len(args) == 1 else tuple(found)

        return seen["y"], pullback

    with np.errstate(all="ignore"):
        return examine(f, *(given[name] for name in args))


@pytest.mark.parametrize("each", OWN, ids=lambda each: each.code)
def test_bad_gives_its_code_and_fix_is_right(each):
    report = run(each.code, each.bad)
    assert each.code in {report.code, *(finding.kind for finding in report.findings)}
    assert run(each.code, each.fix).code == "right"
