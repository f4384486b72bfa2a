"""Eq. 1 and its pullback, a step at a time, so that wrong ones can swap a step."""

from __future__ import annotations

from typing import Any

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.lessons.exercise import Values, walk
from npcbam.pointwise import sigmoid, sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention

SPACE = (2, 3)


def _channel(t: Values) -> ChannelAttention:
    return ChannelAttention(SharedMLP(t.w0, t.w1))


def _spatial(t: Values) -> SpatialAttention:
    return SpatialAttention(Conv(t.w))


# z is for logits, s and c for the spatial and the channel gate, f for F'. What an attention's
# pullback gives, `back_s` and `back_c`, holds the gradient of its weights, and of its input.
STEPS = {
    "zc": lambda t: _channel(t).logits_vjp(t.x)[0],
    "mc": lambda t: sigmoid(t.zc),
    "f": lambda t: t.mc * t.x,
    "zs": lambda t: _spatial(t).logits_vjp(t.f)[0],
    "ms": lambda t: sigmoid(t.zs),
    "dms": lambda t: (t.dy * t.f).sum(1, keepdims=True),
    "dzs": lambda t: sigmoid_vjp(t.zs)[1](t.dms),
    "back_s": lambda t: _spatial(t).logits_vjp(t.f)[1](t.dzs),
    "dw": lambda t: t.back_s[0].conv.w,
    "df": lambda t: t.ms * t.dy + t.back_s[1],
    "dmc": lambda t: (t.df * t.x).sum(SPACE, keepdims=True),
    "dzc": lambda t: sigmoid_vjp(t.zc)[1](t.dmc),
    "back_c": lambda t: _channel(t).logits_vjp(t.x)[1](t.dzc),
    "dw0": lambda t: t.back_c[0].mlp.w0,
    "dw1": lambda t: t.back_c[0].mlp.w1,
    "dx": lambda t: t.mc * t.df + t.back_c[1],
}


def gives(**swapped: Any) -> Any:
    """Return what a pullback with other steps gives, as a mistake has it."""

    def make(v: Values) -> dict[str, Array]:
        t = walk(v, STEPS, **swapped)
        return {"dw0": t.dw0, "dw1": t.dw1, "dw": t.dw, "dx": t.dx}

    return make


def one_branch(pool: str) -> Any:
    """Return the weights' gradients that one descriptor gives, in the place of both."""

    def make(v: Values) -> dict[str, Array]:
        t = walk(v, STEPS)
        f = {"avg": t.x.mean(SPACE), "max": t.x.max(SPACE)}[pool]
        dmlp, _ = SharedMLP(t.w0, t.w1).vjp(f)[1](t.dzc[..., 0, 0])
        return {"dw0": dmlp.w0, "dw1": dmlp.w1}

    return make


def pools(t: Values, to_mean: str, to_max: str) -> Array:
    """Take the cotangents of these descriptors back through the mean and the maximum."""
    f = {"avg": t.x.mean(SPACE), "max": t.x.max(SPACE)}
    mlp, dz = SharedMLP(t.w0, t.w1), t.dzc[..., 0, 0]
    df = {pool: mlp.vjp(each)[1](dz)[1][..., None, None] for pool, each in f.items()}
    by_mean, by_max = pooling.mean_vjp(t.x, SPACE)[1], pooling.max_vjp(t.x, SPACE)[1]
    dx: Array = by_mean(df[to_mean]) + by_max(df[to_max])
    return dx
