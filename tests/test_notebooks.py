"""Every notebook runs from a clean kernel, says again what it has saved, and reads well."""

import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

ABSOLUTE = r"(?<![\w.:/])/\w[\w.-]*/\w|\b[A-Z]:\\\\"
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_it_runs_and_says_what_it_has_saved(notebook, tmp_path):
    saved = [printed(cell) for cell in code_cells(notebook)]
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "k"))
    client = NotebookClient(
        notebook, km=kernel, timeout=300, resources={"metadata": {"path": tmp_path}}
    )
    client.execute(cleanup_kc=True)
    for was, cell in zip(saved, code_cells(notebook), strict=True):
        # Roundings differ between machines: the words must not.
        assert words(was) == words(printed(cell))


def words(text):
    return [word for word in text.split() if not any(c.isdigit() for c in word)]


def test_it_is_saved_as_run(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    for cell in cells:
        kinds = {output.output_type for output in cell.outputs}
        streams = {output.get("name") for output in cell.outputs}
        assert "error" not in kinds
        assert "stderr" not in streams


def test_it_reads_well(notebook):
    for cell in code_cells(notebook):
        assert cell.source.count("\n") < 25
        assert printed(cell).count("\n") < 40
        assert not re.search(ABSOLUTE, str(cell.outputs)), "a path of one machine"


@pytest.mark.parametrize("path", ["at /home/me/x.py", "'/opt/a'", r"C:\\Users"])
def test_a_path_of_one_machine_is_seen(path):
    assert re.search(ABSOLUTE, path)
    assert not re.search(ABSOLUTE, "worst / allowed, y/x and https://a.b/c/d")


def test_there_are_notebooks():
    assert NOTEBOOKS
