"""Blocks that are right, and blocks with a mistake, each with what must be said of it.

A block stands once, in the file of the stage that it changes, and a decorator enters it into the
registry:

    @wrong("channel: channel-two-sigmoids")
    class TwoSigmoids(Right):
        ...

`test_planted.py` holds what a check says of each against it. `blocks_*.py` have the same few
blocks in every framework.
"""

# The files of the registry.
MODULES = (
    "base",
    "spellings",
    "channel_pools",
    "channel_mlps",
    "channel_gates",
    "spatial_planes",
    "more_planes",
    "convolutions",
    "spatial_gates",
    "compositions",
    "backwards",
    "tied",
    "behaviours",
    "precisions",
    "digits",
    "numpy_functions",
    "halves",
    "halves_numpy",
    "halves_keras",
)
