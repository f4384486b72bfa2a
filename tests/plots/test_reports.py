"""The table of a report."""

import numpy as np
from plotted import report

from npcbam.oracle.reports.report import Row
from npcbam.plots import plot_check


def test_the_table_of_a_report(ax):
    rows = (
        Row("noise", "y", 0.25, 1e-12, (0,), 1.0, 1.0),
        Row("noise", "dx", 1e6, 1e-12, (0,), 2.0, 1.0),
        Row("ties", "y", np.inf, 1e-12, (0,), np.nan, 1.0),
    )
    assert plot_check(report(*rows), ax=ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["y", "dx"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["noise", "ties"]
    table = np.ma.filled(ax.get_images()[0].get_array(), np.nan)
    np.testing.assert_array_equal(table, [[0.25, 1000], [1000, np.nan]])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {
        (0, 0): "0.2", (0, 1): "1e+06", (1, 0): "inf",
    }  # fmt: skip
    assert sorted(tuple(frame.get_center()) for frame in ax.patches) == [(0, 1), (1, 0)]
