"""Undecided where nothing proves it wrong: no verdict from missing evidence."""

import numpy as np
import pytest
import torch
from planted import base, precisions
from planted.backwards import WrongInFloat32
from planted.precisions import WrongYInFloat32
from planted.spellings import FloatOnly
from torch import nn

import npcbam
from npcbam.oracle import examples


def undecided(candidate, code, **how):
    report = npcbam.check(candidate, **{"channels": 32} | how)
    assert (report.verdict, report.ok) == ("undecided", False), str(report)
    assert report.findings[0].code == code
    assert report.reason == report.findings[0].message
    return report.reason


@pytest.mark.parametrize("error", [KeyError, SystemExit, RecursionError, MemoryError])
def test_fails_on_every_input(error):
    class Never(base.Right):
        def forward(self, x):
            raise error("lost")

    said = undecided(Never, "never-runs")
    assert said.startswith("it runs on no input: it fails on shape (3, 32, 7, 5): ")
    assert said.endswith("lost") or said.endswith("'lost'")


def test_is_never_a_number():
    class Nan(base.Right):
        def forward(self, x):
            return super().forward(x) * torch.nan

    assert "in every entry on every input" in undecided(Nan, "never-finite")
    # Some entries are numbers: that no CBAM has others beside them is proof.
    assert npcbam.check(precisions.GivesNan, channels=32).verdict == "wrong"


def test_is_random():
    class Dropped(base.Right):
        def forward(self, x):
            return nn.functional.dropout(super().forward(x), training=True)

    assert undecided(Dropped, "not-repeatable") == (
        "two calls on the same input give different results"
    )


def computes_with_its_own(params, x):
    return examples.right(OWN, x)[0].astype(x.dtype)


# Such that no gate saturates.
OWN = {name: value / 8 for name, value in examples.init(32).items()}


def test_parameters_that_cannot_be_set():
    said = undecided(computes_with_its_own, "weights-elsewhere", parameters=examples.init(32))
    assert "have no effect on y where they are set" in said


def in_one_vector(params, x):
    w0, w1, kernel = np.split(params["all"], [64, 128])
    shaped = {"w0": w0.reshape(2, 32), "w1": w1.reshape(32, 2)}
    return examples.right({**shaped, "kernel": kernel.reshape(2, 7, 7)}, x)[0]


@pytest.mark.parametrize(
    ("f", "parameters"),
    [
        (computes_with_its_own, {}),
        (in_one_vector, {"all": np.concatenate([value.ravel() for value in OWN.values()])}),
    ],
)
def test_a_gate_without_parameters_to_set(f, parameters):
    said = undecided(f, "weights-out-of-reach", parameters=parameters)
    assert said.endswith("yet y is x times gates between 0 and 1, whose weights cannot be set")


def stored_as(shape, split):
    """Return a right CBAM whose W0 and W1 are cut from one array, and that array with a kernel."""

    def f(params, x):
        w0, w1 = split(params["w"])
        return examples.right({"w0": w0, "w1": w1, "kernel": params["kernel"]}, x)[0]

    rng = np.random.default_rng(0)
    return f, {"w": rng.normal(size=shape) / 8, "kernel": OWN["kernel"]}


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        (stored_as((2, 2, 32), lambda w: (w[0], w[1].T)), "weights-unplaced"),
        (stored_as((2, 32, 2), lambda w: (w[0].T, w[1])), "weights-unplaced"),
        (stored_as((4, 32), lambda w: (w[:2], w[2:].T)), "weights-out-of-reach"),
        (
            stored_as((128,), lambda w: (w[:64].reshape(2, 32), w[64:].reshape(32, 2))),
            "weights-unplaced",
        ),
    ],
)
def test_an_mlp_stored_otherwise_is_not_called_wrong(stored, code):
    f, parameters = stored
    assert "W0 (C/r, C) and W1 (C, C/r)" in undecided(f, code, parameters=parameters)


@pytest.mark.parametrize(
    "candidate",
    [
        nn.ReLU(),
        nn.Identity(),
        nn.SiLU(),
        nn.GELU(),
        nn.Sigmoid(),
        nn.BatchNorm2d(32, affine=False),
        nn.LayerNorm(5, elementwise_affine=False),
        nn.BatchNorm2d(32),
        nn.Conv2d(32, 32, 3, padding=1),
    ],
    ids=str,
)
def test_what_is_no_gate_is_wrong(candidate):
    report = npcbam.check(candidate, channels=32)
    assert report.verdict == "wrong"
    assert report.findings[0].code == "no-cbam"


def test_an_identity_has_parameters_without_effect():
    class Idle(base.Right):
        def forward(self, x):
            return 1 * x

    report = npcbam.check(Idle, channels=32)
    assert report.verdict == "wrong"
    assert ("compose", "identity") in {(f.stage, f.code) for f in report.findings}


# At one precision ---------------------------------------------------------------------------


def test_the_widest_precision_at_which_it_runs():
    report = npcbam.check(FloatOnly, channels=32)
    assert (report.verdict, report.dtype) == ("faithful", "float32"), str(report)
    assert npcbam.check(FloatOnly, channels=32, dtype="float32").ok


def test_a_precision_at_which_it_does_not_run():
    said = undecided(FloatOnly, "never-runs", dtype="bfloat16")
    assert "expected float" in said

    class DoubleOnly(base.Right):
        def forward(self, x):
            return super().forward(x + torch.zeros(1, dtype=torch.float64)) @ torch.eye(
                x.shape[3], dtype=x.dtype
            )

    said = undecided(DoubleOnly, "unsupported-precision", dtype="float16")
    assert said.startswith("it does not run in float16: RuntimeError: ")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_one_precision(dtype):
    report = npcbam.check(base.Right, channels=32, dtype=dtype)
    assert report.ok, str(report)
    assert report.dtype == dtype
    widest = 1e-8 if dtype == "float64" else 1e-5
    assert (max(row.smallest for row in report.rows) > widest) == (dtype != "float64")
    assert {row.tensor for row in report.rows} > {"y", "dx"}


@pytest.mark.parametrize(("block", "tensor"), [(WrongInFloat32, "dx"), (WrongYInFloat32, "y")])
def test_what_is_wrong_at_one_precision_alone(block, tensor):
    report = npcbam.check(block, channels=32, dtype="float32")
    assert report.verdict == "wrong"
    assert tensor in {row.tensor for row in report.rows if not row.ok}
    assert npcbam.check(block, channels=32, dtype="float64").ok
