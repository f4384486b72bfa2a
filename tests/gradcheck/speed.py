"""How long gradient checks take: failing beside passing ones, large functions, and torch's own.

pip install -e '.[test,peers]'
OMP_NUM_THREADS=1 python tests/gradcheck/speed.py [--json] [--only failing]

All that is compared is timed in turns, and the medians are printed beside the targets. A part
whose checks do not come out as they must is marked, for a quick false verdict is worth nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from functools import partial

import numpy as np
import transformer
from speed_functions import FAULTS, FUNCTIONS, draw, planted, relu_in_buffer, tanh

from npcbam import tree
from npcbam.gradcheck import examine

warnings.simplefilter("ignore")


def timed(run):
    """Return the seconds of the processor: what else runs on the machine then counts less."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def in_turns(runs, rounds):
    """Return the median seconds of each run, and what it gave; the first round warms up."""
    seconds = {name: [] for name in runs}
    given = {}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            took, given[name] = timed(run)
            if turn or took > 5:  # what takes long needs no warming up
                seconds[name].append(took)
    return {name: statistics.median(s) for name, s in seconds.items()}, given


def outcome(f, args):
    return examine(f, *args).outcome


def row(part, what, value, target, ok, **more):
    return {"part": part, "what": what, "value": value, "target": target, "ok": ok, **more}


def failing(rounds):
    """A failing check takes at most three times a passing one."""
    for name, (f, args) in FUNCTIONS.items():
        runs = {"right": partial(outcome, f, args)}
        runs |= {fault: partial(outcome, planted(f, fault), args) for fault in FAULTS}
        seconds, given = in_turns(runs, rounds)
        right = seconds.pop("right")
        ok = given.pop("right") == "right" and set(given.values()) == {"wrong"}
        slowest = max(seconds, key=seconds.get)
        ratio = seconds[slowest] / right
        more = {"seconds": {"right": right, **seconds}, "given": given}
        yield row("failing / passing", f"{name}: {slowest}", ratio, 3.0, ok, **more)


def large(rounds):
    """A transformer block with all its parameters, and a million entries."""
    for dtype, target in ((np.float64, 0.5), (np.float32, 1.0)):
        rng = np.random.default_rng(0)
        p = transformer.parameters(rng, 16, dtype)
        x = rng.normal(size=(1, 8, 16)).astype(dtype)
        runs = {"": partial(outcome, transformer.block, (p, x))}
        seconds, given = in_turns(runs, rounds)
        name = f"transformer block (1, 8, 16) {np.dtype(dtype).name}"
        yield row("seconds", name, seconds[""], target, given[""] == "right")
    x = draw(1_000_000)
    for name, f in {"tanh": tanh, "relu into a buffer": relu_in_buffer}.items():
        for fault in (None, "by 2"):
            g = planted(f, fault) if fault else f
            seconds, given = in_turns({"": partial(outcome, g, (x,))}, 1)
            ok = given[""] == ("wrong" if fault else "right")
            what = f"{name} of 1,000,000{', ' + fault if fault else ''}"
            yield row("seconds", what, seconds[""], 5.0, ok)


def for_torch(f, args):
    """Return f as a torch.autograd.Function's apply, and its tensors."""
    import torch

    torch.set_num_threads(1)

    def rebuilt(tensors):
        return tree.replace_leaves(args, iter([t.detach().numpy() for t in tensors]))

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            y, ctx.pullback = f(*rebuilt(tensors))
            return torch.tensor(np.asarray(y))

        @staticmethod
        def backward(ctx, dy):
            back = ctx.pullback(dy.numpy())
            back = back if len(args) > 1 else (back,)
            return tuple(torch.tensor(leaf) for _, leaf in tree.leaves(back))

    return Wrapped.apply, [torch.tensor(leaf, requires_grad=True) for _, leaf in tree.leaves(args)]


def peers():
    """The functions that torch's gradcheck is timed on, in several sizes."""
    p = transformer.parameters(np.random.default_rng(1), 16)
    return {
        "tanh (50)": (tanh, (draw(50),)),
        "tanh (1000)": (tanh, (draw(1000),)),
        "relu into a buffer (50)": (relu_in_buffer, (draw(50),)),
        "relu into a buffer (1000)": (relu_in_buffer, (draw(1000),)),
        "linear (8, 16) by (16, 16)": (transformer.dense, (p["attention"]["q"], draw(8, 16))),
        "layer norm (16, 16)": (transformer.layer_norm, (p["norm1"], draw(16, 16))),
        "attention (1, 8, 16)": (transformer.attention, (p["attention"], draw(1, 8, 16))),
        "transformer block (1, 8, 16)": (transformer.block, (p, draw(1, 8, 16))),
    }


def beside_torch(rounds):
    """At least ten times quicker than torch.autograd.gradcheck, when right and when wrong."""
    import torch

    for name, (f, args) in peers().items():
        for fault in (None, "by 2", "one entry"):
            g = planted(f, fault) if fault else f
            call, tensors = for_torch(g, args)

            def theirs(call=call, tensors=tensors):
                passed = torch.autograd.gradcheck(call, tensors, raise_exception=False)
                return "right" if passed else "wrong"

            runs = {"ours": partial(outcome, g, args), "torch": theirs}
            seconds, given = in_turns(runs, min(rounds, 3))
            ratio = seconds["torch"] / seconds["ours"]
            ok = given["ours"] == ("wrong" if fault else "right")
            what = f"{name}{', ' + fault if fault else ''}"
            more = {"seconds": seconds, "given": given}
            yield row("torch / ours", what, ratio, 10.0, ok, **more)


PARTS = {"failing": failing, "large": large, "torch": beside_torch}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON alone")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rows = []
    for name, part in PARTS.items():
        if chosen.only in (None, name):
            for found in part(chosen.rounds):
                rows.append(found)
                if not chosen.json:
                    show(found)
    if chosen.json:
        print(json.dumps(rows, indent=1))


def show(found):
    """Print one line: what was measured, its target, whether it is met and the verdicts hold."""
    above = found["part"] == "torch / ours"
    met = found["value"] >= found["target"] if above else found["value"] <= found["target"]
    told = ("met" if met else "missed") + ("" if found["ok"] else "; FALSE VERDICT")
    sign = ">=" if above else "<="
    head = f"{found['part']:18} {found['what']:46} {found['value']:9.3f}"
    seconds = found.get("seconds", {})
    times = ", ".join(f"{name} {1000 * s:.1f}" for name, s in seconds.items())
    line = f"{head} {sign} {found['target']:<4g} {told}"
    print(f"{line:96} {times + ' ms' if times else ''}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
