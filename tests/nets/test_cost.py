"""What a network costs, against PyTorch's own counters."""

import numpy as np
import pytest
import torch
import torch_resnet
from torch.utils.flop_counter import FlopCounterMode

from npcbam.nets import ResNet, multiply_adds, parameters

NETS = [
    (attention, widths, pool)
    for attention in (None, "se", "cbam")
    for widths, pool in [((8,), 1), ((8, 16, 16), 2)]
]
EVERY_NET = pytest.mark.parametrize(("attention", "widths", "pool"), NETS)


def test_by_hand():
    net = ResNet.init(0, 1, (2, 4), 3, attention="se", reduction_ratio=2)
    # Stem, blocks, linear: kernels and norms; then the two layers of each gate.
    kernels = 9 * 2 + (9 * 4 + 9 * 4) + (9 * 8 + 9 * 16 + 8)
    norms = 2 * (2 + 4 + 3 * 4)
    assert parameters(net) == kernels + norms + 15 + (2 * 2 * 1 + 2 * 4 * 2)
    products = 100 * 9 * 2 + 100 * (9 * 4 + 9 * 4) + 25 * (9 * 8 + 9 * 16 + 8) + 12
    gates = (2 * 2 * 1 + 2 * 100) + (2 * 4 * 2 + 4 * 25)
    assert multiply_adds(net, 10, 10) == products + gates


@EVERY_NET
def test_parameters_against_torch(attention, widths, pool):
    net = ResNet.init(0, 3, widths, attention=attention, pool=pool, dtype=np.float64)
    peer = torch_resnet.ResNet(net)
    assert parameters(net) == sum(p.numel() for p in peer.parameters())


@EVERY_NET
def test_multiply_adds_against_torch(attention, widths, pool):
    net = ResNet.init(0, 3, widths, attention=attention, pool=pool, dtype=np.float64)
    peer = torch_resnet.ResNet(net).eval()
    gated = []
    for block in peer.blocks:
        if attention is not None:
            block.attention.register_forward_hook(lambda _, x, y: gated.append(y.numel()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        peer(torch.zeros(1, 3, 11, 14, dtype=torch.float64))
    # It counts products and sums apart, and no elementwise product: each gate is one a feature.
    gates = {None: 0, "se": 1, "cbam": 2}[attention] * sum(gated)
    assert multiply_adds(net, 11, 14) == counter.get_total_flops() / 2 + gates
