"""The museum and the planted faults, as npcbam and five other checkers see them.

pip install -e '.[test,peers]' && python tests/gradcheck/peers.py [--museum-only] [--json]

Each gets the same NumPy functions: torch as an autograd.Function, jax as a custom_vjp around
pure_callback, the others as they are. An exception counts as caught: a wrong shape or None that a
framework refuses (torch adds up what was broadcast, so that there it is no mistake), or a write to
an array that may not be written to. What is asked of each:

- torch.autograd.gradcheck with its own tolerances, entry by entry ("torch") and along one random
  direction ("torch fast"); arrays in float64, as it demands
- jax.test_util.check_grads, in reverse mode, with its own tolerances
- CS231n's relative error, |a - b| / max(|a|, |b|), of a central difference with h = 1e-5 and a
  random cotangent; the course notes call 1e-7 good and 1e-2 wrong, and below 1e-5 counts as passing
- scipy.optimize.check_grad of <dy, f>, which is passing below 1e-6 of the gradient's norm
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import scipy.optimize
import torch
from faults import FAULTS
from jax.test_util import check_grads

from npcbam import relu_vjp, tree
from npcbam.gradcheck import examine
from npcbam.gradcheck.museum import EXHIBITS
from npcbam.pooling import max_vjp

jax.config.update("jax_enable_x64", True)
# Larger than this the checkers that look at each entry take minutes.
MOST = 2000
PASSED, FOUND, UNDECIDED, TOO_LARGE = "passed", "found", "cannot tell", "too large"


class Flat:
    """f on the leaves of its arguments, with its results in a tuple.

    Nothing is copied on the way in or out: what f writes to, its checker may see.
    """

    def __init__(self, f, args):
        self.f, self.args = f, args
        self.leaves = [np.array(leaf) for _, leaf in tree.leaves(args)]
        self.bare = not isinstance(self.at(list(map(np.array, self.leaves)))[0], tuple)

    @property
    def size(self):
        return sum(leaf.size for leaf in self.leaves)

    def at(self, leaves):
        return self.f(*tree.replace_leaves(self.args, iter(leaves)))

    def vjp(self, *leaves):
        """Return a tuple of results, and a function from a tuple of cotangents to one of them."""
        y, pullback = self.at(list(map(np.asarray, leaves)))

        def back(dy):
            dy = tuple(map(np.asarray, dy))
            result = pullback(dy[0] if self.bare else dy)
            result = result if len(self.args) > 1 else (result,)
            return tuple(leaf for _, leaf in tree.leaves(result))

        return tuple(map(np.asarray, (y,) if self.bare else y)), back

    def forward(self, *leaves):
        return self.vjp(*leaves)[0]

    def backward(self, dy, *leaves):
        return self.vjp(*leaves)[1](dy)

    def cotangent(self, seed):
        rng = np.random.default_rng([seed, 231])
        y = self.forward(*self.wide())
        return tuple(np.asarray(rng.normal(size=part.shape)) for part in y)

    def wide(self):
        """Return the leaves in float64."""
        return [leaf.astype(np.float64) for leaf in self.leaves]


def by_npcbam(f, args, seed):
    outcome = examine(f, *args, seed=seed).outcome
    return {"right": PASSED, "wrong": FOUND}.get(outcome, UNDECIDED)


def by_torch(f, args, seed, fast=False):
    flat = Flat(f, args)
    if flat.size > MOST and not fast:
        return TOO_LARGE

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            y, ctx.back = flat.vjp(*(tensor.detach().numpy() for tensor in tensors))
            y = tuple(map(torch.tensor, y))
            return y[0] if flat.bare else y

        @staticmethod
        def backward(ctx, *dy):
            return tuple(map(torch.tensor, ctx.back([part.numpy() for part in dy])))

    torch.manual_seed(seed)
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in flat.wide()]
    torch.autograd.gradcheck(Wrapped.apply, tensors, fast_mode=fast)
    return PASSED


def by_jax(f, args, seed):
    flat = Flat(f, args)
    leaves = flat.wide()

    def like(arrays):
        return tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)

    @jax.custom_vjp
    def wrapped(*xs):
        return jax.pure_callback(flat.forward, like(flat.forward(*leaves)), *xs)

    def ahead(*xs):
        return wrapped(*xs), xs

    def back(xs, dy):
        return jax.pure_callback(flat.backward, like(leaves), dy, *xs)

    wrapped.defvjp(ahead, back)
    check_grads(wrapped, leaves, order=1, modes=["rev"])
    return PASSED


def by_relative_error(f, args, seed):
    flat = Flat(f, args)
    if flat.size > MOST:
        return TOO_LARGE
    leaves, dy = flat.wide(), flat.cotangent(seed)
    got, worst = flat.backward(dy, *leaves), 0.0
    assert [part.shape for part in got] == [leaf.shape for leaf in leaves]
    for i, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):
            kept, along = leaf[at], []
            for step in (1e-5, -1e-5):
                leaf[at] = kept + step
                along.append([part.copy() for part in flat.forward(*leaves)])
            leaf[at] = kept
            rise = [(a - b) / 2e-5 for a, b in zip(*along, strict=True)]
            want = sum((d * part).sum() for d, part in zip(dy, rise, strict=True))
            size = max(abs(want), abs(got[i][at]))
            worst = max(worst, abs(want - got[i][at]) / size if size else 0.0)
            assert np.isfinite(got[i][at])
    return PASSED if worst < 1e-5 else FOUND


def by_scipy(f, args, seed):
    flat = Flat(f, args)
    if flat.size > MOST:
        return TOO_LARGE
    leaves, dy = flat.wide(), flat.cotangent(seed)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def apart(x):
        parts = np.split(x, ends)
        return [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]

    def loss(x):
        return sum((d * y).sum() for d, y in zip(dy, flat.forward(*apart(x)), strict=True))

    def gradient(x):
        got = flat.backward(dy, *apart(x))
        assert [part.shape for part in got] == [leaf.shape for leaf in leaves]
        return np.concatenate([part.ravel() for part in got])

    x = np.concatenate([leaf.ravel() for leaf in leaves])
    error = scipy.optimize.check_grad(loss, gradient, x)
    return PASSED if error <= 1e-6 * np.linalg.norm(gradient(x)) else FOUND


CHECKERS = {
    "npcbam": by_npcbam,
    "torch": by_torch,
    "torch fast": lambda f, args, seed: by_torch(f, args, seed, fast=True),
    "jax": by_jax,
    "CS231n": by_relative_error,
    "scipy": by_scipy,
}


def right_at_kinks():
    """Right pullbacks by every framework's own rule, at ties and kinks."""
    x = np.array([[1.0, 1.0, 1.0, 0.0], [2.0, 5.0, 3.0, 5.0]])
    return {
        "three tied, the first takes all": (lambda x: max_vjp(x, (1,)), (x,)),
        "three tied, shared evenly": (lambda x: max_vjp(x, (1,), "even"), (x,)),
        "relu at 0": (relu_vjp, (np.array([-1.0, 0.0, 2.0]),)),
        "relu on both sides of 0, no kink": (relu_vjp, (np.array([-1.0, 0.5, 2.0]),)),
    }


def cases(museum_only, seed):
    """Yield the group, the name, what is true of it, and a function that makes f and arguments."""
    for each in EXHIBITS.values():
        yield "museum, wrong", each.name, each.truth, lambda e=each: e.vjp(seed, wrong=True)
    for each in EXHIBITS.values():
        yield "museum, right", each.name, "right", lambda e=each: e.vjp(seed, wrong=False)
    if museum_only:
        return
    for name, make in FAULTS.items():
        yield "planted", name, "wrong", make
    for name, made in right_at_kinks().items():
        yield "right, at a kink", name, "right", lambda m=made: m


def verdict(run, make, seed):
    """Return what a checker says; an exception is a mistake found."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(*make(), seed)
    except Exception:
        return FOUND


def told(found, truth):
    """Return the verdict in the light of the truth."""
    if truth == "wrong":
        return {PASSED: "missed", FOUND: "caught"}.get(found, found)
    return {PASSED: "passed", FOUND: "false alarm"}.get(found, found)


def rows(museum_only, seed, progress):
    """Yield each case with what all checkers say of it."""
    for group, name, truth, make in cases(museum_only, seed):
        if progress:
            print(f"\r{name:70}", end="\r", file=sys.stderr, flush=True)
        found = {who: told(verdict(run, make, seed), truth) for who, run in CHECKERS.items()}
        yield {"group": group, "name": name, "truth": truth, "said": found}


def totals(table):
    """Return, for each group and checker, how often which verdict was given."""
    found = {}
    for row in table:
        of = found.setdefault((row["group"], row["truth"]), {who: {} for who in CHECKERS})
        for who, said in row["said"].items():
            of[who][said] = of[who].get(said, 0) + 1
    return found


def news(table):
    """Yield where what is found is not what the pages of the museum say of these checkers."""
    for row in table:
        if row["group"] == "museum, wrong":
            said = EXHIBITS[row["name"]].misjudged
            found = [who for who, what in row["said"].items() if what in ("missed", "false alarm")]
            if set(found) != set(said):
                yield f"{row['name']}: misjudged by {found}, on its page by {list(said)}"


def printed(table):
    """Print the table and its totals."""
    head = "".join(f"{who:>13}" for who in CHECKERS)
    group = None
    for row in table:
        if row["group"] != group:
            group = row["group"]
            print(f"\n{group:48}{head}")
        print(f"{row['name']:48}" + "".join(f"{said:>13}" for said in row["said"].values()))
    for (group, truth), of in totals(table).items():
        count = sum(next(iter(of.values())).values())
        print(f"\n{f'{group}: {count} that are {truth}':48}{head}")
        for said in sorted({said for each in of.values() for said in each}):
            counts = "".join(f"{each.get(said, 0):>13}" for each in of.values())
            print(f"{said:48}{counts}")
    for line in news(table):
        print(f"\nnew: {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--museum-only", action="store_true", help="leave the planted faults out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print all verdicts as JSON")
    args = parser.parse_args()
    table = list(rows(args.museum_only, args.seed, sys.stderr.isatty()))
    if args.json:
        print(json.dumps(table, indent=2))
    else:
        printed(table)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
