"""Every notebook runs from a clean kernel, says again what it has saved, and reads well."""

import base64
import copy
import os
import re
import struct
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ABSOLUTE = r"(?<![\w.:/])/\w[\w.-]*/\w|\b[A-Z]:\\\\"
FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])
SCREEN = 1000  # pixels

# What a notebook asserts must fail when its text is changed here: (notebook, old, new).
PLANTED = [
    ("00_quick_tour", "refined = mc * x", "refined = 1.001 * mc * x"),
    ("01_cbam_by_hand", "h_max[0, 0], 2 * f_max", "h_max[0, 0], 3 * f_max"),
    ("01_cbam_by_hand", "kernel[i, 3 + a, 3 + b]", "kernel[i, 3 - a, 2 + b]"),
    ("01_cbam_by_hand", "== 6 * C * H * W", "== 5 * C * H * W"),
    ("02_backward_by_hand", "same(dy_dz, y * (1 - y))", "same(dy_dz, y * (2 - y))"),
    ("02_backward_by_hand", "at(dz, r - a, s - b) for a, b", "at(dz, r + a, s + b) for a, b"),
    ("02_backward_by_hand", "df_avg[0, c] / 20", "df_avg[0, c] / 21"),
    ("03_checking_gradients", "0.1**2 / 6, rtol", "0.1**2 / 5, rtol"),
    ("03_checking_gradients", "/ (4**k - 1)", "/ (4**k - 2)"),
    ("03_checking_gradients", "2 * x * dy * factor", "2 * x * dy"),
    ("03_checking_gradients", "return q @ k.T,", "return q @ k.T / 2,"),
    ("04_is_this_cbam_correct", "[f.mean(1), f.max(1)]", "[f.mean(1), f.min(1)]"),
    ("04_is_this_cbam_correct", "top = x.detach()", "top = x"),
    ("04_is_this_cbam_correct", "params, x)) * f", "params, f)) * f"),
    ("05_exercises", "dy * y * (1 - y)", "dy * y * (1.001 - y)"),
    ("05_exercises", "1 + np.exp(-z)", "1.001 + np.exp(-z)"),
    ("06_attention_in_a_network", "w + 1j * h * d", "w + 1.001j * h * d"),
    ("06_attention_in_a_network", "(2 * 49 * s * s", "(2 * 50 * s * s"),
]
# A notebook with its change runs for seconds, most of them in the second tier.
QUICK = ("00_quick_tour",)
LONG = (
    "01_cbam_by_hand",
    "03_checking_gradients",
    "04_is_this_cbam_correct",
    "06_attention_in_a_network",
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    texts = [
        output.get("text", output.get("data", {}).get("text/plain")) for output in cell.outputs
    ]
    return "".join(text or "" for text in texts)


def worded(cell):
    """Return all outputs but the pictures, whose letters spell anything."""
    shown = copy.deepcopy(cell.outputs)
    for output in shown:
        output.get("data", {}).pop("image/png", None)
    return str(shown)


def pictures(cell):
    return [
        base64.b64decode(output.data["image/png"])
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def run(notebook, folder):
    """Execute a notebook from a clean kernel in an empty `folder`, in place."""
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "k"))
    client = NotebookClient(
        notebook, km=kernel, timeout=300, resources={"metadata": {"path": folder}}
    )
    # Notebooks that train have a quick setting; what they have saved is the full one's. A pytest
    # that a notebook starts must not print as this one was asked to, nor at the length of CI.
    asked = ("PYTEST_ADDOPTS", "CI")
    env = {name: value for name, value in os.environ.items() if name not in asked}
    client.execute(cleanup_kc=True, env=env | {"NPCBAM_QUICK": "1"})


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def runs(paths):
    """Return the notebooks to execute, those that run for long for the second tier."""
    second = pytest.mark.second_tier
    return [pytest.param(p, marks=second if p.stem in LONG else (), id=p.stem) for p in paths]


@pytest.mark.parametrize("path", runs(NOTEBOOKS))
def test_it_runs_and_says_what_it_has_saved(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    saved = copy.deepcopy(code_cells(notebook))
    run(notebook, tmp_path)
    assert_no_warning(notebook)
    for was, cell in zip(saved, code_cells(notebook), strict=True):
        # Roundings differ between machines: the words must not.
        assert words(printed(was)) == words(printed(cell))
        assert len(pictures(was)) == len(pictures(cell))


def planted(changes):
    """Return the changes, those of long notebooks for the second tier."""
    second = pytest.mark.second_tier
    return [pytest.param(*each, marks=() if each[0] in QUICK else second) for each in changes]


@pytest.mark.parametrize(("stem", "old", "new"), planted(PLANTED))
def test_a_changed_number_is_seen(stem, old, new, tmp_path):
    (path,) = [path for path in NOTEBOOKS if path.stem == stem]
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in code_cells(notebook) if old in cell.source]
    assert cell.source.count(old) == 1
    cell.source = cell.source.replace(old, new)
    with pytest.raises(CellExecutionError, match="AssertionError"):
        run(notebook, tmp_path)


def words(text):
    return [word for word in text.split() if not any(c.isdigit() for c in word)]


def assert_no_warning(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_it_is_saved_as_run(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    assert_no_warning(notebook)


def test_it_reads_well(notebook):
    assert_reads_well(notebook)


def assert_reads_well(notebook):
    for cell in notebook.cells:
        assert cell.source.count("\n") < 25
    for cell in code_cells(notebook):
        assert printed(cell).count("\n") < 40
        assert not re.search(ABSOLUTE, worded(cell)), "a path of one machine"
        for picture in pictures(cell):
            assert struct.unpack(">I", picture[20:24])[0] <= SCREEN, "taller than a screen"


@pytest.mark.parametrize("path", ["at /home/me/x.py", "'/opt/a'", r"C:\\Users"])
def test_a_path_of_one_machine_is_seen(path):
    assert re.search(ABSOLUTE, path)
    assert not re.search(ABSOLUTE, "worst / allowed, y/x and https://a.b/c/d")


def output(kind, **content):
    return nbformat.v4.new_output(kind, **content)


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 10, SCREEN + 1)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "x = 1\n" * 26},
        {"outputs": [output("stream", text="line\n" * 41)]},
        {"outputs": [output("execute_result", data={"text/plain": "line\n" * 41})]},
        {"outputs": [output("stream", text="in /home/me/x.py")]},
        {"outputs": [output("display_data", data={"image/png": base64.b64encode(PNG).decode()})]},
        {"outputs": [output("stream", name="stderr", text="a warning")]},
        {"outputs": [output("error", ename="ValueError", evalue="", traceback=[])]},
    ],
)
def test_what_does_not_read_well_is_seen(change):
    cell = nbformat.v4.new_code_cell("x = 1", outputs=[output("stream", text="1")])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert_reads_well(notebook), assert_no_warning(notebook)
    cell.update(change)
    with pytest.raises(AssertionError):
        assert_reads_well(notebook), assert_no_warning(notebook)


@pytest.mark.parametrize(("stem", "old", "new"), PLANTED)
def test_a_change_has_its_place(stem, old, new):
    (path,) = [path for path in NOTEBOOKS if path.stem == stem]
    cells = code_cells(nbformat.read(path, as_version=4))
    assert sum(cell.source.count(old) for cell in cells) == 1
    assert old != new


def test_there_are_notebooks_and_each_has_a_planted_change():
    assert NOTEBOOKS
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {stem for stem, *_ in PLANTED}
