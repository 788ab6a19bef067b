from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance

from alignkit.rsa import RDM, condense, squareform
from alignkit.rsa._condensed import as_condensed, n_items_of


def square_of(n: int, rng: np.random.Generator) -> np.ndarray:
    return distance.squareform(rng.random(n * (n - 1) // 2))


@pytest.mark.parametrize("n", [2, 3, 4, 7, 92])
def test_condense_and_squareform_are_scipys(n, rng):
    square = square_of(n, rng)
    assert np.array_equal(condense(square), distance.squareform(square))
    assert np.array_equal(squareform(condense(square)), square)


def test_leading_axes(rng):
    stack = np.stack([[square_of(5, rng) for _ in range(3)] for _ in range(2)])
    condensed = condense(stack)
    assert condensed.shape == (2, 3, 10)
    assert np.array_equal(condensed[1, 2], distance.squareform(stack[1, 2]))
    assert np.array_equal(squareform(condensed), stack)


def test_inputs_are_not_written_to(rng, readonly):
    square = readonly(square_of(5, rng))
    condensed = readonly(condense(square))
    squareform(condensed)
    RDM(square)
    RDM(condensed)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float16, np.float32, np.longdouble])
def test_any_real_dtype_becomes_float64_but_float32_stays(dtype):
    square = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).astype(dtype)
    assert condense(square).dtype == (np.float32 if dtype is np.float32 else np.float64)
    assert condense(square).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("pairs", [1, 3, 6, 4186, 1_717_731, 4_999_950_000])
def test_n_items_of(pairs):
    n = n_items_of(pairs)
    assert n * (n - 1) // 2 == pairs


@pytest.mark.parametrize("pairs", [0, 2, 4, 5, 4185, 4_999_950_001])
def test_n_items_of_other_lengths(pairs):
    with pytest.raises(ValueError, match=rf"has {pairs} values in its last axis, which is not n\(n-1\)/2"):
        n_items_of(pairs)


@pytest.mark.parametrize("diagonal", [0.0, np.nan])
def test_diagonal_may_be_zero_or_nan(diagonal):
    square = np.array([[diagonal, 1, 2], [1, diagonal, 3], [2, 3, diagonal]])
    assert condense(square).tolist() == [1.0, 2.0, 3.0]
    assert RDM(square).values.tolist() == [1.0, 2.0, 3.0]


def test_rounding_of_float32_files_passes(rng):
    square = square_of(20, rng) * 1000
    noisy = (square + rng.normal(scale=1e-5, size=square.shape)).astype(np.float32)
    assert np.allclose(condense(noisy), condense(square), atol=1e-3)


def test_rounding_is_relative_to_each_rdm(rng):
    # in a stack of different units, the largest must not excuse the smallest
    stack = np.stack([square_of(5, rng) * 1e9, square_of(5, rng)])
    assert np.array_equal(squareform(condense(stack)), stack)
    crooked = stack.copy()
    crooked[1, 0, 1] += 0.5
    with pytest.raises(ValueError, match=r"not symmetric: entries \(0, 1\) and \(1, 0\)"):
        condense(crooked)
    similar = stack + np.array([0, 1])[:, None, None] * np.eye(5)
    with pytest.raises(ValueError, match="zero diagonal"):
        condense(similar)


BAD = {
    "not square": (np.zeros((3, 4)), "must be square in its last two axes"),
    "one axis": (np.zeros(6), "must be square in its last two axes"),
    "asymmetric": ([[0, 1, 2], [1, 0, 3], [2.5, 3, 0]], r"not symmetric: entries \(0, 2\) and \(2, 0\)"),
    "asymmetric NaN": ([[0, 1, 2], [1, 0, 3], [np.nan, 3, 0]], "not symmetric"),
    "similarity": ([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]], "zero diagonal.*largest diagonal entry is 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_condense_refuses(case):
    array, sentence = BAD[case]
    with pytest.raises(ValueError, match=sentence):
        condense(array)


def test_a_similarity_matrix_of_three_items_is_no_stack():
    with pytest.raises(ValueError, match=r"zero diagonal.*If these are 3 condensed RDMs of 3 items, name the leading"):
        RDM(np.array(BAD["similarity"][0]))


@pytest.mark.parametrize(("shape", "n_items"), [((3, 3), 3), ((6, 6), 4), ((10, 10), 5), ((15, 15), 6), ((2, 6, 6), 4)])
def test_stacks_that_look_square_need_their_axes_named(shape, n_items, rng):
    stack = rng.random(shape)
    with pytest.raises(ValueError, match=rf"If these are {shape[-2]} condensed RDMs of {n_items} items"):
        RDM(stack)
    named = RDM(stack, dims=[f"axis {i}" for i in range(len(shape) - 1)])
    assert named.n_items == n_items
    assert np.array_equal(named.values, stack)


def test_dims_tell_a_square_from_a_stack(rng):
    square = square_of(6, rng)
    assert RDM(square, dims=[]).n_items == RDM(square).n_items == 6
    with pytest.raises(ValueError, match=r"ends in square matrices, shape \(6, 6\): that leaves 0 leading axes"):
        RDM(square, dims=["subject"])
    assert RDM(np.zeros((6, 6)), dims=["subject"]).n_items == 4


@pytest.mark.parametrize("columns", [90, 91, 93, 94])
def test_a_square_that_lost_columns_is_named_as_such(columns, rng):
    table = np.pad(square_of(92, rng), ((0, 0), (0, 2)))[:, :columns]
    with pytest.raises(ValueError, match=rf"must be square in its last two axes; got shape \(92, {columns}\)"):
        RDM(table)


def test_a_square_that_lost_its_first_column_is_named_as_such(rng):
    with pytest.raises(ValueError, match="must be square"):
        RDM(square_of(92, rng)[:, 1:])


def test_92_rdms_of_14_items_are_a_stack(rng):
    assert RDM(rng.random((92, 91))).n_items == 14


@pytest.mark.parametrize("empty", [[], np.zeros((0, 3)), np.zeros((0, 0)), 3.0])
def test_empty(empty):
    with pytest.raises(ValueError, match="is empty"):
        as_condensed("the RDM", empty)


@pytest.mark.parametrize("small", [[[0.0]], np.zeros((4, 1, 1))])
def test_fewer_than_two_items(small):
    with pytest.raises(ValueError, match=r"has 1 item\(s\); at least 2"):
        RDM(small)


def test_a_column_may_be_one_rdm_or_many_of_two_items(rng):
    values = rng.random((6, 1))
    with pytest.raises(ValueError, match=r"values is a column, shape \(6, 1\): give the pairs of one RDM as a row"):
        RDM(values)
    assert (RDM(values.T).n_items, RDM(values[:, 0]).n_items) == (4, 4)
    assert (RDM(values, dims=["time"]).n_items, RDM(values, dims=["time"]).shape) == (2, (6,))


NOT_NUMBERS = {
    "ragged": ([[0, 1], [1]], "different lengths"),
    "object": (np.array([1.0, None, 2.0]), "dtype object"),
    "text": (["a", "b", "c"], "dtype <U1"),
    "complex": ([1j, 2, 3], "dtype complex128"),
    "mixed": (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "must hold real numbers"),
    "dates": (np.array(["2020-01-01"] * 3, dtype="M8[D]"), "must hold real numbers"),
}


@pytest.mark.parametrize("case", NOT_NUMBERS)
@pytest.mark.parametrize("function", [condense, squareform, RDM])
def test_not_numbers(function, case):
    array, sentence = NOT_NUMBERS[case]
    with pytest.raises(TypeError, match=sentence):
        function(array)


def test_float16_that_overflowed():
    with pytest.raises(ValueError, match="float16 and holds infinities"):
        RDM(np.array([1, np.inf, 2], dtype=np.float16))


@pytest.mark.parametrize("x", [[1, np.inf, 2], [[0, np.inf, 1], [np.inf, 0, 2], [1, 2, 0]]])
def test_infinities(x):
    with pytest.raises(ValueError, match="holds infinities"):
        RDM(x)
