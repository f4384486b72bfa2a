"""autograd.scipy.stats and .integrate: distributions and their parameters, an ODE."""

from __future__ import annotations

import autograd.numpy as anp
import autograd.scipy.integrate as aintegrate
import autograd.scipy.stats as astats
import numpy as np
from draws import at, between, definite, normal, simplex
from hips_wrap import Given, case

SCALE = between(0.5, 2, 3)
COLUMN = between(1, 2, 2, 1)
SHARE = between(0.1, 0.9, 3)
SHAPE = between(1.2, 4, 3)
GIVEN = np.array([1.5, 2.0, 3.5])
MANY = astats.multivariate_normal


def motion(y, t, k):
    """A damped swing, for odeint."""
    return anp.array([y[1], -k * y[0] - 0.3 * y[1] + 0.1 * t])


CASES = [
    *(
        case(f"norm.{name}", getattr(astats.norm, name), normal(3), normal(3), SCALE)
        for name in ("pdf", "cdf", "sf", "logpdf", "logcdf", "logsf")
    ),
    *(
        case(f"norm.{name} broadcast", getattr(astats.norm, name), normal(2, 3), normal(3), COLUMN)
        for name in ("pdf", "cdf", "sf", "logpdf", "logcdf", "logsf")
    ),
    case("norm.logcdf in the tail", astats.norm.logcdf, at(-30.0, -5.0, 5.0)),
    case("norm.logsf in the tail", astats.norm.logsf, at(-5.0, 5.0, 30.0)),
    case("t.pdf", astats.t.pdf, normal(3), SHAPE, normal(3), SCALE),
    case("t.logpdf", astats.t.logpdf, normal(3), SHAPE, normal(3), SCALE),
    case("t.cdf", astats.t.cdf, normal(3), GIVEN, normal(3), np.array([0.7, 1.0, 1.6])),
    case("t.logcdf", astats.t.logcdf, normal(3), GIVEN, normal(3), 1.5),
    case("t.pdf broadcast", astats.t.pdf, normal(2, 1), between(2, 4, 3), normal(3), 1.5),
    case("beta.cdf", astats.beta.cdf, SHARE, GIVEN, 2.5),
    case("beta.pdf", astats.beta.pdf, SHARE, SHAPE, SHAPE),
    case("beta.logpdf", astats.beta.logpdf, SHARE, SHAPE, SHAPE),
    case("beta.logpdf broadcast", astats.beta.logpdf, between(0.1, 0.9, 2, 1), SHAPE, SHAPE),
    case("gamma.cdf", astats.gamma.cdf, SHAPE, GIVEN),
    case("gamma.pdf", astats.gamma.pdf, SHAPE, SHAPE),
    case("gamma.logpdf", astats.gamma.logpdf, SHAPE, SHAPE),
    case("chi2.cdf", astats.chi2.cdf, SHAPE, np.array([3.0, 4.0, 5.0])),
    case("chi2.pdf", astats.chi2.pdf, SHAPE, np.array([3.0, 4.0, 5.0])),
    case("chi2.logpdf", astats.chi2.logpdf, SHAPE, np.array([3.0, 4.0, 5.0])),
    case("chi2.logpdf of a broken df", astats.chi2.logpdf, SHAPE, 2.5),
    case("poisson.cdf", astats.poisson.cdf, np.array([0.0, 2.0, 5.0]), SHAPE),
    case("poisson.pmf", astats.poisson.pmf, np.array([0.0, 2.0, 5.0]), SHAPE),
    case("poisson.logpmf", astats.poisson.logpmf, np.array([0.0, 2.0, 5.0]), SHAPE),
    case("dirichlet.pdf", astats.dirichlet.pdf, simplex(3), SHAPE, domain={"x0": "simplex"}),
    case("dirichlet.logpdf", astats.dirichlet.logpdf, simplex(3), SHAPE, domain={"x0": "simplex"}),
    *(
        case(
            f"multivariate_normal.{name} of {len(shape)} axes",
            getattr(MANY, name),
            normal(*shape),
            normal(3),
            definite(3),
            domain={"x2": "symmetric"},
        )
        for name in ("pdf", "logpdf")
        for shape in [(3,), (4, 3)]
    ),
    case("multivariate_normal.entropy", MANY.entropy, None, definite(3), domain="symmetric"),
    case(
        "integrate.odeint",
        aintegrate.odeint,
        Given(motion),
        normal(2),
        at(0.0, 0.4, 0.7, 1.0),
        (1.7,),
        rtol=1e-10,
        atol=1e-10,
        asked={"rtol": 1e-6},  # both passes integrate to so many digits
    ),
]
