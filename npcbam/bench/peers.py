"""Who runs: each computes the same CBAM, preset `paper`, on its framework's own arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.fused import fused_forward, fused_vjp


@dataclass(frozen=True)
class Peer:
    """One contender, ready for one shape.

    Attributes
    ----------
    put : NumPy array -> the framework's
    forward : x -> y, and it is done when that returns
    both : (x, dy) -> [y, dx, dw0, dw1, dkernel], likewise; None if there is no backward
    take : the framework's array -> NumPy
    """

    put: Callable[[Array], Any]
    forward: Callable[[Any], Any]
    both: Callable[[Any, Any], list[Any]] | None
    take: Callable[[Any], Array] = np.asarray


def fused(cbam: CBAM, threads: int) -> Peer:
    """Run `fused`."""

    def both(x: Array, dy: Array) -> list[Array]:
        y, pullback = fused_vjp(cbam, x, threads)
        dcbam, dx = pullback(dy)
        return [y, dx, *(leaf for _, leaf in tree.leaves(dcbam))]

    return Peer(np.asarray, lambda x: fused_forward(cbam, x, threads), both)


def layers(cbam: CBAM, threads: int) -> Peer:
    """Run the readable layers, on one thread."""

    def both(x: Array, dy: Array) -> list[Array]:
        y, pullback = cbam.vjp(x)
        dcbam, dx = pullback(dy)
        return [y, dx, *(leaf for _, leaf in tree.leaves(dcbam))]

    return Peer(np.asarray, cbam, both)


def torch_eager(cbam: CBAM, threads: int) -> Peer:
    """Run PyTorch, operation by operation."""
    return _torch(cbam, threads, lambda f: f)


def torch_compiled(cbam: CBAM, threads: int) -> Peer:
    """Run PyTorch, compiled by inductor for the shape."""
    import torch

    torch._dynamo.reset()  # or the next shape is compiled for any shape
    return _torch(cbam, threads, lambda f: torch.compile(f, dynamic=False))


def _torch(cbam: CBAM, threads: int, make: Callable[[Any], Any]) -> Peer:
    import torch

    torch.set_num_threads(threads)
    weights = [torch.from_numpy(leaf.copy()).requires_grad_() for _, leaf in tree.leaves(cbam)]
    # Two, because what is compiled without gradients is another thing.
    run_forward, run_both = make(torch_block), make(lambda *args: torch_block(*args))

    def forward(x: Any) -> Any:
        with torch.no_grad():
            return run_forward(x, *weights)

    def both(x: Any, dy: Any) -> list[Any]:
        x = x.detach().requires_grad_()
        y = run_both(x, *weights)
        return [y, *torch.autograd.grad(y, [x, *weights], dy)]

    return Peer(torch.from_numpy, forward, both, lambda a: np.asarray(a.detach()))


def torch_block(x: Any, w0: Any, w1: Any, kernel: Any) -> Any:
    """Compute CBAM in PyTorch as the paper has it."""
    import torch
    from torch.nn import functional as nn

    avg, top = (nn.relu(f @ w0.T) @ w1.T for f in (x.mean((2, 3)), x.amax((2, 3))))
    f = torch.sigmoid(avg + top)[:, :, None, None] * x
    planes = torch.cat([f.mean(1, keepdim=True), f.max(1, keepdim=True).values], dim=1)
    return torch.sigmoid(nn.conv2d(planes, kernel, padding=kernel.shape[-1] // 2)) * f


def jax_jit(cbam: CBAM, threads: int) -> Peer:
    """Run JAX, compiled by XLA."""
    import jax
    from jax import numpy as jnp

    weights = [jnp.asarray(leaf) for _, leaf in tree.leaves(cbam)]

    def refine(x: Any, w0: Any, w1: Any, kernel: Any) -> Any:
        avg, top = (jax.nn.relu(f @ w0.T) @ w1.T for f in (x.mean((2, 3)), x.max((2, 3))))
        f = jax.nn.sigmoid(avg + top)[:, :, None, None] * x
        planes = jnp.concatenate([f.mean(1, keepdims=True), f.max(1, keepdims=True)], axis=1)
        return jax.nn.sigmoid(jax.lax.conv(planes, kernel, (1, 1), "SAME")) * f

    def pull(x: Any, dy: Any, *weights: Any) -> list[Any]:
        y, pullback = jax.vjp(refine, x, *weights)
        return [y, *pullback(dy)]

    run_forward, run_both = jax.jit(refine), jax.jit(pull)
    return Peer(
        jnp.asarray,
        lambda x: run_forward(x, *weights).block_until_ready(),
        lambda x, dy: jax.block_until_ready(run_both(x, dy, *weights)),
    )


GRAPH = """
<ir_version: 8, opset_import: ["": 18]>
cbam (float[n, c, h, w] x) => (float[n, c, h, w] y) {
    space = Constant<value_ints = [2, 3]>()
    one = Constant<value_ints = [1]>()
    f_avg = ReduceMean<keepdims = 0>(x, space)
    f_max = ReduceMax<keepdims = 0>(x, space)
    a_avg = MatMul(f_avg, w0)
    a_max = MatMul(f_max, w0)
    h_avg = Relu(a_avg)
    h_max = Relu(a_max)
    z_avg = MatMul(h_avg, w1)
    z_max = MatMul(h_max, w1)
    zc = Add(z_avg, z_max)
    flat = Sigmoid(zc)
    mc = Unsqueeze(flat, space)
    f = Mul(mc, x)
    mean = ReduceMean<keepdims = 1>(f, one)
    top = ReduceMax<keepdims = 1>(f, one)
    planes = Concat<axis = 1>(mean, top)
    zs = Conv<auto_pad = "SAME_UPPER">(planes, kernel)
    ms = Sigmoid(zs)
    y = Mul(ms, f)
}
"""


def onnxruntime(cbam: CBAM, threads: int) -> Peer:
    """Run ONNX Runtime, which has a forward only."""
    import onnxruntime as ort
    from onnx import numpy_helper, parser

    (_, w0), (_, w1), (_, kernel) = tree.leaves(cbam)
    model = parser.parse_model(GRAPH)
    for name, value in {"w0": w0.T, "w1": w1.T, "kernel": kernel}.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return Peer(np.asarray, lambda x: session.run(None, {"x": x})[0], None)


PEERS: dict[str, Callable[[CBAM, int], Peer]] = {
    "fused": fused,
    "layers": layers,
    "torch": torch_eager,
    "compile": torch_compiled,
    "jax": jax_jit,
    "onnx": onnxruntime,
}
_NEEDS = {
    "torch": ("torch",), "compile": ("torch",), "jax": ("jax",), "onnx": ("onnx", "onnxruntime")
}  # fmt: skip


def installed() -> list[str]:
    """Return who can run here."""
    return [name for name in PEERS if all(map(find_spec, _NEEDS.get(name, ())))]
