"""Where the wrong entries lie: how far each is off, how axes are folded, what is pooled."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.picture import (
    LEGEND,
    MOST,
    NAN,
    NOTHING,
    UNKNOWN,
    Fold,
    _grid,
    _pool,
    fold,
    grades,
    legend,
    picture,
)


def test_grades_by_hand():
    want = np.array([1.0, 1, 1, 1, 1, 1, np.nan, 1, 1])
    got = want + np.array([10, 2, 0.5, 0.05, 0.005, 1e-9, 0, np.nan, np.inf])
    assert grades(got, want).tolist() == [4, 4, 3, 2, 1, 0, UNKNOWN, NAN, NAN]


def test_all_equal_is_blank():
    ones = np.ones((2, 2))
    assert grades(ones, ones).tolist() == [[0, 0], [0, 0]]
    assert 'class="e' not in picture(ones, ones, "x")


@pytest.mark.parametrize(
    ("ndim", "rows", "columns"),
    [(0, (), ()), (1, (), (0,)), (2, (0,), (1,)), (3, (1,), (0, 2)), (4, (0, 2), (1, 3)),
     (5, (1, 3), (0, 2, 4))],
)  # fmt: skip
def test_fold(ndim, rows, columns):
    assert fold(ndim) == Fold(rows, columns)


@given(st.lists(st.integers(1, 4), max_size=5))
def test_a_fold_keeps_every_entry_at_its_place(shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    folded = fold(array.ndim)
    laid = folded.lay(array)
    axes = [*folded.rows, *folded.columns]
    for index, value in np.ndenumerate(array):
        flat = np.ravel_multi_index(
            [index[axis] for axis in axes] or [0], [shape[axis] for axis in axes] or [1]
        )
        assert laid.ravel()[flat] == value


def test_a_cell_is_the_worst_of_its_block():
    cells = np.zeros((MOST * 2, MOST), int)
    cells[0, 0], cells[1, 0], cells[2:4, 1] = UNKNOWN, 1, UNKNOWN
    cells[5, 5], cells[4, 5] = NAN, 4
    pooled, block = _pool(cells)
    assert (pooled.shape, block) == ((MOST, MOST), (2, 1))
    assert (pooled[0, 0], pooled[1, 1], pooled[2, 5]) == (1, UNKNOWN, NAN)
    assert pooled.astype(bool).sum() == 3


def test_a_long_vector_is_read_like_a_page():
    cells, across, down = _grid(np.ones(100, int), fold(1))
    assert (cells.shape, across, down) == ((10, 10), "axis 0: 100, in lines of 10", "")
    cells, _, _ = _grid(np.ones(101, int), fold(1))
    assert (cells.shape, int((cells == NOTHING).sum())) == ((10, 11), 9)


@pytest.mark.parametrize(
    "shape", [(), (1,), (7,), (500,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 2, 2, 2, 2), (300, 200)]
)
def test_a_cell_for_each_wrong_entry(shape):
    rng = np.random.default_rng(0)
    want = rng.normal(size=shape)
    drawn = picture(want + 1, want, "x")
    cells = len(re.findall(r'class="e4"', drawn))
    assert cells == want.size if want.size < MOST else 0 < cells <= MOST**2
    for axis, size in enumerate(shape):
        assert f"axis {axis}: {size}" in drawn
    sizes = [float(n) for n in re.findall(r'(?:width|height)="([\d.]+)"', drawn)]
    assert max(sizes) < 400
    assert min(sizes) > 0


def test_names_are_escaped():
    assert "<b>" not in picture(np.ones(2), np.zeros(2), "<b>")


def test_the_legend_has_all_that_is_drawn():
    assert sorted(grade for grade, _ in LEGEND) == list(range(NOTHING))
    assert legend().count("<li>") == len(LEGEND)


# By hand, all of it


def test_all_of_a_small_picture():
    cell = 'width="28.00" height="28.00"/>'
    assert picture(np.array([[1.0, np.nan, 3.0]]), np.ones((1, 3)), "x") == (
        '<figure><svg class="heat" role="img" aria-label="|dx - derivative|: at most 2" '
        'width="105" height="84" viewBox="0 0 105 84">'
        '<text x="20" y="14">axis 1: 3</text>'
        '<text transform="translate(5 20) rotate(90)">axis 0: 1</text>'
        '<g shape-rendering="crispEdges" transform="translate(20 20)">'
        f'<rect class="e5" x="28.00" y="0.00" {cell}'
        '<path class="x" d="M28.00 0.00l28.00 28.00m0 -28.00l-28.00 28.00"/>'
        f'<rect class="e4" x="56.00" y="0.00" {cell}'
        '<path class="lines" d="M0 0H84.00V28.00H0Z"/></g></svg>'
        "<figcaption>|dx - derivative|: at most 2</figcaption></figure>"
    )


def test_lines_stand_between_the_images_of_a_fold():
    shape = (2, 3, 1, 2)
    drawn = picture(np.ones(shape), np.ones(shape), "x")
    way = "M0 0H168.00V56.00H0ZM0 28.00H168.00M56.00 0V56.00M112.00 0V56.00"
    assert f'<path class="lines" d="{way}"/>' in drawn
    assert ">axis 1: 3 × axis 3: 2<" in drawn
    assert ">axis 0: 2 × axis 2: 1<" in drawn
    # As high as its words, of 7 pixels a letter.
    assert 'width="189" height="168"' in drawn


@pytest.mark.parametrize(("images", "lines"), [(2, 1), (32, 31), (33, 0)])
@pytest.mark.parametrize("across", [False, True])
def test_of_many_images_there_are_no_lines(images, lines, across):
    shape = (1, images, 1, 1) if across else (images, 1, 1, 1)
    way = re.search(r'class="lines" d="([^"]*)"', picture(np.ones(shape), np.ones(shape), "x"))[1]
    assert way.count("M") - 1 == lines


def test_one_number_and_a_picture_of_blocks():
    assert ">one number<" in picture(np.array(2.0), np.array(1.0), "x")
    drawn = picture(np.ones((130, 3)), np.zeros((130, 3)), "x")
    assert (
        "<figcaption>|dx - derivative|: at most 1; a cell is the worst of 3 × 1 entries<" in drawn
    )


@pytest.mark.parametrize(("got", "want"), [(1e308, -1e308), (np.inf, np.inf), (np.nan, 1.0)])
def test_what_is_not_finite_is_drawn_without_a_warning(got, want):
    drawn = picture(np.array([got]), np.array([want]), "x")
    assert 'class="e5"' in drawn
    assert "<figcaption>|dx - derivative|: at most 0<" in drawn


@pytest.mark.parametrize("one", range(NOTHING + 1))
def test_the_worse_of_two_stands_for_a_block(one):
    order = [NOTHING, UNKNOWN, 0, 1, 2, 3, 4, NAN]
    for other in order:
        cells = np.full((MOST * 2, 1), NOTHING)
        cells[:2, 0] = one, other
        assert _pool(cells)[0][0, 0] == max(one, other, key=order.index)
