"""What is said of wrong answers: known mistakes, relations to the right one, facts."""

import numpy as np
import pytest
from answers import SOLUTIONS, WRONG, changed

from npcbam import lessons, sigmoid


def run(sources, name):
    space = {"np": np, "sigmoid": sigmoid}
    for source in (*SOLUTIONS.values(), *sources):
        exec(source, space)
    return lessons.examine(space[name])


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_solution_is_right(name):
    verdict = run([], name)
    assert (verdict.outcome, verdict.codes) == ("right", ())
    assert str(verdict).startswith(f"Right: {name} gives ")


@pytest.mark.parametrize(("name", "old", "new", "said"), WRONG)
def test_a_wrong_answer_is_named(name, old, new, said):
    verdict = run([changed(name, old, new)], name)
    assert verdict.outcome == "wrong"
    assert str(verdict).startswith(f"Not yet: {said}")
    assert f'lessons.hint("{name}")' in verdict.reasons[-1]


def mean(make, y=lambda x: x.mean((2, 3), keepdims=True)):
    """Judge a mean whose dx is made of x, dy and what dx should be."""

    def mean_vjp(x):
        return y(x), lambda dy: make(x, dy, np.broadcast_to(dy / x[0, 0].size, x.shape))

    return lessons.examine(mean_vjp)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, dy, dx: 2 * dx, "dx is 2 times what it should be"),
        (lambda x, dy, dx: -dx, "dx has the wrong sign"),
        (lambda x, dy, dx: len(x) * dx, "dx is N times what it should be"),
        (lambda x, dy, dx: dx / x.shape[3], "dx is 1/W times what it should be"),
        (lambda x, dy, dx: dx * x[0].size, "dx is C·H·W times what it should be"),
        (lambda x, dy, dx: dx * x.max(), "dx is the largest of x times what it should be"),
        (lambda x, dy, dx: dx * np.sin(x.sum()), "dx is a multiple of what it should be, by"),
        (lambda x, dy, dx: 0 * dx, "dx is all zeros, and should not be"),
        (lambda x, dy, dx: dx / 0 * 0, "dx is NaN everywhere"),
        (lambda x, dy, dx: dx[0], "dx has the wrong shape: (N, C, H, W) is expected"),
        (lambda x, dy, dx: (1 + 1e-7) * dx, "dx is (1 + 1e-07) times what it should be"),
        (lambda x, dy, dx: dx[::-1], "dx is flipped along axis 0"),
        (lambda x, dy, dx: np.sin(20 * dx) * x,
         "dx is not right, and like no mistake that is known here"),
        (lambda x, dy, dx: dx + np.arange(x.shape[3]),
         "dx is off by a term that is the same along axes 0, 1 and 2"),
        (lambda x, dy, dx: dx * (np.arange(x.shape[3]) > 0),
         "dx is missing (zero) at index 0 along axis 3"),
        (lambda x, dy, dx: dx.reshape(-1), "dx has the right numbers in the shape (120,)"),
        (lambda x, dy, dx: dx[..., :1, :1], "dx has the shape (2, 3, 1, 1): spread it"),
        (lambda x, dy, dx: dx[:, ::-1], "dx is flipped along axis 1"),
        (lambda x, dy, dx: np.roll(dx, -1, 1), "dx is shifted along axis 1 by 1 towards the front"),
        (lambda x, dy, dx: x, "dx is what x is"),
        (lambda x, dy, dx: np.broadcast_to(dy[::-1], x.shape),
         "two things at once: every pixel gets the whole of dy"),
        (lambda x, dy, dx: x * dx + dx / x[0, 0].size - dx, "two things at once: dx is divided by"),
    ],
)  # fmt: skip
def test_relations_to_the_right_answer(make, said):
    assert str(mean(make)).startswith(f"Not yet: {said}")


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda x, dy, dx: dx * np.where(np.arange(x.shape[3]) > 0, 1, np.sin(x)),
         "Along axis 3, of length 5, all of them are at index 0"),
        (lambda x, dy, dx: dx * np.where(np.arange(x.shape[3]) > 0, 1, np.sin(x)),
         "24 of its 120 entries on `noise` are wrong"),
        (lambda x, dy, dx: np.cos(x), "It does not depend on dy at all"),
        (lambda x, dy, dx: np.cos(x), "It depends on x, and should not"),
        (lambda x, dy, dx: np.sin(dx * x),
         "It is not linear in dy: twice the dy does not give twice the dx"),
    ],
)  # fmt: skip
def test_what_is_proven_of_an_answer_that_nothing_explains(make, fact):
    verdict = mean(make)
    assert verdict.reasons[0] == "dx is not right, and like no mistake that is known here"
    assert fact in verdict.reasons


def test_what_does_not_depend_on_an_argument_is_said():
    def scale_vjp(gate, x):
        axes = tuple(i for i in range(4) if gate.shape[i] < x.shape[i])
        return gate * x, lambda dy: ((dy * x).sum(axes, keepdims=True), np.sin(dy))

    assert "It does not depend on gate, and should" in lessons.examine(scale_vjp).reasons


def test_several_mistakes_in_several_results_are_all_named():
    def scale_vjp(gate, x):
        return gate * x, lambda dy: (dy * x, dy)

    verdict = lessons.examine(scale_vjp)
    assert verdict.codes == ("scale-not-summed", "scale-gate-ignored")


def test_ties_may_be_shared():
    def max_vjp(x):
        y = x.max((2, 3), keepdims=True)
        tied = x == y
        return y, lambda dy: dy * tied / tied.sum((2, 3), keepdims=True, dtype=x.dtype)

    verdict = lessons.examine(max_vjp)
    assert (verdict.outcome, verdict.codes) == ("right", ("max-ties-even",))
    assert "Tied pixels share dy evenly" in str(verdict)


def test_a_pullback_that_fits_a_wrong_forward_is_recognised():
    advice = "Your pullback is the gradient of your own forward"
    doubled = mean(lambda x, dy, dx: 2 * dx, y=lambda x: 2 * x.mean((2, 3), keepdims=True))
    assert doubled.reasons[0] == "y is 2 times what it should be"
    assert any(reason.startswith(advice) for reason in doubled.reasons)
    single = mean(lambda x, dy, dx: dx, y=lambda x: 2 * x.mean((2, 3), keepdims=True))
    assert not any(reason.startswith(advice) for reason in single.reasons)


def test_the_evidence_is_where_the_answer_is_wrong():
    def max_vjp(x):
        y = x.max((2, 3), keepdims=True)
        return y, lambda dy: dy * (x == y)

    verdict = lessons.examine(max_vjp)
    assert verdict.codes == ("max-ties-all",)
    assert verdict.reasons[1].startswith("On `ties` dx[")


def test_what_several_results_share_is_said_once():
    def scale_vjp(gate, x):
        axes = tuple(i for i in range(4) if gate.shape[i] < x.shape[i])
        return gate * x, lambda dy: (-(dy * x).sum(axes, keepdims=True), -gate * dy)

    verdict = lessons.examine(scale_vjp)
    assert verdict.reasons[0] == "dgate and dx: each has the wrong sign"
    assert verdict.codes == ("sign",)


def test_a_mistake_that_changes_nothing_here_is_no_share():
    # Without relu's mask dw1 is as it should be.
    old, new = "dw1 = dz.T @ h_avg + dz.T @ h_max", "dw1 = dz.T @ np.sqrt(h_avg)"
    verdict = run([changed("shared_mlp_vjp", old, new)], "shared_mlp_vjp")
    assert verdict.reasons[0] == "dw1 is not right, and like no mistake that is known here"
