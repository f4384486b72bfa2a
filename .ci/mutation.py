"""Mutation testing: which changes of the code does no test notice?

    pip install -e '.[mutation]'
    python .ci/mutation.py                       # all that [tool.mutmut] names
    python .ci/mutation.py --sample 10           # every tenth mutant, drawn from a fixed seed
    python .ci/mutation.py npcbam/conv.py --tests tests/test_conv.py --show

mutmut makes the mutants; [tool.mutmut] says of which files, and which tests are asked. `mutmut run`
collects those anew for each; here they are collected once, and each mutant is a fork of that
process, in which the tests that caught its neighbours come first, and hypothesis looks for no
smaller example.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "mutants"
MEMORY = 12 << 30  # bytes that the tests of one mutant may ask for
# Changes that are none, which are left out: lengths of a zip are equal by construction, so that
# strict= asserts it alone; and what NumPy casts to None it casts to float64.
NO_CHANGE = [(r",?\s*strict=\w+", ""), (r",\s*\)", ")"), (r"astype\(None\)", "astype(np.float64)")]


def make(only, leave, patterns):
    """Write the package with all mutants in it, and the tests; return the mutants by file."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    shutil.rmtree(WORK, ignore_errors=True)
    for name in ("npcbam", "tests", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (WORK / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, WORK / name)
    os.chdir(ROOT)
    mutants, texts = {}, {}
    for path in sorted(Path("npcbam").rglob("*.py")):
        wanted = any(fnmatch.fnmatch(path, each) for each in only) and not any(
            fnmatch.fnmatch(path, each) for each in leave
        )
        if wanted and (not patterns or any(fnmatch.fnmatch(path, each) for each in patterns)):
            made = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
            (WORK / path).write_text(made.code, encoding="utf-8")
            lines = made.code.splitlines()
            for name, span in made.line_span_by_function_name.items():
                text = "\n".join(lines[span.start - 1 : span.end])
                texts[get_mutant_name(path, name)] = re.sub(r"__mutmut_\w+", "", text)
            names = [get_mutant_name(path, name) for name in made.mutant_names]
            if found := [name for name in names if changes(name, texts)]:
                mutants[str(path)] = found
    return mutants, texts


def changes(mutant, texts):
    """Return whether a mutant can do anything else than the original."""
    pair = [texts[name] for name in (mutant, f"{function(mutant)}__mutmut_orig")]
    for pattern, same in NO_CHANGE:
        pair = [re.sub(pattern, same, text) for text in pair]
    return pair[0] != pair[1]


def function(mutant):
    """Return the function that a mutant is of."""
    return mutant.partition("__mutmut_")[0]


def activate(mutant):
    """Let the calls of a function go to its mutant, from now on and in this process."""
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test(mutant)


class Hunt:
    """A plugin of pytest that runs the tests once for each mutant."""

    def __init__(self, mutants, budget):
        self.mutants, self.budget = mutants, budget
        self.found = []  # (path, mutant, verdict)

    def pytest_runtestloop(self, session):
        """Take the place of pytest's own loop."""
        self.session, self.items = session, {item.nodeid: item for item in session.items}
        session.config.pluginmanager.unregister(name="terminalreporter")
        seconds, covers = self.coverage()
        print(f"{'file':40} mutants  killed  timeout  survived  no tests   score")
        caught = defaultdict(Counter)  # by which tests, of a function and of a file
        for path, mutants in self.mutants.items():
            room, _, name = path.rpartition("/")
            own = f"{room.replace('npcbam', 'tests', 1)}/test_{name.removesuffix('.py')}"
            # Those of its own file are worth more of the time.
            cost = {t: taken / (8 if t.startswith(own) else 1) for t, taken in seconds.items()}
            for mutant in mutants:
                near, wide = caught[function(mutant)], caught[path]
                tests = sorted(
                    covers[function(mutant)], key=lambda t: (-near[t], -wide[t], cost[t])
                )
                verdict, test = self.verdict(mutant, self.affordable(tests, seconds))
                near[test] += 1
                wide[test] += 1
                self.found.append((path, mutant, verdict))
            print(row(path, self.found), flush=True)
        return True

    def affordable(self, tests, seconds):
        """Return the first of the tests that take no longer than the budget, together."""
        chosen, total = [], 0.0
        for test in tests:
            if not chosen or total + seconds[test] <= self.budget:
                chosen.append((test, seconds[test]))
                total += seconds[test]
        return chosen

    def coverage(self):
        """Return how long each test takes, and those that call a function, by its name."""
        from mutmut.mutation import trampoline

        reading, writing = os.pipe()
        if (child := os.fork()) == 0:  # what the tests cache shall not hide a mutant
            hits, seconds, covers = set(), {}, defaultdict(list)
            trampoline.record_trampoline_hit = lambda name, caller=None: hits.add(name)
            activate("stats")
            del os.environ["MUTANT_UNDER_TEST"]  # what a test starts has nothing to record
            for test in self.items:
                hits.clear()
                start = time.monotonic()
                if self.fails([test]):
                    os.write(2, f"{test} fails without any mutant\n".encode())
                    continue
                seconds[test] = time.monotonic() - start
                for name in hits:
                    covers[name].append(test)
            with os.fdopen(writing, "w") as pipe:
                json.dump([seconds, covers], pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            seconds, covers = json.load(pipe)
        os.waitpid(child, 0)
        return seconds, defaultdict(list, covers)

    def verdict(self, mutant, tests):
        """Return what became of a mutant, and the test that caught it."""
        if not tests:
            return "no tests", None
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 5 + 4 * sum(taken for _, taken in tests))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            activate(mutant)
            try:
                test = self.fails([test for test, _ in tests])
                os.write(writing, (test or "").encode())
                os._exit(test is not None)
            except BaseException:  # a mutant may end pytest itself
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            test = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {0: "survived", -signal.SIGALRM: "timeout"}.get(code, "killed"), test

    def fails(self, tests):
        """Return the first of the tests that fails, or None."""
        for test, after in zip(tests, [*tests[1:], None], strict=True):
            before = self.session.testsfailed
            self.session.config.hook.pytest_runtest_protocol(
                item=self.items[test], nextitem=self.items.get(after)
            )
            if self.session.testsfailed > before:
                return test
        return None


def row(path, found):
    """Return the line of a file, or of all, in the table of scores."""
    verdicts = [verdict for each, _, verdict in found if path in ("all", each)]
    n = Counter(verdicts)
    score = 100 * (n["killed"] + n["timeout"]) / max(len(verdicts), 1)
    counts = f"{len(verdicts):7} {n['killed']:7} {n['timeout']:8} {n['survived']:9}"
    return f"{path:40} {counts} {n['no tests']:9} {score:6.1f} %"


def show(found, texts):
    """Print what each survivor changes."""
    for _, mutant, verdict in found:
        if verdict in ("survived", "no tests"):
            print(f"\n{mutant}: {verdict}")
            pair = [texts[f"{function(mutant)}__mutmut_orig"], texts[mutant]]
            for line in list(unified_diff(*map(str.splitlines, pair), n=0, lineterm=""))[2:]:
                if not line.startswith("@@"):
                    print(f"  {line}")


def main():
    """Make the mutants, hunt them and print the score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", help="files of npcbam/, all that are named if none")
    parser.add_argument("--tests", nargs="*", help="the tests to ask, in place of those named")
    parser.add_argument("--sample", type=int, default=1, help="take one mutant in so many")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--budget", type=float, default=5, help="seconds of tests for one mutant")
    parser.add_argument("--show", action="store_true", help="print what each survivor changes")
    asked = parser.parse_args()
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    os.environ["CI"] = "true"  # hypothesis draws the same examples for every mutant
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTHONPATH"] = str(WORK)  # for tests that start a process
    mutants, texts = make(named["only_mutate"], named.get("do_not_mutate", []), asked.patterns)
    draw = random.Random(asked.seed)
    mutants = {path: draw.sample(m, -(-len(m) // asked.sample)) for path, m in mutants.items()}
    os.chdir(WORK)
    sys.path.insert(0, str(WORK))
    import pytest
    from hypothesis import Phase, settings

    settings.register_profile("mutation", phases=(Phase.explicit, Phase.generate))
    hunt = Hunt(mutants, asked.budget)
    tests = asked.tests or named["pytest_add_cli_args_test_selection"]
    quiet = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    options = [*quiet, "--assert=plain", "--hypothesis-profile=mutation"]
    code = pytest.main([*options, *named["pytest_add_cli_args"], *tests], plugins=[hunt])
    print(row("all", hunt.found))
    if asked.show:
        show(hunt.found, texts)
    return code


if __name__ == "__main__":
    sys.exit(main())
