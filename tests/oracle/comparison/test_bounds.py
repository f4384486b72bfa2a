import dataclasses

import numpy as np
import pytest
import torch
import torch_blocks
from torch.nn import functional as F  # noqa: N812, its usual name
from torch_blocks import follow

from npcbam import CBAM, tree
from npcbam.cbam import ORDERS
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.precision import nearest, rounded
from npcbam.oracle.probing.inputs import battery, cotangent
from npcbam.presets import PRESETS

TORCH = ["float64", "float32", "float16", "bfloat16"]
POOLS = [("avg", "max"), ("avg",), ("max",), ("lp", "avg"), ("lse", "max")]


def drawn(rng, preset, channels=64, reduction=16, kernel=7, axes=2):
    """Return a CBAM with weights of either sign, as the oracle draws them."""
    cbam = CBAM.init(0, channels, reduction, kernel, preset, spatial_axes=axes)
    values = []
    for path, leaf in tree.leaves(cbam):
        fan = leaf[0].size if leaf.ndim > 1 else 4
        value = 2 / np.sqrt(fan) * cotangent(rng, leaf.shape)
        values.append(np.abs(value) if path.endswith("var") else value)
    return tree.replace_leaves(cbam, iter(values))


def case(seed, axes=(1, 2, 3)):
    rng = np.random.default_rng(seed)
    axes, preset = int(rng.choice(axes)), str(rng.choice(list(PRESETS)))
    channels, reduction = rng.choice([4, 16, 48]), rng.choice([1, 2, 4])
    cbam = drawn(rng, preset, channels, reduction, rng.choice([1, 3, 7]), axes)
    pools = POOLS[rng.integers(len(POOLS))]
    channel = dataclasses.replace(cbam.channel, pools=pools)
    order, residual = str(rng.choice(ORDERS)), bool(rng.integers(2))
    cbam = dataclasses.replace(cbam, channel=channel, order=order, residual=residual)
    x = rng.standard_normal((rng.integers(1, 4), channels, *rng.integers(1, 10, axes)))
    # Some with an offset, some with many ties.
    x = [x, x + 3, np.round(2 * x)][seed % 3]
    return cbam, x, cotangent(rng, x.shape)


def at_dtype(dtype, *trees):
    return tree.map(lambda leaf: rounded(leaf, dtype), trees)


def named(y, dcbam, dx):
    return {"y": y, "dx": dx} | {f"d{path}": leaf for path, leaf in tree.leaves(dcbam)}


def reference(cbam, x, dy):
    y, pullback = cbam.vjp(x)
    return named(y, *pullback(dy))


def by_torch(cbam, x, dy, dtype):
    kind = getattr(torch, dtype)
    leaves = {path: torch.tensor(v).to(kind) for path, v in tree.leaves(cbam)}
    x = torch.tensor(x).to(kind)
    sources = [x, *leaves.values()]
    for source in sources:
        source.requires_grad_()
    y = follow(cbam, leaves, x)
    dx, *rest = torch.autograd.grad(y, sources, torch.tensor(dy).to(kind))
    found = {"y": y, "dx": dx} | {f"d{k}": v for k, v in zip(leaves, rest, strict=True)}
    return {name: value.detach().double().numpy() for name, value in found.items()}


def times(got, cbam, x, dy, dtype):
    """Return the largest error of each tensor, in units of the allowed one."""
    room, want = allowed(cbam, x, dy, dtype), reference(cbam, x, dy)
    assert {k: v.shape for k, v in room.items()} == {k: v.shape for k, v in want.items()}
    found = {}
    for name, value in want.items():
        off = got[name] != value
        found[name] = (np.abs(got[name] - value)[off] / room[name][off]).max(initial=0)
    return found


@pytest.mark.parametrize("dtype", TORCH)
def test_honest_torch_is_allowed(dtype):
    worst = []
    for seed in range(24):
        # In three dimensions, some half-precision convolutions of PyTorch 2.13 on a CPU are wrong.
        axes = (1, 2, 3) if dtype in ("float64", "float32") else (1, 2)
        cbam, x, dy = at_dtype(dtype, *case(seed, axes))
        found = times(by_torch(cbam, x, dy, dtype), cbam, x, dy, dtype)
        assert max(found.values()) <= 1, (seed, found)
        worst.append(found)
    # Nor is much more allowed than is used.
    assert np.median([each["y"] for each in worst]) > 0.05
    assert np.median([each["dx"] for each in worst]) > 0.05
    assert np.median([each["dchannel.mlp.w0"] for each in worst]) > 0.003


def test_honest_numpy_is_allowed():
    for seed in range(24):
        cbam, x, dy = at_dtype("float32", *case(seed))
        single = tree.map(lambda leaf: leaf.astype(np.float32), (cbam, x, dy))
        found = times(reference(*single), cbam, x, dy, "float32")
        assert 0.001 < max(found.values()) <= 1, (seed, found)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("dtype", "fault"), [("float32", 1e-3), ("float64", 1e-8)])
def test_small_fault_of_any_tensor_is_caught(preset, dtype, fault):
    rng = np.random.default_rng(0)
    cbam = drawn(rng, preset)
    caught = {}
    for each in battery(rng, 64):
        given = at_dtype(dtype, cbam, each.x, cotangent(rng, each.x.shape))
        room, want = allowed(*given, dtype), reference(*given)
        for name, value in want.items():
            seen = (fault * np.abs(value) > 2 * room[name]).any()
            caught[name] = caught.get(name, False) or bool(seen)
    assert all(caught.values()), caught


def test_tf32_rounds_the_factors_of_products(monkeypatch):
    def coarse(f):
        def g(x, w, *args, **kwargs):
            x, w = (torch.tensor(nearest(a.detach().numpy(), 11, -126)).float() for a in (x, w))
            return f(x, w, *args, **kwargs)

        return g

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 64, 8, 7))
    cbam, x = at_dtype("float32", drawn(rng, "paper"), x)
    monkeypatch.setattr(F, "linear", coarse(F.linear))
    monkeypatch.setitem(torch_blocks.CONVOLVE, 2, coarse(F.conv2d))
    leaves = {path: torch.tensor(v).float() for path, v in tree.leaves(cbam)}
    error = np.abs(follow(cbam, leaves, torch.tensor(x).float()).double().numpy() - cbam(x))
    assert (error <= allowed(cbam, x, x, "tf32")["y"]).all()
    assert (error > allowed(cbam, x, x, "float32")["y"]).any()


def test_what_may_overflow_is_not_bounded():
    cbam, x, dy = at_dtype("float16", *case(1, (2,)))
    x = 1e4 * (1 + np.abs(x))
    assert np.isinf(allowed(cbam, x, 100 * dy, "float16")["dx"]).any()
    assert not np.isinf(allowed(cbam, x, 100 * dy, "bfloat16")["y"]).any()


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"dtype: expected 'float64', .* got 'float8'"):
        allowed(*case(0), "float8")
