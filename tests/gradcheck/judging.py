"""The judge, pointed at what a pullback gave with something planted in it."""

import dataclasses

import numpy as np

from npcbam.gradcheck.contract import Trial, keep
from npcbam.gradcheck.judge import Judge

EPS = float(np.finfo(np.float64).eps)
X = np.array([[1.0, -3.0], [0.5, 2.0]])
AGREE = "all cotangents agree with the derivative"


def kept_by(f, *args, seed=0):
    trial = Trial(f, args, ("x", "w")[: len(args)], np.random.default_rng(seed))
    return trial, keep(trial)


def judge(f, *args, directions=None, seed=0, **planted):
    """Return the verdict on what f's own pullback gave, but for what is `planted` in it."""
    trial, kept = kept_by(f, *args, seed=seed)
    changed = {name: change(getattr(kept, name)) for name, change in planted.items()}
    return Judge(trial, dataclasses.replace(kept, **changed)).verdict(directions, seed)


def told(report):
    return report.outcome, report.code, report.reason


def bump(at, size):
    def bumped(g):
        moved = g.copy()
        moved[at] += size
        return moved

    return bumped


def double(x):
    return 2 * x, lambda dy: 2 * dy


def real_only(f_vjp):
    def f(x):
        if x.dtype.kind == "c":
            raise TypeError("real only")
        return f_vjp(x)

    return f
