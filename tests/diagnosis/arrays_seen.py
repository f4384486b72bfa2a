"""A wrong backward beside the right one, as the diagnosis sees them."""

from __future__ import annotations

import inspect

import numpy as np

from npcbam.diagnosis import Wrong, diagnose


def draw(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def columns(pullback, y):
    """Return the Jacobians of all arguments, by unit cotangents."""
    ys, found = parts(y), []
    for k, of in enumerate(ys):
        for i in range(np.size(of)):
            dys = [np.zeros(np.shape(a)) for a in ys]
            dys[k].reshape(-1)[i] = 1
            given = tuple(dys) if isinstance(y, tuple) else dys[0]
            found.append([np.asarray(d, dtype=float).reshape(-1) for d in parts(pullback(given))])
    return [np.array(rows) for rows in zip(*found, strict=True)]


def seen(right, args, wrong, dys=2, jacobian=True, exact=1e-12, seed=0):
    """Return all that came of `wrong(dy, *args)`, by name, beside what `right` gives."""
    y, pullback = right(*args)
    names = list(inspect.signature(right).parameters)
    results = [f"y.{i}" for i in range(len(y))] if isinstance(y, tuple) else ["y"]
    jacobians = columns(pullback, y) if jacobian else [None] * len(args)
    rng = np.random.default_rng(seed)
    found = {f"d{name}": [] for name in names}
    for _ in range(dys):
        drawn = [rng.normal(size=np.shape(a)) for a in parts(y)]
        dy = tuple(drawn) if isinstance(y, tuple) else drawn[0]
        want = dict(zip(found, map(np.asarray, parts(pullback(dy))), strict=True))
        for name, got, arg, j in zip(names, parts(wrong(dy, *args)), args, jacobians, strict=True):
            due = want[f"d{name}"]
            allowed = exact * (np.abs(due) + 1e-2 * np.abs(due).max(initial=0))
            found[f"d{name}"].append(
                Wrong(
                    f"d{name}",
                    np.asarray(got),
                    due,
                    allowed,
                    arg,
                    dict(zip(names, args, strict=True)),
                    dict(zip(results, parts(y), strict=True)),
                    dict(zip(results, drawn, strict=True)),
                    {n: d for n, d in want.items() if n != f"d{name}"},
                    j,
                )
            )
    return found


def said(right, args, wrong, **options):
    """Return the code and sentence of the one argument that is wrong."""
    given = seen(right, args, wrong, **options)
    bad = [places for places in given.values() if any(_off(w) for w in places)]
    (places,) = bad
    found = diagnose(places)
    return (found.code, found.sentence) if found else None


def _off(w):
    return w.got.shape != w.want.shape or w.wrong.any() or not np.isfinite(w.got).all()


def of(name, change, want=None, **more):
    """Return what is said of one array, changed from the right one in the same way twice."""
    wants = [draw(3, 4, seed=s) for s in (1, 2)] if want is None else want
    places = [Wrong(name, np.asarray(change(w)), w, 1e-12, **more) for w in wants]
    found = diagnose(places)
    return (found.code, found.sentence) if found else None
