"""autograd.numpy.linalg and .fft, autograd.scipy: linear algebra, signals, special functions."""

from __future__ import annotations

import autograd.numpy.fft as afft
import autograd.numpy.linalg as anpla
import autograd.scipy.linalg as ascla
import autograd.scipy.signal as asignal
import autograd.scipy.special as aspecial
import numpy as np
from draws import (
    at,
    between,
    complex_normal,
    definite,
    either,
    normal,
    square,
    symmetric,
    whole,
)
from hips_wrap import case

NORM = anpla._primitive_norm
TURNING = at([1.0, -2.0, 0.3], [2.0, 1.0, 0.0], [0.1, 0.0, 3.0])
STANDING = at([1.0, 0.2, 0.1], [0.3, 2.0, 0.1], [0.1, 0.2, 4.0])
BANDED = between(0.2, 1, 4, 5)

LINALG = [
    case("linalg.det", anpla.det, square(3)),
    case("linalg.det batch", anpla.det, square(3, 2)),
    case("linalg.det singular", anpla.det, at([1.0, 2.0], [2.0, 4.0])),
    case("linalg.slogdet", anpla.slogdet, square(3), pick=1),
    case("linalg.slogdet batch", anpla.slogdet, square(3, 2), pick=1),
    case("linalg.inv", anpla.inv, square(3)),
    case("linalg.inv batch", anpla.inv, square(3, 2)),
    case("linalg.pinv", anpla.pinv, normal(4, 3)),
    case("linalg.pinv wide", anpla.pinv, normal(2, 4)),
    case("linalg.solve", anpla.solve, square(3), normal(3)),
    case("linalg.solve matrix", anpla.solve, square(3), normal(3, 2)),
    case("linalg.solve batch", anpla.solve, square(3, 2), normal(2, 3, 2)),
    case("linalg.solve broadcast", anpla.solve, square(3), normal(2, 3, 3)),
    case("linalg.norm", NORM, normal(4)),
    case("linalg.norm axis", NORM, normal(3, 4), axis=1),
    case("linalg.norm 3", NORM, normal(5), 3),
    case("linalg.norm 3 axis", NORM, normal(3, 4), 3, axis=0),
    case("linalg.norm Frobenius", NORM, normal(3, 4), "fro"),
    case("linalg.norm nuclear", NORM, normal(3, 4), "nuc"),
    case("linalg.norm nuclear axes", NORM, normal(2, 3, 4), "nuc", axis=(1, 2)),
    case("linalg.norm at 0", NORM, at(0.0, 0.0)),
    case("linalg.norm 1.5 with a 0", NORM, at(0.0, 1.0, -2.0), 1.5),
    case("linalg.eigh", anpla.eigh, symmetric(3)),
    case("linalg.eigh upper", anpla.eigh, symmetric(3), UPLO="U"),
    case("linalg.eigh values", anpla.eigh, symmetric(4), pick=0),
    case("linalg.eigh vectors", anpla.eigh, symmetric(4), pick=1),
    case("linalg.eig values", anpla.eig, normal(3, 3), pick=0),
    case("linalg.eig vectors", anpla.eig, TURNING, pick=1),
    case("linalg.eig real vectors", anpla.eig, STANDING, pick=1),
    case("linalg.cholesky", anpla.cholesky, definite(3), domain="symmetric"),
    case("linalg.cholesky batch", anpla.cholesky, definite(3, 2), domain="symmetric"),
    case("linalg.svd", anpla.svd, normal(3, 4), full_matrices=False),
    case("linalg.svd tall", anpla.svd, normal(4, 2), full_matrices=False),
    case("linalg.svd values", anpla.svd, normal(3, 3), compute_uv=False),
    case("linalg.svd batch", anpla.svd, normal(2, 3, 2), full_matrices=False),
    case("scipy.linalg.sqrtm", ascla.sqrtm, definite(3)),
    *(
        case(
            f"scipy.linalg.solve_triangular trans {trans} {'lower' if lower else 'upper'}",
            ascla.solve_triangular,
            square(3),
            normal(3),
            trans=trans,
            lower=lower,
        )
        for trans in (0, 1)
        for lower in (False, True)
    ),
    case("scipy.linalg.solve_triangular matrix", ascla.solve_triangular, square(3), normal(3, 2)),
    case(
        "scipy.linalg.solve_triangular unit diagonal",
        ascla.solve_triangular,
        square(3),
        normal(3),
        unit_diagonal=True,
    ),
    case("scipy.linalg.solve_banded", ascla.solve_banded, (1, 1), between(2, 3, 3, 4), normal(4)),
    case("scipy.linalg.solve_banded wider", ascla.solve_banded, (1, 2), BANDED, normal(5)),
    case("scipy.linalg.solve_sylvester", ascla.solve_sylvester, square(3), square(2), normal(3, 2)),
]

FFT = [
    *(case(f"fft.{name}", getattr(afft, name), normal(6)) for name in ("fft", "ifft", "rfft")),
    *(
        case(f"fft.{name} complex", getattr(afft, name), complex_normal(5))
        for name in ("fft", "ifft")
    ),
    *(
        case(f"fft.{name} norm {norm}", getattr(afft, name), normal(6), norm=norm)
        for name in ("fft", "ifft", "rfft")
        for norm in ("ortho", "forward", "backward")
    ),
    *(
        case(f"fft.irfft norm {norm}", afft.irfft, complex_normal(4), norm=norm)
        for norm in (None, "ortho", "forward", "backward")
    ),
    case("fft.fft longer", afft.fft, normal(5), 8),
    case("fft.fft shorter", afft.fft, normal(5), 3),
    case("fft.fft axis", afft.fft, normal(3, 4), axis=0),
    case("fft.rfft axis", afft.rfft, normal(4, 3), axis=0),
    case("fft.rfft longer", afft.rfft, normal(5), 8),
    case("fft.rfft shorter", afft.rfft, normal(6), 4),
    case("fft.fft2", afft.fft2, normal(3, 4)),
    case("fft.ifft2", afft.ifft2, normal(3, 4)),
    case("fft.fftn", afft.fftn, normal(2, 3, 2)),
    case("fft.ifftn", afft.ifftn, normal(2, 3, 2)),
    case("fft.rfft2", afft.rfft2, normal(3, 4)),
    case("fft.irfft2", afft.irfft2, complex_normal(3, 3)),
    case("fft.rfftn", afft.rfftn, normal(3, 2, 4)),
    case("fft.irfftn", afft.irfftn, complex_normal(2, 3)),
    case("fft.fftshift", afft.fftshift, normal(3, 5)),
    case("fft.ifftshift", afft.ifftshift, normal(3, 5), axes=1),
    case("fft.truncate_pad", afft.truncate_pad, normal(3, 4), (4, 2)),
    *(
        case(f"signal.convolve {mode} {a} {b}", asignal.convolve, normal(*a), normal(*b), mode=mode)
        for mode in ("full", "valid", "same")
        for a, b in [((5,), (3,)), ((3,), (5,)), ((4, 5), (2, 3))]
        if (mode, a) != ("same", (3,))
    ),
    case(
        "signal.convolve axes",
        asignal.convolve,
        normal(2, 5, 3),
        normal(2, 3, 4),
        axes=([1], [1]),
        dot_axes=([0], [0]),
        mode="valid",
    ),
]

POSITIVE = between(0.5, 4, 3, 2)
COLUMN = between(1, 3, 3, 1)
ONE = ["psi", "digamma", "gamma", "gammaln", "rgamma", "gammasgn", "j0", "y0", "j1", "y1"]
ONE += ["i0", "i1"]
SPECIAL = [
    *(case(f"special.{name}", getattr(aspecial, name), POSITIVE) for name in ONE),
    *(
        case(f"special.{name}", getattr(aspecial, name), draw)
        for name, draw in {
            "erf": normal(3, 2),
            "erfc": normal(3, 2),
            "erfinv": between(-0.95, 0.95, 3, 2),
            "erfcinv": between(0.05, 1.95, 3, 2),
            "logit": between(0.05, 0.95, 3, 2),
            "expit": normal(3, 2),
        }.items()
    ),
    *(
        case(f"special.{name} of order {n}", getattr(aspecial, name), n, POSITIVE)
        for name in ("jn", "yn", "iv", "ive", "polygamma")
        for n in (0, 1, 2)
    ),
    case("special.iv of a broken order", aspecial.iv, 1.5, POSITIVE),
    case("special.jn negative", aspecial.jn, 2, normal(4)),
    case("special.ive negative", aspecial.ive, 2, either(0.3, 2, 4)),
    case("special.ive at 0", aspecial.ive, 1, at(0.0, 1.0)),
    case("special.i0 negative", aspecial.i0, normal(4)),
    case("special.gamma negative", aspecial.gamma, at(-0.5, -1.7, 2.5)),
    case("special.gammaln negative", aspecial.gammaln, at(-0.5, -1.7, 2.5)),
    case("special.rgamma negative", aspecial.rgamma, at(-0.5, -1.7, 2.5)),
    case("special.rgamma at whole numbers", aspecial.rgamma, at(-1.0, 0.0, 2.0)),
    case("special.psi negative", aspecial.psi, at(-0.5, -1.7, 2.5)),
    case("special.multigammaln", aspecial.multigammaln, between(3, 6, 3), 3),
    case("special.erf in the tail", aspecial.erf, at(-6.0, 5.0, 1.0)),
    case("special.erfc in the tail", aspecial.erfc, at(20.0, 5.0, 1.0)),
    case("special.erfcinv of small", aspecial.erfcinv, at(1e-20, 1e-5, 1.0)),
    case("special.erfinv near 1", aspecial.erfinv, at(1 - 1e-10, 0.5)),
    case("special.logit near 1", aspecial.logit, at(1 - 1e-10, 1e-10, 0.5)),
    case("special.expit in the tail", aspecial.expit, at(-40.0, 40.0, 0.5)),
    case("special.j1 at 0", aspecial.j1, at(0.0, 1.0)),
    *(
        case(f"special.{name}", getattr(aspecial, name), POSITIVE, POSITIVE)
        for name in ("beta", "betaln")
    ),
    case("special.beta broadcast", aspecial.beta, between(0.5, 4, 3, 1), between(0.5, 4, 2)),
    case("special.betainc", aspecial.betainc, 1.5, 2.5, between(0.1, 0.9, 3, 2)),
    case("special.gammainc", aspecial.gammainc, 1.5, POSITIVE),
    case("special.gammaincc", aspecial.gammaincc, 1.5, POSITIVE),
    case("special.gammaincc broadcast", aspecial.gammaincc, np.array([1.5, 2]), COLUMN),
    case("special.logsumexp", aspecial.logsumexp, normal(3, 4)),
    case("special.logsumexp axis", aspecial.logsumexp, normal(3, 4), axis=1),
    case("special.logsumexp two axes", aspecial.logsumexp, normal(2, 3, 4), axis=(0, 2)),
    case("special.logsumexp kept", aspecial.logsumexp, normal(3, 4), axis=0, keepdims=True),
    case("special.logsumexp b", aspecial.logsumexp, normal(3, 4), b=np.arange(1.0, 5), axis=1),
    case("special.logsumexp large", aspecial.logsumexp, at(1000.0, 999.0, -1000.0)),
    case("special.logsumexp whole", aspecial.logsumexp, whole(0, 3, 3, 4), axis=1),
]

CASES = [*LINALG, *FFT, *SPECIAL]
