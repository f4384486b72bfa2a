"""Softmax cross-entropy."""

import numpy as np
import pytest
import torch
from helpers import (
    DTYPES,
    assert_derivative,
    assert_laws,
    assert_layouts,
    assert_raises,
    assert_refuses,
    assert_same,
    assert_samples_apart,
    assert_stencil,
    bad_arrays,
    bad_cotangents,
    cotangent,
    distinct,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from tolerances import STENCIL, TORCH

from npcbam.nets import cross_entropy_vjp
from npcbam.strategies import feature_maps, layouts

LABELS = np.array([2, 0, 2, 1, 3])
Z = distinct(5, 4)


def loss_vjp(z):
    return cross_entropy_vjp(z, LABELS)


# By hand


def test_by_hand():
    # softmax of log 1, log 2, log 5 is 1/8, 2/8, 5/8.
    z = np.log([[1.0, 2.0, 5.0]])
    loss, pullback = cross_entropy_vjp(z, np.array([1]))
    np.testing.assert_allclose(loss, [np.log(4)], rtol=1e-15)
    np.testing.assert_allclose(pullback(np.array([8.0])), [[1, -6, 5]], rtol=1e-14)


# An independent forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_against_scipy(dtype):
    z = 10 * distinct(5, 4, dtype=dtype)
    loss, _ = loss_vjp(z)
    assert loss.dtype == dtype
    want = [-log_softmax(row)[label] for row, label in zip(z, LABELS, strict=True)]
    np.testing.assert_allclose(loss, want, rtol=0, atol=16 * 20 * np.finfo(dtype).eps)


def test_against_torch():
    loss, pullback = loss_vjp(Z)
    z = torch.from_numpy(Z).requires_grad_()
    peer = torch.nn.functional.cross_entropy(z, torch.from_numpy(LABELS), reduction="none")
    peer.backward(torch.from_numpy(cotangent(loss)))
    np.testing.assert_allclose(loss, peer.detach().numpy(), rtol=TORCH)
    np.testing.assert_allclose(pullback(cotangent(loss)), z.grad.numpy(), rtol=0, atol=TORCH)


# The derivative


def test_derivative():
    assert_derivative(loss_vjp, Z)
    assert_stencil(loss_vjp, Z, tolerance=STENCIL)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_a_hopeless_logit_is_no_overflow(dtype):
    z = np.array([[1000, -1000]], dtype)
    with np.errstate(all="raise"):
        loss, pullback = cross_entropy_vjp(z, np.array([1]))
        assert loss.tolist() == [2000]
        assert pullback(np.array([3], dtype)).tolist() == [[3, -3]]


# Laws


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_laws(data):
    z = data.draw(feature_maps(ndim=3, dtype=None, samples=3, max_size=1))[..., 0]
    labels = np.array(data.draw(st.lists(st.integers(0, z.shape[1] - 1), min_size=3, max_size=3)))

    def f_vjp(z):
        return cross_entropy_vjp(z, labels)

    assert_laws(f_vjp, z)
    assert_layouts(lambda a: data.draw(layouts(a)), f_vjp, z)
    assert_samples_apart(f_vjp, z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_a_sample_adds_up_to_0(dtype):
    loss, pullback = loss_vjp(distinct(5, 4, dtype=dtype))
    assert np.abs(pullback(cotangent(loss)).sum(axis=1)).max() < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8"])
def test_labels_of_any_integer_type(dtype):
    assert_same(cross_entropy_vjp(Z, LABELS.astype(dtype))[0], loss_vjp(Z)[0])


def test_empty():
    loss, pullback = cross_entropy_vjp(Z[:0], LABELS[:0])
    assert (loss.shape, pullback(loss).shape) == ((0,), (0, 4))


# Errors


def test_bad_z():
    assert_refuses(loss_vjp, bad_arrays("z", Z))
    assert_raises(ValueError, "z: expected shape (N, K), got (5,)", loss_vjp, Z[:, 0])


BAD_LABELS = [
    (LABELS.tolist(), TypeError, "labels: expected an array of integers, got list"),
    (LABELS * 1.0, TypeError, "labels: expected an array of integers, got float64"),
    (LABELS > 1, TypeError, "labels: expected an array of integers, got bool"),
    (LABELS[:4], ValueError, "labels: expected shape (5,), got (4,)"),
    (LABELS + 1, ValueError, "labels: expected whole numbers from 0 to 3, got 1 to 4"),
    (LABELS - 1, ValueError, "labels: expected whole numbers from 0 to 3, got -1 to 2"),
]


def test_bad_labels():
    assert_refuses(lambda labels: cross_entropy_vjp(Z, labels), BAD_LABELS)


def test_bad_cotangents():
    loss, pullback = loss_vjp(Z)
    assert_refuses(pullback, bad_cotangents(loss, "dloss", "loss"))
