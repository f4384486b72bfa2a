"""The kin of CBAM: blocks of the family with a name of their own, which are no CBAM."""

from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="eca",
        stage="compose",
        status=WRONG,
        sentence="this is ECA, efficient channel attention, and not CBAM: one 1-D convolution over the averages of "
        "neighbouring channels takes the place of the MLP, and there is no spatial gate",
        why="ECA is a block of its own, with a handful of weights where CBAM has an MLP and a kernel. What is reported "
        "of CBAM does not hold for it, and neither block can load the other's weights.",
        bad="# k: (1, 1, 3)\n"
        "f = np.pad(avg(x), ((0, 0), (1, 1)))\n"
        "z = np.lib.stride_tricks.sliding_window_view(f, 3, axis=1) @ k[0, 0]\n"
        "y = column(sigmoid(z)) * x",
        fix=RIGHT,
        sources=("arXiv 1910.03151", "BangguWu/ECANet models/eca_module.py"),
    ),
    Rule(
        code="bam",
        stage="compose",
        status=WRONG,
        sentence="this is BAM, the bottleneck attention module, and not CBAM: both branches read x, dilated convolutions "
        "make the spatial one, and x times one map is added to x",
        why="BAM is by the same authors, of the same year, and stands between the stages of a network, not in every "
        "block. Its map only amplifies, from 1 to 2, where CBAM's gates only damp.",
        bad="# k: (C/r, C/r, 3, 3)\n# v: (C/r, C/r, 3, 3)\n"
        "def near(z): return np.lib.stride_tricks.sliding_window_view(np.pad(z, 4)[4:-4, 4:-4], (9, 9), (2, 3))\n"
        'def far(z, k): return relu(np.einsum("nchwij,ocij->nohw", near(z)[..., ::4, ::4], k))\n'
        's = far(far(relu(np.einsum("oc,nchw->nohw", v0, x)), k), v)\n'
        "y = x + x * sigmoid(column(mlp(avg(x))) + np.tensordot(b0, s, (0, 1))[:, None])",
        fix=RIGHT,
        sources=("arXiv 1807.06514", "Jongchan/attention-module MODELS/bam.py"),
    ),
    Rule(
        code="coordinate-attention",
        stage="compose",
        status=WRONG,
        sentence="this is coordinate attention, and not CBAM: averages of each row and of each column make one gate for "
        "the rows and one for the columns",
        why="It says where by rows and columns, and reads no maximum and no neighbourhood. It is a block of its own, and "
        "what is reported of CBAM does not hold for it.",
        bad="# v1: (C, C/r)\n"
        "def act(z): return z * np.clip(z + 3, 0, 6) / 6\n"
        "rows = act(w0 @ x.mean(3))  # (N, C/r, H)\n"
        "columns = act(w0 @ x.mean(2))  # (N, C/r, W)\n"
        "y = x * sigmoid(w1 @ rows)[:, :, :, None] * sigmoid(v1 @ columns)[:, :, None]",
        fix=RIGHT,
        sources=("arXiv 2103.02907", "houqb/CoordAttention coordatt.py"),
    ),
    Rule(
        code="scse",
        stage="compose",
        status=WRONG,
        sentence="this is scSE, concurrent spatial and channel squeeze and excitation, and not CBAM: a 1 x 1 convolution "
        "makes the spatial gate, and both gates read x beside each other",
        why="It came before CBAM, reads no maximum, and its spatial gate sees one position alone. It is a block of its "
        "own, and what is reported of CBAM does not hold for it.",
        bad="# v: (1, C)\n"
        "c = x * column(sigmoid(relu(avg(x) @ w0.T) @ w1.T))\n"
        's = x * sigmoid(np.einsum("oc,nchw->nohw", v, x))\n'
        "y = np.maximum(c, s)",
        fix=RIGHT,
        sources=("arXiv 1803.02579", "ai-med/squeeze_and_excitation squeeze_and_excitation.py"),
    ),
    Rule(
        code="simam",
        stage="compose",
        status=WRONG,
        sentence="this is SimAM, the simple attention module without parameters, and not CBAM: each entry is weighed by "
        "how far it is from the mean of its channel",
        why="SimAM learns nothing, and has one weight for each entry, not one for a channel and one for a position. It "
        "is a block of its own, and what is reported of CBAM does not hold for it.",
        bad="d = (x - x.mean((2, 3), keepdims=True)) ** 2\n"
        "v = d.sum((2, 3), keepdims=True) / (x[0, 0].size - 1)\n"
        "y = x * sigmoid(d / (4 * (v + 1e-4)) + 0.5)",
        fix=RIGHT,
        sources=("Yang et al., ICML 2021", "ZjjConan/SimAM README.md"),
    ),
    Rule(
        code="gated-channel-transformation",
        stage="compose",
        status=WRONG,
        sentence="this is GCT, the gated channel transformation, and not CBAM: each channel's norm is compared with "
        "those of the others, and gates by 1 + tanh",
        why="GCT has three numbers a channel, alpha, gamma and beta, and no MLP and no kernel; its gates run from 0 to "
        "2. It is a block of its own, and what is reported of CBAM does not hold for it.",
        bad="# w: (C)\n# gamma: (C)\n# beta: (C)\n"
        "f = w * np.sqrt((x**2).sum((2, 3)) + 1e-5)\n"
        "scale = np.sqrt((f**2).mean(1, keepdims=True) + 1e-5)\n"
        "y = x * column(1 + np.tanh(gamma * f / scale + beta))",
        fix=RIGHT,
        sources=("arXiv 1909.11519", "z-x-yang/GCT PyTorch/GCT.py"),
    ),
    Rule(
        code="gaussian-context-transformer",
        stage="compose",
        status=WRONG,
        sentence="this is the Gaussian context transformer, and not CBAM: the averages are normalised over the channels, "
        "and those far from their mean are damped by a bell curve",
        why="It has no parameter, or one: no weights tell its channels apart. It is a block of its own, and what is "
        "reported of CBAM does not hold for it.",
        bad="f = avg(x)\n"
        "z = (f - f.mean(1, keepdims=True)) / np.sqrt(f.var(1, keepdims=True) + 1e-5)\n"
        "y = x * column(np.exp(-(z**2)))",
        fix=RIGHT,
        sources=(
            "Ruan et al., CVPR 2021",
            "changzy00/pytorch-attention attention_mechanisms/gct.py",
        ),
    ),
)
