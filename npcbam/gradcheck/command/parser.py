"""What `npcbam grad` takes on its command line, and what its help says."""

from __future__ import annotations

import argparse

from npcbam.gradcheck.command.draws import DRAWS
from npcbam.gradcheck.command.subject import FORMS
from npcbam.gradcheck.options import ALLOWED
from npcbam.options import setting


def _example(draw: str) -> str:
    return f"{draw}(4)" if draw in ("sym", "spd") else f"{draw}(3,4)"


DESCRIPTION = """\
Tell whether a gradient that was written by hand is right.

TARGET is path/to/file.py:name or package.module:name. Name is
  - a function f(*args) that returns (y, pullback), where pullback(dy) gives one
    cotangent for each argument; or (loss, grad);
  - a function that returns (out, cache), --with backward(dout, cache);
  - a function that returns a number, --with its gradient, as scipy has them;
  - a function, --with a jvp(*args, *tangents) or an hvp(x, v), called so;
  - an object with forward(x) and backward(dy), or its class;
  - a torch Function or Module, or a function of torch or JAX arrays.
Without TARGET three embedded examples are checked: a right one, two mistakes.

Its arguments come from --args, in their order or as NAME=SPEC, from --make, or
from annotations such as x: "N(3,4)"; defaults fill what is left out. SPEC is

{draws}

or a Python literal (0.1, None, (2, 3)), any other text, or a tuple, list or
dict of these. A size may be a name: "N(n,4)" "N(4,n)". A dtype stands behind a
colon: "N(3,4):float32". What is drawn from P, sym, spd or simplex is probed
within it, as --domain has it.

Checking imports TARGET and runs it: check only code that you would run. It runs
in a process of its own, which is ended after the time limit; what it prints is
not shown.
""".format(draws="\n".join(f"  {_example(name):15} {said}" for name, (said, *_) in DRAWS.items()))
EPILOG = """\
exit status:
  0  the gradient is right
  1  it is wrong, or that cannot be told: the report says why
  2  there is no report: TARGET could not be loaded, or an argument is missing;
     one sentence says why

examples:
  npcbam grad
  npcbam grad layers.py:linear_vjp --args "N(3,4)" "N(4,5)" "N(5)"
  npcbam grad layers.py:norm_vjp --args "N(8,4):float32" --html page.html
  npcbam grad layers.py:conv_forward --with conv_backward --make make_args
  npcbam grad layers.py:Linear --set features=5 --args "N(3,4)"
  npcbam grad mypackage.losses:nll --args "N(5,10)" "I(5;0,10)" --json -
"""


def add_arguments(one: argparse.ArgumentParser) -> None:
    """Add what says how to check."""
    one.add_argument(
        "--args",
        dest="specs",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPEC",
        help="the arguments; see above",
    )
    one.add_argument(
        "--make", metavar="NAME", help="a function of the same file that returns the arguments"
    )
    one.add_argument("--seed", type=int, default=0, help="of arguments, cotangents, probes (0)")
    one.add_argument(
        "--points", type=int, default=1, metavar="K", help="draw the arguments K times (1)"
    )
    one.add_argument(
        "--form", choices=FORMS, default="auto", help="what TARGET is (auto: found out)"
    )
    one.add_argument(
        "--with",
        dest="other",
        metavar="NAME",
        help="the second function: the backward that takes the cache, the gradient, the jvp or hvp",
    )
    one.add_argument(
        "--set",
        dest="settings",
        action="append",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the class, spelled as those of --args; may be repeated",
    )
    one.add_argument(
        "--params", nargs="+", metavar="NAME", help="the parameters of an object (found out)"
    )
    one.add_argument(
        "--grads", nargs="+", metavar="NAME", help="their gradients, in the same order (found out)"
    )
    one.add_argument(
        "--before",
        metavar="NAME",
        help="a function to be called before each call, such as one that seeds",
    )
    one.add_argument(
        "--names", nargs="+", metavar="NAME", help="what the report calls the arguments"
    )
    one.add_argument(
        "--fixed", nargs="+", default=[], metavar="NAME", help="arguments not asked about"
    )
    one.add_argument(
        "--domain",
        type=domain,
        action="append",
        default=[],
        metavar="WHAT",
        help="where probes have to stay: positive, symmetric, simplex or LOW,HIGH, for all "
        "arguments, or NAME=WHAT for one; may be repeated",
    )
    one.add_argument(
        "--allow",
        nargs="+",
        default=[],
        metavar="WHAT",
        help=f"what is meant to be so: {', '.join(ALLOWED)}",
    )
    one.add_argument("--device", help="what torch and JAX run on, such as cuda")
    one.add_argument("--rtol", type=float, metavar="R", help="a relative tolerance of your own")


def domain(text: str) -> tuple[str, str | tuple[float, float]]:
    """Return `(name, domain)`, the name "" where it is for all.

    >>> domain("positive"), domain("p=0,1")
    (('', 'positive'), ('p', (0.0, 1.0)))
    """
    name, _, what = text.rpartition("=")
    if what in ("positive", "symmetric", "simplex"):
        return name, what
    try:
        low, high = map(float, what.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected positive, symmetric, simplex or LOW,HIGH, got {text!r}"
        ) from None
    return name, (low, high)
