"""Random right blocks in PyTorch: the oracle must call none of them wrong.

python tests/oracle/right_blocks.py --runs 10000 --seed 0

Each is drawn from a seed, and so are the weights and inputs that it is tried with: preset, order,
residual, tie rules, plane order, biases, norm, kernel size, width and hidden width, spatial axes
and precision. It is identified in float64 and judged there and at its precision. A block is
`faithful` where its structure is that of Eqs. 1 to 3 and a `variant` otherwise, and must be found
so.
"""

import argparse
import collections
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))

from torch_blocks import follow

from npcbam import CBAM, tree
from npcbam.conv import Conv
from npcbam.oracle.candidates import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.comparison.tie_rules import OF_LAYERS, with_maxima
from npcbam.oracle.question import Question
from npcbam.presets import PRESETS

BOTH = {"avg", "max"}


class Following(nn.Module):
    """What a CBAM of the reference computes, in PyTorch, under names that say nothing."""

    def __init__(self, cbam, dtype):
        super().__init__()
        self.cbam, self.names, self.dtype = cbam, {}, str(dtype).removeprefix("torch.")
        for i, (path, leaf) in enumerate(tree.leaves(cbam)):
            self.names[path] = f"array{i}"
            value = torch.tensor(leaf, dtype=dtype)
            if path in ("spatial.norm.mean", "spatial.norm.var"):
                self.register_buffer(f"array{i}", value)
            else:
                self.register_parameter(f"array{i}", nn.Parameter(value))

    def forward(self, x):
        leaves = {path: getattr(self, name) for path, name in self.names.items()}
        return follow(self.cbam, leaves, x)


def draw(seed):
    """Return a block, and the verdict that it deserves."""
    rng = np.random.default_rng(seed)
    preset = str(rng.choice(list(PRESETS)))
    hidden, factor = int(rng.integers(1, 5)), int(rng.integers(2, 9))
    axes = int(rng.choice([1, 2, 2, 3]))
    # In three dimensions 7 takes long.
    kernel = int(rng.choice([3, 7, 7] if axes < 3 else [3, 3, 3, 7]))
    cbam = CBAM.init(rng, hidden * factor, factor, kernel, preset, spatial_axes=axes)
    cbam = replace(
        cbam,
        order=str(rng.choice(["channel-first", "channel-first", "spatial-first", "parallel"])),
        residual=bool(rng.integers(4) == 0) or cbam.residual,
    )
    channel, spatial = (OF_LAYERS[rng.integers(2)] for _ in range(2))
    cbam = with_maxima(cbam, channel, spatial)
    if cbam.spatial is not None:
        pools = cbam.spatial.pools[:: int(rng.choice([-1, 1]))]
        bias = rng.normal(size=1) if rng.integers(2) and cbam.spatial.norm is None else None
        conv = Conv(cbam.spatial.conv.w, bias)
        cbam = replace(cbam, spatial=replace(cbam.spatial, pools=pools, conv=conv))
    dtypes = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    paper = (
        cbam.spatial is not None
        and cbam.order == "channel-first"
        and not (cbam.residual or cbam.channel.blend or cbam.spatial.blend)
        and {pool.name for pool in cbam.channel.pools} == BOTH
        and {pool.name for pool in cbam.spatial.pools} == BOTH
        and kernel == 7
    )
    # In half precision the CPU convolves maps of three axes wrongly: those are not right ones.
    dtype = dtypes[rng.integers(2 if axes == 3 else 4)]
    return Following(cbam, dtype), "faithful" if paper else "variant"


def describe(block):
    cbam = block.cbam
    what = f"{cbam.order}, residual {cbam.residual}, channel {cbam.channel.pools}"
    shapes = ", ".join(f"{path} {leaf.shape}" for path, leaf in tree.leaves(cbam))
    return f"{what}; {shapes}; {block.dtype}"


def check_one(seed):
    """Return the block of a seed, the verdict that it deserves, and the report."""
    block, deserved = draw(seed)
    candidate = adapt(block)
    candidate.dtypes = tuple(dict.fromkeys(["float64", block.dtype]))
    return block, deserved, judge(candidate, Question(seed=seed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="the first of as many seeds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = collections.Counter()
    for seed in range(options.seed, options.seed + options.runs):
        block, deserved, report = check_one(seed)
        found[block.dtype, deserved, report.verdict] += 1
        if report.verdict != deserved:
            first = report.findings[0] if report.findings else None
            print(f"seed {seed}: {report.verdict}, not {deserved}: {describe(block)}\n    {first}")
    for (dtype, deserved, verdict), count in sorted(found.items()):
        print(f"{count:7} {dtype:9} {deserved:9} found {verdict}")


if __name__ == "__main__":
    main()
