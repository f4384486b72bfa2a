"""Right pullbacks, none of which may be called wrong, and everyday code, right and planted wrong.

python tests/gradcheck/right.py --runs 2000
python tests/gradcheck/right.py --everyday --seeds 20 --jobs 2

The first draws layers of this package at random places, ties and kinks included. The second
goes through the functions of `everyday/` and prints each verdict that is false or undecided.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import os
import sys

import numpy as np

from npcbam import CBAM, BatchNorm, Conv, SharedMLP, pooling, presets, tree
from npcbam.gradcheck import GradReport, examine
from npcbam.pointwise import relu_vjp, scale_vjp, sigmoid_vjp


def place(rng, shape, dtype):
    """Draw a feature map of one of the kinds that checkers stumble over."""
    x = rng.normal(size=shape)
    kinds = {
        "normal": x,
        "small integers": rng.integers(-2, 3, size=shape),
        "few ties": np.round(x, 1),
        "after relu": np.maximum(x, 0),
        "constant": np.full(shape, rng.normal()),
        "zero": np.zeros(shape),
        "offset": x + 100,
        "large": 30 * x,
        "tiny": 1e-8 * x,
        "negative": -np.abs(x) - 0.1,
    }
    kind = str(rng.choice(list(kinds)))
    return kind, kinds[kind].astype(dtype)


def layer(rng, dtype, ndim, channels):
    """Draw a function with a right pullback, with the arguments before the feature map."""
    axes = tuple(range(2, 2 + ndim)) if rng.integers(2) else (1,)
    ties = str(rng.choice(pooling.TIES))
    kernel = [int(rng.choice([1, 3, 5]))] * ndim
    planes = int(rng.integers(1, 3))

    def draw(*shape):
        return (rng.normal(size=shape) * rng.choice([0.3, 1.0, 3.0])).astype(dtype)

    norm = BatchNorm(
        draw(channels), draw(channels), draw(channels), np.abs(draw(channels)) + dtype(0.5)
    )
    hidden = int(rng.integers(1, 4))
    mlp = SharedMLP(draw(hidden, channels), draw(channels, hidden), draw(hidden), draw(channels))
    gate = draw(2, channels, *[1] * ndim)
    preset = str(rng.choice(list(presets.PRESETS)))
    cbam = CBAM.init(rng, channels, 2, 3, preset, dtype=dtype, spatial_axes=ndim)
    # Weights of either sign, some exactly 0; a variance stays positive.
    cbam = tree.map(lambda leaf: leaf * dtype(rng.choice([-1, 0, 1, 1])), cbam)
    if cbam.spatial is not None and cbam.spatial.norm is not None:
        fresh = BatchNorm(draw(1), draw(1), draw(1), np.abs(draw(1)) + dtype(0.5))
        cbam = dataclasses.replace(cbam, spatial=dataclasses.replace(cbam.spatial, norm=fresh))
    order = str(rng.choice(["channel-first", "spatial-first", "parallel"]))
    cbam = dataclasses.replace(cbam, order=order)
    return {
        "relu": (relu_vjp, ()),
        "sigmoid": (sigmoid_vjp, ()),
        "scale": (scale_vjp, (gate,)),
        "mean": (functools.partial(pooling.mean_vjp, axes=axes), ()),
        "max": (functools.partial(pooling.max_vjp, axes=axes, ties=ties), ()),
        "lp": (functools.partial(pooling.lp_vjp, axes=axes), ()),
        "logsumexp": (functools.partial(pooling.logsumexp_vjp, axes=axes), ()),
        "conv": (Conv.vjp, (Conv(draw(planes, channels, *kernel), draw(planes)),)),
        "norm": (BatchNorm.vjp, (norm,)),
        "norm, training": (lambda norm, x: norm.train_vjp(x)[:2], (norm,)),
        "mlp": (lambda mlp, x: mlp_of(mlp, x), (mlp,)),
        "channel": (lambda channel, x: channel.vjp(x), (cbam.channel,)),
        f"cbam {preset} {cbam.order}": (CBAM.vjp, (cbam,)),
        f"cbam {preset} {cbam.order}, training": (lambda c, x: c.train_vjp(x)[:2], (cbam,)),
    }


def mlp_of(mlp, x):
    """Apply the MLP at every position of x, as a function of a feature map."""
    rows = np.moveaxis(x, 1, -1)
    z, pullback = mlp.vjp(np.ascontiguousarray(rows.reshape(-1, x.shape[1])))

    def of_pullback(dz):
        dmlp, drows = pullback(dz)
        return dmlp, np.moveaxis(drows.reshape(rows.shape), -1, 1)

    return z, of_pullback


def check_one(seed: int) -> tuple[str, GradReport]:
    """Check one right pullback, drawn from `seed`; return what it was and the report."""
    rng = np.random.default_rng(seed)
    dtype = [np.float32, np.float64][rng.integers(2)]
    ndim = int(rng.integers(1, 4))
    channels = int(rng.integers(2, 5))
    sizes = tuple(int(n) for n in rng.integers(1, 6 - ndim, size=ndim))
    kind, x = place(rng, (2, channels, *sizes), dtype)
    layers = layer(rng, dtype, ndim, channels)
    name = str(rng.choice(list(layers)))
    if "training" in name and kind in ("constant", "zero"):
        # Of a plane without variance the norm magnifies rounding by 1/√eps.
        kind, x = "normal", rng.normal(size=x.shape).astype(dtype)
    f, before = layers[name]
    directions = [None, None, 3][rng.integers(3)]
    what = f"seed {seed}: {name} at {kind} {x.shape} {np.dtype(dtype).name}"
    return what, examine(f, *before, x, seed=seed, directions=directions)


def layers(options) -> int:
    """Check random layers and print what is not right; return how many that are."""
    outcomes = collections.Counter()
    closest = 0.0
    for seed in range(options.first, options.first + options.runs):
        what, report = check_one(seed)
        outcomes[report.outcome, report.code] += 1
        worst = getattr(report, "worst", None)
        if report.outcome == "right" and worst is not None:
            closest = max(closest, worst.badness)
        if report.outcome != "right":
            print(what, "\n   ", report.outcome, report.code, report.reason)
    for (outcome, code), count in outcomes.items():
        print(f"{count:6} {outcome} ({code})")
    print(f"closest to a false alarm: {closest:.2g} of the allowed error")
    return sum(count for (outcome, _), count in outcomes.items() if outcome != "right")


def everyday(options) -> int:
    """Check the everyday functions; return how many verdicts are false."""
    from everyday import measure

    todo = measure.tasks(options.half, options.seeds, options.sizes, options.dtype, options.only)
    return measure.tell(measure.run(todo, options.jobs))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="how many random layers")
    parser.add_argument("--first", type=int, default=0, help="the first seed of the layers")
    parser.add_argument("--everyday", action="store_true", help="everyday functions, no layers")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--half", choices=["first", "second", "all"], default="all")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 7, 100, 1000, 10_000])
    parser.add_argument("--dtype", nargs="+", default=["float64", "float32"])
    parser.add_argument("--only", default="", help="functions with this in their name")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    return 1 if (everyday if options.everyday else layers)(options) else 0


if __name__ == "__main__":
    # The arrays are small: threads would only wait for each other. A process that is started
    # reads this before NumPy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
