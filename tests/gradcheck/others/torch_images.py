"""torch: convolution, pooling, resampling, padding, attention and recurrent cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from draws import at, between, normal
from torch_wrap import operator

IMAGE = normal(2, 2, 5, 6)


def module(made: torch.nn.Module) -> tuple[Callable[..., Any], list[Any]]:
    """Return a module as a function of its parameters and inputs, and draws of its parameters."""
    names = [name for name, _ in made.named_parameters()]
    draws = [normal(*p.shape) for p in made.parameters()]

    def run(*tensors: Any) -> Any:
        parameters = dict(zip(names, tensors[: len(names)], strict=True))
        return torch.func.functional_call(made, parameters, tensors[len(names) :])

    return run, draws


def of_module(name: str, made: torch.nn.Module, *draws: Any, pick: int | None = None) -> Any:
    run, parameters = module(made.double().eval())
    chosen = run if pick is None else lambda *tensors: run(*tensors)[pick]
    return operator(name, chosen, *parameters, *draws)


CONVOLUTIONS = [
    operator("conv1d", F.conv1d, normal(2, 2, 7), normal(3, 2, 3), normal(3)),
    operator("conv2d", F.conv2d, IMAGE, normal(3, 2, 3, 2), normal(3)),
    operator(
        "conv2d strided, dilated, in groups",
        lambda x, w: F.conv2d(x, w, stride=2, padding=1, dilation=(1, 2), groups=2),
        normal(1, 4, 6, 7),
        normal(4, 2, 3, 2),
    ),
    operator("conv3d", F.conv3d, normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2)),
    operator("conv_transpose1d", F.conv_transpose1d, normal(2, 2, 5), normal(2, 3, 3), normal(3)),
    operator(
        "conv_transpose2d strided",
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1, dilation=2),
        normal(1, 2, 3, 4),
        normal(2, 2, 3, 2),
    ),
    operator("conv_transpose3d", F.conv_transpose3d, normal(1, 2, 2, 3, 2), normal(2, 1, 2, 2, 2)),
    operator("unfold", lambda x: F.unfold(x, (2, 3), stride=2, padding=1), IMAGE),
    operator("fold", lambda x: F.fold(x, (4, 5), (2, 2)), normal(1, 8, 12)),
    operator("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), normal(1, 8, 2, 3)),
    operator("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), normal(1, 2, 4, 6)),
    operator("channel_shuffle", lambda x: F.channel_shuffle(x, 2), normal(1, 4, 2, 3)),
]

POOLING = [
    operator("max_pool1d", lambda x: F.max_pool1d(x, 3, 2), normal(2, 2, 7)),
    operator("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), IMAGE),
    operator("max_pool2d overlapping", lambda x: F.max_pool2d(x, 3, 1), IMAGE),
    operator("max_pool2d tied", lambda x: F.max_pool2d(x, 2), at([[[1.0, 1.0], [0, 1]]])),
    operator("max_pool3d", lambda x: F.max_pool3d(x, 2), normal(1, 2, 4, 4, 2)),
    operator("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2), normal(2, 2, 7)),
    operator("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), IMAGE),
    operator(
        "avg_pool2d without padding",
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        IMAGE,
    ),
    operator("avg_pool3d", lambda x: F.avg_pool3d(x, 2), normal(1, 2, 4, 4, 2)),
    operator("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 4)), IMAGE),
    operator("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (2, 4)), IMAGE),
    operator("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 3), normal(2, 2, 7)),
    operator("lp_pool1d", lambda x: F.lp_pool1d(x, 3, 2), between(0.1, 2, 2, 2, 7)),
    operator("lp_pool2d", lambda x: F.lp_pool2d(x, 2, 2), IMAGE),
    operator(
        "max_unpool2d",
        lambda x: F.max_unpool2d(x, torch.tensor([[[[0, 3], [9, 14]]]]), 2),
        normal(1, 1, 2, 2),
    ),
]

RESAMPLING = [
    *(
        operator(
            f"interpolate {mode}",
            lambda x, m=mode: F.interpolate(x, scale_factor=1.7, mode=m),
            IMAGE,
        )
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
    ),
    *(
        operator(
            f"interpolate {mode} corners",
            lambda x, m=mode: F.interpolate(x, size=(3, 9), mode=m, align_corners=True),
            IMAGE,
        )
        for mode in ("bilinear", "bicubic")
    ),
    operator(
        "interpolate antialias",
        lambda x: F.interpolate(x, size=(3, 2), mode="bilinear", antialias=True),
        IMAGE,
    ),
    operator(
        "interpolate linear", lambda x: F.interpolate(x, size=11, mode="linear"), normal(1, 2, 5)
    ),
    operator(
        "interpolate trilinear",
        lambda x: F.interpolate(x, size=(3, 5, 2), mode="trilinear"),
        normal(1, 1, 2, 3, 4),
    ),
    *(
        operator(
            f"grid_sample {mode} {padding}",
            lambda x, g, m=mode, p=padding: F.grid_sample(x, g, m, p, align_corners=False),
            normal(1, 2, 4, 5),
            between(-1.3, 1.3, 1, 3, 4, 2),
        )
        for mode in ("bilinear", "bicubic", "nearest")
        for padding in ("zeros", "border", "reflection")
    ),
    operator(
        "affine_grid",
        lambda t: F.affine_grid(t, (2, 1, 3, 4), align_corners=False),
        normal(2, 2, 3),
    ),
    *(
        operator(f"pad {mode}", lambda x, m=mode: F.pad(x, (1, 2, 2, 1), mode=m), IMAGE)
        for mode in ("constant", "reflect", "replicate", "circular")
    ),
    operator("pad cut", lambda x: F.pad(x, (-1, 2, 0, -1)), IMAGE),
]

SEQUENCES = [
    operator(
        "scaled_dot_product_attention",
        F.scaled_dot_product_attention,
        normal(1, 2, 4, 3),
        normal(1, 2, 5, 3),
        normal(1, 2, 5, 2),
    ),
    operator(
        "scaled_dot_product_attention causal",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        normal(1, 2, 4, 3),
        normal(1, 2, 4, 3),
        normal(1, 2, 4, 3),
    ),
    of_module(
        "MultiheadAttention",
        torch.nn.MultiheadAttention(4, 2, batch_first=True),
        *[normal(2, 3, 4)] * 3,
        pick=0,
    ),
    of_module("RNNCell", torch.nn.RNNCell(3, 2), normal(2, 3), normal(2, 2)),
    of_module("GRUCell", torch.nn.GRUCell(3, 2), normal(2, 3), normal(2, 2)),
    of_module("GRU", torch.nn.GRU(3, 2, bidirectional=True), normal(4, 1, 3), pick=0),
    of_module("LSTM", torch.nn.LSTM(3, 2, num_layers=2), normal(4, 1, 3), pick=0),
    of_module(
        "TransformerEncoderLayer",
        torch.nn.TransformerEncoderLayer(4, 2, 5, norm_first=True, activation="gelu"),
        normal(3, 1, 4),
    ),
]

CASES = [*CONVOLUTIONS, *POOLING, *RESAMPLING, *SEQUENCES]
