"""How the lines `bad` and `fix` of a rule are run: inside a small block that is right.

`AROUND` and the four programs are what surrounds them. A line sees `np`, x of shape (N, C, H, W), the
parameters of `SHAPES` and the functions of `AROUND`, each of which it may define otherwise. What it
binds: `mc` of x; `ms` of f, which is F'; or `y` of x. Lines that bind what `BACKWARD` binds stand
there in its place; lines that define `block(x)` are all of it. A comment "# w: (C, C)" is a
parameter more, or one of another shape; lines under "# torch" or "# bash" are read and not run.

Parameters of a candidate are those that its lines name, or the functions that they leave as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

import numpy as np
from scipy.special import expit

from npcbam.arguments import Array
from npcbam.oracle.rules.rule import Rule

CHANNELS, HIDDEN = 16, 4
SHAPES = {
    "w0": "C/r, C",
    "w1": "C, C/r",
    "b0": "C/r",
    "b1": "C",
    "v0": "C/r, C",
    "v1": "C, C/r",
    "k": "1, 2, 7, 7",
    "kb": "1",
    "gamma": "1",
    "beta": "1",
    "mean": "1",
    "var": "1",
}
AROUND = """\
def sigmoid(z): return expit(z).astype(z.dtype)
def relu(z): return np.maximum(z, 0)
def softmax(z, axis):  # exp(z) by its sum
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
def avg(x): return x.mean((2, 3))  # (N, C)
def top(x): return x.max((2, 3))  # (N, C)
def column(z): return z[:, :, None, None]  # (N, C, 1, 1)
def mlp(f): return relu(f @ w0.T) @ w1.T  # (N, C)
def windows(planes):  # (N, P, H, W, K, K), zeros around
    K = k.shape[-1]
    padded = np.pad(planes, ((0, 0), (0, 0), (K // 2, K // 2), (K // 2, K // 2)))
    return np.lib.stride_tricks.sliding_window_view(padded, (K, K), (2, 3))
def conv(*planes):  # (N, 1, H, W)
    return np.einsum("nphwij,opij->nohw", windows(np.stack(planes, 1)), k)
def norm(z): return gamma * (z - mean) / np.sqrt(var + 1e-5) + beta
def channel(x): return column(sigmoid(mlp(avg(x)) + mlp(top(x))))  # (N, C, 1, 1)
def spatial(f): return sigmoid(conv(f.mean(1), f.max(1)))  # (N, 1, H, W)
def to_top(x, axis):  # the share of each entry in the maximum
    largest = x == x.max(axis, keepdims=True)
    return (largest / largest.sum(axis, keepdims=True)).astype(x.dtype)
"""
CHANNEL = """\
{lines}
f = mc * x
ms = spatial(f)
y = ms * f
"""
SPATIAL = """\
mc = channel(x)
f = mc * x
{lines}
y = ms * f
"""
WHOLE = """\
{lines}
mc = channel(x)
f = mc * x
ms = spatial(f)
y = ms * f
"""
BLOCK = """\
{lines}
y = block(x)
"""
FORWARD = """\
f_avg, f_max = avg(x), top(x)  # (N, C)
h_avg, h_max = relu(f_avg @ w0.T), relu(f_max @ w0.T)  # (N, C/r)
mc = column(sigmoid(h_avg @ w1.T + h_max @ w1.T))  # (N, C, 1, 1)
f = mc * x
planes = np.stack([f.mean(1), f.max(1)], 1)  # (N, 2, H, W)
ms = sigmoid(conv(*planes.swapaxes(0, 1)))  # (N, 1, H, W)
y = ms * f
"""
BACKWARD = """\
dms = (dy * f).sum(1, keepdims=True)  # (N, 1, H, W)
dzs = dms * ms * (1 - ms)
dk = np.einsum("nohw,nphwij->opij", dzs, windows(planes))
dplanes = np.einsum("nohwij,opij->nphw", windows(dzs), k[..., ::-1, ::-1])
df = ms * dy + dplanes[:, :1] / f.shape[1] + dplanes[:, 1:] * to_top(f, 1)
dmc = (df * x).sum((2, 3), keepdims=True)  # (N, C, 1, 1)
dzc = (dmc * mc * (1 - mc))[:, :, 0, 0]  # (N, C)
dw1 = dzc.T @ h_avg + dzc.T @ h_max
dh_avg = dzc @ w1 * (h_avg > 0)
dh_max = dzc @ w1 * (h_max > 0)
dw0 = dh_avg.T @ f_avg + dh_max.T @ f_max
df_avg = dh_avg @ w0
df_max = dh_max @ w0
dx = mc * df + column(df_avg) / x[0, 0].size + column(df_max) * to_top(x, (2, 3))
"""
_SHAPE = re.compile(r"^# (\w+): \(([^)]*)\)", re.MULTILINE)
# What a line may define otherwise, by name.
_FUNCTIONS = {
    each.name: each for each in ast.parse(AROUND).body if isinstance(each, ast.FunctionDef)
}


def is_run(lines: str) -> bool:
    """Tell whether these lines are NumPy, and not another framework's, which are read alone."""
    return not lines.startswith(("# torch", "# bash", "# jax", "# keras"))


def candidate(rule: Rule, which: str = "bad") -> tuple[Callable[..., Any], dict[str, Array]]:
    """Return what the lines of a rule compute, and its parameters, for `npcbam.check`.

    Parameters
    ----------
    which : "bad" or "fix"

    Returns
    -------
    f(params, x), which returns y; or y and a pullback, where the lines are about gradients.
    """
    lines: str = getattr(rule, which)
    if not is_run(lines):
        raise ValueError(f"{rule.code}: its lines are not NumPy's, and are not run")
    added = ast.parse(lines).body
    forward, backward = _programs(rule, lines, added)
    sizes = _parameters(forward + backward, added, lines)
    drawn = np.random.default_rng(0)
    parameters = {name: drawn.uniform(0.5, 1.5, size) for name, size in sizes.items()}
    run, pull = _compiled(rule, forward), _compiled(rule, backward)

    def f(params: Mapping[str, Array], x: Array) -> Any:
        names: dict[str, Any] = {"np": np, "expit": expit, "x": x, **params}
        exec(AROUND_CODE, names)
        exec(run, names)
        if not backward:
            return names["y"]

        def pullback(dy: Array) -> tuple[dict[str, Array], Array]:
            # Of a copy: what one call leaves behind, the next does not see.
            seen = {"np": np, "expit": expit, "x": x, **params}
            exec(AROUND_CODE, seen)
            exec(run, seen)
            seen["dy"] = dy
            exec(pull, seen)
            return {name: seen[f"d{name}"] for name in params}, seen["dx"]

        return names["y"], pullback

    f.__name__ = f.__qualname__ = rule.code.replace("-", "_")
    return f, parameters


AROUND_CODE = compile(AROUND, "<around>", "exec")


def _compiled(rule: Rule, body: list[ast.stmt]) -> CodeType:
    module = ast.fix_missing_locations(ast.Module(body, []))
    return compile(module, f"<{rule.code}>", "exec")


def _programs(
    rule: Rule, lines: str, added: list[ast.stmt]
) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Return the forward and the backward with the lines in their places."""
    defined = {each.name for each in added if isinstance(each, ast.FunctionDef)}
    bound = {name for each in added for name in _bound(each)}
    if "block" in defined:
        return ast.parse(BLOCK.format(lines=lines)).body, []
    if rule.stage == "gradient" or bound & {n for s in ast.parse(BACKWARD).body for n in _bound(s)}:
        functions = [each for each in added if isinstance(each, ast.FunctionDef)]
        others = [each for each in added if not isinstance(each, ast.FunctionDef)]
        return functions + ast.parse(FORWARD).body, _replaced(ast.parse(BACKWARD).body, others)
    if "y" in bound:
        return added, []
    program = CHANNEL if "mc" in bound else SPATIAL if "ms" in bound else WHOLE
    return ast.parse(program.format(lines=lines)).body, []


def _replaced(body: list[ast.stmt], lines: list[ast.stmt]) -> list[ast.stmt]:
    """Put each line where its name is bound; a line that binds another name goes with the next."""
    known = {name: at for at, each in enumerate(body) for name in _bound(each)}
    places: dict[int, list[ast.stmt]] = {}
    waiting: list[ast.stmt] = []
    for line in lines:
        waiting.append(line)
        at = next((known[name] for name in _bound(line) if name in known), None)
        if at is not None:
            kept = [body[at]] if isinstance(line, ast.AugAssign) else []
            places.setdefault(at, kept).extend(waiting)
            waiting = []
    if waiting:
        raise ValueError(f"expected lines that bind one of {', '.join(known)}")
    return [each for at, own in enumerate(body) for each in places.get(at, [own])]


def _bound(line: ast.stmt) -> list[str]:
    """Return the names that a line binds."""
    return [
        n.id for n in ast.walk(line) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


def _parameters(
    program: list[ast.stmt], added: list[ast.stmt], lines: str
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters that a program reads, in the order of `SHAPES`."""
    own = dict(_SHAPE.findall(lines))
    planes = {len(call.args) for call in _calls(added, "conv") if not _starred(call)}
    several = {"k": f"1, {max(planes)}, 7, 7"} if planes else {}
    shapes = {**SHAPES, **several, **own}
    read = set(_read(program))
    return {name: tuple(map(_size, _words(shapes[name]))) for name in shapes if name in read}


def _read(program: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield what a program reads before it is bound there, in the functions that it calls too."""
    bound = set[str]()
    functions = dict(_FUNCTIONS)
    for line in program:
        if isinstance(line, ast.FunctionDef):
            functions[line.name] = line
            continue
        yield from _reached(line, functions, bound, set())
        bound |= set(_bound(line))


def _reached(
    line: ast.stmt, functions: Mapping[str, ast.FunctionDef], bound: set[str], seen: set[str]
) -> Iterator[str]:
    local = set(_bound(line)) | {node.arg for node in ast.walk(line) if isinstance(node, ast.arg)}
    inside = local if isinstance(line, ast.FunctionDef) else set[str]()
    again = isinstance(line, ast.AugAssign)
    for node in ast.walk(line):
        if not isinstance(node, ast.Name) or node.id in bound | inside | seen:
            continue
        if isinstance(node.ctx, ast.Store) and not again:
            continue
        seen.add(node.id)
        if node.id in functions:
            yield from _reached(functions[node.id], functions, bound, seen)
        else:
            yield node.id


def _calls(lines: list[ast.stmt], name: str) -> Iterator[ast.Call]:
    for node in (node for line in lines for node in ast.walk(line)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _starred(call: ast.Call) -> bool:
    return any(isinstance(arg, ast.Starred) for arg in call.args)


def _words(shape: str) -> list[str]:
    return [word.strip() for word in shape.split(",") if word.strip()]


def _size(word: str) -> int:
    return {"C": CHANNELS, "C/r": HIDDEN}[word] if word in ("C", "C/r") else int(word)
