"""Code that repeats a check: it runs, and gives the same report."""

import functools
import subprocess
import sys
import types

import numpy as np
import pytest
from reported import right, wrong
from squares import square_vjp, wrong_square_vjp

from npcbam.gradcheck import examine, snippet

ONE = np.ones(1)


class Squares:
    def square_vjp(self, x):
        return square_vjp(x)

    def __call__(self, x):
        return square_vjp(x)


def as_main(f):
    """Return a copy of f as a script defines it."""
    copy = types.FunctionType(f.__code__, f.__globals__, f.__name__)
    copy.__module__, copy.__qualname__ = "__main__", f.__qualname__
    return copy


# By hand


@pytest.mark.parametrize("report", [right(), wrong()])
def test_all_of_a_snippet(report):
    assert snippet.of(square_vjp, report, ("x", "w"), {"points": 2}).split("\n") == [
        "from squares import square_vjp",
        "from npcbam.gradcheck import examine",
        "",
        f"report = examine(square_vjp, x, w, seed={report.seed}, points=2)",
        "print(report)",
        "print(report.worst)",
    ]


IMPORT, OWN = "from squares import square_vjp", "# square_vjp: your function"


@pytest.mark.parametrize(
    ("f", "first", "call"),
    [
        (square_vjp, IMPORT, "square_vjp, x"),
        (as_main(square_vjp), OWN, "square_vjp, x"),
        (Squares().square_vjp, OWN, "square_vjp, x"),
        (Squares(), "# f: your function", "f, x"),
        (functools.partial(square_vjp), "# f: your function", "f, x"),
        (lambda x: square_vjp(x), "# f: your function", "f, x"),
    ],
)
def test_the_function_is_named_where_it_can_be(f, first, call):
    lines = [first, "from npcbam.gradcheck import examine", ""]
    lines += [f"report = examine({call}, seed=0)", "print(report)", "print(report.worst)"]
    assert examine(f, ONE).snippet.split("\n") == lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ""),
        ({"seed": 4}, ""),
        ({"points": 1, "directions": None, "rtol": None}, ""),
        ({"directions": 3}, ", directions=3"),
        ({"points": 2}, ", points=2"),
        ({"rtol": 1e-3, "domain": "positive"}, ", domain='positive', rtol=0.001"),
        ({"domain": {"x": (0, 2)}}, ", domain={'x': (0, 2)}"),
        ({"fixed": ["w"], "allow": ["writes"]}, ", fixed=('w',), allow=('writes',)"),
        ({"before": lambda: None}, ", before=before"),
    ],
)
def test_the_options_are_repeated(options, said):
    def f(x, w):
        return x * w, lambda dy: (dy * w, dy * x)

    line = examine(f, ONE, ONE, **options).snippet.split("\n")[3]
    assert line == f"report = examine(f, x, w, seed={options.get('seed', 0)}{said})"


def test_where_nothing_was_looked_at_nothing_is_shown():
    report = examine(lambda a, b: (a * b, lambda dy: (dy * b,)), ONE, ONE)
    assert report.snippet.split("\n")[3:] == [
        "report = examine(f, a, b, seed=0)",
        "print(report)",
    ]


# In a process of its own


@pytest.mark.parametrize(
    ("f", "options"),
    [(wrong_square_vjp, {}), (wrong_square_vjp, {"domain": (0.5, 3.0), "points": 2})],
)
def test_a_snippet_runs_and_gives_the_same_report(tmp_path, f, options):
    report = examine(f, np.array([1.0, 2.0]), seed=3, **options)
    setup = (
        "import numpy as np\n"
        "x = np.array([1.0, 2.0])\n"
        "def wrong_square_vjp(x):\n"
        "    return x**2, lambda dy: 2.002 * x * dy\n"
    )
    body = [line for line in report.snippet.split("\n") if not line.startswith("from squares")]
    script = tmp_path / "replay.py"
    script.write_text(setup + "\n".join(body))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert str(report.worst) in ran.stdout
    assert report.reason in ran.stdout
