"""Identification: every row, and pairs of rows in different stages, are found again."""

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, X

from npcbam.oracle.identification.identify import identify
from npcbam.oracle.identification.reading import Choice, Reading, choices, fits_weights
from npcbam.oracle.rules import CHANNEL, CHANNEL_PAPER, COMPOSE, SPATIAL, SPATIAL_PAPER

PAPER = Choice((CHANNEL[0],), CHANNEL_PAPER), Choice((SPATIAL[0],), SPATIAL_PAPER)
PLAIN = MLPS["shared"] | KERNELS["two planes, norm"]


def found(channel, spatial, compose, weights):
    reading = Reading(channel, spatial, compose)
    again = identify(reading.predict, weights, X)
    assert again.known
    rows = (*again.channel.rows, *again.spatial.rows)
    codes = {row.code for row in rows if not row.code.endswith("-paper")}
    return codes | ({again.compose} if again.compose != "channel-first" else set())


def weights_for(choice):
    for mlps in MLPS.values():
        for kernel in KERNELS.values():
            if fits_weights(choice, mlps | kernel):
                return mlps | kernel
    raise AssertionError(choice)


@pytest.mark.parametrize("row", CHANNEL[1:], ids=lambda row: row.code)
def test_channel_rows(row):
    choice = Choice((row,), CHANNEL_PAPER | dict(row.sets))
    got = found(choice, PAPER[1], "channel-first", weights_for(choice) | KERNELS["two planes"])
    assert got == {row.code}


@pytest.mark.parametrize("row", SPATIAL[1:], ids=lambda row: row.code)
def test_spatial_rows(row):
    choice = Choice((row,), SPATIAL_PAPER | dict(row.sets))
    weights = MLPS["shared"] | next(
        k for k in KERNELS.values() if fits_weights(choice, MLPS["shared"] | k)
    )
    assert found(PAPER[0], choice, "channel-first", weights) == {row.code}


@pytest.mark.parametrize("name", [name for name in COMPOSE if not name.startswith("channel-only")])
def test_compositions(name):
    got = found(*PAPER, name, PLAIN)
    assert got == ({name} if name != "channel-first" else set())


@pytest.mark.parametrize("seed", range(6))
def test_pairs_of_stages(seed):
    rng = np.random.default_rng(seed)
    shared = [c for c in choices(CHANNEL, CHANNEL_PAPER, False) if fits_weights(c, PLAIN)]
    planes = [c for c in choices(SPATIAL, SPATIAL_PAPER, False) if fits_weights(c, PLAIN)]
    one, two = shared[rng.integers(1, len(shared))], planes[rng.integers(1, len(planes))]
    got = found(one, two, "residual", PLAIN)
    assert got == {one.rows[0].code, two.rows[0].code, "residual"}


def test_nothing_known_is_said_so():
    reading = identify(lambda weights, x: np.cos(x), PLAIN, X)
    assert not reading.known
    assert not identify(lambda weights, x: x * np.nan, PLAIN, X).known
