"""One process for each contender, to see how much memory a forward and backward take at most.

`python -m npcbam.bench.memory`, with a request on its standard input and the bytes on its standard
output. What is measured is the memory of the process that is resident (Linux), as all allocators
show there: the highest during one forward and backward, less what was there before and less y and
dx. Before it the same is done once, so that what is compiled and loaded is not counted.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import numpy as np

from npcbam.bench.peers import PEERS
from npcbam.cbam import CBAM

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Of the C library: give memory back at once, so that what is resident is what is in use.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def main() -> None:
    """Measure one contender at one shape."""
    request = json.load(sys.stdin)
    json.dump(extra(request["name"], tuple(request["shape"]), request["threads"]), sys.stdout)


def extra(name: str, shape: tuple[int, ...], threads: int) -> int | None:
    """Return the bytes beyond x, y, dy and dx; None where that cannot be measured."""
    cbam = CBAM.init(0, shape[1], min(16, shape[1]), dtype=np.float32)
    peer = PEERS[name](cbam, threads)
    if peer.both is None or not CLEAR.exists():
        return None
    rng = np.random.default_rng(0)
    x, dy = (peer.put(rng.normal(size=shape).astype("f4")) for _ in range(2))
    for _ in range(2):
        peer.both(x, dy)
    gc.collect()
    CLEAR.write_text("5")  # the highest so far is forgotten
    before = _resident("VmRSS")
    results = peer.both(x, dy)
    highest = _resident("VmHWM")
    assert results
    return highest - before - 2 * 4 * int(np.prod(shape))


def _resident(field: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[field].split()[0])


if __name__ == "__main__":
    main()
