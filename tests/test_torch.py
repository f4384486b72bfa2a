"""The same function and the same gradients as torch, in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import cotangent, distinct, integers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerances import CANCELLED, TORCH, TORCH_SECOND
from torch_blocks import BLOCKS, follow

from npcbam import CBAM, presets, strategies, tree
from npcbam.derivative import hvp
from npcbam.pooling import AVG, MAX, MAX_EVEN
from npcbam.state_dict import from_state_dict, to_state_dict


@st.composite
def cases(draw, ties):
    """Draw a CBAM, an input, a cotangent, and whether its norm is in training."""
    pools = draw(st.sampled_from(["preset", "preset", "any"]))
    cbam = draw(strategies.cbams(channels=draw(st.integers(1, 8)), pools=pools))
    ndim = cbam.spatial.conv.w.ndim if cbam.spatial else None
    channels = cbam.channel.mlp.w0.shape[1]
    x = draw(strategies.feature_maps(ndim=ndim, channels=channels, ties=ties))
    normed = cbam.spatial is not None and cbam.spatial.norm is not None
    training = normed and x.size > channels and draw(st.booleans())
    assume(not rounding_decides(cbam, x, training))
    return cbam, x, draw(strategies.cotangents_like(x)), training


def rounding_decides(cbam, x, training):
    """Tell whether the channel attention sees maxima that only the rounding of Ms sets apart.

    Where two positions see the same window, their Ms are equal, but matrix products may round the
    sums at different places of an array differently. Which of the two is the maximum is then
    anybody's choice. `test_ties_behind_an_exact_gate` has such ties without rounding.
    """
    if cbam.spatial is None or cbam.order != "spatial-first":
        return False
    ms = cbam.spatial.train_vjp(x)[0] if training else cbam.spatial(x)
    rows = (ms * x).reshape(*x.shape[:2], -1)
    top = rows.max(axis=-1, keepdims=True)
    near = (np.abs(rows - top) <= 1e-9 * np.abs(top)) & (top != 0)
    return near.sum(axis=-1).max() > 1


def as_tensors(cbam, x):
    leaves = {path: torch.tensor(leaf, requires_grad=True) for path, leaf in tree.leaves(cbam)}
    return leaves, torch.tensor(x, requires_grad=True)


def terms(cbam, x, dy, training):
    """Return the size of what the gradients of the parameters are sums of."""
    size = np.abs(dy * x).sum()
    if not training or cbam.spatial.norm is None:
        return size
    batch = replace(cbam.spatial, norm=replace(cbam.spatial.norm, momentum=1.0))
    norm = replace(cbam, spatial=batch).train_vjp(x)[2].spatial.norm
    return size * max(1, 1 / np.sqrt(norm.var[0] + norm.eps))


def assert_near(name, got, want, tolerance, size=0.0):
    assert got.shape == want.shape, name
    scale = max(np.abs(want).max(), CANCELLED * size)
    worst = np.abs(got - want).max()
    assert worst <= tolerance * scale, f"{name}: {worst:.2e} off, of a scale of {scale:.2e}"


# Any of our CBAMs


def assert_follows_torch(cbam, x, dy, training=False):
    y, pullback = cbam.train_vjp(x)[:2] if training else cbam.vjp(x)
    dcbam, dx = pullback(dy)

    leaves, xt = as_tensors(cbam, x)
    yt = follow(cbam, leaves, xt, training)
    dxt, *dleaves = torch.autograd.grad(
        yt, [xt, *leaves.values()], torch.tensor(dy), materialize_grads=True
    )
    assert_near("y", y, yt.detach().numpy(), TORCH)
    assert_near("dx", dx, dxt.numpy(), TORCH)
    size = terms(cbam, x, dy, training)
    for (path, dleaf), want in zip(tree.leaves(dcbam), dleaves, strict=True):
        assert_near(path, dleaf, want.numpy(), TORCH, size)


@settings(max_examples=250, deadline=None)
@given(cases(ties="any"))
def test_forward_and_every_gradient(case):
    assert_follows_torch(*case)


@pytest.mark.parametrize("top", [MAX, MAX_EVEN])
@pytest.mark.parametrize("order", ["channel-first", "spatial-first"])
def test_ties_behind_an_exact_gate(order, top):
    """The second attention sees ties too: its gates are equal wherever the features are."""
    arrays = {"channel.mlp.w0": np.array([[1.0, 0.5]]), "channel.mlp.w1": np.full((2, 1), 0.25)}
    arrays["spatial.conv.w"] = np.array([0.5, -0.25]).reshape(1, 2, 1, 1)
    cbam = CBAM.build("paper", arrays)
    x = np.array([[4.0, 2.0, 4.0], [2.0, 4.0, 0.0]])
    x = np.stack([x, x])[np.newaxis]  # (1, 2, 2, 3), channels tied at all positions
    cbam = replace(
        cbam,
        channel=replace(cbam.channel, pools=(AVG, top)),
        spatial=replace(cbam.spatial, pools=(AVG, top)),
        order=order,
    )
    assert_follows_torch(cbam, x, cotangent(x))


@settings(max_examples=100, deadline=None)
@given(cases(ties="none"), st.integers(0, 2**32 - 1))
def test_hessian_vector_products(case, seed):
    """By the input and all parameters at once, against double backward."""
    cbam, x, dy, training = case
    point = {"x": x, "cbam": cbam}
    v = tree.map(lambda leaf: cotangent(leaf, seed), point)

    def f(point):
        call = point["cbam"].train_vjp if training else point["cbam"].vjp
        y, pullback = call(point["x"])[:2]

        def f_pullback(dy):
            dcbam, dx = pullback(dy)
            return {"x": dx, "cbam": dcbam}

        return y, f_pullback

    got = dict(tree.leaves(hvp(f, point, v, dy)))
    leaves, xt = as_tensors(cbam, x)
    inputs = [xt, *leaves.values()]
    yt = follow(cbam, leaves, xt, training)
    gradients = torch.autograd.grad(
        yt, inputs, torch.tensor(dy), create_graph=True, materialize_grads=True
    )
    along = [torch.tensor(leaf) for _, leaf in tree.leaves(v)]
    slope = sum((g * t).sum() for g, t in zip(gradients, along, strict=True))
    seconds = torch.autograd.grad(slope, inputs, materialize_grads=True)
    size = terms(cbam, x, dy, training)
    for (path, second), want in zip(got.items(), seconds, strict=True):
        assert_near(path, second, want.numpy(), TORCH_SECOND, size)


# Blocks with weights of their own


def block(preset, dims, channels=12, reduction_ratio=4, kernel_size=5):
    """Return a block in which no parameter and no statistic is where it starts."""
    hidden = presets.hidden_units(channels, reduction_ratio, preset)
    module = BLOCKS[preset](channels, hidden, kernel_size, dims).double()
    rng = np.random.default_rng(dims)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            low = 0.5 if name.endswith("running_var") else -1
            if tensor.is_floating_point():
                tensor.copy_(torch.tensor(rng.uniform(low, 1, tuple(tensor.shape))))
    return module


@pytest.mark.parametrize("draw", [distinct, integers], ids=["distinct", "tied"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("preset", BLOCKS)
def test_block(preset, dims, training, draw):
    """The weights of a block give its outputs, its gradients and its running statistics."""
    module = block(preset, dims).train(training)
    cbam = from_state_dict(module.state_dict(), preset)
    x = draw(3, 12, *[4, 6, 3][:dims])
    dy = cotangent(x)
    y, pullback, stepped = cbam.train_vjp(x) if training else (*cbam.vjp(x), cbam)
    dcbam, dx = pullback(dy)

    xt = torch.tensor(x, requires_grad=True)
    yt = module(xt)
    yt.backward(torch.tensor(dy))
    assert_near("y", y, yt.detach().numpy(), TORCH)
    assert_near("dx", dx, xt.grad.numpy(), TORCH)
    gradients = to_state_dict(dcbam, preset)
    size = terms(cbam, x, dy, training)
    for name, parameter in module.named_parameters():
        assert_near(name, gradients[name], parameter.grad.numpy(), TORCH, size)
    statistics = to_state_dict(stepped, preset)
    for name, buffer in module.named_buffers():
        if "running" in name:
            assert_near(name, statistics[name], buffer.numpy(), TORCH)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("preset", BLOCKS)
def test_block_loads_our_weights(preset, dims):
    module = block(preset, dims).eval()
    weights = to_state_dict(from_state_dict(module.state_dict(), preset), preset)
    loaded = BLOCKS[preset](12, 3, 5, dims).double().eval()
    loaded.load_state_dict({key: torch.tensor(a) for key, a in weights.items()}, strict=True)
    assert list(weights) == [k for k in loaded.state_dict() if k in weights]
    x = torch.tensor(distinct(2, 12, *[5, 4, 3][:dims]))
    torch.testing.assert_close(loaded(x), module(x), rtol=0, atol=0)


@pytest.mark.parametrize("preset", ["timm", "timm_light"])
@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (5, 1), (24, 2)])
def test_fewer_channels_than_the_ratio(preset, channels, hidden):
    """C / r is rounded half up, and a hidden unit is always left."""
    module = block(preset, 2, channels, reduction_ratio=16).eval()
    cbam = from_state_dict(module.state_dict(), preset)
    assert cbam.channel.mlp.w0.shape == (hidden, channels)
    x = distinct(2, channels, 3, 2)
    assert_near("y", cbam(x), module(torch.tensor(x)).detach().numpy(), TORCH)
