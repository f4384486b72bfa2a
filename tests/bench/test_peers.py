"""Peers compute the same, or are not timed."""

import numpy as np
import pytest

from npcbam.bench import measure, peers

SHAPE = (2, 8, 5, 4)


@pytest.mark.parametrize("mode", measure.MODES)
@pytest.mark.parametrize("name", [n for n in peers.installed() if n != "compile"])
def test_peers_compute_the_same(name, mode):
    found = measure.measure(SHAPE, mode, [name], 1, 0.0)
    assert (found["shape"], found["mode"], found["threads"]) == (SHAPE, mode, 1)
    runs = mode == "forward" or name != "onnx"
    assert list(found["seconds"]) == (["copy", name] if runs else ["copy"])
    assert all(0 <= e < 1e-5 for errors in found["errors"].values() for e in errors.values())
    tensors = ["y"] if mode == "forward" else ["y", "dx", "dw0", "dw1", "dkernel"]
    assert [list(errors) for errors in found["errors"].values()] == [tensors] * runs


@pytest.mark.parametrize("tensor", range(5))
def test_who_computes_another_thing_is_not_timed(monkeypatch, tensor):
    def wrong(cbam, threads):
        right = peers.fused(cbam, threads)

        def both(x, dy):
            found = right.both(x, dy)
            found[tensor] = found[tensor] * np.float32(1.01)
            return found

        return peers.Peer(right.put, right.forward, both)

    monkeypatch.setitem(peers.PEERS, "wrong", wrong)
    with pytest.raises(ValueError, match=r"^wrong: expected the results of the readable layers"):
        measure.measure(SHAPE, "both", ["fused", "wrong"], 1, 0.0)
