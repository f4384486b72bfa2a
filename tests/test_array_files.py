"""Arrays in .npz and .safetensors files, which are never trusted."""

import io
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from helpers import assert_same

from npcbam.array_files import load_arrays, save_arrays


@pytest.mark.parametrize("kind", ["pt", "pth", "pkl", "bin", "ckpt", "PT"])
def test_pickles_are_refused(kind, tmp_path):
    path = tmp_path / f"w.{kind}"
    torch.save({}, path)
    with pytest.raises(ValueError, match=r"path: expected a \.npz or .* can run code.*save_file\("):
        load_arrays(path)
    with pytest.raises(ValueError, match=r"path: expected a \.npz or \.safetensors file, got"):
        save_arrays(path, {})


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


GOOD = npz(a=npy(np.arange(99.0)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"not an archive",
        npy(np.ones(3)),
        GOOD[:-9],
        GOOD[:300] + b"?" + GOOD[301:],
        npz(a=b"no array"),
        npz(a=npy(np.ones(3))[:-1]),
        npz(a=npy(np.ones(3)).replace(b"(3,)", b"(9,)")),
        npz(a=npy(np.ones(3)).replace(b"(3,), }           ", b"(3333333333333,), }")),
    ],
)
def test_damaged_npz(content, tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    message = re.escape(f"{path}: expected a readable .npz file; ")
    with pytest.raises(ValueError, match=message) as caught:
        load_arrays(path)
    assert "allow_pickle" not in str(caught.value)


def test_nothing_is_unpickled(tmp_path):
    bomb, target = Bomb(), tmp_path / "exploded"
    bomb.target = str(target)
    (tmp_path / "w.npz").write_bytes(npz(a=npy(np.array([bomb]))))
    with pytest.raises(ValueError, match=r"\.npz file; a\.npy: it holds Python objects, which"):
        load_arrays(tmp_path / "w.npz")
    assert not target.exists()


@pytest.mark.parametrize("cut", [0, 7, 30, -1])
def test_damaged_safetensors(cut, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.arange(9.0)})[:cut])
    with pytest.raises(ValueError, match=r"expected a readable \.safetensors file; "):
        load_arrays(path)


def test_bfloat16_in_safetensors(tmp_path):
    path = tmp_path / "w.safetensors"
    values = {"a": torch.ones(2), "b": torch.ones(2).bfloat16(), "c": torch.ones(2).bfloat16()}
    safetensors.torch.save_file(values, path)
    with pytest.raises(TypeError, match=r"a cast to float32 is exact: b is BF16, c is BF16$"):
        load_arrays(path)


def test_torch_reads_what_is_saved(tmp_path):
    path = tmp_path / "w.safetensors"
    save_arrays(path, {"w": np.arange(6.0).reshape(3, 2).T, "n": np.zeros((), int)})
    loaded = safetensors.torch.load_file(path)
    assert loaded["w"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert loaded["n"].shape == ()


@pytest.mark.parametrize("name", ["w.NPZ", "w.SafeTensors"])
def test_capitals(name, tmp_path):
    save_arrays(tmp_path / name, {"a": np.arange(3.0)})
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert load_arrays(tmp_path / name)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_missing_file(kind, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / f"w.{kind}")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_any_string_is_a_key(kind, tmp_path):
    keys = ["file", "args", "allow_pickle", "a", "a.npy", "a/b", "../c", "σ and a space", ""]
    arrays = {key: np.array([i, i + 0.5]) for i, key in enumerate(keys)}
    path = tmp_path / f"w.{kind}"
    save_arrays(path, arrays)
    loaded = load_arrays(path)
    assert {key: array.tolist() for key, array in loaded.items()} == {
        key: array.tolist() for key, array in arrays.items()
    }


def test_numpy_reads_what_is_saved(tmp_path):
    arrays = {"w": np.arange(6.0).reshape(3, 2).T, "n": np.zeros((), int), "x": np.ones((0, 2))}
    save_arrays(tmp_path / "w.npz", arrays)
    with np.load(tmp_path / "w.npz") as loaded:
        assert_same({key: loaded[key] for key in loaded.files}, arrays)


@pytest.mark.parametrize("arrays", [[np.ones(1)], None, np.ones(1), {1: np.ones(1)}])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_only_mappings_of_strings_are_saved(kind, arrays, tmp_path):
    with pytest.raises(TypeError, match=r"arrays: expected (a mapping|strings as keys).*, got "):
        save_arrays(tmp_path / f"w.{kind}", arrays)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [[1.0], None, np.array(["a"]), np.array([None])])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_only_numbers_are_saved(kind, value, tmp_path):
    with pytest.raises(TypeError, match="b: expected an array of numbers, got"):
        save_arrays(tmp_path / f"w.{kind}", {"a": np.ones(1), "b": value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [load_arrays, lambda path: save_arrays(path, {})])
def test_safetensors_is_not_installed(call, tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save({}))
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'npcbam\[safetensors\]'"):
        call(path)
