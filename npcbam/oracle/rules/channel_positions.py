"""The channel gate's rules of where is pooled: over which positions and axes."""

from __future__ import annotations

from npcbam.oracle.rules.functions import MC
from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="channel-first-position",
        stage="channel",
        status=WRONG,
        sentence="the maximum is taken over the first axis of the map alone, and then averaged",
        why="It is the average of the largest values of the columns, and smaller than the maximum of the map. "
        "It differs when the image is turned by a quarter, which a pool over all positions never does.",
        sets={"pools": ("avg", "maxmean")},
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(x.max(2).mean(2))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-one-axis",
        stage="channel",
        status=WRONG,
        sentence="the pools run along the first axis of the map alone, so that Mc differs from column to column",
        why="Eq. 2 has one number for each channel, and this has one for each channel and column. "
        "Nothing fails, for it is broadcast over x all the same.",
        sets={"over": "first"},
        bad="columns = x.swapaxes(1, 3)  # (N, W, H, C)\n"
        "z = mlp(columns.mean(2)) + mlp(columns.max(2))  # (N, W, C)\n"
        "mc = sigmoid(z).swapaxes(1, 2)[:, :, None]  # (N, C, 1, W)",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-last-axis",
        stage="channel",
        status=WRONG,
        sentence="the pools run along the last axis of the map alone, so that Mc differs from row to row",
        why="Eq. 2 has one number for each channel, and this has one for each channel and row. "
        "Nothing fails, for it is broadcast over x all the same.",
        sets={"over": "last"},
        bad="rows = x.transpose(0, 2, 3, 1)  # (N, H, W, C)\n"
        "z = mlp(rows.mean(2)) + mlp(rows.max(2))  # (N, H, C)\n"
        "mc = sigmoid(z).swapaxes(1, 2)[..., None]  # (N, C, H, 1)",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-scrambled",
        stage="channel",
        status=WRONG,
        sentence="the features are reshaped to (N, H*W, C) without moving an axis: each pool mixes channels",
        why="A reshape keeps the order of the numbers in memory, so that what looks like a column of one channel holds pieces of many. "
        "The shapes are right, and the network learns what it can from channels that are none.",
        sets={"over": "scrambled"},
        bad="flat = x.reshape(len(x), -1, x.shape[1])  # (N, H*W, C)\n"
        "mc = column(sigmoid(mlp(flat.mean(1)) + mlp(flat.max(1))))",
        fix="flat = x.reshape(*x.shape[:2], -1).swapaxes(1, 2)  # (N, H*W, C)\n"
        "mc = column(sigmoid(mlp(flat.mean(1)) + mlp(flat.max(1))))",
        sources=("fawazsammani/knowing-when-to-look-adaptive-attention#6",),
    ),
    Rule(
        code="channel-reads-positions",
        stage="channel",
        status=WRONG,
        sentence="the channel gate depends on where in the map values stand: it reads a fixed window or one row, and no global pool; "
        "it depends on {reads}",
        why="A pool with a window of a fixed size sees all of the map at the size that it was written for alone, and a corner of any larger one. "
        "Then Mc follows what happens to stand in that corner.",
        bad="corner = x[:, :, :4, :4]  # the one window of a pool of size 4 whose map is 4 x 4\n"
        "mc = column(sigmoid(mlp(avg(x)) + mlp(top(corner))))",
        fix=MC,
        sources=("xmu-xiaoma666/External-Attention-pytorch#9", "seen in public code"),
    ),
    Rule(
        code="channel-reads-more",
        stage="channel",
        status=WRONG,
        sentence="the channel gate depends on more than the average and the maximum of each channel; it depends on {reads}",
        why="Eq. 2 knows a channel by two numbers, its average and its maximum, and this gate reads others too: another statistic, or several values. "
        "What it computes is in no rule, and what moves it and what does not is all that can be said.",
        bad="ordered = np.sort(x.reshape(*x.shape[:2], -1))\n"
        "half = ordered[..., ordered.shape[-1] // 2 :]  # the larger half of the values\n"
        "mc = column(sigmoid(mlp(avg(x)) + mlp(half.mean(2))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
)
