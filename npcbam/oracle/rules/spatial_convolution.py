"""The spatial gate's rules of its convolution: the kernel, what is around the map, where it lands."""

from __future__ import annotations

from npcbam.oracle.rules.rule import UNDECIDED, VARIANT, WRONG, Parameter, Rule
from npcbam.oracle.rules.spatial_planes import RIGHT

OFFSET = Parameter("offset", (1, -1, 2, -2, 3, -3))
DILATION = Parameter("dilation", (2, 3, 4))

# Of the planes, and a kernel at every position of them, as a rule has its lines.
PLANES = "planes = np.stack([f.mean(1), f.max(1)], 1)\n"
WINDOWS = "seen = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (2, 3))\n"
SUM = 'ms = sigmoid(np.einsum("nphwij,opij->nohw", {0}, {1}))'
PADDED = PLANES + "padded = np.pad(planes, ((0, 0), (0, 0), {0}, {0}){1})\n" + WINDOWS
ZEROS = PADDED.format("(3, 3)", "") + SUM.format("seen", "k")


def _padded(mode: str) -> str:
    return PADDED.format("(3, 3)", f', mode="{mode}"') + SUM.format("seen", "k")


RULES = (
    Rule(
        code="spatial-flipped-kernel",
        stage="spatial",
        status=WRONG,
        sentence="the kernel is flipped: a true convolution in place of a correlation",
        why="What deep learning calls a convolution does not flip its kernel, and what signal processing calls one does. A "
        "block that is trained so is as good, but trained kernels look the other way in it.",
        sets={"kernel": "flipped"},
        bad=PLANES + SUM.format("windows(planes)", "k[..., ::-1, ::-1]"),
        fix=PLANES + SUM.format("windows(planes)", "k"),
        sources=("Eq. 3", "scipy/scipy#23444", "pytorch/pytorch#117534"),
    ),
    Rule(
        code="spatial-transposed-kernel",
        stage="spatial",
        status=WRONG,
        sentence="the kernel's rows and columns are exchanged",
        why="It comes of moving weights from one framework to another, whose axes stand in another order: a square kernel "
        "fits both ways, and nothing raises. Upright edges are then looked for where level ones were learnt.",
        sets={"kernel": "transposed"},
        bad=PLANES + SUM.format("windows(planes)", "k.swapaxes(2, 3)"),
        fix=PLANES + SUM.format("windows(planes)", "k"),
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-reflect-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded by reflection and not with zeros",
        why="Inside nothing changes, and within 3 positions of the edge everything does. On the small maps at the end of a "
        "network, 7 x 7, that is every position but one.",
        sets={"padding": "reflect"},
        bad=_padded("reflect"),
        fix=ZEROS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-replicate-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded by its edge and not with zeros",
        why="Inside nothing changes, and within 3 positions of the edge everything does. On the small maps at the end of a "
        "network, 7 x 7, that is every position but one.",
        sets={"padding": "edge"},
        bad=_padded("edge"),
        fix=ZEROS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-circular-padding",
        stage="spatial",
        status=WRONG,
        sentence="the map is padded around and not with zeros",
        why="The left edge then sees the right one as its neighbour, which suits a panorama and nothing else. A circular "
        "convolution by Fourier transforms does so unless it is padded first.",
        sets={"padding": "wrap"},
        bad=_padded("wrap"),
        fix=ZEROS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-shifted",
        stage="spatial",
        status=WRONG,
        sentence="the map is shifted by {value} along each axis: the padding is not the same on both sides",
        why="What the kernel finds at a position damps its neighbour. It comes of padding by hand, of cutting a larger "
        "result at the wrong place, and of kernels of an even size, which have no middle.",
        parameter=OFFSET,
        bad=PADDED.format("(4, 2)", "") + SUM.format("seen", "k"),
        fix=ZEROS,
        sources=("Eq. 3", "tensorflow/tensorflow#7969", "ultralytics/ultralytics#19733"),
        was=(
            *("spatial-shifted-back", "spatial-shifted-2", "spatial-shifted-back-2"),
            *("spatial-shifted-3", "spatial-shifted-back-3"),
        ),
    ),
    Rule(
        code="spatial-dilated",
        stage="spatial",
        status=WRONG,
        sentence="the kernel is dilated by {value}",
        why="The same 7 x 7 taps look further, and past what lies between them. BAM, by the same authors, dilates by 4, "
        "and CBAM does not.",
        parameter=DILATION,
        bad=PLANES
        + "padded = np.pad(planes, ((0, 0), (0, 0), (6, 6), (6, 6)))\n"
        + "seen = np.lib.stride_tricks.sliding_window_view(padded, (13, 13), (2, 3))\n"
        + SUM.format("seen[..., ::2, ::2]", "k"),
        fix=ZEROS,
        sources=("Eq. 3", "arXiv 1807.06514"),
        was=("spatial-dilated-2", "spatial-dilated-3", "spatial-dilated-4"),
    ),
    Rule(
        code="kernel-size",
        stage="spatial",
        status=VARIANT,
        sentence="the kernel has size {size}, not 7",
        why="The paper measured 3 and 7, and 7 does a little better: 22.66 for 22.68 percent of error on ImageNet. A kernel "
        "of one size cannot take the weights of another.",
        bad="# k: (1, 2, 3, 3)\n" + RIGHT,
        fix="# k: (1, 2, 7, 7)\n" + RIGHT,
        sources=(
            "Table 2",
            "Youngkl0726/Convolutional-Block-Attention-Module#4",
            "seen in public code",
        ),
    ),
    Rule(
        code="spatial-reads-far",
        stage="spatial",
        status=WRONG,
        sentence="the spatial map reads positions that its kernel does not reach; it depends on {reads}",
        why="Ms of a position is made of the 7 x 7 around it. A map that knows of all positions, by an average, a softmax "
        "or a second convolution, answers another question than where to look here.",
        bad="z = conv(f.mean(1), f.max(1))\nms = sigmoid(z - z.mean((2, 3), keepdims=True))",
        fix="z = conv(f.mean(1), f.max(1))\nms = sigmoid(z)",
        sources=("Eq. 3",),
    ),
    Rule(
        code="kernels-apart",
        stage="spatial",
        status=UNDECIDED,
        sentence="beside the kernel of its spatial gate it has others of that shape, {kernels}: a convolution for each plane "
        "cannot be told here, and one over both planes can",
        why="Convolutions of one plane each, added up, come to one over both planes, and may be right: two are read so. Of "
        "more their shapes do not tell which is whose, and so nothing is said of them.",
        bad="# k: (1, 1, 7, 7)\n# k_max: (1, 1, 7, 7)\n# k_both: (1, 1, 7, 7)\n"
        'def by(k, plane): return np.einsum("nphwij,opij->nohw", windows(plane[:, None]), k)\n'
        "ms = sigmoid(conv(f.mean(1)) + by(k_max, f.max(1)) + by(k_both, f.mean(1) + f.max(1)))",
        fix=PLANES + SUM.format("windows(planes)", "k"),
        sources=("Eq. 3",),
    ),
)
