import subprocess
import sys
from collections import UserDict
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from helpers import DTYPES, assert_same

from npcbam import CBAM, presets, tree
from npcbam.pooling import AVG, MAX
from npcbam.state_dict import from_state_dict, load_arrays, save_arrays, to_state_dict

NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
OWN = {"channel.mlp.w0": (2, 8), "channel.mlp.w1": (8, 2)}
TIMM = {"channel.fc1.weight": (2, 8, 1, 1), "channel.fc2.weight": (8, 2, 1, 1)}
TIMM_NORM = {f"spatial.conv.bn.{part}": (1,) for part in NORM[:4]}
COUNTER = {"spatial.conv.bn.num_batches_tracked": ()}
# The keys and shapes of 8 channels, 2 hidden units and a 3 × 3 kernel, as the libraries have them.
BY_HAND = {
    "paper": OWN | {"spatial.conv.w": (1, 2, 3, 3)},
    "paper_biased": OWN
    | {"channel.mlp.b0": (2,), "channel.mlp.b1": (8,)}
    | {"spatial.conv.w": (1, 2, 3, 3), "spatial.conv.b": (1,)},
    "official": {
        "ChannelGate.mlp.1.weight": (2, 8),
        "ChannelGate.mlp.1.bias": (2,),
        "ChannelGate.mlp.3.weight": (8, 2),
        "ChannelGate.mlp.3.bias": (8,),
        "SpatialGate.spatial.conv.weight": (1, 2, 3, 3),
        **{f"SpatialGate.spatial.bn.{part}": (1,) for part in NORM[:4]},
        "SpatialGate.spatial.bn.num_batches_tracked": (),
    },
    "seed": {
        "ca.se.0.weight": (2, 8, 1, 1),
        "ca.se.2.weight": (8, 2, 1, 1),
        "sa.conv.weight": (1, 2, 3, 3),
        "sa.conv.bias": (1,),
    },
    "timm": TIMM | {"spatial.conv.conv.weight": (1, 2, 3, 3)} | TIMM_NORM | COUNTER,
    "timm_light": TIMM | {"spatial.conv.conv.weight": (1, 1, 3, 3)} | TIMM_NORM | COUNTER,
    "se": OWN,
}


class OnlyDLPack:
    """An array of a library that NumPy knows nothing of but the protocol."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **how):
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class Elsewhere(OnlyArray):
    """A tensor on a GPU that is trained: NumPy gets it only detached and brought here."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("call detach() and cpu() first")

    dtype = "torch.float64"

    def detach(self):
        return OnCuda(self.array)


class OnCuda(Elsewhere):
    def cpu(self):
        array = OnlyArray(self.array)
        array.dtype = self.dtype
        return array


def some(preset="seed", dtype=np.float64, axes=2):
    """Return a CBAM in which all numbers differ."""
    cbam = CBAM.init(0, 8, 4, 3, preset, dtype=dtype, spatial_axes=axes)
    count = iter(range(1, 1000))
    return tree.map(lambda leaf: np.asarray([next(count) for _ in leaf.flat], dtype).reshape(
        leaf.shape) / 7, cbam)  # fmt: skip


def assert_equal(got, want):
    """Demand the same structure, and the same bits."""
    tree.map(lambda a, b: a, got, want)
    assert_same(got, want)


# By hand


@pytest.mark.parametrize("preset", BY_HAND)
def test_keys_and_shapes(preset):
    weights = to_state_dict(some(preset), preset)
    assert {key: array.shape for key, array in weights.items()} == BY_HAND[preset]
    counters = [key for key in weights if key.endswith("num_batches_tracked")]
    assert all(weights[key].dtype == np.int64 and weights[key] == 0 for key in counters)
    assert len(counters) == (preset in ("official", "timm", "timm_light"))


def test_every_value_goes_to_its_place():
    names = {key: np.full(shape, i, float) for i, (key, shape) in enumerate(
        BY_HAND["official"].items(), start=1)}  # fmt: skip
    cbam = from_state_dict(names, "official")
    assert {path: leaf.flat[0] for path, leaf in tree.leaves(cbam)} == {
        "channel.mlp.w0": 1,
        "channel.mlp.b0": 2,
        "channel.mlp.w1": 3,
        "channel.mlp.b1": 4,
        "spatial.conv.w": 5,
        "spatial.norm.gamma": 6,
        "spatial.norm.beta": 7,
        "spatial.norm.mean": 8,
        "spatial.norm.var": 9,
    }
    assert (cbam.spatial.pools, cbam.spatial.norm.momentum) == ((MAX, AVG), 0.01)


# Laws


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_round_trips(preset, axes, dtype, tmp_path):
    cbam = some(preset, dtype, axes)
    weights = to_state_dict(cbam, preset, prefix="layer1.0.cbam.")
    assert_equal(from_state_dict(weights, preset), cbam)
    for kind in ("npz", "safetensors"):
        path = tmp_path / f"weights.{kind}"
        if kind == "safetensors" and dtype in (np.longdouble, np.complex128):
            with pytest.raises(TypeError, match=f"safetensors has no {np.dtype(dtype)}; save a"):
                save_arrays(path, weights)
            assert not path.exists()
            continue
        save_arrays(path, weights)
        loaded = load_arrays(path)
        assert_same(loaded, {key: weights[key] for key in loaded})
        assert loaded.keys() == weights.keys()
        assert_equal(from_state_dict(path, preset), cbam)
        assert_equal(from_state_dict(str(path), preset, "layer1.0.cbam"), cbam)


@pytest.mark.parametrize("ones", [(), (1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_linear_and_convolution_weights(preset, ones):
    cbam = some(preset)
    weights = to_state_dict(cbam, preset)
    for key in list(weights)[: 4 if preset == "official" else 2]:
        if key.endswith(("weight", "w0", "w1")):
            weights[key] = weights[key].reshape(*weights[key].shape[:2], *ones)
    assert_equal(from_state_dict(weights, preset), cbam)


@pytest.mark.parametrize(
    "convert",
    [
        torch.tensor,
        lambda a: torch.tensor(a, requires_grad=True),
        lambda a: torch.nn.Parameter(torch.tensor(a)),
        lambda a: a.view(np.matrix) if a.ndim == 2 else a,
        np.asfortranarray,
        OnlyDLPack,
        OnlyArray,
        Elsewhere,
    ],
)
def test_kinds_of_arrays(convert):
    cbam = some("official")
    weights = to_state_dict(cbam, "official")
    converted = {k: convert(a) for k, a in weights.items() if not k.endswith("tracked")}
    read = from_state_dict(UserDict(converted), "official")
    assert_equal(read, cbam)
    assert all(type(leaf) is np.ndarray for _, leaf in tree.leaves(read))


@pytest.mark.parametrize("convert", [np.asarray, OnlyArray])
def test_bfloat16_arrays(convert):
    weights = to_state_dict(some("seed", np.float32), "seed")
    # The dtype that jax arrays have as NumPy sees them.
    weights["sa.conv.bias"] = convert(weights["sa.conv.bias"].astype(ml_dtypes.bfloat16))
    with pytest.raises(TypeError, match=r"got bfloat16; sa.conv.bias.astype\('float32'\) is"):
        from_state_dict(weights, "seed")


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_values_are_copied(convert):
    weights = to_state_dict(some(), "seed")
    read = from_state_dict({key: convert(array) for key, array in weights.items()}, "seed")
    written = to_state_dict(read, "seed")
    for array in (*weights.values(), *written.values()):
        array[...] = 77
    assert_equal(read, some())


def test_gradients_have_keys_too():
    cbam = some("official")
    x = np.random.default_rng(0).normal(size=(2, 8, 4, 3))
    dcbam, _ = cbam.vjp(x)[1](x)
    written = to_state_dict(dcbam, "official")
    np.testing.assert_array_equal(written["ChannelGate.mlp.3.weight"], dcbam.channel.mlp.w1)


def test_torch_is_not_imported(tmp_path):
    save_arrays(tmp_path / "w.npz", to_state_dict(some(), "seed"))
    code = "import sys, npcbam.state_dict as s; s.from_state_dict(sys.argv[1], 'seed')"
    check = f"{code}; sys.exit(any(m in sys.modules for m in ('torch', 'jax', 'safetensors')))"
    subprocess.run([sys.executable, "-c", check, tmp_path / "w.npz"], check=True)


# Prefixes


@pytest.mark.parametrize(
    "prefix", ["", "module.", "layer1.0.cbam.", "module.layer1.0.cbam.", "ca.", "sa.conv."]
)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_prefix_is_found(preset, prefix):
    weights = to_state_dict(some(preset), preset, prefix)
    assert all(key.startswith(prefix) for key in weights)
    # A key only ends like one of ours where a dot stands before.
    alike = {f"my_{key}": array for key, array in to_state_dict(some(preset), preset).items()}
    others = {"fc.weight": np.ones(3), "xlayer1.0.cbam": None} | alike if prefix else {}
    assert_equal(from_state_dict(others | weights, preset), some(preset))
    assert_equal(from_state_dict(others | weights, preset, prefix), some(preset))


@pytest.mark.parametrize("prefix", ["layer1.0.cbam.", "layer1.0.cbam"])
@pytest.mark.parametrize("before", ["", "module."])
def test_prefix_chooses(before, prefix):
    wanted, other = some(), tree.map(np.negative, some())
    weights = to_state_dict(other, "seed", f"{before}layer1.1.cbam.")
    weights |= to_state_dict(wanted, "seed", f"{before}layer1.0.cbam.")
    weights |= {f"{before}conv1.weight": np.ones(1, np.float16), "layer1.0.cbamx": None}
    assert_equal(from_state_dict(weights, "seed", prefix), wanted)


def test_prefix_that_is_there_wins_over_module():
    weights = to_state_dict(tree.map(np.negative, some()), "seed", "module.a")
    weights |= to_state_dict(some(), "seed", "a")
    assert_equal(from_state_dict(weights, "seed", "a"), some())
    assert_equal(from_state_dict(weights, "seed", "module.a"), tree.map(np.negative, some()))


# Errors


def changed(change, preset="seed", prefix=""):
    """Return a state_dict with some of its values replaced, None for removed."""
    weights = to_state_dict(some(preset), preset, prefix) | change
    return {key: value for key, value in weights.items() if value is not None}


def lines(error):
    return str(error.value).split("\n  ")[1:]


def test_one_error_lists_all_keys():
    wrong = {
        "m.ca.se.0.weight": None,
        "m.ca.se.2.weight": np.ones((8, 2, 3, 1)),
        "m.sa.conv.weight": np.ones((1, 2, 4, 3), np.float16),
        "m.sa.conv.bias": np.ones(2),
        "m.sa.bn.weight": np.ones(1),
        "m.sa.bn.num_batches_tracked": np.ones(1),
        "elsewhere": np.ones(1),
    }
    with pytest.raises(ValueError, match=r"source: .* preset 'seed' under 'm\.', got") as error:
        from_state_dict(changed(wrong, prefix="m."), "seed")
    assert lines(error) == [
        "m.ca.se.0.weight: missing",
        "m.ca.se.2.weight: expected shape (8, 2), got (8, 2, 3, 1)",
        "m.sa.conv.weight: expected dtype float32, float64, longdouble or complex128, got float16; "
        "m.sa.conv.weight.astype('float32') is exact",
        "m.sa.conv.bias: expected shape (1,), got (2,)",
        "m.sa.bn.weight: unknown",
        "m.sa.bn.num_batches_tracked: unknown",
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ca.se.0.weight", np.ones(8), "expected shape (2, 8), got (8,)"),
        ("ca.se.2.weight", np.ones((2, 8)), "expected shape (8, 2), got (2, 8)"),
        ("ca.se.2.weight", np.ones((8, 2, 1, 1, 1, 1)), "expected shape (8, 2), got (8, 2, 1, 1, "),
        ("sa.conv.weight", np.ones((1, 2)), "expected shape (1, 2, K, K), got (1, 2)"),
        ("sa.conv.weight", np.ones((1, 1, 3)), "expected shape (1, 2, K), got (1, 1, 3)"),
        ("sa.conv.weight", np.ones((1, 2, 3, 4)), "expected an odd kernel size, got 4"),
        ("sa.conv.weight", np.ones((1, 2, 0)), "expected at least 1, got 0"),
        ("sa.conv.bias", np.float64(1), "expected shape (1,), got ()"),
    ],
)
def test_shapes(key, value, message):
    with pytest.raises(ValueError, match="source: ") as error:
        from_state_dict(changed({key: value}), "seed")
    (line,) = lines(error)
    assert line.startswith(f"{key}: {message}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones((8, 2), np.float16), "got float16; KEY.astype('float32') is exact"),
        (np.ones((8, 2), int), "got int64; KEY.astype('longdouble') is exact"),
        (torch.ones(8, 2).half(), "got torch.float16; KEY.to(torch.float32) is exact"),
        (torch.ones(8, 2).bfloat16(), "got torch.bfloat16; KEY.to(torch.float32) is exact"),
        (torch.ones(8, 2, device="meta"), "expected what NumPy can read, got torch.Tensor; "),
        (torch.ones(8, 2).float(), "expected dtype float64 like ca.se.0.weight, got float32"),
        ([[1.0, 2.0]] * 8, "expected a NumPy array, got list"),
        (np.ma.ones((8, 2)), "expected a NumPy array, got numpy.ma.MaskedArray"),
        (np.full((8, 2), None), "got object"),
        (None, "expected a NumPy array, got NoneType"),
    ],
)
def test_dtypes(value, message):
    weights = to_state_dict(some(), "seed") | {"ca.se.2.weight": value}
    with pytest.raises(TypeError, match="source: ") as error:
        from_state_dict(weights, "seed")
    (line,) = lines(error)
    assert line.startswith("ca.se.2.weight: ")
    assert message.replace("KEY", "ca.se.2.weight") in line


def test_one_error_lists_all_dtypes():
    half = {key: array.astype(np.float16) for key, array in to_state_dict(some(), "seed").items()}
    with pytest.raises(TypeError, match="source: ") as error:
        from_state_dict(half, "seed")
    assert [line.split(":")[0] for line in lines(error)] == list(BY_HAND["seed"])
    mixed = {"ca.se.2.weight": np.ones((8, 2), "f4"), "sa.conv.bias": np.ones(1, np.longdouble)}
    with pytest.raises(TypeError, match="source: ") as error:
        from_state_dict(changed(mixed), "seed")
    assert [line.split(":")[0] for line in lines(error)] == list(mixed)


def test_no_hidden_unit():
    none = {"ca.se.0.weight": np.ones((0, 8)), "ca.se.2.weight": np.ones((8, 0))}
    with pytest.raises(ValueError, match=r"at least one hidden unit and channel, got \(0, 8\)"):
        from_state_dict(changed(none), "seed")


def test_several_need_a_prefix():
    weights = to_state_dict(some(), "seed", "a") | to_state_dict(some(), "seed", "b.c")
    message = r"source: expected one CBAM, or a prefix= to choose one, got 'a\.', 'b\.c\.'"
    with pytest.raises(ValueError, match=message):
        from_state_dict(weights, "seed")
    # One that lacks a key is still a second one.
    del weights["a.sa.conv.bias"]
    with pytest.raises(ValueError, match=message):
        from_state_dict(weights, "seed")


@pytest.mark.parametrize(
    ("prefix", "source", "message"),
    [
        (None, {}, r"preset 'timm' under any prefix: channel\.fc1\.weight, .*; got none$"),
        (None, {"b": 1, "a": 2}, r"got b, a$"),
        (None, dict.fromkeys(map(str, range(30))), r"got 0, 1, .*, 19 and 10 more$"),
        (None, BY_HAND["seed"], r"sa.conv.bias; these look like preset 'seed'$"),
        ("x", changed({}, "timm", "y."), r"under prefix 'x': .*; there is a CBAM under 'y\.'$"),
    ],
)
def test_nothing_of_the_preset(prefix, source, message):
    with pytest.raises(ValueError, match=message):
        from_state_dict(source, "timm", prefix)


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda: from_state_dict({}, "resnet"), ValueError, "preset: expected 'paper', .*'resnet'"),
        (lambda: from_state_dict({}, "se", 3), TypeError, "prefix: expected a string, got 3"),
        (lambda: from_state_dict({1: 2}, "se"), TypeError, "source: expected strings as keys"),
        (lambda: from_state_dict([1], "se"), TypeError, "source: expected a mapping or a path"),
        (lambda: to_state_dict(some(), "resnet"), ValueError, "preset: expected 'paper'"),
        (lambda: to_state_dict({}, "seed"), TypeError, "cbam: expected a CBAM, got dict"),
        (
            lambda: to_state_dict(some("paper"), "seed"),
            ValueError,
            "cbam: expected a CBAM of preset 'seed'; arrays: expected .*, got ",
        ),
        (
            lambda: to_state_dict(replace(some(), residual=False), "seed"),
            ValueError,
            "cbam: expected a CBAM of preset 'seed'; residual: expected .*, got True and False",
        ),
        (
            lambda: to_state_dict(some("timm"), "timm_light"),
            ValueError,
            "cbam: expected a CBAM of preset 'timm_light'; conv.w: expected shape",
        ),
    ],
)
def test_arguments(call, exception, message):
    with pytest.raises(exception, match=message):
        call()


# Files


def test_safetensors_of_torch(tmp_path):
    """The way that the message about .pt files names."""
    path = tmp_path / "w.safetensors"
    tensors = {key: torch.tensor(a) for key, a in to_state_dict(some("timm"), "timm").items()}
    safetensors.torch.save_file(tensors, path)
    assert_equal(from_state_dict(path, "timm"), some("timm"))
