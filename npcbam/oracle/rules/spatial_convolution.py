"""The spatial gate's rules of its convolution: the kernel, what is around the map, and where it lands."""

from __future__ import annotations

from npcbam.oracle.rules.rule import WRONG, Parameter, Rule

OFFSET = Parameter("offset", (1, -1, 2, -2, 3, -3))
DILATION = Parameter("dilation", (2, 3, 4))

RULES = (
    Rule(
        code="spatial-flipped-kernel",
        stage="spatial",
        status=WRONG,
        sentence="the kernel is flipped: a true convolution in place of a correlation",
        sets={"kernel": "flipped"},
    ),
    Rule(
        code="spatial-transposed-kernel",
        stage="spatial",
        status=WRONG,
        sentence="the kernel's rows and columns are exchanged",
        sets={"kernel": "transposed"},
    ),
    Rule(
        code="spatial-reflect-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded by reflection and not with zeros",
        sets={"padding": "reflect"},
    ),
    Rule(
        code="spatial-replicate-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded by its edge and not with zeros",
        sets={"padding": "edge"},
    ),
    Rule(
        code="spatial-circular-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded around and not with zeros",
        sets={"padding": "wrap"},
    ),
    Rule(
        code="spatial-shifted",
        stage="spatial",
        status=WRONG,
        sentence="the map is shifted by {value} along each axis: the padding is not the same on both sides",
        parameter=OFFSET,
        was=(
            "spatial-shifted-back",
            "spatial-shifted-2",
            "spatial-shifted-back-2",
            "spatial-shifted-3",
            "spatial-shifted-back-3",
        ),
    ),
    Rule(
        code="spatial-dilated",
        stage="spatial",
        status=WRONG,
        sentence="the kernel is dilated by {value}",
        parameter=DILATION,
        was=("spatial-dilated-2", "spatial-dilated-3", "spatial-dilated-4"),
    ),
)
