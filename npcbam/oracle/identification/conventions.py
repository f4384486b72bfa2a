"""How a candidate settles each question that the paper answers or leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.conventions import AXES, Convention, usual
from npcbam.oracle.rules.rule import Axes
from npcbam.oracle.rules.stage import Way


def conventions(
    reading: Reading, weights: Mapping[str, Array], ties: str, layout: str
) -> tuple[Convention, ...]:
    """Return one row an axis, of the stages that are known.

    Parameters
    ----------
    weights : by key
    ties : the tie rules that the gradients follow, `NOT_SEEN` if there were none
    layout : "NCHW" or "NHWC"
    """
    values: dict[str, str] = {}
    extra: list[Convention] = []
    if reading.composition is not None:
        values["order"] = reading.composition.rule.code
        values["residual"] = "yes" if reading.composition.residual else "no"
    values |= _of_mlp(weights)
    if (channel := reading.ways.get("channel")) is not None:
        values["channel-pools"] = "+".join(sorted(channel.axes["pools"], key=usual))
        values["channel-merge"] = channel.axes["merge"]
        extra += _odd(channel, ("pools", "merge"))
    if (spatial := reading.ways.get("spatial")) is not None:
        values["planes"] = "+".join(spatial.axes["pools"])
        values |= _of_kernel(weights, spatial.axes)
        extra += _odd(spatial, ("pools", "eps"))
    values |= {"ties": ties, "layout": layout}
    part = reading.block.part
    known = [Convention(axis, values[axis], *AXES[axis]) for axis in AXES if axis in values]
    return tuple(row for row in (*known, *extra) if row.is_of(part))


def _of_mlp(weights: Mapping[str, Array]) -> dict[str, str]:
    biases = [name for name in ("b0", "b1") if name in weights]
    if "w0" not in weights:
        return {}
    hidden, channels = weights["w0"].shape
    return {"hidden": f"{hidden} of {channels}", "mlp-biases": "+".join(biases) or "none"}


def _of_kernel(weights: Mapping[str, Array], axes: Axes) -> dict[str, str]:
    found = {
        "kernel": "x".join(map(str, weights["k"].shape[2:])),
        "conv-bias": "yes" if "kb" in weights else "no",
        "norm": "batch" if "mean" in weights else "none",
    }
    return found | ({"eps": f"{axes['eps']:g}"} if "mean" in weights else {})


def _odd(way: Way, known: Iterable[str]) -> list[Convention]:
    """Return the axes that no convention names, where they are not as the paper has them."""
    paper = way.stage.paper
    return [
        Convention(f"{way.stage.name}-{axis}", str(way.axes[axis]), *[str(paper[axis])] * 2)
        for axis in paper
        if axis not in known and way.axes[axis] != paper[axis]
    ]
