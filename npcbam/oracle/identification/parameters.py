"""Rows with a number of their own in them, which is read off what the candidate gave."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import benign, fits_weights, tables
from npcbam.oracle.identification.single_gate import Seen
from npcbam.oracle.precision import LOGIT
from npcbam.oracle.rules import Row, channel_logits, spatial_logits


def fitted(seen: Seen, x: Array, of_channel: bool) -> Iterator[Row]:
    """Yield the rows with a number in them that is read off: by what the logits are multiplied."""
    name, y, weights = "spatial", seen.spatial, seen.flat
    if of_channel:
        name, y, weights, x = "channel", seen.channel, seen.calm, seen.few
    paper = tables(of_channel)[1]
    for choice in benign(of_channel):
        if "k" not in weights or not fits_weights(choice, weights):
            continue
        # The other gate, now a constant, may come first; and x may be added.
        for gated, read in itertools.product((y, y - x), (x, x / 2)):
            z = (channel_logits if of_channel else spatial_logits)(choice.axes, weights, read)
            factor = _factor(np.broadcast_to(z, x.shape), gated / (x / 2))
            if factor is not None and abs(factor - 1) > 1e-3:
                said = f"the {name} logits are multiplied by {factor:.6g} before the sigmoid"
                sets = {axis: v for axis, v in choice.axes.items() if v != paper[axis]}
                yield Row(f"{name}-temperature", "wrong", said, {**sets, "factor": factor})


def fitted_eps(seen: Seen, x: Array) -> Iterator[Row]:
    """Yield the rows of a norm with an eps of its own, which is read off."""
    if "var" not in seen.flat or "k" not in seen.flat:
        return
    var, beta = seen.flat["var"], seen.flat.get("beta", 0)
    for choice in benign(False):
        if not fits_weights(choice, seen.flat):
            continue
        for gated, read in itertools.product((seen.spatial, seen.spatial - x), (x, x / 2)):
            # Without beta, the logits are those of a variance of 1 over the root of what it is.
            plain = {**seen.flat, "beta": 0 * var, "var": 1 + 0 * var}
            z = spatial_logits({**choice.axes, "eps": 0.0}, plain, read)
            factor = _factor(np.broadcast_to(z, x.shape), gated / (x / 2), beta)
            eps = 0.0 if not factor else float(f"{(factor**-2 - var).item():.3g}")
            if 1e-13 < eps <= 0.1:
                sets = {"pools": choice.axes["pools"], "eps": eps}
                said = f"planes {list(sets['pools'])}, and the norm has eps {eps:g}"
                yield Row("spatial-eps", choice.rows[0].status, said, sets)


def _factor(z: Array, gate: Array, added: Array | float = 0.0) -> float | None:
    """Return t where the gate is the sigmoid of t z + `added`, None if it is of no t."""
    with np.errstate(all="ignore"):
        scaled = np.log(gate / (1 - gate))
        # Where the gate is nearly shut or open, no digits of the logit are left.
        told = np.abs(scaled) < LOGIT
        scaled, z = (scaled - np.reshape(added, -1))[told], z[told]
        if not told.any():
            return None
        factor = float(np.median(scaled / z))
        fits = np.abs(scaled - factor * z).max() <= 1e-6 * np.abs(scaled).max()
    return factor if fits else None
