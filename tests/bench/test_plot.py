"""The picture of a measurement."""

import pytest

from npcbam.bench import plot


def test_a_plot_needs_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'npcbam\[plots\]'"):
        plot.draw({"times": []}, "nowhere.png")
