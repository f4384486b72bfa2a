"""How fast is `fused`, next to what else computes CBAM?

Read `peers` (who runs), `measure` (one process with so many threads), `memory` (one process for
each), `report` (what is printed), `gradients` (checkers of gradients instead), `command`.
"""

from npcbam.bench.command import add, run

__all__ = ["add", "run"]
