"""A piece of everyday code: a function with its right pullback, and with planted wrong ones.

    @everyday(lambda draw, n: (draw.normal(n),), "zero", "slope")
    def leaky_relu(fault):
        def f(x):
            ...
            return y, pullback
        return f

The factory is asked with fault "" for the right function; what its code does at another word is the
planted fault. The words of `GENERIC` need no code of the case.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from everyday.draw import Draw
from everyday.trees import floats, rebuild

# name -> Case, filled when the files of the two halves are imported.
FUNCTIONS: dict[str, Case] = {}

# Faults that any pullback can have.
GENERIC = (
    "factor", "sign", "zero", "entry", "roll", "first zero", "last zero",
    "wrong shape", "one short",
)  # fmt: skip
# Faults of behaviour, whose numbers may be right.
BEHAVIOUR = ("writes", "stale", "wrong shape", "one short")
SURE = {"wrong shape": lambda *_: True, "one short": lambda *_: True}


@dataclasses.dataclass(frozen=True)
class Case:
    """One function, the arguments that it is called with, and the faults planted into it."""

    name: str
    half: str
    factory: Callable[[str], Callable]
    arguments: Callable[[Draw, int], tuple]
    faults: tuple[str, ...]
    options: dict[str, Any]
    smallest: int = 1
    largest: int = 10_000
    dtypes: tuple[str, ...] = ("float64", "float32")
    truth: str = "right"
    kinks: bool = False  # the arguments lie exactly on kinks

    def fits(self, size: int, dtype: str) -> bool:
        """Say whether the case is made at this size and in this dtype."""
        return self.smallest <= size <= self.largest and dtype in self.dtypes

    def make(self, seed: int, size: int, dtype: str) -> tuple[Callable, tuple, dict[str, Any]]:
        """Return (f, args, options) with f right."""
        return self.factory(""), self.arguments(Draw(seed, size, dtype), size), dict(self.options)

    def wrongs(self, seed: int, size: int, dtype: str) -> dict[str, Callable]:
        """Return the planted wrong functions that are truly wrong at these arguments."""
        f, args, options = self.make(seed, size, dtype)
        functions = {}
        for fault in self.faults:
            wrong = spoil(self, fault, seed, args) if fault in GENERIC else self.factory(fault)
            real = {"writes": writes, "stale": stale, **SURE}.get(fault)
            if real(wrong, args) if real else shows(f, wrong, args, options, dtype):
                functions[fault] = wrong
        return functions


def everyday(arguments, *faults, **settings):
    """Register a factory as a case; settings that a Case does not know go to the checker."""
    known = {field.name for field in dataclasses.fields(Case)}
    own = {name: value for name, value in settings.items() if name in known}
    options = {name: value for name, value in settings.items() if name not in known}

    def register(factory):
        name = factory.__name__.replace("_", " ")
        if name in FUNCTIONS:
            raise ValueError(f"{name}: two cases of this name")
        half = factory.__module__.split(".")[1]
        FUNCTIONS[name] = Case(name, half, factory, arguments, faults, options, **own)
        return factory

    return register


def cotangent(y, rng):
    """Draw a cotangent for y: of its structure, None where it is of integers."""
    if isinstance(y, (tuple, list)):
        return type(y)(cotangent(part, rng) for part in y)
    if isinstance(y, float) and not isinstance(y, np.floating):
        return float(rng.normal())
    y = np.asarray(y)
    if y.dtype.kind != "f":
        return None
    return np.asarray(rng.normal(size=y.shape), y.dtype)


def gradients(f, args, seed=0):
    """Return the arrays of the cotangents that f's pullback gives for a random dy."""
    y, pullback = f(*args)
    return [np.array(g) for g in floats(pullback(cotangent(y, np.random.default_rng(seed))))]


def spoil(case: Case, fault: str, seed: int, args: tuple) -> Callable:
    """Plant one of the generic faults into what the right pullback returns."""
    right = case.factory("")
    first = gradients(case.factory(""), args)
    sizes = [np.abs(g).max(initial=0) for g in first]
    leaf = int(np.random.default_rng(seed).choice(np.flatnonzero(sizes))) if any(sizes) else 0
    flat = np.abs(first[leaf].ravel())
    # An entry of middling size among those that are not 0.
    place = int(np.argsort(flat)[(flat.size + np.count_nonzero(flat == 0)) // 2 - flat.size])

    def alter(number, g):
        g = np.array(g)
        if fault == "entry" and number == leaf:
            g.flat[place] *= g.dtype.type(1.001)
        chosen = {"first zero": 0, "last zero": len(first) - 1}.get(fault, number)
        return {
            "factor": lambda: 2 * g,
            "sign": lambda: -g,
            "zero": lambda: 0 * g,
            "first zero": lambda: 0 * g if number == chosen else g,
            "last zero": lambda: 0 * g if number == chosen else g,
            "roll": lambda: np.roll(g, 1) if number == leaf else g,
            "wrong shape": lambda: g[..., None] if number == leaf else g,
            "entry": lambda: g,
        }[fault]()

    @functools.wraps(right)
    def spoiled(*args):
        y, pullback = right(*args)
        if fault == "one short":
            return y, lambda dy: pullback(dy)[:-1]
        return y, lambda dy: rebuild(pullback(dy), alter)

    return spoiled


def shows(f, wrong, args, options, dtype) -> bool:
    """Say whether two pullbacks differ at these arguments by clearly more than rounding.

    A difference that a constraint forbids to look at does not count: on symmetric matrices only
    the symmetric part, on a simplex only what is left when the mean is taken off.
    """
    part, whole = {"float64": (1e-6, 1e-8), "float32": (1e-4, 1e-5)}[dtype]
    domains = leaf_domains(args, options, f)
    for a, b, domain in zip(gradients(f, args), gradients(wrong, args), domains, strict=True):
        if a.shape != b.shape:
            return True
        difference = b.astype(float) - a
        if domain == "symmetric":
            difference = difference + np.swapaxes(difference, -1, -2)
        if domain == "simplex":
            difference = difference - difference.mean(-1, keepdims=True)
        size = np.abs(a).max(initial=0)
        if np.any(np.abs(difference) > part * np.abs(a) + whole * size + 1e-300):
            return True
    return False


def writes(wrong, args) -> bool:
    """Say whether f or its pullback changes its arguments."""
    mine = copy.deepcopy(args)
    gradients(wrong, mine)
    pairs = zip(floats(args), floats(mine), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


def stale(wrong, args) -> bool:
    """Say whether a pullback gives something else after f has been called at another place."""
    y, pullback = wrong(*copy.deepcopy(args))
    dy = cotangent(y, np.random.default_rng(0))
    first = [np.array(g) for g in floats(pullback(dy))]
    wrong(*rebuild(args, lambda _, leaf: (0.7 * leaf).astype(leaf.dtype)))
    pairs = zip(first, floats(pullback(dy)), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


def leaf_domains(args, options, f):
    """Return the domain of each array that has a gradient, in their order."""
    domain = options.get("domain")
    names = list(inspect.signature(f).parameters)
    domains = []
    # Parameters with defaults may be left out.
    for name, value in zip(names, args, strict=False):
        one = domain.get(name) if isinstance(domain, dict) else domain
        if name not in options.get("fixed", ()):
            domains += [one] * len(floats(value))
    return domains
