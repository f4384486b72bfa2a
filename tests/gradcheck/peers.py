"""The planted faults, as npcbam, torch.autograd.gradcheck and jax.test_util.check_grads see them.

pip install -e '.[test,peers]' && python tests/gradcheck/peers.py

Every fault is handed to each checker through the same NumPy functions: to torch as an
autograd.Function, to jax as a custom_vjp around pure_callback. Contracts that a framework's own
engine enforces (a wrong shape, None) show there as an exception, which counts as caught.
"""

from __future__ import annotations

import warnings

import jax
import numpy as np
import torch
from faults import FAULTS
from jax.test_util import check_grads

from npcbam import relu_vjp, tree
from npcbam.gradcheck import examine
from npcbam.pooling import max_vjp

jax.config.update("jax_enable_x64", True)


def by_npcbam(f, args):
    return examine(f, *args).outcome == "right"


def flat_function(f, args):
    """Return f on the leaves of its arguments, and those leaves."""

    def rebuilt(leaves):
        return tree.replace_leaves(args, iter([np.array(leaf) for leaf in leaves]))

    def forward(*leaves):
        return np.asarray(f(*rebuilt(leaves))[0])

    def backward(dy, *leaves):
        result = f(*rebuilt(leaves))[1](np.array(dy))
        return tuple(leaf for _, leaf in tree.leaves(result if len(args) > 1 else (result,)))

    return forward, backward, [leaf for _, leaf in tree.leaves(args)]


def by_torch(f, args, fast):
    forward, backward, leaves = flat_function(f, args)

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return torch.tensor(forward(*(t.detach().numpy() for t in tensors)))

        @staticmethod
        def backward(ctx, dy):
            back = backward(dy.numpy(), *(t.detach().numpy() for t in ctx.saved_tensors))
            return tuple(torch.tensor(d) for d in back)

    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in leaves]
    if not fast and sum(leaf.size for leaf in leaves) > 2000:
        return None
    return torch.autograd.gradcheck(Wrapped.apply, tensors, fast_mode=fast, raise_exception=False)


def by_jax(f, args):
    forward, backward, leaves = flat_function(f, args)
    y = forward(*leaves)

    def like(array):
        return jax.ShapeDtypeStruct(array.shape, array.dtype)

    @jax.custom_vjp
    def wrapped(*xs):
        return jax.pure_callback(forward, like(y), *xs)

    def ahead(*xs):
        return wrapped(*xs), xs

    def back(xs, dy):
        return jax.pure_callback(backward, tuple(map(like, leaves)), dy, *xs)

    wrapped.defvjp(ahead, back)
    check_grads(wrapped, leaves, order=1, modes=["rev"])
    return True


def right_at_kinks():
    """Right pullbacks by every framework's own rule, at ties and kinks."""
    x = np.array([[1.0, 1.0, 1.0, 0.0], [2.0, 5.0, 3.0, 5.0]])
    return {
        "three tied, the first takes all": (lambda x: max_vjp(x, (1,)), (x,)),
        "three tied, shared evenly": (lambda x: max_vjp(x, (1,), "even"), (x,)),
        "relu at 0": (relu_vjp, (np.array([-1.0, 0.0, 2.0]),)),
        "relu on both sides of 0, no kink": (relu_vjp, (np.array([-1.0, 0.5, 2.0]),)),
    }


def main() -> None:
    checkers = {
        "npcbam": by_npcbam,
        "torch": lambda f, args: by_torch(f, args, fast=False),
        "torch fast": lambda f, args: by_torch(f, args, fast=True),
        "jax": by_jax,
    }
    header = "".join(f"{name:>12}" for name in checkers)
    print(f"{'fault':48}{header}")
    caught = dict.fromkeys(checkers, 0)
    for name, make in FAULTS.items():
        passed = {checker: passes(run, *make()) for checker, run in checkers.items()}
        for checker, found in passed.items():
            caught[checker] += found is False
        told = {None: "too large", True: "missed", False: "caught"}
        print(f"{name:48}" + "".join(f"{told[found]:>12}" for found in passed.values()))
    print(f"{f'caught of {len(FAULTS)}':48}" + "".join(f"{n:>12}" for n in caught.values()))
    print(f"\n{'right, at a kink':48}{header}")
    for name, (f, args) in right_at_kinks().items():
        passed = [passes(run, f, args) for run in checkers.values()]
        told = {None: "too large", True: "passed", False: "false alarm"}
        print(f"{name:48}" + "".join(f"{told[found]:>12}" for found in passed))


def passes(run, f, args):
    """Tell whether a checker passes a pullback; None where it cannot take it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(f, args)
    except Exception:
        return False


if __name__ == "__main__":
    main()
