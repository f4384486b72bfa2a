"""The exercise on the MLP that both descriptors share, `shared_mlp_vjp`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npcbam import pointwise, tree
from npcbam.arguments import Array
from npcbam.channel_attention import SharedMLP
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal
from npcbam.pointwise import relu_vjp


def shared_mlp_vjp(w0: Array, w1: Array, f_avg: Array, f_max: Array) -> Answer:
    """Return the right logits of both descriptors, and their pullback."""
    mlp = SharedMLP(w0, w1)
    z_avg, avg_pullback = mlp.vjp(f_avg)
    z_max, max_pullback = mlp.vjp(f_max)

    def shared_mlp_pullback(dz: Array) -> tuple[Array, ...]:
        (dmlp_avg, df_avg), (dmlp_max, df_max) = avg_pullback(dz), max_pullback(dz)
        dmlp = tree.add(dmlp_avg, dmlp_max)
        return dmlp.w0, dmlp.w1, df_avg, df_max

    return z_avg + z_max, shared_mlp_pullback


def _branch(v: Values, f: str, relu: str = "own") -> Mapping[str, Array]:
    """Take dz through the MLP for one descriptor.

    `relu` is the mask that it has: its "own", the "other" descriptor's, "none", or one that is
    "open" at 0.
    """
    a = getattr(v, f) @ v.w0.T
    other = (v.f_max if f == "f_avg" else v.f_avg) @ v.w0.T
    mask = {"own": a > 0, "other": other > 0, "none": True, "open": a >= 0}[relu]
    da = np.where(mask, v.dz @ v.w1, 0)
    dw1 = v.dz.T @ relu_vjp(a)[0]
    return {"dw0": da.T @ getattr(v, f), "dw1": dw1, f"d{f}": da @ v.w0}


def _both(v: Values, relu: str = "own", relu_max: str = "") -> dict[str, Array]:
    avg, top = _branch(v, "f_avg", relu), _branch(v, "f_max", relu_max or relu)
    summed = {name: avg[name] + top[name] for name in ("dw0", "dw1")}
    return {"df_avg": avg["df_avg"], "df_max": top["df_max"], **summed}


def _half(v: Values, f: str) -> dict[str, Array]:
    """Return what the weights get from one descriptor alone."""
    found = _branch(v, f)
    return {"dw0": found["dw0"], "dw1": found["dw1"]}


def _by_weights(v: Values, from_z: Array, from_a: Array) -> dict[str, Array]:
    """Go back by these weights from z and from the hidden layer."""
    das = {f: np.where(v_f @ v.w0.T > 0, v.dz @ from_z, 0) for f, v_f in _descriptors(v)}
    dw0 = sum(das[f].T @ v_f for f, v_f in _descriptors(v))
    return {"dw0": np.asarray(dw0)} | {f"d{f}": da @ from_a for f, da in das.items()}


def _descriptors(v: Values) -> list[tuple[str, Array]]:
    return [("f_avg", v.f_avg), ("f_max", v.f_max)]


def _merged(v: Values) -> dict[str, Array]:
    """Take the MLP as if it had run once, on the sum of both descriptors."""
    a = (v.f_avg + v.f_max) @ v.w0.T
    da = np.where(a > 0, v.dz @ v.w1, 0)
    df = da @ v.w0
    f = v.f_avg + v.f_max
    return {"dw0": da.T @ f, "dw1": v.dz.T @ relu_vjp(a)[0], "df_avg": df, "df_max": df}


def _crossed(v: Values) -> Array:
    da = [np.where(f @ v.w0.T > 0, v.dz @ v.w1, 0) for f in (v.f_avg, v.f_max)]
    return np.asarray((da[0] + da[1]).T @ (v.f_avg + v.f_max))


def _mlp(v: Values, f: Array) -> Array:
    return SharedMLP(v.w0, v.w1)(f)


MLP = Exercise(
    "shared_mlp_vjp",
    {"w0": "(C/r, C)", "w1": "(C, C/r)", "f_avg": "(N, C)", "f_max": "(N, C)"},
    "z",
    "(N, C)",
    shared_mlp_vjp,
    {
        "noise": normal(0, (4, 6), (6, 4), (3, 6), (3, 6)),
        "other sizes": normal(1, (5, 5), (5, 5), (4, 5), (4, 5)),
        "one sample": normal(5, (3, 7), (7, 3), (1, 7), (1, 7)),
        # Where f is 0, so is what relu gets: its slope there is a matter of convention.
        "a dark image": (*normal(3, (4, 6), (6, 4)), np.zeros((2, 6)), *normal(4, (2, 6))),
    },
    (
        Mistake(
            "mlp-average-only", "z has the average's logits alone: those of f_max are not added",
            lambda v: {"z": _mlp(v, v.f_avg)},
        ),
        Mistake(
            "mlp-maximum-only", "z has the maximum's logits alone: those of f_avg are not added",
            lambda v: {"z": _mlp(v, v.f_max)},
        ),
        Mistake(
            "mlp-merged",
            "the descriptors are added before the MLP, which runs once: Eq. 2 runs it on each, and "
            "relu makes that another thing",
            lambda v: {"z": _mlp(v, v.f_avg + v.f_max)},
        ),
        Mistake(
            "mlp-no-relu", "there is no relu between W0 and W1: the MLP is one matrix",
            lambda v: {"z": (v.f_avg + v.f_max) @ v.w0.T @ v.w1.T},
        ),
        Mistake(
            "mlp-relu-after", "there is a relu after W1 too: logits may be negative",
            lambda v: {"z": relu_vjp(_mlp(v, v.f_avg))[0] + relu_vjp(_mlp(v, v.f_max))[0]},
        ),
        Mistake(
            "mlp-sigmoid", "the sigmoid of Eq. 2 is in z: it comes after, this is its argument",
            lambda v: {"z": pointwise.sigmoid(v.z)},
        ),
        Mistake(
            "mlp-weight-average-only",
            "the weights have one branch's gradient only, the average's: the MLP ran twice, and "
            "what both runs give to a weight adds up",
            lambda v: _half(v, "f_avg"),
        ),
        Mistake(
            "mlp-weight-maximum-only",
            "the weights have one branch's gradient only, the maximum's: the MLP ran twice, and "
            "what both runs give to a weight adds up",
            lambda v: _half(v, "f_max"),
        ),
        Mistake("mlp-dw0-transposed", "dw0 is transposed", lambda v: {"dw0": v.dw0.T}),
        Mistake("mlp-dw1-transposed", "dw1 is transposed", lambda v: {"dw1": v.dw1.T}),
        Mistake(
            "mlp-mask-missing",
            "relu's mask is missing backward: hidden units that were off pass no gradient",
            lambda v: _both(v, relu="none"),
        ),
        Mistake(
            "mlp-mask-average", "both branches have the average's relu mask: each needs its own",
            lambda v: _both(v, relu_max="other"),
        ),
        Mistake(
            "mlp-mask-maximum", "both branches have the maximum's relu mask: each needs its own",
            lambda v: _both(v, relu="other", relu_max="own"),
        ),
        Mistake(
            "mlp-mask-exchanged",
            "each branch has the other's relu mask: the two runs need a mask each",
            lambda v: _both(v, relu="other"),
        ),
        Mistake(
            "mlp-mask-at-zero",
            "the slope of relu at 0 is taken as 1 (a >= 0), where torch and most others take 0 "
            "(a > 0); any slope between is a subgradient",
            lambda v: _both(v, relu="open"),
            accepted=True,
        ),
        Mistake(
            "mlp-before-relu", "dw1 is made of the hidden layer before relu: W1 saw it after",
            lambda v: {"dw1": v.dz.T @ ((v.f_avg + v.f_max) @ v.w0.T)},
        ),
        Mistake(
            "mlp-back-by-w0", "dh is dz·W0ᵀ: z came out of W1, and goes back by it, dz·W1",
            lambda v: _by_weights(v, v.w0.T, v.w0),
        ),
        Mistake(
            "mlp-back-by-w1", "df is da·W1ᵀ: a came out of W0, and f goes back by it, da·W0",
            lambda v: _by_weights(v, v.w1, v.w1.T),
        ),
        Mistake(
            "mlp-merged-backward",
            "backward takes the MLP as if it had run once, on the sum of both descriptors",
            _merged,
        ),
        Mistake(
            "mlp-crossed",
            "dw0 multiplies the sums of both branches, which crosses them: first multiply in each "
            "branch, then add",
            lambda v: {"dw0": _crossed(v)},
        ),
        Mistake(
            "mlp-descriptors-exchanged", "df_avg and df_max have changed places",
            lambda v: {"df_avg": v.df_max, "df_max": v.df_avg},
        ),
        Mistake(
            "mlp-descriptors-summed",
            "each descriptor gets the sum of df_avg and df_max: what reaches one came through its "
            "own run of the MLP",
            lambda v: {"df_avg": v.df_avg + v.df_max, "df_max": v.df_avg + v.df_max},
        ),
    ),
    (
        "First write it for one descriptor: z = relu(f W0ᵀ) W1ᵀ, and its pullback. Then ask what a "
        "weight gets that was used twice.",
        "For z = h W1ᵀ: dw1 = dzᵀ h and dh = dz W1. relu passes dh where a > 0. For a = f W0ᵀ: "
        "dw0 = daᵀ f and df = da W0. Both runs get the whole dz; their dw0 and dw1 add.",
        "dh = dz @ w1\n"
        "da_avg, da_max = dh * (a_avg > 0), dh * (a_max > 0)\n"
        "dw1 = dz.T @ h_avg + dz.T @ h_max\n"
        "dw0 = da_avg.T @ f_avg + da_max.T @ f_max\n"
        "df_avg, df_max = da_avg @ w0, da_max @ w0",
    ),
)  # fmt: skip
