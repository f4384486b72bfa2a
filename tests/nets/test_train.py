"""Training: the steps against PyTorch's, the schedules, and what a run promises."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch_resnet
from helpers import assert_close, assert_raises, assert_same, leaves
from tolerances import TORCH

from npcbam import tree
from npcbam.nets import ResNet, accuracy, cosine, fit, predict, steps, train

RNG = np.random.default_rng(0)
LABELS = np.arange(24) % 3
# Three kinds of stripes, in noise: a small network learns them within a few epochs.
X = RNG.normal(0, 0.3, (24, 1, 8, 8))
X[LABELS == 1, :, ::2] += 1
X[LABELS == 2, :, :, ::2] += 1


def net(attention=None, dtype=np.float64, seed=0):
    return ResNet.init(seed, widths=(4, 8), classes=3, attention=attention, dtype=dtype)


def run(start, **how):
    how = {"epochs": 2, "schedule": cosine(0.1), "batch_size": 8} | how
    return fit(start, X.astype(start.linear.w.dtype), LABELS, **how)


# By hand


def test_sgd_by_hand():
    layer = {"w": np.array([[10.0]]), "b": np.array([10.0])}
    velocity = tree.zeros_like(layer)
    gradient = {"w": np.array([[1.0]]), "b": np.array([1.0])}
    layer, velocity = train.sgd(layer, gradient, velocity, 0.5, 0.25, 0.125)
    # w: v = 1 + 10 / 8; b, which does not decay: v = 1.
    assert (velocity["w"].item(), layer["w"].item()) == (2.25, 8.875)
    assert (velocity["b"].item(), layer["b"].item()) == (1, 9.5)
    layer, velocity = train.sgd(layer, gradient, velocity, 0.5, 0.25, 0.125)
    assert velocity["w"].item() == 0.25 * 2.25 + 1 + 8.875 / 8
    assert (velocity["b"].item(), layer["b"].item()) == (1.25, 8.875)


def test_schedules_by_hand():
    assert [cosine(2.0)(t) for t in (0, 1)] == [2, 0]
    assert math.isclose(cosine(2.0)(1 / 3), 1.5)
    at = (0, 0.24, 0.25, 0.5, 0.99)
    assert [steps(8.0, at=(0.25, 0.5), factor=0.5)(t) for t in at] == [8, 8, 4, 2, 2]


# An independent forward


@pytest.mark.parametrize("attention", [None, "se", "cbam"])
def test_three_steps_against_torch(attention):
    start = net(attention)
    peer = torch_resnet.ResNet(start).train()
    every = list(peer.parameters())
    groups = [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in every if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    order = np.random.default_rng(7).permutation(24)
    for start_at in range(0, 24, 8):
        batch = order[start_at : start_at + 8]
        optimizer.zero_grad()
        z = peer(torch.from_numpy(X[batch]))
        torch.nn.functional.cross_entropy(z, torch.from_numpy(LABELS[batch])).backward()
        optimizer.step()
    ours, _ = run(start, epochs=1, schedule=lambda t: 0.05, weight_decay=0.01, seed=7)
    for (name, got), (_, want) in zip(
        tree.leaves(ours), tree.leaves(peer.arrays(ours)), strict=True
    ):
        # Three steps stretch the rounding of the first.
        limit = 100 * TORCH * max(np.abs(want).max(), 1e-3)
        np.testing.assert_array_less(np.abs(got - want), limit, err_msg=name)


def test_schedules_against_torch():
    def rates(make):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        schedule, found = make(optimizer), []
        for _ in range(20):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    lr = torch.optim.lr_scheduler
    want = rates(lambda optimizer: lr.CosineAnnealingLR(optimizer, 20))
    np.testing.assert_allclose([cosine(0.1)(i / 20) for i in range(20)], want, rtol=1e-12)
    want = rates(lambda optimizer: lr.MultiStepLR(optimizer, [10, 15]))
    np.testing.assert_allclose([steps(0.1)(i / 20) for i in range(20)], want, rtol=1e-12)


# The derivative


def test_gradient_is_that_of_the_mean_loss():
    start = net("cbam")
    loss, dnet, _ = train.gradient(start, X, LABELS)
    peer = torch_resnet.ResNet(start).train()
    want = torch.nn.functional.cross_entropy(peer(torch.from_numpy(X)), torch.from_numpy(LABELS))
    want.backward()
    assert math.isclose(loss, want.item(), rel_tol=TORCH)
    assert_close(dnet.linear, peer.arrays(dnet, gradient=True).linear)


def test_running_statistics_move_by_the_batch_alone():
    start = net()
    _, _, stepped = train.gradient(start, X, LABELS)
    moved, _ = run(start, epochs=1, batch_size=24, weight_decay=1.0)
    # The order of the batch changes the order of sums.
    assert_close(moved.stem.norm.mean, stepped.stem.norm.mean)
    assert_close(moved.stem.norm.var, stepped.stem.norm.var)
    assert np.abs(stepped.stem.norm.mean).max() > 0


# Laws


@pytest.mark.parametrize("attention", [None, "se", "cbam"])
def test_it_learns(attention):
    start = net(attention, np.float32)
    trained, history = run(start, epochs=8, held_out=(X.astype("f4"), LABELS))
    assert history.accuracy[-1] == accuracy(trained, X.astype("f4"), LABELS) == 1
    assert history.loss[-3:].mean() < 0.5 * history.loss[:3].mean()
    assert {leaf.dtype for leaf in leaves(trained)} == {np.dtype("f4")}


def test_a_run_is_the_same_for_a_seed_and_another_for_another():
    start = net("cbam", np.float32)
    before = tree.map(np.copy, start)
    (a, history), (b, again), (c, _) = run(start), run(start), run(start, seed=1)
    assert_same(a, b)
    assert_same(history, again)
    assert_same(start, before)
    assert np.abs(a.linear.w - c.linear.w).max() > 0


def test_history():
    _, history = run(net(), epochs=3, batch_size=10, held_out=(X, LABELS))
    assert (history.loss.shape, history.rate.shape, history.accuracy.shape) == ((9,), (9,), (3,))
    np.testing.assert_array_equal(history.rate, [cosine(0.1)(i / 9) for i in range(9)])
    assert run(net())[1].accuracy.shape == (0,)
    at_start, _, _ = train.gradient(net(), X, LABELS)
    _, whole = run(net(), epochs=1, batch_size=24)
    np.testing.assert_allclose(whole.loss, [at_start], rtol=1e-12)


def test_every_image_is_seen_once_an_epoch():
    seen = []

    def watched(layer, x, labels):
        seen.append(x)
        return 0.0, tree.zeros_like(layer), layer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "gradient", watched)
        run(net(), epochs=2, batch_size=7)
    assert [len(x) for x in seen] == [7, 7, 7, 3] * 2
    epochs = [np.concatenate(part) for part in (seen[:4], seen[4:])]
    assert np.abs(epochs[0] - epochs[1]).max() > 0
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(X, axis=0))


def test_predict_does_not_depend_on_the_batches():
    some = net("cbam")
    np.testing.assert_allclose(predict(some, X, 5), some(X), rtol=1e-12, atol=1e-14)
    assert predict(some, X[:0]).shape == (0, 3)
    right = (some(X).argmax(axis=1) == LABELS).sum()
    assert accuracy(some, X, LABELS) == right / 24


def test_progress_is_told_after_each_step():
    told = []
    _, history = run(net(), epochs=1, progress=lambda *step: told.append(step))
    assert told == [(i + 1, 3, loss) for i, loss in enumerate(history.loss)]


def test_the_line_of_progress_stands_on_terminals_alone(capsys, monkeypatch):
    train.terminal(1, 2, 0.5)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    train.terminal(1, 2, 0.5)
    train.terminal(2, 2, 0.25)
    assert capsys.readouterr() == (
        "",
        "\rstep 1 of 2, loss 0.500 \rstep 2 of 2, loss 0.250 \n",
    )


# Errors


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs: expected at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size: expected an integer, got 2.0"),
        ({"momentum": 1.5}, ValueError, "momentum: expected a number from 0 to 1, got 1.5"),
        (
            {"weight_decay": -0.1},
            ValueError,
            "weight_decay: expected a number from 0 to inf, got -0.1",
        ),
        ({"seed": -1}, ValueError, "seed: expected a seed of at least 0, got -1"),
    ],
)
def test_bad_settings(how, kind, message):
    assert_raises(kind, message, run, net(), **how)


def test_bad_data():
    how = {"epochs": 1, "schedule": cosine(0.1)}
    start = net()
    message = "labels: expected whole numbers from 0 to 2, got 0 to 3"
    assert_raises(ValueError, message, fit, start, X, np.arange(24) % 4, **how)
    message = "labels: expected shape (24,), got (23,)"
    assert_raises(ValueError, message, fit, start, X, LABELS[1:], **how)
    assert_raises(ValueError, message, accuracy, start, X, LABELS[1:])
    message = "x: expected at least one image, got none"
    assert_raises(ValueError, message, fit, start, X[:0], LABELS[:0], **how)
    message = "x: expected shape (N, C, H, W), got (24, 8, 8)"
    assert_raises(ValueError, message, fit, start, X[:, 0], LABELS, **how)
    assert_raises(ValueError, "batch_size: expected at least 1, got 0", predict, start, X, 0)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda: cosine(-1), "peak: expected a number from 0 to inf, got -1"),
        (lambda: steps(-1), "peak: expected a number from 0 to inf, got -1"),
        (lambda: steps(1, factor=2), "factor: expected a number from 0 to 1, got 2"),
        (lambda: steps(1, at=(2,)), "at: expected a number from 0 to 1, got 2"),
    ],
)
def test_bad_schedules(f, message):
    assert_raises(ValueError, message, f)


def test_trees_of_another_structure_are_refused():
    start = net()
    other = dataclasses.replace(start, blocks=start.blocks[:1])
    with pytest.raises(ValueError, match="blocks: expected the same structure"):
        train.sgd(start, start, other, 0.1, 0.9, 0.0)
