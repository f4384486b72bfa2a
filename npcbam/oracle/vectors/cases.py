"""The cases: weights, inputs and cotangents that are drawn, and all that follows from them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from npcbam import CBAM, pooling, presets, tree
from npcbam.arguments import Array
from npcbam.oracle.precision import rounded
from npcbam.oracle.probing.inputs import Input, battery, cotangent
from npcbam.oracle.rules import mistaken as rules
from npcbam.oracle.rules.right_block import right_block
from npcbam.oracle.rules.rule import Rule
from npcbam.oracle.vectors.encoding import DTYPES
from npcbam.oracle.vectors.rounding import allowed, sensitivity
from npcbam.pointwise import sigmoid

CHANNELS, REDUCTION, KERNEL = 8, 4, 7
# The inputs with two spatial axes, and those with one or three.
INPUTS = ("noise", "negative", "ties", "single", "small", "point")
INPUTS_BESIDE = ("noise", "ties")
# Kept from any kink, in units of what is compared: more than a half type rounds.
MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class Drawn:
    """A CBAM of a preset, an input, a cotangent, and the seed that they are drawn from."""

    preset: str
    cbam: CBAM
    input: Input
    dy: Array
    seed: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Case:
    """What is drawn, in one dtype.

    Attributes
    ----------
    name, drawn, dtype : what it is
    tensors : the values of all tensors, the given ones exact in `dtype`
    paths : the parameters' paths in `tree.leaves`, by their names
    allowed : the allowed absolute error of each tensor that is computed
    tells_apart : the codes of the mistakes whose y is further from the right one than twice the
        allowed error, or of another shape
    cannot_tell : the codes of the others that can be made of this preset
    """

    name: str
    drawn: Drawn
    dtype: str
    tensors: dict[str, Array]
    paths: dict[str, str]
    allowed: dict[str, float]
    tells_apart: tuple[str, ...]
    cannot_tell: tuple[str, ...]


def cases(names: Sequence[str], seed: int) -> Iterator[Case]:
    """Yield the cases of the presets, in all dtypes; `paper` over 1 and 3 spatial axes too."""
    for name in names:
        for axes in (2, 1, 3) if name == "paper" else (2,):
            inputs = battery(np.random.default_rng(seed), CHANNELS, axes)
            flags = INPUTS if axes == 2 else INPUTS_BESIDE
            for each in (each for each in inputs if each.name in flags):
                drawn = draw(name, each, seed)
                units = sensitivity(tensors, drawn.cbam, drawn.input.x, drawn.dy)
                for dtype in DTYPES:
                    yield _case(drawn, dtype, allowed(units, dtype))


def draw(name: str, each: Input, seed: int) -> Drawn:
    """Draw a CBAM and a dy for an input, which may be moved a little.

    No entry is 0 and no gate saturates. Every descriptor turns a hidden unit on, some unit is off,
    none is near its kink, and x is such that no two channels of F' are near to be exchanged as
    the largest. The first draw that suits is taken.
    """
    for attempt in itertools.count():
        rng = np.random.default_rng([seed, attempt])
        hidden = presets.hidden_units(CHANNELS, REDUCTION, name)
        sizes = presets.shapes(name, CHANNELS, hidden, (KERNEL,) * (each.x.ndim - 2))
        cbam = CBAM.build(name, {path: _weights(rng, path, s) for path, s in sizes.items()})
        dy = cotangent(rng, each.x.shape)
        x = _apart(cbam, each.x)
        if x is not None and _suits(cbam, x):
            return Drawn(name, cbam, replace(each, x=x), dy, (seed, attempt))
    raise AssertionError("unreachable")


def tensors(cbam: CBAM, x: Array, dy: Array) -> dict[str, Array]:
    """Return all that is computed of x and dy; the names are those of `vectors.TENSORS`."""
    space = tuple(range(2, x.ndim))
    found = {f"f_{pool.name}": pool.vjp(x, space)[0] for pool in cbam.channel.pools}
    found["zc"] = cbam.channel.logits_vjp(x)[0]
    found["mc"] = sigmoid(found["zc"])
    found["f"] = found["mc"] * x
    if cbam.spatial is not None:
        spatial, f = cbam.spatial, found["f"]
        planes, _ = pooling.describe_vjp(f, (1,), spatial.pools, spatial.blend)
        found["planes"] = np.concatenate(planes, axis=1)
        found["zs"] = spatial.logits_vjp(f)[0]
        found["ms"] = sigmoid(found["zs"])
    found["y"], pullback = cbam.vjp(x)
    dcbam, found["dx"] = pullback(dy)
    return found | {f"d{_short(path)}": leaf for path, leaf in tree.leaves(dcbam)}


def mistaken(weights: Mapping[str, Array], x: Array, preset: str) -> Iterator[tuple[Rule, Array]]:
    """Yield each mistake that can be made of a preset, and its y; see `rules.mistaken`."""
    return rules.mistaken(right_block(weights, presets.preset(preset)), x)


def differs(y: Array, other: Array, limit: float) -> bool:
    """Tell whether `other` has another shape than y, or an entry that is over `limit` from it."""
    return y.shape != other.shape or not bool((np.abs(y - other) <= limit).all())


def _case(drawn: Drawn, dtype: str, limits: dict[str, float]) -> Case:
    parts = (drawn.cbam, drawn.input.x, drawn.dy)
    cbam, x, dy = tree.map(lambda a: _rounded(a, dtype), parts)
    found, weights = tensors(cbam, x, dy), dict(tree.leaves(cbam))
    plain = tree.map(lambda a: a.astype(np.float64), weights)
    # As it will be read.
    right = _rounded(found["y"], dtype)
    told: dict[str, bool] = {}
    for rule, y in mistaken(plain, x.astype(np.float64), drawn.preset):
        # With several numbers, the most usual one stands for it.
        if rule.code not in told:
            told[rule.code] = differs(right, y, 2 * limits["y"])
    codes = (tuple(code for code in told if told[code] == apart) for apart in (True, False))
    axes = x.ndim - 2
    shape = "" if axes == 2 else f"-{axes}d"
    name = f"{drawn.preset}{shape}-{drawn.input.name}-{dtype}"
    paths = {_short(path): path for path in weights}
    given = {"x": x, **{_short(path): leaf for path, leaf in weights.items()}, "dy": dy}
    return Case(name, drawn, dtype, given | found, paths, limits, *codes)


def _rounded(a: Array, dtype: str) -> Array:
    return rounded(a, dtype).astype(np.longdouble)


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def _weights(rng: np.random.Generator, path: str, shape: tuple[int, ...]) -> Array:
    if path.endswith("var"):
        return rng.uniform(0.5, 1.5, shape)
    fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    # Of order one in the logits: what an MLP with large weights gets wrong, a saturated gate hides.
    spread = (1.25 if "mlp" in path else 2) / np.sqrt(max(fan, 4))
    drawn: Array = spread * cotangent(rng, shape)
    return drawn


def _apart(cbam: CBAM, x: Array) -> Array | None:
    """Move the largest channel of F' away from the next, wherever they are near but not tied."""
    x = x.copy()
    for _ in range(50):
        f = cbam.channel(x) * x
        top = f.argmax(1, keepdims=True)
        first, second = (np.take(np.sort(f, axis=1), [at], axis=1) for at in (-1, -2))
        gap = first - second
        near = (gap > 0) & (gap < MARGIN * np.maximum(np.abs(first), np.abs(second)))
        if not near.any():
            return x
        value = np.take_along_axis(x, top, axis=1)
        away = np.where(value > 0, 1.25 * value, 0.8 * value)
        np.put_along_axis(x, top, np.where(near, away, value), axis=1)
    return None


def _suits(cbam: CBAM, x: Array) -> bool:
    """Tell whether no unit is near its kink, some is off, and every descriptor turns one on."""
    channel, mlp = cbam.channel, cbam.channel.mlp
    space = tuple(range(2, x.ndim))
    fs, _ = pooling.describe_vjp(x, space, channel.pools, channel.blend)
    f = np.stack([f.reshape(x.shape[:2]) for f in fs])  # (F, N, C)
    b0 = np.zeros(len(mlp.w0)) if mlp.b0 is None else mlp.b0
    a = f @ mlp.w0.T + b0  # (F, N, C/r)
    far = np.abs(a) > MARGIN * (np.abs(f) @ np.abs(mlp.w0).T + np.abs(b0))
    return bool(far.all() and (a > 0).any(2).all() and (a < 0).any())
