"""Training: stochastic gradient descent with momentum and weight decay, and its schedules."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.nets.loss import check_labels, cross_entropy_vjp
from npcbam.nets.resnet import ResNet

T = TypeVar("T")
Labels = npt.NDArray[np.integer]
Schedule = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class History:
    """What happened in a training run.

    Parameters
    ----------
    loss : (steps,) the mean loss of each batch, before its step
    rate : (steps,) the learning rate of each step
    accuracy : (epochs,) the share of the held-out samples that are right after each epoch; empty
        where none are held out
    """

    loss: Array
    rate: Array
    accuracy: Array


def cosine(peak: float) -> Schedule:
    """Return the rate that falls from `peak` to 0 along half a cosine, as a function of 0 to 1.

    >>> [round(cosine(0.1)(t), 3) for t in (0, 0.5, 1)]
    [0.1, 0.05, 0.0]
    """
    arguments.number("peak", peak, 0, math.inf)
    return lambda t: peak * (1 + math.cos(math.pi * t)) / 2


def steps(peak: float, at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Return the rate that starts at `peak` and is multiplied by `factor` at each of `at`.

    >>> [round(steps(0.1)(t), 3) for t in (0, 0.49, 0.5, 0.75)]
    [0.1, 0.1, 0.01, 0.001]
    """
    arguments.number("peak", peak, 0, math.inf)
    arguments.number("factor", factor, 0, 1)
    for place in at:
        arguments.number("at", place, 0, 1)
    return lambda t: peak * factor ** sum(t >= place for place in at)


def sgd(
    layer: T, dlayer: T, velocity: T, rate: float, momentum: float, weight_decay: float
) -> tuple[T, T]:
    """Take one step: v' = momentum v + dw + decay w, then w' = w - rate v'.

    Weights decay: arrays of two axes or more. Biases and the norms' gamma and beta, of one axis,
    do not, because shrinking them makes no function simpler; neither do the running statistics,
    whose gradient is 0 in training.

    Parameters
    ----------
    layer, dlayer, velocity : a layer, its gradient, and the velocity of the last step, at first
        zeros; none is written to
    rate, momentum, weight_decay : as in PyTorch's SGD

    Returns
    -------
    layer, velocity : after the step

    >>> sgd(np.ones((1, 1)), np.array([[2.0]]), np.zeros((1, 1)), 0.1, 0.9, 0.5)
    (array([[0.75]]), array([[2.5]]))
    """

    def push(v: Array, w: Array, dw: Array) -> Array:
        return momentum * v + dw + weight_decay * w if w.ndim > 1 else momentum * v + dw

    velocity = tree.map(push, velocity, layer, dlayer)
    return tree.map(lambda w, v: w - rate * v, layer, velocity), velocity


def terminal(done: int, total: int, loss: float) -> None:
    """Show progress as one line that is written over, on a terminal; nowhere else."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rstep {done} of {total}, loss {loss:.3f} ", end=end, file=sys.stderr, flush=True)


def fit(
    net: ResNet,
    x: Array,
    labels: Labels,
    *,
    epochs: int,
    schedule: Schedule,
    batch_size: int = 64,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    seed: int = 0,
    held_out: tuple[Array, Labels] | None = None,
    progress: Callable[[int, int, float], None] = terminal,
) -> tuple[ResNet, History]:
    """Train a network; the same arguments give the same network, bit for bit, on one machine.

    Parameters
    ----------
    net : the network at the start, which stays as it is
    x, labels : (N, C, H, W) images and (N,) whole numbers
    epochs : how often each image is seen
    schedule : the learning rate as a function of the share of training that is done; see `cosine`
    batch_size : images a step; the last batch of an epoch takes what is left
    momentum, weight_decay : see `sgd`
    seed : of the order of the images, which is drawn anew for each epoch
    held_out : images and labels to measure the accuracy on after each epoch
    progress : is called after each step with the steps done, their total, and the loss

    Returns
    -------
    net, history : the trained network, and what happened
    """
    _check(x, labels, net.linear.w.shape[0], epochs, batch_size, momentum, weight_decay, seed)
    rng, velocity = np.random.default_rng(seed), tree.zeros_like(net)
    total = epochs * math.ceil(len(x) / batch_size)
    losses: list[float] = []
    rates: list[float] = []
    accuracies: list[float] = []
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            rates.append(float(schedule(len(rates) / total)))
            loss, dnet, net = gradient(net, x[batch], labels[batch])
            net, velocity = sgd(net, dnet, velocity, rates[-1], momentum, weight_decay)
            losses.append(loss)
            progress(len(losses), total, loss)
        if held_out is not None:
            accuracies.append(accuracy(net, *held_out))
    return net, History(np.array(losses), np.array(rates), np.array(accuracies))


def gradient(net: ResNet, x: Array, labels: Labels) -> tuple[float, ResNet, ResNet]:
    """Return the mean loss of a batch, its gradient, and the network with stepped statistics."""
    z, net_pullback, stepped = net.train_vjp(x)
    loss, loss_pullback = cross_entropy_vjp(z, labels)
    dz = loss_pullback(np.full_like(loss, 1 / len(loss)))
    dnet, _ = net_pullback(dz)
    return float(loss.mean()), dnet, stepped


def predict(net: ResNet, x: Array, batch_size: int = 256) -> Array:
    """Return the logits of many images, (N, K), some at a time; in evaluation."""
    arguments.positive("batch_size", batch_size)
    starts = range(0, max(len(x), 1), batch_size)
    return np.concatenate([net(x[start : start + batch_size]) for start in starts])


def accuracy(net: ResNet, x: Array, labels: Labels) -> float:
    """Return the share of images whose largest logit is that of their label."""
    z = predict(net, x)
    check_labels(labels, *z.shape)
    return float((z.argmax(axis=1) == labels).mean())


def _check(
    x: Array,
    labels: Labels,
    classes: int,
    epochs: int,
    batch_size: int,
    momentum: float,
    weight_decay: float,
    seed: int,
) -> None:
    arguments.feature_map(x, ndim=4)
    if len(x) == 0:
        raise ValueError("x: expected at least one image, got none")
    check_labels(labels, len(x), classes)
    arguments.positive("epochs", epochs)
    arguments.positive("batch_size", batch_size)
    arguments.number("momentum", momentum, 0, 1)
    arguments.number("weight_decay", weight_decay, 0, math.inf)
    arguments.seed("seed", seed)
