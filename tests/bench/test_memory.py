"""Memory is what comes to the results."""

import numpy as np

from npcbam.bench import command, memory


def test_memory_is_beyond_the_results():
    # In processes of their own: what this one has freed is still resident.
    shape = (4, 64, 64, 64)
    requests = [{"name": name, "shape": shape, "threads": 1} for name in ("fused", "layers")]
    fused, layers = (command._worker("memory", one, 1, False, "memory") for one in requests)
    if not memory.CLEAR.exists():  # Linux alone tells
        assert fused is layers is None
        return
    # The layers keep F' and more, each as large as x.
    assert fused < 4 * np.prod(shape) < layers
