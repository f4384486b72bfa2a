"""The house: which room may import which, without a circle, and where each module is tested."""

import ast
import fnmatch
import re
import sys
from pathlib import Path

import pytest

from npcbam import cli

ROOT = Path(__file__).parent.parent
PACKAGE, TESTS = ROOT / "npcbam", ROOT / "tests"

# The rooms from the bottom up: a room imports from those that stand before it, and from nothing
# else of this package.
ROOMS = [
    "messages",
    "arguments",
    "types",
    "tree",
    "pointwise",
    "pooling",
    "drawing",
    "conv",
    "norm",
    "channel_attention",
    "spatial_attention",
    "presets",
    "cbam",
    "array_files",
    "state_dict",
    "slopes",
    "differences",
    "derivative",
    "pages",
    "options",
    "targets",
    "child",
    "diagnosis",
    "routes",
    "gradcheck",
    "fused",
    "nets",
    "oracle.precision",
    "oracle.findings",
    "oracle.examples",
    "oracle.rules",
    "oracle.candidates",
    "oracle.question",
    "oracle.probing",
    "oracle.identification",
    "oracle.behaviour",
    "oracle.comparison",
    "oracle.reports",
    "oracle.vectors",
    "oracle.check",
    "oracle.isolation",
    "oracle",
    "oracle.command",
    "lessons",
    "plots",
    "bench",
    "strategies",
    "pytest_plugin",
    "cli",
    "__main__",
]
# Imports that go upward all the same. None may be added.
UPWARD: dict[str, set[str]] = {}
# Modules that import each other. None may be added.
CIRCLES: list[set[str]] = []


def modules(package=PACKAGE):
    """Return the path of every module, by its name below the package; that itself is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    return found


def imports(paths, name="npcbam"):
    """Return what each module imports of the package, wherever in it that stands."""
    found = {}
    for module, path in paths.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                full = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                full = [each if _below(each, name) in paths else node.module for each in full]
            else:
                continue
            found[module] |= {_below(each, name) for each in full} & paths.keys() - {module}
    return found


def _below(full, name):
    return "" if full == name else full.removeprefix(f"{name}.") if full.startswith(name) else None


def room_of(module, rooms=ROOMS):
    """Return the room that a module stands in, the innermost."""
    inside = [room for room in rooms if f"{module}.".startswith(f"{room}.")]
    return max(inside, key=len)


def circles(edges):
    """Return the sets of modules each of which imports, by way of others, all of its set."""
    reached = {module: set(near) for module, near in edges.items()}
    for middle in edges:
        for far in reached.values():
            if middle in far:
                far |= reached[middle]
    joined = {
        frozenset({other for other in reached[module] if module in reached[other]})
        for module in edges
        if module in reached[module]
    }
    return sorted(joined, key=sorted)


EDGES = imports(modules())


def test_every_module_has_a_room():
    homeless = [m for m in EDGES if m and not any(f"{m}.".startswith(f"{r}.") for r in ROOMS)]
    assert not homeless
    assert all(any(f"{m}.".startswith(f"{room}.") for m in EDGES) for room in ROOMS)


def test_nothing_imports_upward():
    upward = {}
    for module, near in EDGES.items():
        # The package itself only hands on what is asked for.
        higher = {
            other
            for other in near
            if module and other and ROOMS.index(room_of(other)) > ROOMS.index(room_of(module))
        }
        if higher:
            upward[module] = higher
    assert upward == UPWARD


def test_nothing_goes_round_in_a_circle():
    inner = {module: near - {""} for module, near in EDGES.items() if module}
    # Upward imports are listed already.
    inner = {module: near - UPWARD.get(module, set()) for module, near in inner.items()}
    assert circles(inner) == CIRCLES


def test_a_circle_and_a_local_import_are_seen(tmp_path):
    texts = {
        "__init__": "from npcbam.a import one",
        "a": "import npcbam.b",
        "b": "def f():\n    from npcbam import c",
        "c": "from npcbam.a import one\nfrom npcbam.d import two",
        "d": "import numpy",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    edges = imports(modules(tmp_path))
    assert edges == {"": {"a"}, "a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}
    assert circles(edges) == [{"a", "b", "c"}]


# Frameworks ---------------------------------------------------------------------------------

# What the tests of the layers import besides the standard library and this package.
ENOUGH = {"numpy", "scipy", "pytest", "hypothesis"}
LAYERS = [
    "arguments",
    "tree",
    "pointwise",
    "pooling",
    "drawing",
    "conv",
    "norm",
    "channel_attention",
    "spatial_attention",
    "cbam",
    "presets",
    "slopes",
    "differences",
    "differences_honest",
    "differences_rounding",
    "derivative",
]


def imported_by_test(path, seen=None):
    """Return the packages that a test imports, itself or by what it shares with others."""
    seen = set() if seen is None else seen
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            shared = TESTS / f"{name.partition('.')[0]}.py"
            if shared.exists() and shared not in seen:
                seen.add(shared)
                found |= imported_by_test(shared, seen)
            elif not shared.exists():
                found.add(name.partition(".")[0])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_the_tests_of_the_layers_need_no_framework(layer):
    found = imported_by_test(TESTS / f"test_{layer}.py")
    assert found - sys.stdlib_module_names <= ENOUGH | {"npcbam"}


# Sizes, and where a module is tested ---------------------------------------------------------

# Files of more than 300 lines. None may be added, and none may grow.
LONG: dict[str, int] = {}
# Modules without a test file of their own, by the tests that are theirs: data, whose entries one
# test runs, and parts of a room that is tested as a whole. None may be added.
TESTED_IN = {
    "test_fused.py": "fused/*",
    "test_cli.py": "oracle/command",
    "test_strategies.py": "strategies/*",
    "test_drawing.py": "types",
    "diagnosis/test_diagnosis.py": """
        diagnosis/arrays diagnosis/cotangents diagnosis/explanations diagnosis/guesses
        diagnosis/operands diagnosis/sums
    """,
    "diagnosis/test_kinds.py": "diagnosis/kind diagnosis/kinds_*",
    "diagnosis/test_terms.py": "diagnosis/routes",
    "gradcheck/command/test_grad_command.py": """
        gradcheck/command/answer gradcheck/command/parser gradcheck/command/tensors
    """,
    "gradcheck/forms/test_cached.py": """
        gradcheck/forms/pairs
    """,
    "gradcheck/forms/test_layer.py": """
        gradcheck/forms/model gradcheck/forms/parameters
    """,
    "gradcheck/frameworks/test_jax.py": "gradcheck/frameworks/pytrees",
    "gradcheck/frameworks/test_torch.py": """
        gradcheck/frameworks/modules gradcheck/frameworks/tensors
    """,
    "gradcheck/museum/test_exhibits.py": "gradcheck/museum/*",
    "gradcheck/test_kinks.py": "gradcheck/singly",
    "gradcheck/test_verdict.py": "gradcheck/seen",
    "lessons/test_exercises.py": "lessons/*",
    "oracle/comparison/test_backward.py": "oracle/comparison/pulled",
    "oracle/comparison/test_gradients.py": "oracle/comparison/directional",
    "oracle/comparison/test_numerics.py": "oracle/comparison/coarser oracle/comparison/extremes",
    "oracle/identification/test_kin.py": "oracle/identification/kin_* oracle/rules/kin_*",
    "oracle/rules/test_bad_and_fix.py": "oracle/rules/*",
    "oracle/test_check.py": """
        oracle/comparison/comparison oracle/comparison/reference oracle/examples
        oracle/identification/parameters oracle/identification/reading oracle/probing/running
    """,
    "oracle/vectors/test_vectors.py": "oracle/vectors/*",
}


def test_no_file_is_long():
    lines = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name for name, count in lines.items() if count > LONG.get(name, 300)} == set()
    assert {name for name in LONG if lines.get(name, 0) <= 300} == set(), "no longer long"


def test_every_module_has_its_tests():
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    without = {
        str(path)
        for path in paths
        if path.name not in ("__init__", "__main__")
        and not (TESTS / path.parent / f"test_{path.name}.py").exists()
    }
    elsewhere = [pattern for patterns in TESTED_IN.values() for pattern in patterns.split()]
    met = {pattern: set(fnmatch.filter(without, pattern)) for pattern in elsewhere}
    assert without - set().union(*met.values()) == set(), "no test file, and not in TESTED_IN"
    assert [pattern for pattern in elsewhere if not met[pattern]] == [], "it needs no entry"


@pytest.mark.parametrize("tests", TESTED_IN)
def test_the_tests_of_others_exist(tests):
    assert (TESTS / tests).exists()


# Links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    re.findall(
        r"\]\(((?!http)[^)#]+)\)", (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    ),
)
def test_links_of_the_guide(path):
    assert (ROOT / ".github" / path).exists()


# Hooks ----------------------------------------------------------------------------------------

HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^  entry: npcbam (\S+)$", HOOKS, re.MULTILINE))
def test_a_hook_without_a_target_says_what_to_give(command, capsys):
    (placeholder,) = set(re.findall(r'^  args: \["(\w+)"\]$', HOOKS, re.MULTILINE))
    assert cli.main([command, placeholder]) == 2
    assert f"{placeholder}: expected package.module:Name" in capsys.readouterr().err
