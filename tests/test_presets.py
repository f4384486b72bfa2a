import dataclasses

import numpy as np
import pytest
from helpers import assert_raises, assert_same

from npcbam import CBAM, presets, tree
from npcbam.pooling import AVG, MAX, MAX_EVEN

# pools, planes, biases of the MLP, bias of the convolution, norm momentum, blend, residual
BY_HAND = {
    "paper": ((AVG, MAX), (AVG, MAX), False, False, None, False, False),
    "paper_biased": ((AVG, MAX), (AVG, MAX), True, True, None, False, False),
    "official": ((AVG, MAX), (MAX, AVG), True, False, 0.01, False, False),
    "seed": ((AVG, MAX), (MAX, AVG), False, True, None, False, True),
    "timm": ((AVG, MAX_EVEN), (AVG, MAX_EVEN), False, False, 0.1, False, False),
    "timm_light": ((AVG, MAX_EVEN), (AVG, MAX_EVEN), False, False, 0.1, True, False),
    "se": ((AVG,), None, False, False, None, False, False),
}


# By hand


@pytest.mark.parametrize("name", presets.PRESETS)
def test_conventions(name):
    cbam = CBAM.init(0, 8, 2, 3, name)
    spatial, norm = cbam.spatial, cbam.spatial and cbam.spatial.norm
    found = (
        cbam.channel.pools,
        spatial and spatial.pools,
        cbam.channel.mlp.b0 is not None,
        spatial is not None and spatial.conv.b is not None,
        norm and norm.momentum,
        cbam.channel.blend,
        cbam.residual,
    )
    assert found == BY_HAND[name]
    assert cbam.order == "channel-first"
    assert (cbam.channel.mlp.b0 is None) == (cbam.channel.mlp.b1 is None)
    assert norm is None or norm.eps == 1e-5
    if spatial is not None:
        assert spatial.blend == cbam.channel.blend


@pytest.mark.parametrize(
    ("channels", "ratio", "floor", "rounded"),
    [
        (32, 16, 2, 2),
        (31, 16, 1, 2),
        (40, 16, 2, 3),
        (24, 16, 1, 2),
        (23, 16, 1, 1),
        (16, 16, 1, 1),
        (3, 1, 3, 3),
    ],
)
def test_hidden_units(channels, ratio, floor, rounded):
    for name in presets.PRESETS:
        wanted = rounded if name.startswith("timm") else floor
        assert presets.hidden_units(channels, ratio, name) == wanted, name
        assert CBAM.init(0, channels, ratio, 3, name).channel.mlp.w0.shape[0] == wanted


def test_hidden_units_are_counted_in_whole_numbers():
    assert presets.hidden_units(2**60 + 1, 1) == 2**60 + 1


def test_defaults():
    """The paper's r = 16 and 7×7 kernel, on images."""
    cbam = CBAM.init(0, 64)
    assert {path: leaf.shape for path, leaf in tree.leaves(cbam)} == {
        "channel.mlp.w0": (4, 64),
        "channel.mlp.w1": (64, 4),
        "spatial.conv.w": (1, 2, 7, 7),
    }


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (7, 1), (8, 1)])
def test_timm_always_leaves_a_hidden_unit(channels, hidden):
    assert presets.hidden_units(channels, 16, "timm") == hidden
    assert presets.hidden_units(channels, 16, "timm_light") == hidden


@pytest.mark.parametrize("kernel", [(3,), (3, 5), (3, 5, 7)])
def test_shapes(kernel):
    assert presets.shapes("paper_biased", 8, 2, kernel) == {
        "channel.mlp.w0": (2, 8),
        "channel.mlp.w1": (8, 2),
        "channel.mlp.b0": (2,),
        "channel.mlp.b1": (8,),
        "spatial.conv.w": (1, 2, *kernel),
        "spatial.conv.b": (1,),
    }
    assert presets.shapes("timm_light", 8, 2, kernel) == {
        "channel.mlp.w0": (2, 8),
        "channel.mlp.w1": (8, 2),
        "spatial.conv.w": (1, 1, *kernel),
        "spatial.norm.gamma": (1,),
        "spatial.norm.beta": (1,),
        "spatial.norm.mean": (1,),
        "spatial.norm.var": (1,),
    }
    assert list(presets.shapes("se", 8, 2, kernel)) == ["channel.mlp.w0", "channel.mlp.w1"]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_init_starts_where_the_library_does(name):
    """Uniform within ±1/√fan_in, apart from the authors' own start."""
    cbam = CBAM.init(1, 2048, 2, 63, name)
    official = name == "official"
    mlp, spatial = cbam.channel.mlp, cbam.spatial
    bounds = [(mlp.w0, 1 / np.sqrt(2048)), (mlp.w1, 1 / 32)]
    if mlp.b0 is not None and not official:
        bounds += [(mlp.b0, 1 / np.sqrt(2048)), (mlp.b1, 1 / 32)]
    if official:
        assert not mlp.b0.any()
        assert not mlp.b1.any()
    if spatial is not None and official:
        # 7938 draws: the deviation is known to 1 / √(2 · 7938) = 0.8 %, and 5 of those are allowed.
        assert spatial.conv.w.std() == pytest.approx(np.sqrt(2) / 63, rel=0.04)
        # The mean of 7938 draws deviates by 1 / √7938 = 1.1 % of theirs; 5 of those.
        assert abs(spatial.conv.w.mean()) < 0.056 * np.sqrt(2) / 63
        assert np.abs(spatial.conv.w).max() > 3 * np.sqrt(2) / 63
    elif spatial is not None:
        bound = 1 / (63 * np.sqrt(spatial.conv.w.shape[1]))
        bounds += [(spatial.conv.w, bound)]
        if spatial.conv.b is not None:
            assert 0 < abs(spatial.conv.b[0]) <= bound
    for leaf, bound in bounds:
        assert np.abs(leaf).max() <= bound
        # The chance that 1024 draws all stay below 0.97 of the bound is 0.985 ** 1024 = 2e-7.
        assert leaf.max() > 0.97 * bound
        assert leaf.min() < -0.97 * bound
        assert leaf.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    if spatial is not None and spatial.norm is not None:
        norm = spatial.norm
        start = [leaf.item() for leaf in (norm.gamma, norm.beta, norm.mean, norm.var)]
        assert start == [0 if official else 1, 0, 0, 1]


def test_official_starts_with_an_open_half():
    """gamma = 0: Ms is ½ everywhere, and the kernel has no gradient yet."""
    cbam = CBAM.init(0, 8, 2, 3, "official")
    x = np.random.default_rng(0).normal(size=(2, 8, 4, 3))
    assert (cbam.spatial(x) == 0.5).all()
    dcbam, _ = cbam.vjp(x)[1](x)
    assert not dcbam.spatial.conv.w.any()
    assert dcbam.spatial.norm.gamma.any()


# Laws


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.complex128])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", presets.PRESETS)
def test_init(name, axes, dtype):
    cbam = CBAM.init(3, 8, 2, 3, name, dtype=dtype, spatial_axes=axes)
    shapes = presets.shapes(name, 8, 4, (3,) * axes)
    assert {path: leaf.shape for path, leaf in tree.leaves(cbam)} == shapes
    assert {leaf.dtype for _, leaf in tree.leaves(cbam)} == {np.dtype(dtype)}
    # Every dtype gets the numbers that float64 does.
    assert_same(
        CBAM.init(np.random.default_rng(3), 8, 2, 3, name, dtype=dtype, spatial_axes=axes), cbam
    )
    assert_same(CBAM.init(3, 8, 2, 3, name, dtype=dtype, spatial_axes=np.int64(axes)), cbam)
    double = CBAM.init(3, 8, 2, 3, name, dtype=np.float64, spatial_axes=axes)
    assert_same(tree.map(lambda leaf: leaf.astype(dtype), double), cbam)


def test_leaves_are_drawn_apart():
    a, b = CBAM.init(3, 8, 2, 3, "paper_biased"), CBAM.init(4, 8, 2, 3, "paper_biased")
    drawn = np.concatenate([leaf.ravel() for cbam in (a, b) for _, leaf in tree.leaves(cbam)])
    assert np.unique(drawn).size == drawn.size


@pytest.mark.parametrize("name", presets.PRESETS)
def test_build_takes_apart_what_it_put_together(name):
    cbam = CBAM.init(0, 8, 2, 3, name)
    built = CBAM.build(name, dict(reversed(list(tree.leaves(cbam)))))
    tree.map(lambda a, b: a, built, cbam)  # raises where the structures differ
    for (_, a), (_, b) in zip(tree.leaves(built), tree.leaves(cbam), strict=True):
        assert a is b


def test_build_adds_x_back_without_a_spatial_gate_too(monkeypatch):
    how = dataclasses.replace(presets.PRESETS["se"], residual=True)
    monkeypatch.setitem(presets.PRESETS, "se", how)
    assert CBAM.init(0, 8, 2, preset="se").residual is True


# Errors


@pytest.mark.parametrize(
    ("change", "exception", "message"),
    [
        ({"rng": "x"}, TypeError, "rng: expected a Generator or a seed, got 'x'"),
        ({"channels": 0}, ValueError, "channels: expected at least 1, got 0"),
        ({"channels": 8.0}, TypeError, "channels: expected an integer, got 8.0"),
        ({"reduction_ratio": 0}, ValueError, "reduction_ratio: expected at least 1, got 0"),
        ({"reduction_ratio": 9}, ValueError, "reduction_ratio: expected at most channels, 8"),
        ({"kernel_size": 4}, ValueError, "kernel_size: expected an odd kernel size, got 4"),
        ({"preset": "senet"}, ValueError, "preset: expected 'paper', .* or 'se', got 'senet'"),
        ({"dtype": np.float16}, TypeError, "dtype: expected float32, .* got <class 'numpy.float16"),
        ({"dtype": None}, TypeError, "dtype: expected float32, .* got None"),
        ({"spatial_axes": 4}, ValueError, "spatial_axes: expected 1, 2 or 3, got 4"),
    ],
)
def test_init_errors(change, exception, message):
    good = {"rng": 0, "channels": 8, "reduction_ratio": 2, "kernel_size": 3}
    with pytest.raises(exception, match=message):
        CBAM.init(**{**good, **change})


def test_build_errors():
    arrays = dict(tree.leaves(CBAM.init(0, 8, 2, 3, "seed")))
    for wrong in (arrays | {"spatial.norm.beta": np.ones(1)}, dict(list(arrays.items())[1:])):
        wanted = "channel.mlp.w0, channel.mlp.w1, spatial.conv.w, spatial.conv.b"
        message = f"arrays: expected {wanted}, got {', '.join(wrong)}"
        assert_raises(ValueError, message, CBAM.build, "seed", wrong)
    with pytest.raises(ValueError, match=r"w1: expected shape \(8, 4\), got \(8, 5\)"):
        CBAM.build("seed", arrays | {"channel.mlp.w1": np.ones((8, 5))})
    message = "channel.mlp.w1: expected a NumPy array, got list"
    assert_raises(TypeError, message, CBAM.build, "seed", arrays | {"channel.mlp.w1": [1.0]})
