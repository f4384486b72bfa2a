"""Is this CBAM correct? Find out what the candidate computes, and compare all that comes out."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.oracle.behaviour.again import believed
from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.candidate import Candidate, CannotRun
from npcbam.oracle.candidates.wrapped import with_one_kernel
from npcbam.oracle.comparison.comparison import compared
from npcbam.oracle.comparison.maps import maps
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification import undecided
from npcbam.oracle.identification.identified import identified
from npcbam.oracle.identification.unknown import unknown
from npcbam.oracle.probing.running import Progress, failures, inputs, silent
from npcbam.oracle.probing.trial import drawn, tried, with_a_column, with_constants
from npcbam.oracle.question import Question
from npcbam.oracle.reports.report import Report
from npcbam.oracle.reports.reported import Seen, reported
from npcbam.oracle.rules.conventions import FAITHFUL


def check(
    candidate: object,
    *,
    channels: int = 64,
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, Array] | None = None,
    expect: str = FAITHFUL,
    stage: str = "whole",
    dtype: str | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = silent,
) -> Report:
    """Tell whether a CBAM is correct.

    Its weights are drawn anew; what each stage does with them is looked up among all documented
    ways to compute it, right and wrong; and y, dx and every parameter gradient are compared with
    what was found. A module is judged in evaluation mode.

    Parameters
    ----------
    candidate : a torch, flax or equinox module or its class; a Keras layer; an npcbam layer; a
        function f(params, x) that returns y or (y, pullback); an object with a dict `parameters`
        and `vjp(x)`; or where to find one, as "package.module:Name", "path/to/file.py:Name" or
        "path/to/model.onnx"
    channels, settings : what a class or factory is built with
    parameters : the arrays of a function f(params, x), by name
    expect : "faithful", which is Eqs. 1 to 3; the name of a preset; or "AXIS=VALUE,...", axes of
        `Report.conventions` in which it may depart
    stage : "whole"; or "channel" or "spatial" for a module that is one half of a CBAM, and returns
        its map or the refined features
    dtype : the one precision at which numerics, gradients and effects are judged; None for all
        that the candidate has
    device : what torch runs on
    seed : of the weights, inputs and cotangents
    progress : is told, in a few words, what is being done

    What the candidate prints is kept from the standard output.

    Returns
    -------
    Report
        Its `ok` tells whether the candidate is what `expect` asks for; print it for the rest.

    Raises
    ------
    CannotRun
        The candidate cannot be loaded or built, or has no such precision or device.
    TypeError, ValueError
        Another argument is out of range, or a list stands where an array of f(params, x) is due.

    >>> from npcbam import CBAM
    >>> print(check(CBAM.init(0, channels=32)).headline)
    FAITHFUL: CBAM computes CBAM, Eqs. 1 to 3, as preset `paper` does
    """
    how = channels, settings or {}, parameters, expect, stage, dtype, device, seed
    question = Question(*how)
    with _unheard(progress) as told:
        return answer(candidate, question, told)


def answer(target: object, question: Question, progress: Progress = silent) -> Report:
    """Do what `check` does, and let the candidate print."""
    progress("loading it and running it once")
    q = question
    candidate = adapt(target, q.channels, q.settings, q.parameters, device=q.device, stage=q.stage)
    return judge(candidate, question, progress)


def judge(candidate: Candidate, question: Question, progress: Progress = silent) -> Report:
    """Say what a `Candidate` computes: the stages of a check, in order; see `check`."""
    candidate, q = _as_one_block(candidate), question
    if q.dtype is not None:
        candidate.at(q.dtype)  # Raises if it has no such precision.
    seen = Seen(question, candidate)
    if (alien := undecided.of_parameters(candidate, q.channels, q.seed)) is not None:
        return reported(seen, [alien])
    try:
        trial = tried(candidate, q.channels, q.seed, q.dtype, progress)
    except CannotRun as error:
        return reported(seen, [undecided.of_running(candidate, error)])
    seen = replace(seen, trial=trial)
    if nothing := undecided.of_outputs(trial):
        return reported(seen, nothing)
    findings = failures(trial.outcomes)
    if trial.large:
        findings += undecided.of_precision(trial) or effects(
            trial.asked, trial.large[0].input.x, trial.values, trial.seed, trial.dtypes
        )
    if not trial.large or any(finding.status == "undecided" for finding in findings):
        return reported(seen, believed(trial, findings))

    progress("finding out what it computes")
    # Alone a sample has no other to be mixed with: what else is wrong shows there.
    mixed = any(finding.code == "samples-mixed" for finding in findings)
    found = identified(replace(trial, alone=mixed))
    if isinstance(found, Finding):
        return reported(seen, believed(trial, [*findings, found]))
    findings += found.findings()
    if (hidden := undecided.of_unplaced(found)) is not None:
        return reported(seen, believed(trial, [*findings, hidden]))

    progress("comparing what it gave")
    comparison = compared(found)
    findings += comparison.findings
    findings += unknown(found)
    if (proven := believed(trial, findings)) != findings:
        return reported(seen, proven)
    shown = maps(found.reading, found.weights, trial.large[0].input.x)
    return reported(replace(seen, comparison=comparison, maps=shown), findings)


def assert_faithful(candidate: object, *, expect: str = FAITHFUL, **how: object) -> None:
    """Raise AssertionError with the report unless `check` finds what is expected.

    Parameters
    ----------
    candidate, expect, how : as in `check`
    """
    report = check(candidate, expect=expect, **how)  # type: ignore[arg-type]
    if not report.ok:
        raise AssertionError(str(report))


def case(
    candidate: object, name: str, *, channels: int = 64, seed: int = 0, stage: str = "whole"
) -> tuple[dict[str, Array], Array, Array]:
    """Return the weights, by name, the input called `name` that `check` tries, and its dy."""
    adapted = _as_one_block(adapt(candidate, channels, stage=stage))
    rng = np.random.default_rng(seed)
    values, (width, axes) = drawn(adapted, channels, rng)
    known = {each.name: (each.x, dy) for each, dy in inputs(rng, width or channels, axes)}
    arguments.choice("name", name, known)
    x, dy = known[name]
    if stage != "whole":
        shape = adapted.forward(values, x.copy()).shape
        dy = dy[tuple(slice(size) for size in shape)].reshape(adapted.index(shape))
    return adapted.own(values), x, dy


def _as_one_block(candidate: Candidate) -> Candidate:
    """Return a candidate as the rules know blocks: with one kernel, and maps of all axes."""
    undecided.refuse_whole(candidate)
    return with_constants(with_a_column(with_one_kernel(candidate)))


@contextlib.contextmanager
def _unheard(progress: Progress) -> Iterator[Progress]:
    """Keep what is printed from the standard output; progress still writes to it."""
    out = sys.stdout

    def told(doing: str) -> None:
        with contextlib.redirect_stdout(out):
            progress(doing)

    with contextlib.redirect_stdout(io.StringIO()):
        yield told
