"""The verdict of a measurement comes first."""

from npcbam.bench import report


def times(seconds, shape=(8, 256, 56, 56), threads=1, mode="forward"):
    errors = {name: {"y": 2.0**-24} for name in seconds if name != "copy"}
    return {
        "shape": shape, "threads": threads, "mode": mode, "seconds": seconds, "errors": errors
    }  # fmt: skip


def test_the_verdict_comes_first():
    one = {"copy": 0.001, "fused": 0.002, "layers": 0.05, "torch": 0.012, "jax": 0.006}
    two = {"copy": 0.001, "fused": 0.0016, "layers": 0.05, "torch": 0.004, "jax": 0.0064}
    small = {"copy": 0.0001, "fused": 0.002, "layers": 0.05, "torch": 0.0015, "jax": 0.006}
    found = {
        "times": [
            times(one), times(small, (1, 64, 32, 32)),
            times(one, mode="both"), times(two, threads=2), times(two, threads=2, mode="both"),
        ],
        "memory": [{"shape": (8, 256, 56, 56), "name": "fused", "bytes": 2569011}],
        "scaling": {"N": [times(one), times(one, mode="both")]},
    }  # fmt: skip
    lines = report.text(found).splitlines()
    rows = [line.split() for line in lines]
    assert lines[0] == (
        "fused, forward, threads: 1: 1.50× the speed of the quickest peer (least 0.75× at "
        "1×64×32×32), 2.1× that of eager PyTorch, 6.3× the time of a copy"
    )
    assert (
        "two threads against one, forward: 1.25× (copy 1.00×, torch 3.00×, jax 0.94×) at "
        "8×256×56×56"
    ) in lines
    assert ["8×256×56×56", "2", "ms", "0.50×", "25.00×", "6.00×", "3.00×"] in rows
    assert ["8×256×56×56", "0.10"] in rows
    assert ["N:", "8×256×56×56", "0.31", "0.31"] in rows
    assert ["fused", "1"] in rows
