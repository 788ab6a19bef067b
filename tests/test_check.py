"""The sentences for bad input: what is wrong, what came, what to do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alignkit import _check


def test_names_are_quoted_and_cut():
    assert _check.join_names(["a", 1]) == "'a', '1'"
    assert _check.join_names("abcdefg", limit=5) == "'a', 'b', 'c', 'd', 'e' and 2 more"
    assert _check.join_names([]) == ""


def test_values_are_shown_on_one_short_line():
    assert _check.shown("a\nb") == r"'a\nb'"
    assert _check.shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert len(_check.shown(np.arange(1000))) == 80
    with pytest.raises(ValueError, match=r"got array\(\[\['a', None\], \[\{\}, 1\]\], dtype=object\)\.$"):
        _check.check_choice("metric", np.array([["a", None], [{}, 1]], dtype=object), ("a",))


def test_choice():
    _check.check_choice("metric", "a", ("a", "b"))
    for bad in ("c", None, 1, ["a"]):
        with pytest.raises(ValueError, match=r"metric must be one of 'a', 'b'; got "):
            _check.check_choice("metric", bad, ("a", "b"))
    _check.check_nan_policy("omit")
    with pytest.raises(ValueError, match=r"nan_policy must be one of 'propagate', 'omit', 'raise'; got 'drop'"):
        _check.check_nan_policy("drop")


def test_count():
    assert _check.check_count("n", 3) == 3
    assert type(_check.check_count("n", np.int32(3))) is int
    for bad in (True, 3.0, "3", None):
        with pytest.raises(TypeError, match="n must be a whole number; got"):
            _check.check_count("n", bad)
    with pytest.raises(ValueError, match=r"n must be at least 1; got 0\."):
        _check.check_count("n", 0, minimum=1)


@pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_fraction_outside(bad):
    with pytest.raises(ValueError, match=r"f must lie between 0 and 1 \(exclusive\); got"):
        _check.check_fraction("f", bad)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_not_positive(bad):
    with pytest.raises(ValueError, match="t must be a finite number above 0; got"):
        _check.check_positive("t", bad)


@pytest.mark.parametrize("bad", ["0.5", None, True, [0.5], 0.5j])
def test_no_number(bad):
    for check in (_check.check_fraction, _check.check_positive):
        with pytest.raises(TypeError, match="x must be a number; got"):
            check("x", bad)


def test_numbers_pass():
    assert _check.check_fraction("f", np.float32(0.5)) == 0.5
    assert _check.check_positive("t", 3) == 3.0


# --- arrays


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint16, np.int64, np.bool_]),
        hnp.array_shapes(max_dims=3, max_side=4),
    )
)
def test_numeric_arrays_become_float64_unchanged(array):
    if array.dtype == np.float16 and np.isinf(array).any():
        return
    with np.errstate(invalid="ignore"):  # signalling NaN
        result = _check.as_float_array("x", array)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, array.astype(np.float64))


def test_float64_is_not_copied_and_read_only_is_fine(readonly):
    x = readonly(np.arange(4.0))
    assert np.shares_memory(_check.as_float_array("x", x), x)


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        None,
        {"a": 1},
        [1, "a"],
        [None, 1.0],
        np.array([1, "a"], dtype=object),
        [1j],
        np.array(["2020-01-01"], "M8[D]"),
    ],
)
def test_what_is_not_real_numbers_is_refused(bad):
    with pytest.raises(TypeError, match="x must hold real numbers of one dtype; got dtype"):
        _check.as_float_array("x", bad)


def test_ragged_rows_are_refused():
    with pytest.raises(TypeError, match="x must be a rectangular numeric array; its rows have different lengths"):
        _check.as_float_array("x", [[1, 2], [3]])


def test_overflown_float16_is_explained():
    with pytest.raises(ValueError, match=r"x is float16 and holds infinities: values above 65504 overflowed"):
        _check.as_float_array("x", np.array([1, np.inf], dtype=np.float16))
    assert np.isinf(_check.as_float_array("x", np.array([np.inf], dtype=np.float32))).all()


def test_wrong_number_of_axes():
    with pytest.raises(ValueError, match=r"x must have 2 axes; got shape \(3,\)"):
        _check.as_float_array("x", [1, 2, 3], ndim=2)


def test_masked_entries_are_missing():
    masked = np.ma.array([1.0, 99.0, 3.0], mask=[False, True, False])
    np.testing.assert_array_equal(_check.as_float_array("x", masked), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(masked.data, [1.0, 99.0, 3.0])


def test_tensors_that_numpy_cannot_read_give_a_sentence():
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(_check.as_float_array("x", torch.arange(3)), [0, 1, 2])
    with pytest.raises(TypeError, match=r"x cannot be read as an array \(.*requires grad"):
        _check.as_float_array("x", torch.zeros(3, requires_grad=True))
    with pytest.raises(TypeError, match=r"x cannot be read as an array \(.*requires grad"):
        _check.as_float_array("x", torch.zeros(3, requires_grad=True, dtype=torch.bfloat16))


def test_tensors_of_a_kind_numpy_lacks_keep_their_numbers():
    torch = pytest.importorskip("torch")
    numbers = [1.0, -2.5, 256.0]  # exact in eight bits
    for dtype in (torch.bfloat16, torch.float8_e5m2):
        np.testing.assert_array_equal(_check.as_float_array("x", torch.tensor(numbers).to(dtype)), numbers)


# --- labels


def test_labels_are_texts_in_one_normal_form():
    assert _check.as_labels("labels", ["cafe\u0301", 3, np.str_("x"), b"dog"]) == ("café", "3", "x", "dog")
    assert _check.as_labels("labels", np.array(["a", "b"]), 2) == ("a", "b")
    assert _check.as_labels("labels", ["a", "a"], unique=False) == ("a", "a")


def test_names_of_files_that_are_no_text():
    with pytest.raises(ValueError, match=r"labels holds 'a\\udcff\.png' at position 1, .* not valid UTF-8; rename it"):
        _check.as_labels("labels", ["b.png", b"a\xff.png".decode("utf-8", "surrogateescape")])


def test_two_spellings_of_one_label_are_duplicates():
    with pytest.raises(ValueError, match="labels must be unique; repeated: 'café'"):
        _check.as_labels("labels", ["cafe\u0301", "café", "x"])


@pytest.mark.parametrize("bad", ["cat", b"cat", 5, None, {"cat", "dog"}, frozenset("ab"), np.array("cat")])
def test_no_sequence_of_labels(bad):
    with pytest.raises(TypeError, match="labels must be a sequence of labels, one per item; got"):
        _check.as_labels("labels", bad)


@pytest.mark.parametrize("bad", [[["a"], ["b"]], np.array([["a", "b"]]), [{"a": 1}]])
def test_nested_labels(bad):
    with pytest.raises(TypeError, match="labels must be a flat sequence of labels; position 0 holds"):
        _check.as_labels("labels", bad)


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan])
def test_missing_labels(missing):
    with pytest.raises(ValueError, match=r"labels holds a missing label \((None|nan)\) at position 1"):
        _check.as_labels("labels", ["a", missing])


def test_a_missing_cell_of_a_table_is_a_missing_label():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="missing label"):
        _check.as_labels("labels", pd.Series(["a", None], dtype="string"))


def test_number_emptiness_and_uniqueness_of_labels():
    with pytest.raises(ValueError, match="expected 3, got 2"):
        _check.as_labels("labels", ["a", "b"], 3)
    with pytest.raises(ValueError, match="labels holds an empty label at position 1"):
        _check.as_labels("labels", ["a", ""])
    with pytest.raises(ValueError, match="repeated: 'a', 'b'"):
        _check.as_labels("labels", ["a", "b", "a", "b", "c"])


def test_different_items_are_named():
    _check.check_same_labels("A", ["x", "y"], "B", ["y", "x"])
    with pytest.raises(ValueError, match=r"A and B do not hold the same items \(only in A: 'x'; only in B: 'z'\)"):
        _check.check_same_labels("A", ["x", "y"], "B", ["y", "z"])


# --- squares


def square(n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.random((n, n))
    return np.triu(x, 1) + np.triu(x, 1).T


def test_squares_pass_with_rounding_nan_and_infinity(rng):
    x = square(5, rng)
    x[0, 1] = x[1, 0] = np.inf
    x[2, 3] = x[3, 2] = np.nan
    np.fill_diagonal(x, np.nan)
    _check.check_square("x", x)
    _check.check_square("x", square(5, rng).astype(np.float32).astype(np.float64) + 1e-9)
    _check.check_square("x", np.zeros((2, 4, 4)))


@pytest.mark.parametrize("value", [5.0, np.nan, np.inf, -np.inf])
def test_asymmetry_is_located(rng, value):
    x = square(5, rng)
    x[1, 3] = value
    if value == -np.inf:
        x[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"x is not symmetric: entries \(1, 3\) and \(3, 1\) differ"):
        _check.check_square("x", x)


def test_no_square_and_no_zero_diagonal(rng):
    with pytest.raises(ValueError, match=r"x must be square in its last two axes; got shape \(2, 3\)"):
        _check.check_square("x", np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"zero diagonal; its largest diagonal entry is 1\..*for example 1 - x"):
        _check.check_square("x", square(4, rng) + np.eye(4))


def test_finite_and_enough_items():
    _check.check_finite("x", np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"x holds 2 NaN or infinite value\(s\), the first at index \(0, 1\)"):
        _check.check_finite("x", np.array([[0, np.nan], [np.inf, 0]]))
    with pytest.raises(ValueError, match=r"x has 2 item\(s\); at least 3 are needed"):
        _check.check_n_items("x", 2)


# --- extras


def test_a_missing_package_names_the_extra():
    assert _check.require("json.decoder", "train").__name__ == "json.decoder"
    with pytest.raises(ImportError, match=r"needs the package 'no_such_package'.*pip install 'alignkit\[train\]'"):
        _check.require("no_such_package.module", "train")


def test_labels_that_differ_by_file_endings_say_so():
    with pytest.raises(ValueError, match=r"only in a: 'x/cat\.png'.* agree without folders and file endings"):
        _check.check_same_labels("a", ["x/cat.png", "dog"], "b", ["dog", "cat"])
    with pytest.raises(ValueError, match="on_mismatch='intersect'"):
        _check.check_same_labels("a", ["cat.png"], "b", ["dog"])
