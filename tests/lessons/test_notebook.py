"""The exercises in their notebook, from a clean kernel: not answered, wrongly, and rightly."""

import copy

import nbformat
from answers import SOLUTIONS, WRONG, answer_cells, changed, read
from test_notebooks import printed, run

from npcbam.lessons import EXERCISES

STUBS = answer_cells(read("05_exercises.ipynb"))


def test_there_is_a_cell_for_each_exercise_and_solution():
    assert list(SOLUTIONS) == list(EXERCISES)
    for name, solution in SOLUTIONS.items():
        assert STUBS[name].source.split("\n")[0] == solution.split("\n")[0]
        assert "..." in STUBS[name].source


def test_wrong_answers_are_named_and_the_solutions_are_right(tmp_path):
    notebook, expected, cells = read("05_exercises.ipynb"), [], []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type != "code" or not cell.source.startswith("lessons.check("):
            continue
        name = cell.source.split("(")[1].split(")")[0]
        wrong = [(changed(name, old, new), said) for it, old, new, said in WRONG if it == name]
        assert len(wrong) >= 4
        answers = [(s, f"Not yet: {said}") for s, said in wrong]
        for source, said in [*answers, (SOLUTIONS[name], f"Right: {name} gives")]:
            check = copy.deepcopy(cell)
            cells += [nbformat.v4.new_code_cell(source), check]
            expected.append((check, said))
    # Copies of a cell have its identifier too.
    notebook.cells = [nbformat.NotebookNode(cell, id=f"c{i}") for i, cell in enumerate(cells)]
    places = [next(i for i, cell in enumerate(cells) if cell is check) for check, _ in expected]
    run(notebook, tmp_path)
    for place, (_, said) in zip(places, expected, strict=True):
        assert printed(notebook.cells[place]).startswith(said)
