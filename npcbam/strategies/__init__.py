"""Hypothesis strategies for CBAMs and what goes into them; needs the extra `hypothesis`.

Shapes, presets and rules are drawn by hypothesis, so that a failing example shrinks to a small
one. The numbers are drawn from a seed that hypothesis chooses: no entry is special, and none is 0
unless a tie asks for it.
"""

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError(
        "npcbam.strategies needs hypothesis: pip install 'npcbam[hypothesis]'"
    ) from error

from npcbam.strategies.blocks import cbams
from npcbam.strategies.layouts import layouts
from npcbam.strategies.maps import cotangents_like, feature_maps
from npcbam.strategies.numbers import GAP, dtypes

__all__ = ["GAP", "cbams", "cotangents_like", "dtypes", "feature_maps", "layouts"]
