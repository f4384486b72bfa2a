"""Write the vectors: `manifest.json`, and one .npy for each tensor."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import npcbam
from npcbam import CBAM, arguments
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.mistaken import MISTAKES
from npcbam.oracle.rules.text import template
from npcbam.oracle.vectors.cases import Case, cases
from npcbam.oracle.vectors.encoding import DTYPES, encode
from npcbam.presets import PRESETS

SCHEMA = 1
MANIFEST = "manifest.json"
# What each field of the manifest means, of a case, of its convention, and of a tensor.
ABOUT = {
    "schema": "the number of this format; a change of meaning raises it",
    "version": "of npcbam, that wrote it",
    "seed": "of all cases, and of a case two numbers, from which its weights were drawn; the same "
    "version and seed give the same files",
    "dtypes": "by name, how the values of a case of that dtype are stored",
    "tensors": "by name, what each tensor is, and of a case those that it has",
    "mistakes": "by code, the sentence that says what each known mistake does",
    "cases": "each in a folder of its name; convention, dtype and tensors are all that is needed",
    "name": "<preset>[-<axes>d]-<flag>-<dtype>",
    "flag": "the kind of input",
    "reason": "why it is there",
    "preset": "the name of its conventions",
    "convention": "how the preset settles what the paper leaves open",
    "pools": "the descriptors of the channel gate",
    "planes": "those of the spatial gate in the order of the kernel, or null: no gate",
    "blend": "whether the mean of the pools takes their place, in either gate",
    "ties": "who gets the gradient of a tied maximum: the first, or all evenly",
    "mlp_biases": "whether the MLP has biases",
    "conv_bias": "whether the convolution has one",
    "norm_eps": "of the norm in the spatial gate, by running statistics, or null: no norm",
    "residual": "whether x is added to y",
    "order": "channel-first: F' = Mc(x) x, then y = Ms(F') F', plus x if residual",
    "padding": "zeros around the planes, so that the map has the size of x; no flip of the kernel",
    "dtype": "one of dtypes",
    "file": "from the folder of the manifest",
    "shape": "row-major",
    "role": "given (x and dy), parameter, or computed: write these to RESULTS/<case>/<tensor>.npy",
    "path": "of a parameter, its path in npcbam",
    "allowed": "the largest allowed |got - expected|; half types are to be summed in float32 or "
    "wider",
    "tells_apart": "codes of mistakes whose y differs here by more than twice what is allowed, or "
    "in its shape",
    "cannot_tell": "codes of those whose y does not: another case has to show them, as half types "
    "hide much and one position hides what pools do",
}
TENSORS = {
    "x": "the features F (N, C, *S)",
    "dy": "the cotangent of y",
    "w0": "the MLP's first weight (C/r, C)",
    "b0": "its bias (C/r,)",
    "w1": "the MLP's second weight (C, C/r)",
    "b1": "its bias (C,)",
    "w": "the kernel of the spatial gate (1, P, *K)",
    "b": "its bias (1,)",
    "gamma": "the scale of the spatial norm (1,)",
    "beta": "its shift (1,)",
    "mean": "its running mean (1,)",
    "var": "its running variance (1,)",
    "f_avg": "the average over space (N, C, 1, ...)",
    "f_max": "the maximum over space (N, C, 1, ...)",
    "zc": "the channel logits, which a sigmoid turns into mc (N, C, 1, ...)",
    "mc": "the channel map (N, C, 1, ...)",
    "f": "the features F' = mc x (N, C, *S)",
    "planes": "what the kernel reads (N, P, *S)",
    "zs": "the spatial logits, after the norm, which a sigmoid turns into ms (N, 1, *S)",
    "ms": "the spatial map (N, 1, *S)",
    "y": "the output (N, C, *S)",
    "dx": "the gradient of sum(dy y) by x",
}
TENSORS |= {
    f"d{name}": f"the gradient of sum(dy y) by {name}"
    for name in ("w0", "b0", "w1", "b1", "w", "b", "gamma", "beta", "mean", "var")
}


def write(
    folder: str | os.PathLike[str], presets: Sequence[str] = tuple(PRESETS), seed: int = 0
) -> Path:
    """Write the golden vectors of some presets; the package's docstring says what they are.

    Parameters
    ----------
    folder : new, or empty
    presets : keys of `PRESETS`
    seed : of weights, inputs and cotangents

    Returns
    -------
    Path
        Of the manifest.

    Raises
    ------
    FileExistsError
        `folder` holds files, or is one.
    OSError, TypeError, ValueError
        The files cannot be written, or an argument is out of range.
    """
    for name in presets:
        arguments.choice("presets", name, PRESETS)
    arguments.seed("seed", seed)
    root = Path(folder)
    if root.is_file():
        raise FileExistsError(f"{root}: expected a new or empty folder, it is a file")
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(f"{root}: expected a new or empty folder, it holds files")
    listed = []
    for case in cases(list(dict.fromkeys(presets)), seed):
        (root / case.name).mkdir()
        for name, value in case.tensors.items():
            # The first version of .npy, which is the simplest to read.
            with open(root / case.name / f"{name}.npy", "wb") as file:
                stored = np.ascontiguousarray(encode(value, case.dtype))
                np.lib.format.write_array(file, stored, (1, 0), allow_pickle=False)
        listed.append(_entry(case))
    manifest = {
        "schema": SCHEMA,
        "version": npcbam.__version__,
        "seed": int(seed),
        "about": ABOUT,
        "dtypes": DTYPES,
        "tensors": TENSORS,
        "mistakes": {each.code: template(RULES[each.code].sentence) for each in MISTAKES},
        "cases": listed,
    }
    text = json.dumps(manifest, indent=1, allow_nan=False)
    (root / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")
    return root / MANIFEST


def _entry(case: Case) -> dict[str, Any]:
    each = case.drawn.input
    return {
        "name": case.name,
        "flag": each.name,
        "reason": each.reason,
        "preset": case.drawn.preset,
        "convention": _convention(case.drawn.cbam),
        "dtype": case.dtype,
        "seed": list(case.drawn.seed),
        "tensors": {name: _tensor(case, name) for name in case.tensors},
        "tells_apart": list(case.tells_apart),
        "cannot_tell": list(case.cannot_tell),
    }


def _tensor(case: Case, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "file": f"{case.name}/{name}.npy",
        "shape": list(case.tensors[name].shape),
    }
    if name in case.allowed:
        return entry | {"role": "computed", "allowed": case.allowed[name]}
    if name in case.paths:
        return entry | {"role": "parameter", "path": case.paths[name]}
    return entry | {"role": "given"}


def _convention(cbam: CBAM) -> dict[str, Any]:
    channel, spatial = cbam.channel, cbam.spatial
    return {
        "pools": [pool.name for pool in channel.pools],
        "planes": [pool.name for pool in spatial.pools] if spatial else None,
        "blend": channel.blend,
        "ties": next((pool.ties for pool in channel.pools if pool.ties), "first"),
        "mlp_biases": channel.mlp.b0 is not None,
        "conv_bias": spatial is not None and spatial.conv.b is not None,
        "norm_eps": spatial.norm.eps if spatial and spatial.norm else None,
        "residual": cbam.residual,
        "order": cbam.order,
        "padding": "zeros",
    }
