"""The rounding of each result, against 50 digits.

`pytest -s tests/test_precision.py` or `python tests/test_precision.py` prints the errors, in
units in the last place (ULP) of a scale. For y and dx this is the largest entry of the tensor.
For the gradient of a parameter it is the largest sum of the magnitudes of all that was added up
to an entry: these sums over samples and positions cancel, which no order of summation undoes.
The column "raw" shows how far: the worst of them in ULP of the largest entry of its tensor.
"""

import dataclasses
import functools
from dataclasses import dataclass

import mp_cbam
import numpy as np
import pytest
from mp_cbam import mp
from tiers import first
from tolerances import ULP_FORWARD, ULP_GRADIENT

from npcbam import CBAM, BatchNorm, pooling, sigmoid_vjp, tree

DTYPES = [np.float32, np.float64, np.longdouble]
LEAVES = ["w0", "w1", "b0", "b1", "w", "b", "gamma", "beta", "mean", "var"]
SEEDS = (range(1), range(1, 3))


@dataclass(frozen=True)
class Case:
    preset: str
    order: str = "channel-first"
    space: tuple[int, ...] = (3, 4)
    kernel_size: int = 3
    training: bool = False
    pools: tuple[str, ...] = ()
    tied: bool = False

    def __str__(self):
        words = [self.preset, self.order, "x".join(map(str, self.space)), f"k{self.kernel_size}"]
        words += ["training"] * self.training + ["tied"] * self.tied + list(self.pools)
        return " ".join(words)

    def draw(self, dtype, seed):
        """A CBAM with random values in every leaf and logits of order one; x and dy."""
        blank = CBAM.init(0, 4, 2, self.kernel_size, self.preset, spatial_axes=len(self.space))
        rng = np.random.default_rng(seed)
        drawn = []
        for name, leaf in tree.leaves(blank):
            values = rng.normal(0, 0.35, leaf.shape)  # as wide as PyTorch draws
            if name.endswith("var"):
                values = 0.5 + np.abs(values)
            if name.endswith(("w0", "b0")):
                values[0] = np.abs(values[0])  # so that one hidden unit is on
            drawn.append(values.astype(dtype))
        layer = dataclasses.replace(tree.replace_leaves(blank, iter(drawn)), order=self.order)
        if self.pools:
            channel = dataclasses.replace(layer.channel, pools=self.pools)
            spatial = dataclasses.replace(layer.spatial, pools=self.pools)
            layer = dataclasses.replace(layer, channel=channel, spatial=spatial)
        x, dy = rng.normal(0.5, 1, (2, 2, 4, *self.space)).astype(dtype)
        return layer, np.round(x) if self.tied else x, dy


CASES = [
    Case("paper"),
    Case("paper", space=(5, 3), kernel_size=7),
    Case("paper", order="parallel"),
    Case("paper_biased", order="spatial-first", space=(5, 3)),
    Case("paper_biased", kernel_size=7),
    Case("official", kernel_size=7),
    Case("official", space=(5, 3), order="parallel"),
    Case("official", training=True),
    Case("seed", space=(5, 3), kernel_size=7),
    Case("seed", tied=True),
    Case("timm", order="spatial-first", kernel_size=7),
    Case("timm", space=(5, 3), tied=True),
    Case("timm_light", space=(5, 3), training=True),
    Case("timm_light", order="parallel", kernel_size=7),
    Case("se"),
    Case("paper", space=(7,), pools=("lp", "lse")),
    Case("paper", space=(2, 3, 2), pools=("lse", "lp")),
]


def ulps(found, numbers, error_of="value", scale_of=None):
    """The largest error of `found`, in ULP of the largest `scale_of` among the numbers."""
    numbers = np.asarray(numbers, object)
    exact = [getattr(number, error_of) for number in numbers.flat]
    scale = max(abs(getattr(number, scale_of or error_of)) for number in numbers.flat)
    assert scale > 0, "a tensor that is all zeros shows nothing"
    worst = max(abs(mp_cbam.exact(f) - e) for f, e in zip(found.flat, exact, strict=True))
    mantissa, exponent = mp.frexp(scale)
    ulp = np.spacing(np.ldexp(found.dtype.type(float(mantissa)), exponent))
    return float(worst / mp_cbam.exact(ulp))


def measure(case, dtype, seed):
    """The errors of y and of each gradient, and "raw", the worst before cancellation is allowed."""
    layer, x, dy = case.draw(dtype, seed)
    y, pullback = (layer.train_vjp if case.training else layer.vjp)(x)[:2]
    dlayer, dx = pullback(dy)

    p = {name: mp_cbam.numbers(leaf) for name, leaf in tree.leaves(layer)}
    x_exact = mp_cbam.numbers(x)
    y_exact = mp_cbam.cbam(layer, p, x_exact, case.training)
    mp_cbam.backward(y_exact, dy)
    errors = {"y": ulps(y, y_exact), "dx": ulps(dx, x_exact, "cotangent"), "raw": 0.0}
    for name, leaf in tree.leaves(dlayer):
        short = name.split(".")[-1]
        if case.training and short in ("mean", "var"):  # not read, so that their gradient is 0
            assert not leaf.any()
            continue
        errors[short] = ulps(leaf, p[name], "cotangent", "magnitude")
        errors["raw"] = max(errors["raw"], ulps(leaf, p[name], "cotangent"))
    return errors


def measure_pool(pool_vjp, reference, x):
    """The errors of y and dx, for a pool over the last axis."""
    y, pullback = pool_vjp(x, (-1,))
    dy = np.random.default_rng(1).normal(size=y.shape).astype(x.dtype)
    x_exact = mp_cbam.numbers(x)
    y_exact = np.array([reference(list(terms)) for terms in x_exact])
    mp_cbam.backward(y_exact, dy.ravel())
    return {"y": ulps(y, y_exact), "dx": ulps(pullback(dy), x_exact, "cotangent")}


def worst(measured):
    measured = list(measured)
    return {key: max(errors[key] for errors in measured) for key in measured[0]}


COLUMNS = ["y", "dx", *LEAVES, "raw"]


@functools.cache
def print_heading():
    print(f"\n{'error in ULP of the scale':52}", *(f"{name:>5}" for name in COLUMNS), end="")


def check(name, dtype, errors):
    """Print one line of the table, and hold it to the bounds."""
    print_heading()
    cells = [f"{errors[key]:5.2f}" if key in errors else " " * 5 for key in COLUMNS]
    print(f"\n{name:43}{np.dtype(dtype).name:9}", *cells, end="")
    gradients = {key: e for key, e in errors.items() if key not in ("y", "raw")}
    assert errors["y"] <= ULP_FORWARD
    assert max(gradients.values()) <= ULP_GRADIENT, gradients


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seeds", first(1, SEEDS), ids=str)
def test_cbam_rounds_within_its_bounds(case, dtype, seeds):
    check(str(case), dtype, worst(measure(case, dtype, seed) for seed in seeds))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_rounds_within_its_bounds_at_each_value(dtype):
    z = np.concatenate([np.linspace(-1000, 1000, 401), np.linspace(-3, 3, 201)]).astype(dtype)
    y, pullback = sigmoid_vjp(z)
    dy = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    z_exact = mp_cbam.numbers(z)
    y_exact = np.array([mp_cbam.sigmoid(number) for number in z_exact])
    mp_cbam.backward(y_exact, dy)
    each_dz = zip(pullback(dy), z_exact, strict=True)
    errors = {
        "y": max(ulps(v, number) for v, number in zip(y, y_exact, strict=True)),
        "dx": max(ulps(v, number, "cotangent") for v, number in each_dz),
    }
    check("sigmoid, scale of each value", dtype, errors)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", ["1", "max^2/3", "max^-2/3", "max/4", "tiny", "mixed"])
def test_lp_rounds_within_its_bounds_where_squares_would_not_fit(size, dtype):
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    exponents = {
        "1": 0,
        "max^2/3": info.maxexp * 2 // 3,  # 1e205 in float64, 1e25 in float32
        "max^-2/3": -info.maxexp * 2 // 3,
        "max/4": info.maxexp - 2,
        "tiny": info.minexp,
        "mixed": rng.integers(-info.maxexp * 2 // 3, info.maxexp * 2 // 3, (3, 12)),
    }
    x = np.ldexp(rng.uniform(-1, 1, (3, 12)).astype(dtype), exponents[size])
    check(f"lp {size}", dtype, measure_pool(pooling.lp_vjp, mp_cbam.lp, x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("offset", "spread"),
    [("0", 1e-3), ("0", 1), ("0", 50), ("1000", 1), ("-1000", 1), ("max/4", 1), ("-max/4", 1)],
)
def test_logsumexp_rounds_within_its_bounds_where_exp_would_not_fit(offset, spread, dtype):
    far = np.finfo(dtype).max / 4
    middle = {"max/4": far, "-max/4": -far}.get(offset) or dtype(offset)
    x = middle + dtype(spread) * np.random.default_rng(0).normal(size=(3, 12)).astype(dtype)
    errors = measure_pool(pooling.logsumexp_vjp, mp_cbam.logsumexp, x)
    check(f"logsumexp {offset} ± {spread}", dtype, errors)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("offset", "training"),
    [(0, False), (1000, False), (0, True), (10, True)],
)
def test_norm_rounds_within_its_bounds(offset, training, dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 3, 2, 4, 3)).astype(dtype)
    x = x + dtype(offset)
    gamma, beta, mean = rng.normal(size=(3, 2)).astype(dtype)
    layer = BatchNorm(gamma, beta, dtype(offset) + mean, np.exp(mean))
    y, pullback = (layer.train_vjp if training else layer.vjp)(x)[:2]
    dlayer, dx = pullback(dy)
    p = {name: mp_cbam.numbers(leaf) for name, leaf in tree.leaves(layer)}
    x_exact = mp_cbam.numbers(x)
    y_exact = mp_cbam.norm(layer, p, x_exact, training)
    mp_cbam.backward(y_exact, dy)
    errors = {"y": ulps(y, y_exact), "dx": ulps(dx, x_exact, "cotangent")}
    for name in ("gamma", "beta") if training else p:
        errors[name] = ulps(getattr(dlayer, name), p[name], "cotangent", "magnitude")
    check(f"norm of {offset} ± 1{' training' * training}", dtype, errors)


if __name__ == "__main__":
    raise SystemExit(pytest.main(["-sq", "-p", "no:cacheprovider", __file__]))
