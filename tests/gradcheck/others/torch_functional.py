"""torch.nn.functional: activations, losses, norms, pooling, convolution, images, attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from draws import at, between, normal
from torch_wrap import operator

SIGN = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
LABELS = torch.tensor([2, 0, 1])
SEVERAL = torch.tensor([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], dtype=torch.float64)
LISTED = torch.tensor([[3, 0, -1, 1], [1, -1, 0, 0], [0, 2, 3, -1]])
IDS = torch.tensor([[0, 2, 2], [4, 2, 1]])

# By name: the function, and places where it bends.
ACTIVATIONS = {
    "relu": (F.relu, (-1.0, 0.0, 2.0)),
    "relu6": (F.relu6, (0.0, 6.0, 3.0)),
    "leaky_relu": (F.leaky_relu, (-1.0, 0.0, 2.0)),
    "elu": (lambda x: F.elu(x, 0.7), (-1.0, 0.0, 2.0)),
    "selu": (F.selu, (-1.0, 0.0, 2.0)),
    "celu": (lambda x: F.celu(x, 0.7), (-1.0, 0.0, 2.0)),
    "gelu": (F.gelu, (-6.0, 0.0, 6.0)),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), (-6.0, 0.0, 6.0)),
    "silu": (F.silu, (-30.0, 0.0, 30.0)),
    "mish": (F.mish, (-30.0, 0.0, 30.0)),
    "hardtanh": (F.hardtanh, (-1.0, 1.0, 0.3)),
    "hardsigmoid": (F.hardsigmoid, (-3.0, 3.0, 0.3)),
    "hardswish": (F.hardswish, (-3.0, 3.0, 0.3)),
    "hardshrink": (F.hardshrink, (-0.7, 0.2, 0.9)),
    "softshrink": (F.softshrink, (-0.5, 0.5, 0.2)),
    "tanhshrink": (F.tanhshrink, (-1e-3, 0.0, 20.0)),
    "softplus": (F.softplus, (-30.0, 0.0, 19.9)),
    "softsign": (F.softsign, (-1.0, 0.0, 2.0)),
    "logsigmoid": (F.logsigmoid, (-30.0, 0.0, 30.0)),
    "sigmoid": (torch.sigmoid, (-30.0, 0.0, 30.0)),
    "tanh": (torch.tanh, (-18.0, 0.0, 15.0)),
    "threshold": (lambda x: F.threshold(x, 0.1, -2.0), (-1.0, 0.0, 2.0)),
}

LOSSES = {
    "mse_loss": (F.mse_loss, (normal(3, 4), normal(3, 4))),
    "l1_loss": (F.l1_loss, (normal(3, 4), normal(3, 4))),
    "l1_loss at 0": (F.l1_loss, (at(1.0, 2.0), at(1.0, 3.0))),
    "smooth_l1_loss": (F.smooth_l1_loss, (normal(3, 4), normal(3, 4))),
    "smooth_l1_loss at beta": (F.smooth_l1_loss, (at(1.0, 0.0), at(0.0, 0.0))),
    "huber_loss": (lambda a, b: F.huber_loss(a, b, delta=0.7), (normal(3, 4), normal(3, 4))),
    "binary_cross_entropy": (
        F.binary_cross_entropy,
        (between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4)),
    ),
    "bce_with_logits": (
        F.binary_cross_entropy_with_logits,
        (normal(3, 4), between(0.1, 0.9, 3, 4)),
    ),
    "cross_entropy": (lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1), (normal(3, 4),)),
    "cross_entropy soft": (F.cross_entropy, (normal(3, 4), between(0.1, 0.9, 3, 4))),
    "nll_loss": (lambda x: F.nll_loss(x, LABELS), (normal(3, 4),)),
    "kl_div": (
        lambda a, b: F.kl_div(a, b, reduction="batchmean"),
        (normal(3, 4), between(0.1, 0.9, 3, 4)),
    ),
    "kl_div log": (
        lambda a, b: F.kl_div(a, b, reduction="sum", log_target=True),
        (normal(3, 4), normal(3, 4)),
    ),
    "poisson_nll_loss": (lambda a, b: F.poisson_nll_loss(a, b), (normal(4), between(0.5, 3, 4))),
    "poisson_nll_loss full": (
        lambda a: F.poisson_nll_loss(a, torch.tensor([0.0, 2.0, 5.0]).double(), full=True),
        (normal(3),),
    ),
    "gaussian_nll_loss": (F.gaussian_nll_loss, (normal(4), normal(4), between(0.5, 2, 4))),
    "cosine_embedding_loss": (
        lambda a, b: F.cosine_embedding_loss(a, b, SIGN),
        (normal(3, 4), normal(3, 4)),
    ),
    "hinge_embedding_loss": (lambda a: F.hinge_embedding_loss(a, SIGN), (normal(3),)),
    "margin_ranking_loss": (
        lambda a, b: F.margin_ranking_loss(a, b, SIGN, margin=0.3),
        (normal(3), normal(3)),
    ),
    "multi_margin_loss": (lambda a: F.multi_margin_loss(a, LABELS), (normal(3, 4),)),
    "multi_margin_loss 2": (lambda a: F.multi_margin_loss(a, LABELS, p=2), (normal(3, 4),)),
    "multilabel_margin_loss": (lambda a: F.multilabel_margin_loss(a, LISTED), (normal(3, 4),)),
    "multilabel_soft_margin": (
        lambda a: F.multilabel_soft_margin_loss(a, SEVERAL),
        (normal(3, 4),),
    ),
    "soft_margin_loss": (lambda a: F.soft_margin_loss(a, SIGN), (normal(3),)),
    "triplet_margin_loss": (F.triplet_margin_loss, (normal(3, 4), normal(3, 4), normal(3, 4))),
    "triplet_margin_loss swap": (
        lambda a, b, c: F.triplet_margin_loss(a, b, c, swap=True),
        (normal(3, 4), normal(3, 4), normal(3, 4)),
    ),
    "ctc_loss": (
        lambda x: F.ctc_loss(
            F.log_softmax(x, 2), torch.tensor([[1, 2, 2], [3, 1, 0]]), (6, 6), (3, 2)
        ),
        (normal(6, 2, 4),),
    ),
    "ctc_loss alone": (
        lambda x: F.ctc_loss(x, torch.tensor([[1, 2, 2], [3, 1, 0]]), (6, 6), (3, 2)),
        (normal(6, 2, 4),),
    ),
}

NORMS = [
    operator(
        "batch_norm training",
        lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True),
        normal(4, 3, 2),
        normal(3),
        normal(3),
    ),
    operator(
        "batch_norm",
        lambda x, g, b: F.batch_norm(
            x, torch.arange(3).double(), torch.arange(1, 4).double(), g, b
        ),
        normal(4, 3, 2),
        normal(3),
        normal(3),
    ),
    operator(
        "layer_norm",
        lambda x, g, b: F.layer_norm(x, (4,), g, b),
        normal(3, 4),
        normal(4),
        normal(4),
    ),
    operator("rms_norm", lambda x, g: F.rms_norm(x, (4,), g), normal(3, 4), normal(4)),
    operator(
        "group_norm",
        lambda x, g, b: F.group_norm(x, 2, g, b),
        normal(2, 4, 3),
        normal(4),
        normal(4),
    ),
    operator(
        "instance_norm",
        lambda x, g, b: F.instance_norm(x, weight=g, bias=b),
        normal(2, 3, 5),
        normal(3),
        normal(3),
    ),
    operator("local_response_norm", lambda x: F.local_response_norm(x, 2), normal(2, 4, 3)),
    operator("normalize", lambda x: F.normalize(x, p=3, dim=1), normal(3, 4)),
    operator("normalize at 0", lambda x: F.normalize(x, dim=1, eps=1e-2), at([0.0, 0.0], [1, 2])),
    operator("cosine_similarity", F.cosine_similarity, normal(3, 4), normal(3, 4)),
    operator("pairwise_distance", F.pairwise_distance, normal(3, 4), normal(3, 4)),
    operator("pdist", F.pdist, normal(4, 3)),
    operator("pdist p=3", lambda x: F.pdist(x, 3), normal(4, 3)),
    operator("pdist p=1", lambda x: F.pdist(x, 1), normal(4, 3)),
    operator("cdist", torch.cdist, normal(4, 3), normal(2, 3)),
    operator("cdist p=1", lambda a, b: torch.cdist(a, b, 1.0), normal(4, 3), normal(2, 3)),
    operator("cdist p=inf", lambda a, b: torch.cdist(a, b, torch.inf), normal(4, 3), normal(2, 3)),
    operator("cdist at 0", torch.cdist, at([0.0, 1.0], [2, 3]), at([0.0, 1.0], [1, 1])),
    operator("softmax", lambda x: F.softmax(x, 1), normal(3, 4)),
    operator("softmin", lambda x: F.softmin(x, 1), normal(3, 4)),
    operator("log_softmax", lambda x: F.log_softmax(x, 0), normal(3, 4)),
    operator("glu", F.glu, normal(3, 4)),
    operator("prelu", F.prelu, normal(2, 3, 4), normal(3)),
    operator("prelu at 0", F.prelu, at([0.0, -1.0, 2.0]), at(0.3)),
    operator("dropout evaluation", lambda x: F.dropout(x, 0.5, training=False), normal(3, 4)),
    operator("linear", F.linear, normal(3, 4), normal(2, 4), normal(2)),
    operator("bilinear", F.bilinear, normal(3, 2), normal(3, 4), normal(5, 2, 4), normal(5)),
    operator("embedding", lambda w: F.embedding(IDS, w), normal(5, 3)),
    operator("embedding padding", lambda w: F.embedding(IDS, w, padding_idx=2), normal(5, 3)),
    *(
        operator(
            f"embedding_bag {mode}", lambda w, m=mode: F.embedding_bag(IDS, w, mode=m), normal(5, 3)
        )
        for mode in ("sum", "mean", "max")
    ),
]

CASES = [
    *(operator(name, fun, normal(3, 4)) for name, (fun, _) in ACTIVATIONS.items()),
    *(
        operator(f"{name} at bends", fun, at(*places))
        for name, (fun, places) in ACTIVATIONS.items()
    ),
    *(operator(name, fun, *draws) for name, (fun, draws) in LOSSES.items()),
    *NORMS,
]
