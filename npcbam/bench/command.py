"""The command line `npcbam bench`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from npcbam.bench import gradients, memory, peers, plot, report
from npcbam.options import file_to_write

SHAPES = (
    (64, 256, 8, 8), (8, 256, 56, 56), (8, 512, 28, 28), (8, 1024, 14, 14), (8, 2048, 7, 7),
    (1, 64, 32, 32),
)  # fmt: skip
# The largest of SHAPES, about, when one size is changed at a time.
SCALING = {
    "N": [(n, 128, 28, 28) for n in (1, 2, 4, 8, 16, 32)],
    "C": [(4, c, 28, 28) for c in (32, 64, 128, 256, 512, 1024)],
    "H·W": [(4, 128, s, s) for s in (7, 14, 28, 56, 112)],
}
DESCRIPTION = """\
Measure `fused` next to all that is installed of the readable layers, PyTorch
(eager and compiled), JAX (compiled) and ONNX Runtime (forward): forward, and
forward with backward to x and all parameters, in float32.

All have the same weights, inputs and threads, agree before they are timed, and
take turns. Printed are medians. The floor is the time to copy the bytes that
must be moved.
"""


def add(commands: Any) -> None:
    """Add `bench` to the subparsers of a command line; `args.run(args)` is the exit status."""
    one = commands.add_parser(
        "bench",
        help="tell how fast `fused` is, next to other frameworks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--threads", type=_counts, default=[1, 2], metavar="1,2", help="(1,2)")
    one.add_argument(
        "--shapes",
        type=_shape,
        nargs="+",
        default=list(SHAPES),
        metavar="8x256x56x56",
        help="N×C×H×W, in place of six common ones",
    )
    one.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="for each shape and mode (3)"
    )
    one.add_argument(
        "--no-scaling", action="store_true", help="leave out the run over N, C and H·W"
    )
    one.add_argument("--json", type=file_to_write, metavar="FILE", help="write all figures as JSON")
    one.add_argument("--plot", type=file_to_write, metavar="FILE", help="draw them")
    one.add_argument(
        "--gradcheck",
        action="store_true",
        help="instead, time check_vjp and torch.autograd.gradcheck on one block",
    )
    one.add_argument("--debug", action="store_true", help="show the traceback of what fails")
    one.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit status."""
    if args.gradcheck:
        print(gradients.compare())
        return 0
    found = measure(args, progress=sys.stderr.isatty())
    print(report.text(found))
    if args.json is not None:
        Path(args.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if args.plot is not None:
        plot.draw(found, args.plot)
    return 0


def measure(args: argparse.Namespace, progress: bool) -> dict[str, Any]:
    """Return all figures: what --json writes."""
    names = peers.installed()
    found: dict[str, Any] = {"peers": names, "times": [], "scaling": {}, "memory": []}
    for threads in args.threads:
        found["times"] += _times(args.shapes, names, threads, args.seconds, progress)
    if not args.no_scaling:
        for axis, shapes in SCALING.items():
            found["scaling"][axis] = _times(shapes, ["fused"], 1, args.seconds / 6, progress)
    for shape in args.shapes:
        for name in names:
            request = {"name": name, "shape": shape, "threads": 1}
            taken = _worker("memory", request, 1, progress, f"memory of {name}, {shape}")
            found["memory"].append({"shape": shape, "name": name, "bytes": taken})
    return found


def _times(
    shapes: Any, names: list[str], threads: int, seconds: float, progress: bool
) -> list[dict[str, Any]]:
    found = []
    for shape in shapes:
        request = {"shape": shape, "names": names, "threads": threads, "seconds": seconds}
        found += _worker("measure", request, threads, progress, f"{shape}, {threads} thread(s)")
    return found


def _worker(module: str, request: dict[str, Any], threads: int, progress: bool, what: str) -> Any:
    """Run a module of this package in a process that has so many threads and processors."""
    if progress:
        print(f"\r\x1b[Knpcbam: measuring {what} ...", end="", file=sys.stderr, flush=True)
    # NumPy's BLAS has one thread in each of ours; the others' libraries have all.
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": str(threads)}
    if module == "memory":
        env |= memory.GIVE_BACK
    done = subprocess.run(
        [sys.executable, "-m", f"npcbam.bench.{module}"],
        input=json.dumps(request),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if progress:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"bench: could not measure {what}: {last}")
    return json.loads(done.stdout)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError(f"expected counts such as 1,2, got {text!r}")
    return counts


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split("x"))
    except ValueError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected N×C×H×W such as 8x256x56x56, got {text!r}")
    return shape
