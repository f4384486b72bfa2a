"""Are the gradients those of what the forward computes, and if not, which route is amiss?

The gradient of CBAM is a sum over routes: dy reaches x as a factor of either product, and through
either map, and there through either pool. `pulled` walks them with a valve on each. A backward that
is wrong in one stage has one valve at another value than 1, and the value tells what is wrong.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.cbam import CBAM, ORDERS, refine_vjp
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.checks import Array
from npcbam.conv import Conv
from npcbam.derivative import ComplexStep, Point
from npcbam.norm import BatchNorm
from npcbam.oracle.conventions import NOT_SEEN
from npcbam.oracle.findings import Finding, evidence
from npcbam.oracle.hypotheses import CHANNEL_PAPER, SPATIAL_PAPER
from npcbam.oracle.identify import Reading
from npcbam.oracle.report import Row, compare, evidence_of
from npcbam.oracle.roles import Roles
from npcbam.oracle.trial import Outcome
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.pooling import POOLS, TIES, describe_vjp
from npcbam.spatial_attention import SpatialAttention

# Of the largest entry: sums in another order part by 1e-14 in float64, a fault of one in 10⁸ by far
# more. One in a thousand is seen in float32.
ALLOWED = {"float64": 1e-10, "float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}
# Where a function is no CBAM's: torch's own derivatives of some are right in float32 alone.
BY_STEP = ALLOWED | {"float64": 1e-6}
# What is left of a difference that a valve explains, of the difference.
EXPLAINED = {"float64": 1e-4, "float32": 2e-2, "float16": 0.2, "bfloat16": 0.3}

Valves = Mapping[str, float]
Cotangents = tuple[dict[str, Array], Array]
Attention = ChannelAttention | SpatialAttention


def pulled(cbam: CBAM, x: Array, dy: Array, valves: Valves | None = None) -> Cotangents:
    """Return the gradients, by leaf, and dx, with what flows on each route times its valve.

    Valves, 1 where they are not given: "channel map" and "spatial map", which all that flows
    through a map passes; "channel max" and its like, into a pool; "channel features" and "spatial
    features", the factor that the map multiplies; and "residual".
    """
    open_ = valves or {}
    walk = _pulled_parallel if cbam.order == "parallel" and cbam.spatial else _pulled_in_turn
    found, dx = walk(cbam, x, dy, open_)
    leaves = {f"{name}.{k}": leaf for name, d in found.items() for k, leaf in tree.leaves(d)}
    return leaves, dx + open_.get("residual", 1.0) * dy if cbam.residual else dx


def _pulled_in_turn(
    cbam: CBAM, x: Array, dy: Array, valves: Valves
) -> tuple[dict[str, Attention], Array]:
    names = ["channel", "spatial"] if cbam.spatial is not None else ["channel"]
    if cbam.order == "spatial-first":
        names.reverse()
    walked, f = [], x
    for name in names:
        attention: Attention = getattr(cbam, name)
        gate = attention(f)
        walked.append((name, attention, f, gate))
        f = gate * f
    found, df = {}, dy
    for name, attention, f, gate in reversed(walked):
        dgate, dfactor = scale_vjp(gate, f)[1](df)
        dz = sigmoid_vjp(attention.logits_vjp(f)[0])[1](dgate)
        found[name], dmap = _through(name, attention, f, dz, valves)
        df = valves.get(f"{name} features", 1.0) * dfactor + dmap
    return found, df


def _pulled_parallel(
    cbam: CBAM, x: Array, dy: Array, valves: Valves
) -> tuple[dict[str, Attention], Array]:
    assert cbam.spatial is not None
    zc, zs = cbam.channel.logits_vjp(x)[0], cbam.spatial.logits_vjp(x)[0]
    gate, sigmoid_pullback = sigmoid_vjp(zc + zs)
    dgate, dfactor = scale_vjp(gate, x)[1](dy)
    dz = sigmoid_pullback(dgate)
    space = tuple(range(2, x.ndim))
    dzc, dzs = dz.sum(axis=space, keepdims=True), dz.sum(axis=1, keepdims=True)
    dchannel, by_channel = _through("channel", cbam.channel, x, dzc, valves)
    dspatial, by_spatial = _through("spatial", cbam.spatial, x, dzs, valves)
    dx = valves.get("channel features", 1.0) * dfactor + by_channel + by_spatial
    return {"channel": dchannel, "spatial": dspatial}, dx


def _through(
    name: str, attention: Attention, x: Array, dz: Array, valves: Valves
) -> tuple[Attention, Array]:
    """Return the gradients of an attention, and what reaches x through its pools."""
    axes = (1,) if name == "spatial" else tuple(range(2, x.ndim))
    dz = valves.get(f"{name} map", 1.0) * dz
    dattention, _ = attention.logits_vjp(x)[1](dz)
    fs, _ = describe_vjp(x, axes, attention.pools, attention.ties, attention.blend)
    if isinstance(attention, SpatialAttention):
        planes, conv_pullback = attention.conv.vjp(np.concatenate(fs, axis=1))
        if attention.norm is not None:
            dz = attention.norm.vjp(planes)[1](dz)[1]
        dplanes = conv_pullback(dz)[1]
        dfs = np.split(dplanes, dplanes.shape[1], axis=1)
    else:
        flat = dz.reshape(x.shape[:2])
        vjps = (attention.mlp.vjp(f.reshape(x.shape[:2])) for f in fs)
        dfs = [
            pullback(flat)[1].reshape(f.shape) for (_, pullback), f in zip(vjps, fs, strict=True)
        ]
    if attention.blend:
        dfs = [dfs[0] / len(attention.pools)] * len(attention.pools)
    parts = []
    for pool, df in zip(attention.pools, dfs, strict=True):
        alone = describe_vjp(x, axes, (pool,), attention.ties, blend=False)[1]
        parts.append(valves.get(f"{name} {pool}", 1.0) * alone([df]))
    return dattention, functools.reduce(np.add, parts)


@dataclass(frozen=True, eq=False)
class Pulled:
    """What the candidate's backward gave on one input, gradients by leaf of the reading."""

    name: str
    x: Array
    dy: Array
    dparams: Mapping[str, Array]
    dx: Array


# The valves that a mistake turns at once, its code, and what is said where they are shut.
Mistake = tuple[tuple[str, ...], str, str]
MISTAKES: tuple[Mistake, ...] = (
    (("channel map",), "channel-map", "no gradient flows through the channel map"),
    (("spatial map",), "spatial-map", "no gradient flows through the spatial map"),
    (("channel max",), "channel-max", "the max branch of the channel gate has no gradient"),
    (("channel avg",), "channel-avg", "the average branch of the channel gate has no gradient"),
    (("spatial max",), "spatial-max", "the max plane of the spatial gate has no gradient"),
    (("spatial avg",), "spatial-avg", "the average plane of the spatial gate has no gradient"),
    (
        ("channel max", "channel avg"),
        "channel-pools",
        "no gradient flows through the descriptors of the channel gate",
    ),
    (
        ("spatial max", "spatial avg"),
        "spatial-pools",
        "no gradient flows through the planes of the spatial gate",
    ),
    (("spatial features",), "spatial-features", "F' has no gradient as a factor of F''"),
    (("channel features",), "channel-features", "F has no gradient as a factor of F'"),
    (("residual",), "residual", "the x that is added back has no gradient"),
)
NAMES = {
    "channel-map": "through the channel map",
    "spatial-map": "through the spatial map",
    "channel-max": "through the max branch of the channel gate",
    "channel-avg": "through the average branch of the channel gate",
    "spatial-max": "through the max plane of the spatial gate",
    "spatial-avg": "through the average plane of the spatial gate",
    "channel-pools": "through the descriptors of the channel gate",
    "spatial-pools": "through the planes of the spatial gate",
    "spatial-features": "of F' as a factor",
    "channel-features": "of F as a factor",
    "residual": "of the x that is added back",
}


@dataclass(frozen=True, eq=False)
class Named:
    """What is amiss with dx, and the valves that explain it on each input."""

    code: str
    message: str
    valves: Sequence[Valves]


def name_dx(
    seen: Sequence[Pulled], cbam: CBAM, dtype: str = "float64", right: Collection[str] = ()
) -> Named | None:
    """Return what explains dx on all inputs, one mistake or two at once; None if nothing does.

    Parameters
    ----------
    seen : inputs on which dx is wrong, without ties
    right : the attentions whose parameters have the right gradients
    """
    # What flows through a map reaches its parameters too.
    free = [m for m in MISTAKES if m[1] not in {f"{name}-map" for name in right}]
    for mistakes in (*((m,) for m in free), *itertools.combinations(free, 2)):
        names = [name for turned, *_ in mistakes for name in turned]
        shares = [_shares(each, cbam, mistakes, dtype) for each in seen]
        known = [found for found in shares if found is not None]
        if len(set(names)) < len(names) or not known or len(known) < len(shares):
            continue
        columns = zip(mistakes, zip(*known, strict=True), strict=True)
        said = [text for m, column in columns if (text := _say(m, column, seen, dtype))]
        if len(said) == len(mistakes):
            valves = [_turned(mistakes, found) for found in known]
            return Named(said[0][0], ", and ".join(text for _, text in said), valves)
    return None


def _turned(mistakes: Sequence[Mistake], shares: Sequence[float]) -> dict[str, float]:
    return {v: s for (names, *_), s in zip(mistakes, shares, strict=True) for v in names}


def _shares(
    each: Pulled, cbam: CBAM, mistakes: Sequence[Mistake], dtype: str
) -> list[float] | None:
    """Return the values of the valves that give this dx, or None if there are none."""
    whole = pulled(cbam, each.x, each.dy)[1]
    off = (each.dx - whole).ravel()
    if not np.isfinite(off).all():
        return None
    shut = [pulled(cbam, each.x, each.dy, _turned([m], [0.0]))[1] for m in mistakes]
    routes = [whole - part for part in shut]
    if len(mistakes) == 2:
        # What passes both valves flows with the product of their shares.
        neither = pulled(cbam, each.x, each.dy, _turned(mistakes, [0.0, 0.0]))[1]
        routes.append(whole - shut[0] - shut[1] + neither)
    matrix = np.stack([route.ravel() for route in routes], axis=1)
    units = np.abs(matrix).max(axis=0)
    if not units[: len(mistakes)].all():
        return None
    units[units == 0] = 1
    fitted, *_ = np.linalg.lstsq(matrix / units, off, rcond=1e-10)
    both = zip(fitted[: len(mistakes)], units, strict=False)
    shares = [1 + float(a / u) for a, u in both]
    valves = _turned(mistakes, shares)
    left = np.abs(pulled(cbam, each.x, each.dy, valves)[1] - each.dx).max(initial=0)
    room = max(EXPLAINED[dtype] * np.abs(off).max(initial=0), 1e-13 * np.abs(whole).max(initial=0))
    return shares if left <= room else None


def _say(
    mistake: Mistake, shares: Sequence[float], seen: Sequence[Pulled], dtype: str
) -> tuple[str, str] | None:
    """Put the shares that a route has on all inputs into words; None if they have no common one."""
    _, code, what = mistake
    room = 1e-3 if dtype != "float64" else 1e-6
    if all(abs(share) < room for share in shares):
        return f"{code}-detached", what
    if code in ("channel-avg", "spatial-avg"):
        what = "positions" if code == "channel-avg" else "channels"
        space = slice(2, None) if code == "channel-avg" else slice(1, 2)
        counts = [float(np.prod(each.x.shape[space])) for each in seen]
        if all(abs(s - n) < room * n for s, n in zip(shares, counts, strict=True)):
            said = f"the gradient of the average is not divided by the number of {what}"
            return f"{code}-not-divided", said
    if max(shares) - min(shares) <= room * max(map(abs, shares)):
        said = f"the gradient {NAMES[code]} is {shares[0]:.6g} times what it should be"
        return f"{code}-scaled", said
    return None


def name_weight(leaf: str, each: Pulled, expected: Array, cbam: CBAM) -> tuple[str, str]:
    """Return the code and the sentence of what is amiss with a parameter's gradient."""
    got = each.dparams[leaf]
    if not np.isfinite(got).all():
        return "gradient-not-finite", f"the gradient of {leaf} is not finite"
    if not got.any():
        return "parameter-detached", f"{leaf} has no gradient"
    for pool, part in _by_pool(leaf, each, cbam).items():
        if part.any() and _alike(got, expected - part):
            return "shared-weight-half", f"{leaf} gets no gradient from the {pool} descriptor"
    if expected.any():
        ratio = float((got * expected).sum() / np.square(expected).sum())
        if _alike(got, ratio * expected):
            said = f"the gradient of {leaf} is {ratio:.6g} times what it should be"
            return "gradient-scaled", said
    if got.ndim == 2 and got.shape == got.T.shape and _alike(got.T, expected):
        return "gradient-transposed", f"the gradient of {leaf} is transposed"
    return "gradient-wrong", f"the gradient of {leaf} is not that of what the forward computes"


def _alike(got: Array, expected: Array) -> bool:
    return bool(np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max(initial=1e-300))


def _by_pool(leaf: str, each: Pulled, cbam: CBAM) -> dict[str, Array]:
    """Return what each descriptor gives to a weight that they share."""
    channel = cbam.channel
    if not leaf.startswith("channel.mlp") or channel.blend or len(channel.pools) < 2:
        return {}
    whole = pulled(cbam, each.x, each.dy)[0][leaf]
    x, dz = _at_channel(cbam, each)
    fs, _ = describe_vjp(x, tuple(range(2, x.ndim)), channel.pools, channel.ties, blend=False)
    found = {}
    for pool, f in zip(channel.pools, fs, strict=True):
        dmlp, _ = channel.mlp.vjp(f.reshape(x.shape[:2]))[1](dz)
        found[pool] = dict(tree.leaves(dmlp, "channel.mlp"))[leaf]
    return found if _alike(functools.reduce(np.add, found.values()), whole) else {}


def _at_channel(cbam: CBAM, each: Pulled) -> tuple[Array, Array]:
    """Return what the channel gate reads, and the cotangent (N, C) of its logits."""
    channel, spatial, x, df = cbam.channel, cbam.spatial, each.x, each.dy
    if cbam.order == "parallel" and spatial is not None:
        gate, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0] + spatial.logits_vjp(x)[0])
        dz = sigmoid_pullback(scale_vjp(gate, x)[1](df)[0])
        return x, dz.sum(axis=tuple(range(2, x.ndim)))
    if spatial is not None and cbam.order == "spatial-first":
        x = spatial(x) * x
    mc, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0])
    if spatial is not None and cbam.order == "channel-first":
        df = refine_vjp(spatial, mc * x)[1](df)[1]
    return x, sigmoid_pullback(scale_vjp(mc, x)[1](df)[0]).reshape(x.shape[:2])


def against_step(
    predict: Callable[[dict[str, Array], Array], Array],
    weights: Mapping[str, Array],
    each: Pulled,
    names: Mapping[str, str],
    rng: np.random.Generator,
    allowed: float = ALLOWED["float64"],
) -> list[Finding]:
    """Check gradients of any reading along random directions, by the complex step of its forward.

    Parameters
    ----------
    predict : y of the reading for weights (by key) and x, on complex arrays too
    weights : those of the reading, by key
    each : the gradients, by key
    names : what the candidate calls each key
    """
    point = Point((dict(weights), each.x))
    step = ComplexStep(predict, point, [each.dy])
    parts = [*((key, each.dparams[key]) for key in weights), ("dx", each.dx)]
    start, findings = 0, []
    for tensor, cotangent in parts:
        stop = start + cotangent.size
        for _ in range(2):
            v = np.zeros(point.size)
            v[start:stop] = rng.choice([-1, 1], stop - start) * rng.uniform(0.5, 1.5, stop - start)
            terms = v[start:stop] * cotangent.ravel()
            slope, given = step.slope(v), np.array(float(terms.sum()))
            room = max(allowed * max(slope.scale, float(np.abs(terms).sum())), 1e-12)
            if not abs(given - slope.value) <= room:
                seen = evidence(each.name, tensor, given, np.array(slope.value), room)
                what = "dx" if tensor == "dx" else f"the gradient of {names[tensor]}"
                said = f"{what} is not that of what the forward computes"
                findings.append(Finding("gradient", "gradient-wrong", said, evidence=seen))
                break
        start = stop
    return findings[:1]


@dataclass(frozen=True, eq=False)
class Judged:
    """What the gradients gave: rows of the table, the tie rules that they follow, and findings.

    `cbam` is the reading as a CBAM of the reference, with these rules; None if it is none.
    """

    rows: list[Row]
    ties: str
    findings: list[Finding]
    cbam: CBAM | None = None


def judged(
    reading: Reading,
    weights: Mapping[str, Array],
    roles: Roles,
    seen: Sequence[Outcome],
    rng: np.random.Generator,
    dtype: str,
) -> Judged:
    """Compare all gradients with those of the reading.

    Parameters
    ----------
    weights : by key
    seen : what the candidate gave
    """
    cbam = reference(reading, weights)
    seen = [each for each in seen if each.cotangents is not None and each.input.name not in FREE]
    if not seen:
        return Judged([], NOT_SEEN, [], cbam)
    if cbam is not None:
        return _Elementwise(cbam, roles, seen, dtype).judged()
    # At a tie the complex step is one-sided.
    each = next((outcome for outcome in seen if outcome.input.name != "ties"), seen[0])
    assert each.cotangents is not None
    dparams, dx = each.cotangents
    by_key = {role.key: role.carry(dparams[role.name]) for role in roles if role.name in dparams}
    learnt = {key: weights[key] for key in by_key}

    def predict(part: Mapping[str, Array], x: Array) -> Array:
        return reading.predict({**weights, **part}, x)

    given = Pulled(each.input.name, each.input.x, each.dy, by_key, dx)
    names = {role.key: role.name for role in roles}
    return Judged([], NOT_SEEN, against_step(predict, learnt, given, names, rng, BY_STEP[dtype]))


def reference(reading: Reading, weights: Mapping[str, Array]) -> CBAM | None:
    """Return the reading as a CBAM of the reference, or None if it is none."""
    if reading.channel is None or reading.spatial is None or reading.compose is None:
        return None
    order, residual = (
        reading.compose.removesuffix("-residual"),
        reading.compose.endswith("residual"),
    )
    order = "channel-first" if order == "residual" else order
    channel = _channel_reference(reading.channel.axes, weights)
    spatial = None
    if order == "channel-only":
        order = "channel-first"
    elif (spatial := _spatial_reference(reading.spatial.axes, weights)) is None:
        return None
    if channel is None or order not in ORDERS:
        return None
    return CBAM(channel, spatial, order, residual)


def _channel_reference(
    axes: Mapping[str, Any], weights: Mapping[str, Array]
) -> ChannelAttention | None:
    merges = {"logits": False, "mean": True}
    free = {"pools": axes["pools"], "merge": axes["merge"]}
    pools = axes["pools"]
    if {**CHANNEL_PAPER, **free} != dict(axes) or axes["merge"] not in merges:
        return None
    if len(set(pools)) < len(pools) or not set(pools) <= set(POOLS):
        return None
    mlp = SharedMLP(weights["w0"], weights["w1"], weights.get("b0"), weights.get("b1"))
    return ChannelAttention(mlp, pools, blend=merges[axes["merge"]])


def _spatial_reference(
    axes: Mapping[str, Any], weights: Mapping[str, Array]
) -> SpatialAttention | None:
    free = {"pools": axes["pools"], "eps": axes["eps"]}
    blend = axes["pools"] == ("blend",)
    pools = ("avg", "max") if blend else axes["pools"]
    if {**SPATIAL_PAPER, **free} != dict(axes) or "k" not in weights:
        return None
    if len(set(pools)) < len(pools) or not set(pools) <= set(POOLS):
        return None
    norm = None
    if "mean" in weights:
        gamma, beta = weights.get("gamma", np.ones(1)), weights.get("beta", np.zeros(1))
        norm = BatchNorm(gamma, beta, weights["mean"], weights["var"], axes["eps"])
    return SpatialAttention(Conv(weights["k"], weights.get("kb")), pools, norm, blend=blend)


class _Elementwise:
    """Gradients of the candidate beside those of the reference, entry by entry."""

    def __init__(self, cbam: CBAM, roles: Roles, seen: Sequence[Outcome], dtype: str) -> None:
        self.roles = {role.path: role for role in roles}
        self.seen, self.dtype = seen, dtype
        self.cbam, self.ties = self._settle_ties(cbam)

    def judged(self) -> Judged:
        rows = [row for each in self.seen for row in self._rows(each)]
        bad = [row for row in rows if not row.ok]
        wrong_dx = [row.input for row in bad if row.tensor == "dx"]
        plain = [name for name in wrong_dx if name != "ties"]
        findings = []
        if wrong_dx and not plain:
            findings.append(self._tie_rule(next(row for row in bad if row.tensor == "dx")))
            bad = [row for row in bad if row.input != "ties"]
        valves: dict[str, Valves] = {}
        if plain:
            found, valves = self._of_dx(plain, bad)
            findings.append(found)
        findings += self._of_weights([row for row in bad if row.tensor != "dx"], valves)
        # A rule that was read off a wrong dx is none.
        return Judged(rows, NOT_SEEN if "ties" in wrong_dx else self.ties, findings, self.cbam)

    def _settle_ties(self, cbam: CBAM) -> tuple[CBAM, str]:
        """Return the CBAM with the tie rules whose gradient is the nearest where there are ties."""
        tied = [each for each in self.seen if each.input.name == "ties"]
        if not tied or tied[0].cotangents is None:
            return cbam, NOT_SEEN
        each, dx = tied[0], tied[0].cotangents[1]
        best = min(
            tie_rules(cbam), key=lambda rule: _gap(dx, pulled(rule, each.input.x, each.dy)[1])
        )
        gates = [gate for gate in (best.channel, best.spatial) if gate is not None]
        rules = dict.fromkeys(gate.ties for gate in gates if "max" in gate.pools)
        return best, "+".join(rules) or "none"

    def _rows(self, each: Outcome) -> list[Row]:
        assert each.cotangents is not None
        dparams, dx = each.cotangents
        name, room = each.input.name, ALLOWED[self.dtype]
        leaves, expected_dx = pulled(self.cbam, each.input.x, each.dy)
        rows = [compare(name, "dx", dx, expected_dx, room)]
        by_name = {role.name: role for role in self.roles.values()}
        for key, got in dparams.items():
            # An array without a role has no effect on the reading.
            role = by_name.get(key)
            known = role is not None and role.path in leaves
            expected = role.back(leaves[role.path], got) if role and known else np.zeros_like(got)
            if got.size:
                rows.append(compare(name, f"d {key}", got, expected, room))
        return rows

    def _pulled(self, each: Outcome) -> Pulled:
        assert each.cotangents is not None
        dparams, dx = each.cotangents
        leaves = {p: r.carry(dparams[r.name]) for p, r in self.roles.items() if r.name in dparams}
        return Pulled(each.input.name, each.input.x, each.dy, leaves, dx)

    def _tie_rule(self, row: Row) -> Finding:
        said = "where several entries share the maximum, dx follows a rule that no framework has"
        return _finding("tie-rule-unknown", said, row)

    def _of_dx(
        self, names: Sequence[str], rows: Sequence[Row]
    ) -> tuple[Finding, dict[str, Valves]]:
        given = [self._pulled(each) for each in self.seen if each.input.name in names]
        row = max((row for row in rows if row.tensor == "dx"), key=lambda row: row.times)
        if not all(np.isfinite(each.dx).all() for each in given):
            return _finding("gradient-not-finite", "dx is not finite", row), {}
        ratios = [_ratio(each.dx, pulled(self.cbam, each.x, each.dy)[1]) for each in given]
        if None not in ratios and len({round(r or 0, 6) for r in ratios}) == 1:
            said = f"dx is {ratios[0]:.6g} times what it should be"
            return _finding("gradient-scaled" if ratios[0] else "gradient-detached", said, row), {}
        # On one position, or one channel, several routes are one: the others tell more.
        telling = [each for each in given if each.name not in ("point", "single")] or given
        off = {row.tensor.removeprefix("d ") for row in rows}
        reached = {path.partition(".")[0] for path, r in self.roles.items() if r.name in off}
        right = {"channel", "spatial"} - reached
        named = name_dx(telling, self.cbam, self.dtype, right)
        if named is None:
            said = "dx is not the gradient of what the forward computes"
            return _finding("gradient-wrong", said, row), {}
        pairs = zip(telling, named.valves, strict=True)
        return _finding(named.code, named.message, row), {each.name: v for each, v in pairs}

    def _of_weights(self, rows: Sequence[Row], valves: Mapping[str, Valves]) -> list[Finding]:
        """Name what is amiss with parameters, but for what the route that dx lacks explains."""
        by_tensor: dict[str, list[Row]] = {}
        for row in rows:
            by_tensor.setdefault(row.tensor, []).append(row)
        paths = {f"d {role.name}": path for path, role in self.roles.items()}
        said: dict[str, list[tuple[str, str, Row]]] = {}
        for tensor, bad in by_tensor.items():
            worst, name = max(bad, key=lambda row: row.times), tensor.removeprefix("d ")
            each = next(each for each in self.seen if each.input.name == worst.input)
            given, path = self._pulled(each), paths.get(tensor, "")
            leaves, _ = pulled(self.cbam, each.input.x, each.dy, valves.get(worst.input))
            if path not in leaves:
                said.setdefault("gradient-of-dead", []).append(
                    (name, f"{name} has a gradient, and no effect on y", worst)
                )
                continue
            if any(row.input in valves for row in bad) and self._explained(path, bad, valves):
                continue
            code, text = name_weight(path, given, leaves[path], self.cbam)
            said.setdefault(code, []).append((name, text.replace(path, name), worst))
        return [_together(code, several) for code, several in said.items()]

    def _explained(self, path: str, bad: Sequence[Row], valves: Mapping[str, Valves]) -> bool:
        room = 1e-5 if self.dtype == "float64" else 1e-2
        for each in self.seen:
            if each.input.name in valves and any(row.input == each.input.name for row in bad):
                given = self._pulled(each)
                leaves, _ = pulled(self.cbam, given.x, given.dy, valves[given.name])
                whole, _ = pulled(self.cbam, given.x, given.dy)
                # What is fitted is known to a part of the difference that it explains.
                off = float(np.abs(whole[path] - given.dparams[path]).max(initial=0))
                if np.abs(leaves[path] - given.dparams[path]).max(initial=0) > room * off:
                    return False
        return True


# Inputs on which gradients are not looked at: the reference's own are not finite there.
FREE = ("nan", "inf")


def tie_rules(cbam: CBAM) -> Iterator[CBAM]:
    """Yield the CBAM with every tie rule in either attention."""
    for one, two in itertools.product(TIES, TIES if cbam.spatial else TIES[:1]):
        spatial = cbam.spatial and replace(cbam.spatial, ties=two)
        yield replace(cbam, channel=replace(cbam.channel, ties=one), spatial=spatial)


def _finding(code: str, said: str, row: Row) -> Finding:
    return Finding("gradient", code, said, evidence=evidence_of(row))


def _together(code: str, several: Sequence[tuple[str, str, Row]]) -> Finding:
    """Say what several parameters have in common in one finding."""
    _, said, row = several[0]
    others = [name for name, *_ in several[1:]]
    return _finding(code, said + (f"; likewise {', '.join(others)}" if others else ""), row)


def _gap(got: Array, expected: Array) -> float:
    with np.errstate(invalid="ignore"):
        gap = float(np.abs(got - expected).max(initial=0))
    return gap if np.isfinite(gap) else np.inf


def _ratio(got: Array, expected: Array) -> float | None:
    """Return how many times `expected` is in `got`, None if it is no multiple."""
    if not expected.any():
        return None
    ratio = float((got * expected).sum() / np.square(expected).sum())
    return ratio if _alike(got - ratio * expected + expected, expected) else None
