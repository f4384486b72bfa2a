"""One gate alone: no formula is tried twice, and a search in vain ends soon."""

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, X
from planted import compositions

import npcbam
from npcbam.oracle.identification import reading as choosing
from npcbam.oracle.identification.reading import Reading, single
from npcbam.oracle.identification.single_gate import Alone, Effort, efforts, look, ways
from npcbam.oracle.rules import CHANNEL, COMPOSE

WEIGHTS = MLPS["shared"] | KERNELS["two planes"]


def test_what_comes_to_the_same_is_tried_once():
    known = set()
    names = ("channel-first", "spatial-reads-input", "channel-only", "parallel")
    assert ways(True, Effort(False, names, (0.5, 1.0)), known) == [
        ("channel-first", [0.5, 1.0]),
        ("parallel", [0.5]),
    ]
    assert ways(True, Effort(False, names, (1.0, 2.0)), known) == [("channel-first", [2.0])]
    # Logits are none of the map's, and a map of F' is none of x.
    assert ways(False, Effort(False, names[:2], (0.5, 1.0)), set()) == [
        ("channel-first", [0.5, 1.0]),
        ("spatial-reads-input", [0.5]),
    ]


def seen_of(compose):
    """Return the channel gate of a right block in a composition, alone, and its first effort."""
    reading = Reading(single(True)[0], single(False)[0], compose)
    seen = look(reading.predict, WEIGHTS, X)
    return Alone(seen, X, True, 1e-9), [*efforts(seen, X, "wide")]


@pytest.mark.parametrize("compose", ["channel-first", "residual", "channel-features-squared"])
def test_the_row_is_found_with_its_composition(compose):
    alone, several = seen_of(compose)
    effort = next(each for each in several if compose in each.compositions)
    fits = [*alone.explain(CHANNEL, effort)]
    assert [fit.choice.rows[0].code for fit in fits] == ["channel-paper"]
    assert compose in fits[0].compositions
    assert len(fits[0].compositions) < len(COMPOSE) / 2


def test_a_search_in_vain_ends_soon(monkeypatch):
    """It takes 8000 maps; were every row tried beside every other one, it would take 50,000."""
    maps = 0

    def counted(f):
        def counting(*args):
            nonlocal maps
            maps += 1
            return f(*args)

        return counting

    for name in ("channel_map", "spatial_map"):
        monkeypatch.setattr(choosing, name, counted(getattr(choosing, name)))
    report = npcbam.check(compositions.LearnedAlpha, channels=16)
    assert "spatial-unknown" in [f.code for f in report.findings]
    assert 1000 < maps < 10_000


def excited(activation, gate=np.tanh):
    """Return a block of squeeze and excitation, which has a channel gate alone."""

    def f(params, x):
        z = activation(x.mean((2, 3)) @ params["w0"].T) @ params["w1"].T
        return x * gate(z)[:, :, None, None]

    return f


def relu(z):
    return np.maximum(z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


MISTAKES = {
    "channel-tanh": excited(relu),
    "channel-linear": excited(lambda h: h, sigmoid),
    "channel-tanh-hidden": excited(np.tanh, sigmoid),
    "channel-sigmoid-hidden": excited(sigmoid, sigmoid),
    "channel-no-sigmoid": excited(relu, lambda z: z),
    "channel-sigmoid-twice": excited(relu, lambda z: sigmoid(sigmoid(z))),
    "channel-clamp": excited(relu, lambda z: np.clip(z, 0, 1)),
    "channel-doubled": excited(relu, lambda z: 2 * sigmoid(z)),
    "channel-relu-after": excited(relu, lambda z: sigmoid(relu(z))),
}


@pytest.mark.parametrize("code", MISTAKES)
def test_one_mistake_where_the_other_gate_is_not_there(code):
    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    found = npcbam.check(MISTAKES[code], parameters=arrays, channels=32, expect="se").findings
    codes = [each.code for each in found if each.status != "note"]
    assert codes == [code, "channel-avg-only", "channel-only"]


def squeezed(made):
    """Return a block that makes y of x and of its channel map, where that is right."""

    def f(params, x):
        z = relu(x.mean((2, 3)) @ params["w0"].T) @ params["w1"].T
        return made(x, sigmoid(z)[:, :, None, None])

    return f


APPLIED = {
    "channel-gate-squared": squeezed(lambda x, mc: mc * mc * x),
    "channel-map-added": squeezed(lambda x, mc: x + mc),
    "channel-features-squared": squeezed(lambda x, mc: x * x * mc),
    "channel-map-only": squeezed(lambda x, mc: mc),
}


@pytest.mark.parametrize("code", APPLIED)
def test_what_is_done_with_the_map_where_the_other_gate_is_not_there(code):
    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    found = npcbam.check(APPLIED[code], parameters=arrays, channels=32, expect="se").findings
    codes = [each.code for each in found if each.status != "note"]
    assert codes == [code, "channel-avg-only"]
