"""Which values of a parameter wait for the second tier."""

import pytest


def later(values):
    """Return the values, or tuples of them, as those of the second tier."""
    return [
        pytest.param(*(each if isinstance(each, tuple) else (each,)), marks=pytest.mark.second_tier)
        for each in values
    ]


def first(count, values):
    """Return the values, all but the first `count` as those of the second tier."""
    values = list(values)
    return [*values[:count], *later(values[count:])]
