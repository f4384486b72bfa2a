"""What all pictures share: what they take, and that they can be drawn without a display."""

import subprocess
import sys

import numpy as np
import pytest
from plotted import block, report

from npcbam.oracle.reports.report import Row
from npcbam.plots import plot_check, plot_gradient_routes, plot_maps, plot_step_curve

DY = np.ones((5, 6, 7))
BAD = [
    (lambda: plot_maps(1, DY), TypeError, "cbam: expected CBAM, got int"),
    (lambda: plot_maps(block(), [1.0]), TypeError, "x: expected a NumPy array, got list"),
    (lambda: plot_maps(block(), np.ones((2, 5, 6, 7))), ValueError, "x: expected one sample"),
    (lambda: plot_maps(block(), np.ones((5, 6))), ValueError, "x: expected one sample"),
    (lambda: plot_maps(block(), DY.astype("f4")), TypeError, "x: expected dtype float64"),
    (lambda: plot_gradient_routes(block(), DY, DY[:, 1:]), ValueError, "dy: expected shape"),
    (lambda: plot_gradient_routes(block(), DY, DY[1:]), ValueError, "dy: expected one sample"),
    (lambda: plot_check("ok"), TypeError, "report: expected a Report of npcbam.check, got str"),
    (lambda: plot_check(report()), ValueError, "report: expected one with compared tensors"),
]


@pytest.mark.parametrize(("draw", "error", "message"), BAD)
def test_bad_input(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


DRAW = {
    "plot_step_curve": lambda ax: plot_step_curve(np.sin, np.ones(2), ax=ax),
    "plot_maps": lambda ax: plot_maps(block(), DY, ax=ax),
    "plot_gradient_routes": lambda ax: plot_gradient_routes(block(), DY, DY, ax=ax),
    "plot_check": lambda ax: plot_check(report(Row("a", "y", 1, 1, (0,), 1, 1)), ax=ax),
}


@pytest.mark.parametrize("name", DRAW)
def test_without_matplotlib_the_extra_is_named(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'npcbam\[plots\]'"):
        DRAW[name](None)


@pytest.mark.parametrize("name", [name for name in DRAW if name != "plot_step_curve"])
def test_the_scale_is_named(ax, name):
    DRAW[name](ax)
    parts = [ax, *ax.child_axes]
    bars = [bar for part in parts for bar in part.child_axes] + ax.figure.axes
    named = {axes.get_ylabel() for axes in bars}
    assert named & {"gate", "norm over the channels", "largest error / allowed error"}
    assert any(part.get_title() and part.get_xlabel() for part in parts)


def test_no_display_and_no_axes_are_needed():
    code = (
        "import numpy as np; from npcbam.plots import plot_step_curve; "
        "print(type(plot_step_curve(np.sin, np.ones(2))).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "Axes"
