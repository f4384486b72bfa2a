"""CBAM in 50 digits: plain loops over numbers that remember how they were made.

The gradients come from a tape and not from any derivation: a `Number` knows what it was computed
from and the partial derivative by each, which is all that `backward` needs. On the way it sums
the magnitudes of all that reached a cotangent, which tells how much of it was cancelled. Nothing
of the package is called; a layer lends its settings, `p` its leaves by name.
"""

import itertools

import numpy as np
from mpmath import MPContext

mp = MPContext()
mp.dps = 50
_serials = itertools.count()


class Number:
    def __init__(self, value, *parents):
        self.value, self.parents = value, parents
        self.cotangent = self.magnitude = mp.zero
        self.serial = next(_serials)

    def __add__(self, other):
        return total([self, other])

    def __sub__(self, other):
        return Number(self.value - other.value, (self, mp.one), (other, -mp.one))

    def __mul__(self, other):
        return Number(self.value * other.value, (self, other.value), (other, self.value))


def exact(value):
    """A NumPy scalar as it stands; a longdouble takes up to three floats."""
    assert np.isfinite(value)
    mantissa, exponent = np.frexp(value)
    whole = mp.zero
    for _ in range(3):
        whole += float(mantissa)
        mantissa -= type(value)(float(mantissa))
    return mp.ldexp(whole, int(exponent))


def constant(value):
    return Number(mp.mpf(value))


def numbers(array):
    """The array with a Number in each place."""
    boxed = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        boxed[index] = Number(exact(array[index]))
    return boxed


def total(terms):
    return Number(mp.fsum(t.value for t in terms), *((t, mp.one) for t in terms))


def exp(z):
    e = mp.exp(z.value)
    return Number(e, (z, e))


def log(z):
    return Number(mp.log(z.value), (z, 1 / z.value))


def power(z, p):
    return Number(z.value**p, (z, p * z.value ** (p - 1)))


def relu(z):
    return z if z.value > 0 else constant(0)


def sigmoid(z):
    return power(constant(1) + exp(constant(-1) * z), -1)


def mean(terms):
    return total(terms) * constant(mp.one / len(terms))


def largest(terms, ties):
    top = max(t.value for t in terms)
    tied = [t for t in terms if t.value == top]
    tied = tied[:1] if ties == "first" else tied
    return Number(top, *((t, mp.one / len(tied)) for t in tied))


def lp(terms):
    return power(total([t * t for t in terms]), mp.mpf("0.5"))


def logsumexp(terms):
    return log(total([exp(t) for t in terms]))


def pool(how, terms):
    if how.name == "max":
        return largest(terms, how.ties)
    return {"avg": mean, "lp": lp, "lse": logsumexp}[how.name](terms)


def backward(outputs, cotangents):
    """Leave in every Number the derivative of Σ cotangent · output by it."""
    reached, waiting = {}, list(outputs.flat)
    for output, cotangent in zip(outputs.flat, cotangents.flat, strict=True):
        output.cotangent = exact(cotangent)
        output.magnitude = abs(output.cotangent)
    while waiting:
        number = waiting.pop()
        if number.serial not in reached:
            reached[number.serial] = number
            waiting.extend(parent for parent, _ in number.parents)
    for serial in sorted(reached, reverse=True):
        number = reached[serial]
        for parent, partial in number.parents:
            parent.cotangent += partial * number.cotangent
            parent.magnitude += abs(partial) * number.magnitude


def norm(layer, p, x, training=False):
    """Normalise (N, C, *S); in training by the statistics of x."""
    y = np.empty(x.shape, object)
    for c in range(x.shape[1]):
        mu, var = p["mean"][c], p["var"][c]
        if training:
            mu = mean(list(x[:, c].flat))
            var = mean([(v - mu) * (v - mu) for v in x[:, c].flat])
        inv = power(var + constant(layer.eps), mp.mpf("-0.5"))
        for n, *at in np.ndindex(x[:, c].shape):
            xhat = (x[n, c, *at] - mu) * inv
            y[n, c, *at] = p["gamma"][c] * xhat + p["beta"][c]
    return y


def conv(p, x):
    """Correlate (N, I, *S) with the one output plane of w, zeros around."""
    w, b = p["w"][0], p.get("b")
    taps, space = w.shape[1:], x.shape[2:]
    y = np.empty((len(x), 1, *space), object)
    for n, *at in np.ndindex(len(x), *space):
        terms = [] if b is None else [b[0]]
        for i, *t in np.ndindex(w.shape):
            q = [a + s - size // 2 for a, s, size in zip(at, t, taps, strict=True)]
            if all(0 <= a < size for a, size in zip(q, space, strict=True)):
                terms.append(w[i, *t] * x[n, i, *q])
        y[n, 0, *at] = total(terms)
    return y


def mlp(p, f):
    out = []
    hidden = [total([w * v for w, v in zip(row, f, strict=True)]) for row in p["w0"]]
    if "b0" in p:
        hidden = [a + b for a, b in zip(hidden, p["b0"], strict=True)]
    hidden = [relu(a) for a in hidden]
    for c, row in enumerate(p["w1"]):
        z = total([w * h for w, h in zip(row, hidden, strict=True)])
        out.append(z + p["b1"][c] if "b1" in p else z)
    return out


def channel_logits(layer, p, x):
    """The logits of Mc, (N, C)."""
    z = np.empty(x.shape[:2], object)
    for n, sample in enumerate(x):
        fs = [[pool(how, list(c.flat)) for c in sample] for how in layer.pools]
        if layer.blend:
            fs = [[mean(same) for same in zip(*fs, strict=True)]]
        passes = [mlp(below(p, "mlp"), f) for f in fs]
        z[n] = [total(same) for same in zip(*passes, strict=True)]
    return z


def spatial_logits(layer, p, x, training=False):
    """The logits of Ms, (N, 1, *S)."""
    space = x.shape[2:]
    planes = np.empty((len(x), 1 if layer.blend else len(layer.pools), *space), object)
    for n, *at in np.ndindex(len(x), *space):
        pooled = [pool(how, list(x[n, :, *at])) for how in layer.pools]
        planes[n, :, *at] = [mean(pooled)] if layer.blend else pooled
    z = conv(below(p, "conv"), planes)
    return z if layer.norm is None else norm(layer.norm, below(p, "norm"), z, training)


def cbam(layer, p, x, training=False):
    """Refine x, (N, C, *S)."""

    def gated(f, zc=None, zs=None):
        y = np.empty(x.shape, object)
        for n, c, *at in np.ndindex(x.shape):
            z = total(([] if zc is None else [zc[n, c]]) + ([] if zs is None else [zs[n, 0, *at]]))
            y[n, c, *at] = sigmoid(z) * f[n, c, *at]
        return y

    def channel(f):
        return channel_logits(layer.channel, below(p, "channel"), f)

    def spatial(f):
        return spatial_logits(layer.spatial, below(p, "spatial"), f, training)

    if layer.spatial is None:
        y = gated(x, zc=channel(x))
    elif layer.order == "parallel":
        y = gated(x, channel(x), spatial(x))
    elif layer.order == "channel-first":
        f = gated(x, zc=channel(x))
        y = gated(f, zs=spatial(f))
    else:
        f = gated(x, zs=spatial(x))
        y = gated(f, zc=channel(f))
    return y + x if layer.residual else y


def below(p, name):
    """The leaves of one branch, by the rest of their names."""
    return {key.removeprefix(f"{name}."): leaf for key, leaf in p.items() if key.startswith(name)}
