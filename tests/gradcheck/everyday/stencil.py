"""An independent derivative: central differences of fourth order, entry by entry, in float64.

It knows nothing of the package. Where the two one-sided slopes disagree, the entry lies on a kink,
and a gradient between them is right.
"""

import copy
import inspect

import numpy as np
from everyday.case import cotangent, leaf_domains
from everyday.trees import floats


def plain_sum(y, dy):
    """Return the sum of dy times y over the arrays of floats."""
    if isinstance(y, (tuple, list)):
        return sum(plain_sum(a, b) for a, b in zip(y, dy, strict=True))
    return 0.0 if dy is None else float(np.sum(np.asarray(y, float) * dy))


def moved(args, number, move):
    """Return a copy of args with `move` added to the array of that number."""
    args = copy.deepcopy(args)
    floats(args)[number][...] += move
    return args


def moves(shape, domain, rng, count):
    """Yield directions that the domain allows: one entry, or two of a constraint."""
    size = int(np.prod(shape))
    for flat in rng.permutation(size)[:count]:
        place = np.unravel_index(flat, shape)
        move = np.zeros(shape)
        move[place] = 1
        if domain == "symmetric":
            move = (move + np.swapaxes(move, -1, -2)) / 2
        if domain == "simplex":
            other = (*place[:-1], (place[-1] + 1) % shape[-1])
            move[other] -= 1
        yield move


def failures(case, seed, size, count=12, part=2e-6):
    """Compare the right pullback of a case with the stencil; return what disagrees, in words."""
    f, args, options = case.make(seed, size, "float64")
    before = options.get("before", lambda: None)
    before()
    y, pullback = f(*copy.deepcopy(args))
    y = copy.deepcopy(y)
    rng = np.random.default_rng(seed + 1)
    dy = cotangent(y, rng)
    got = [np.array(g, float) for g in floats(pullback(dy))]

    def loss(number, move):
        before()
        return plain_sum(f(*moved(args, number, move))[0], dy)

    bad = []
    for number, (g, domain) in enumerate(zip(got, leaf_domains(args, options, f), strict=True)):
        place = position(args, options, f, number)
        leaf = floats(args)[place]
        if g.shape != leaf.shape:
            bad.append(f"array {number}: shape {g.shape} for {leaf.shape}")
            continue
        whole = np.abs(g).max(initial=0)
        for move in moves(g.shape, domain, rng, count):
            spot = np.abs(leaf[move != 0]).min()
            # Beside a bound the steps follow the entry, else they have a least length.
            spot = spot if domain else max(spot, 0.1)
            mine = float((g * move).sum())
            # The shorter span, whose rounding is larger, is for kinks that lie near.
            for h in (1e-3 * spot, 1e-6 * spot):
                at = {k: loss(place, k * h * move) for k in range(-2, 3)}
                central = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
                right = (-3 * at[0] + 4 * at[1] - at[2]) / (2 * h)
                left = (3 * at[0] - 4 * at[-1] + at[-2]) / (2 * h)
                slack = part * max(abs(central), 1e-3 * whole) + 1e-9 + 1e-14 * abs(at[0]) / h
                between = min(left, right) - slack <= mine <= max(left, right) + slack
                if abs(mine - central) <= slack or (case.kinks and between):
                    break
            else:
                bad.append(f"array {number}: {mine} for {central} at {np.argwhere(move).tolist()}")
    return bad


def position(args, options, f, number):
    """Return where the array of that number among those with a gradient stands among all."""
    names = inspect.signature(f).parameters
    fixed = options.get("fixed", ())
    places, start = [], 0
    for name, value in zip(names, args, strict=False):
        many = len(floats(value))
        places += [] if name in fixed else list(range(start, start + many))
        start += many
    return places[number]
