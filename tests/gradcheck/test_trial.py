"""One check at one point, from a function to its report: what is passed by, named and told."""

import dataclasses
import json

import numpy as np
import pytest

from npcbam.gradcheck import check_vjp, examine
from npcbam.gradcheck.trial import GRAVEST

X = np.array([[1.0, -3.0, 0.4], [0.5, 2.0, -0.7]])
SEEDS = range(4)


def codes(report):
    return {(finding.code, finding.leaf) for finding in report.findings}


# By hand


def test_a_factor_is_told_with_its_severity_and_its_count():
    report = examine(lambda x: (x**2, lambda dy: 2.002 * dy * x), X)
    (finding,), (leaf,) = report.findings, report.leaves
    assert (finding.code, finding.kind, finding.severity) == ("mismatch", "factor", "3 digits")
    assert finding.sentence.startswith("dx is 1.001 times what it should be")
    assert (leaf.wrong, leaf.looked, leaf.size) == (6, 6, 6)
    np.testing.assert_allclose(leaf.got, 1.001 * leaf.want, rtol=1e-12)
    np.testing.assert_array_equal(np.sign(leaf.want * leaf.got), 1)


def test_one_wrong_entry_is_counted_as_one():
    def f(x):
        def pullback(dy):
            dx = 2 * dy * x
            dx[1, 2] += 1e-6
            return dx

        return x**2, pullback

    report = examine(f, X)
    assert (report.leaves[0].wrong, report.leaves[0].looked) == (1, 6)
    assert report.worst.index == (1, 2)


def test_a_right_leaf_keeps_no_arrays():
    (leaf,) = check_vjp(lambda x: (x**2, lambda dy: 2 * dy * x), X).leaves
    assert (leaf.got, leaf.want, leaf.wrong) == (None, None, 0)


# What is passed by


def test_whatever_has_no_gradient_is_passed_by():
    def f(x, axis, index, mode, nothing, flag, rng):
        assert mode == "sum"
        assert nothing is None
        assert flag is True
        y = x[index].sum(axis) + rng.integers(3)

        def pullback(dy):
            dx = np.zeros_like(x)
            np.add.at(dx, index, np.broadcast_to(np.expand_dims(dy, axis), x[index].shape))
            return dx, None, None, None, None, None, None

        return y, pullback

    args = X, 1, np.array([1, 0, 1]), "sum", None, True, np.random.default_rng(0)
    report = check_vjp(f, *args)
    assert list(report.smallest_caught) == ["x"]


def test_repeated_indices_must_add_up():
    index = np.array([1, 0, 1])

    def f(x):
        def pullback(dy):
            dx = np.zeros_like(x)
            dx[index] += dy  # the last of repeated ones wins
            return dx

        return x[index], pullback

    report = examine(f, X)
    assert report.outcome == "wrong"
    assert report.findings[0].kind != ""


@pytest.mark.parametrize("seed", SEEDS)
def test_none_is_a_cotangent_where_the_derivative_is_0(seed):
    def f(x, w):
        return x**2 + 0 * w, lambda dy: (2 * dy * x, None)

    assert examine(f, X, X + 1, seed=seed).outcome == "right"
    report = examine(lambda x, w: (x * w, lambda dy: (dy * w, None)), X, X + 1, seed=seed)
    assert codes(report) == {("structure", "w")}
    assert "no cotangent (None) for w" in report.reason


def test_integer_results_get_no_weight():
    def f(x):
        at = int(x.argmax())
        return {"most": x.max(), "at": at, "counts": np.array([1, 2])}, lambda dy: place(dy, at)

    def place(dy, at):
        assert dy["at"] is None
        dx = np.zeros(X.size)
        dx[at] = dy["most"]
        return dx.reshape(X.shape)

    assert check_vjp(f, X).outcome == "right"


@pytest.mark.parametrize("y", [None, "y", (), {}])
def test_a_result_without_a_number_is_none(y):
    report = examine(lambda x: (y, lambda dy: None), X)
    assert (report.outcome, report.code) == ("wrong", "structure")
    assert report.reason.startswith("y: expected")


def test_a_loss_that_is_a_python_float():
    f = lambda x: (float((x**2).sum()), lambda dy: 2 * dy * x)  # noqa: E731
    assert check_vjp(f, X).outcome == "right"


# Names


@dataclasses.dataclass
class Layer:
    w: np.ndarray
    rest: dict


def test_parts_of_arguments_have_their_names_in_the_report():
    def f(layer, inputs):
        y = layer.w * inputs[0] + layer.rest["b"]

        def pullback(dy):
            return Layer(dy * inputs[0], {"b": 2 * dy}), [dy * layer.w]

        return y, pullback

    report = examine(f, Layer(X, {"b": X + 1}), [X - 1])
    assert codes(report) == {("mismatch", "layer.rest.b")}
    assert [leaf.leaf for leaf in report.leaves] == ["layer.w", "layer.rest.b", "inputs.0"]
    assert "dlayer.rest.b" in str(report)


# Several faults


def test_all_faults_of_a_backward_are_told():
    def f(x, w, b):
        def pullback(dy):
            dw = (dy * x).astype(np.float32)
            w[0, 0] += 1.0
            return 2 * dy * w, dw, dy.sum()

        return x * w + b, pullback

    report = examine(f, X, X + 1, X - 1)
    assert codes(report) >= {("mismatch", "x"), ("dtype", "w"), ("writes", "w"), ("shape", "b")}
    text = str(report)
    assert all(finding.sentence in text for finding in report.findings)


def test_the_gravest_comes_first():
    def f(x):
        def pullback(dy):
            dy *= 3 * x
            return dy.astype(np.float32)

        return x**2, pullback

    report = examine(f, X)
    order = [GRAVEST.index(finding.code) for finding in report.findings]
    assert order == sorted(order)
    assert len(order) >= 3
    assert (report.code, report.reason) == (report.findings[0].code, report.findings[0].sentence)


def test_a_write_hides_no_numbers():
    def f(x):
        def pullback(dy):
            dx = 3 * dy * x
            x[...] = 0
            return dx

        return x**2, pullback

    found = codes(examine(f, X))
    assert ("writes", "x") in found
    assert ("mismatch", "x") in found


def test_swapped_cotangents_are_named():
    f = lambda a, b: (a * b, lambda dy: (dy * a, dy * b))  # noqa: E731
    report = examine(f, X, X**2 + 1)
    assert {finding.kind for finding in report.findings} == {"exchanged"}


# Other cotangents


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda dx: np.clip(dx, -1e3, 1e3), "a dy 1e+06 times as large"),
        (lambda dx: np.where(np.abs(dx) < 1e-5, 0, dx), "a dy 1e-06 times as large"),
        (lambda dx: np.clip(dx, -1e-3, 1e-3), ""),
    ],
)
def test_clipping_and_dead_zones_are_found(change, said, seed):
    report = examine(lambda x: (x**2, lambda dy: change(2 * dy * x)), X, seed=seed)
    assert report.outcome == "wrong"
    assert said in str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_zeros_in_a_cotangent_give_no_nan(seed):
    def f(x):
        return x**2, lambda dy: 2 * x / (1 / dy)  # right but where dy is 0

    right = examine(f, X, seed=seed)
    assert right.outcome == "right"
    lost = lambda x: (x**2, lambda dy: 2 * x * dy * (dy / dy))  # noqa: E731
    report = examine(lost, X, seed=seed)
    assert report.code == "nan"


@pytest.mark.parametrize("seed", SEEDS)
def test_some_zeros_in_a_cotangent_change_nothing_else(seed):
    f = lambda x: (x**2, lambda dy: 2 * x * dy * (1.0 if dy.all() else 0.5))  # noqa: E731
    report = examine(f, X, seed=seed)
    assert report.outcome == "wrong"


def test_another_layout_in_memory_is_no_other_cotangent():
    def f(x):
        return x**2, lambda dy: 2 * dy.ravel(order="K").reshape(dy.shape) * x

    assert codes(examine(f, X)) == {("layout", "x")}


# What is not found, and what is


def test_exceptions_are_told_apart():
    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        examine(broken, X)
    report = examine(lambda x: (x**2, lambda dy: dy @ dy), X)
    assert (report.outcome, report.code) == ("wrong", "exception")
    assert "the pullback raised ValueError" in report.reason


def test_the_structure_that_was_used_is_told():
    x = np.random.default_rng(0).normal(size=(64, 40))
    relu = lambda x: (np.maximum(np.real(x), 0), lambda dy: dy * (x > 0))  # noqa: E731
    report = check_vjp(relu, x)
    assert any("1 move shows all 2560 entries of dx" in note for note in report.notes), report


def test_arguments_and_results_of_no_size():
    assert check_vjp(lambda x: (x**2, lambda dy: 2 * x * dy), np.zeros((0, 3))).outcome == "right"
    f = lambda x, w: (x**2, lambda dy: (2 * x * dy, np.zeros(0)))  # noqa: E731
    assert list(check_vjp(f, X, np.zeros(0)).smallest_caught) == ["x"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_where_anything_is_not_finite_nothing_is_told(bad):
    f = lambda x: (x**2, lambda dy: 2 * x * dy)  # noqa: E731
    report = examine(f, np.array([bad, 1.0]))
    assert (report.outcome, report.code) == ("cannot tell", "nonfinite")
    assert "x is not finite" in report.reason


def test_a_report_with_nan_is_json():
    f = lambda x: (x**2, lambda dy: np.where(x == 1, np.nan, 2 * x * dy))  # noqa: E731
    found = json.loads(examine(f, X).to_json())
    assert found["outcome"] == "wrong"
    assert found["leaves"][0]["worst"]["got"] == "nan"
