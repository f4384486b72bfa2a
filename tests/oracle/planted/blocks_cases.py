"""What the blocks of every framework are asked to be, and what the oracle must say of each.

A block is asked by a word `how`. Of the wrong ones and the variants it is the finding's code.
"""

STAGES = {
    "faithful": {"biased": "", "plain": "", "norm": ""},
    "variant": {"residual": "compose", "spatial-first": "compose"},
    "wrong": {
        "channel-avg-twice": "channel",
        "channel-two-sigmoids": "channel",
        "channel-relu-after": "channel",
        "spatial-no-sigmoid": "spatial",
        "spatial-min-for-avg": "spatial",
        "spatial-flipped-kernel": "spatial",
        "spatial-reads-input": "compose",
        "spatial-not-applied": "compose",
        "maps-added": "compose",
        "channel-max-detached": "gradient",
        "channel-map-detached": "gradient",
    },
}
# By word: the verdict, and the findings as in the registry.
CASES = {
    how: (verdict, [f"{stage}: {how}"] if stage else [])
    for verdict, stages in STAGES.items()
    for how, stage in stages.items()
}


def composed(how, x, mc, ms):
    """Return y of x; `mc` and `ms` are functions that return maps, in any framework's arrays."""
    if how == "spatial-first":
        mc, ms = ms, mc
    gate = mc(x)
    f = gate * x
    if how == "maps-added":
        return f + ms(x) * x
    second = ms(x if how == "spatial-reads-input" else f)
    if how == "spatial-not-applied":
        return f
    return second * f + x if how == "residual" else second * f
