"""Why are there fewer digits than the precision has? Rounding, or a gate that is only near."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npcbam.oracle.comparison.beside import Excess, Pair
from npcbam.oracle.comparison.nearly_sigmoid import nearly_sigmoid
from npcbam.oracle.comparison.roughness import is_rough
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import ANOTHER, NEARLY, SINGLE_MOST


def is_another(pair: Pair) -> bool:
    """Tell whether y departs by so much that it is that of another block."""
    share = pair.ordinary["y"].share
    far = pair.dtype == "float64" and ANOTHER < share < np.inf
    return far and (share > NEARLY or not nearly_sigmoid(pair))


def named(pair: Pair, off: Excess, wrong: set[str]) -> list[Finding]:
    """Say why an ordinary input gives more than rounding, in the first tensor that shows it.

    What is left to the stage "gradient" is added to the tensors that are `wrong`.
    """
    tensor, seen = next(((k, v) for k, v in off.items() if k not in wrong), ("", {}))
    if not tensor:
        return []
    if _is_rough(pair, tensor):
        if pair.dtype not in ("float64", "float32"):
            return [precision(pair, seen)]
        return [pair.finding("half-inside", seen, tensor=tensor)]
    if tensor == "y" and (gate := nearly_sigmoid(pair)):
        return [pair.finding("approximate-sigmoid", seen, gate=gate)]
    if pair.left(tensor):
        # And so is what other inputs show of them.
        wrong.update(pair.ordinary.keys() - {"y"})
        return []
    return [precision(pair, seen)]


def precision(pair: Pair, seen: Mapping[str, object]) -> Finding:
    """Return the finding that a tensor is off by more than rounding, for whatever reason."""
    what = "is no number where it should be one"
    if np.isfinite(float(str(seen["times"]))):
        what = f"is off by {seen['times']:.3g} times what rounding explains"
    tensor, on = seen["tensor"], seen["input"]
    return pair.finding("precision", seen, tensor=tensor, what=what, input=on)


def _is_rough(pair: Pair, tensor: str) -> bool:
    # Beside float32's own rounding, a wrong gradient of few entries is rough too.
    if pair.dtype == "float32" and pair.left(tensor):
        return False
    # An error so small in float64 is no half precision's.
    least = SINGLE_MOST if pair.dtype == "float64" else 0.0
    return least <= pair.ordinary[tensor].share <= ANOTHER and is_rough(pair, tensor)
