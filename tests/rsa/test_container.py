from __future__ import annotations

import copy
import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.rsa import RDM
from alignkit.rsa._container import condensed_rdm, pair_index

LABELS = ("ant", "bee", "cat", "dog", "emu")


@pytest.fixture
def stack(rng) -> RDM:
    coords = {"subject": ["s1", "s2"], "time": [-0.1, 0.0, 0.1]}
    return RDM(
        rng.random((2, 3, 10)),
        LABELS,
        dims=["subject", "time"],
        coords=coords,
        metric="correlation",
        provenance={"lab": "x"},
    )


def test_fields(stack):
    assert (stack.n_items, stack.n_pairs, stack.shape, len(stack)) == (5, 10, (2, 3), 2)
    assert stack.labels == LABELS
    assert stack.dims == ("subject", "time")
    assert RDM(np.ones((4, 3))).dims == ("rdm",)
    assert RDM(np.ones((2, 4, 3))).dims == ("axis_0", "axis_1")
    with pytest.raises(TypeError, match="a single RDM has no length"):
        len(RDM([1, 2, 3]))


def test_repr_is_one_line(stack):
    assert repr(stack) == "<RDM 5 items (ant, bee, cat, ...), subject: 2, time: 3, metric: correlation>"
    assert repr(RDM([1, np.nan, 3])) == "<RDM 3 items (unlabelled), metric: None, 1 NaN>"
    assert repr(RDM([1, 2, 3], ["abc", "b", "c"])) == "<RDM 3 items (abc, b, c), metric: None>"


# ---- nothing changes behind its back ---------------------------------------------------------------------------------


def test_values_are_read_only_and_their_own(rng):
    source = rng.random(10)
    kept = source.copy()
    a = RDM(source)
    source[:] = -1
    assert np.array_equal(a.values, kept)
    assert source.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        a.values[0] = 0


def test_a_view_of_a_buffer_is_copied_too(rng):
    buffer = bytearray(rng.random(10).tobytes())
    a = RDM(np.frombuffer(buffer))
    kept = a.values.copy()
    buffer[:8] = bytes(8)
    assert np.array_equal(a.values, kept)


def test_read_only_arrays_are_not_copied(rng, readonly):
    source = readonly(rng.random(10))
    assert np.shares_memory(RDM(source).values, source)


def test_coordinates_are_read_only_and_their_own():
    names = np.array(["s1", "s2"])
    a = RDM(np.ones((2, 3)), dims=["subject"], coords={"subject": names})
    names[0] = "other"
    assert a.coords["subject"].tolist() == ["s1", "s2"]
    with pytest.raises(ValueError, match="read-only"):
        a.coords["subject"][0] = "x"


def test_provenance_is_json_of_its_own(tmp_path):
    given_ = {"n": np.int64(3), "where": tmp_path, "list": [1, 2], "what": set}
    a = RDM([1, 2, 3], provenance=given_)
    given_["list"].append(3)
    assert a.provenance == {"n": 3, "where": str(tmp_path), "list": [1, 2], "what": "<class 'set'>"}


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(stack, clone):
    other = clone(stack)
    assert np.array_equal(other.values, stack.values)
    assert (other.labels, other.dims, other.metric) == (stack.labels, stack.dims, stack.metric)


# ---- labels, dims, coordinates ---------------------------------------------------------------------------------------


def test_labels_of_any_kind_become_normalised_text():
    assert RDM([1, 2, 3], [1, 2, 3]).labels == ("1", "2", "3")
    assert RDM([1, 2, 3], np.array([b"a", b"b", b"c"])).labels == ("a", "b", "c")
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert RDM([1, 2, 3], [decomposed, "日本", "ß"]).labels == (composed, "日本", "ß")


BAD_LABELS = {
    "duplicate": (["a", "b", "a"], ValueError, "must be unique; repeated: 'a'"),
    "duplicate once normalised": (["caf\u00e9", "cafe\u0301", "x"], ValueError, "must be unique"),
    "too few": (["a", "b"], ValueError, "expected 3, got 2"),
    "empty": (["a", "", "c"], ValueError, "empty label at position 1"),
    "one string": ("abc", TypeError, "got the single string 'abc'"),
    "one number": (3, TypeError, "must be a sequence of labels"),
    "missing": (["a", None, "c"], ValueError, "missing label"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case):
    labels, kind, sentence = BAD_LABELS[case]
    with pytest.raises(kind, match=sentence):
        RDM([1, 2, 3], labels)


# ---- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 4, 9])
def test_pair_index_counts_in_row_major_order(n):
    i, j = np.array(list(combinations(range(n), 2))).T
    expected = np.arange(n * (n - 1) // 2)
    assert np.array_equal(pair_index(i, j, n), expected)
    assert np.array_equal(pair_index(j, i, n), expected)


@given(st.permutations(range(7)), st.integers(3, 7))
def test_take_is_indexing_of_the_square(order, k):
    a = RDM(np.random.default_rng(0).random((2, 21)))
    items = order[:k]
    assert np.array_equal(a.take(items).squareform(), a.squareform()[:, items][:, :, items])
    negative = [i - 7 for i in items]
    assert np.array_equal(a.take(negative).values, a.take(items).values)


def test_take_by_mask(stack):
    mask = np.array([True, False, True, True, False])
    part = stack.take(mask)
    assert part.labels == ("ant", "cat", "dog")
    assert np.array_equal(part.values, stack.take([0, 2, 3]).values)


BAD_ITEMS = {
    "beyond": ([0, 1, 5], ValueError, "must lie between 0 and 4; got 5"),
    "before": ([0, 1, -6], ValueError, "must lie between 0 and 4; got -6"),
    "repeated": ([0, 1, 2, 1], ValueError, "repeated in the selection"),
    "repeated by sign": ([0, 1, 4, -1], ValueError, "repeated in the selection"),
    "few": ([1], ValueError, "the selection has 1 item"),
    "none": ([], ValueError, "the selection is empty"),
    "fractions": ([0.5, 1, 2], TypeError, "whole-number positions, or a mask of 5 booleans"),
    "texts": (["ant", "bee", "cat"], TypeError, "whole-number positions"),
    "short mask": ([True, False, True], TypeError, "a mask of 5 booleans"),
    "one number": (2, TypeError, "must be a sequence of positions"),
    "table": ([[0, 1, 2]], TypeError, "whole-number positions"),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
@pytest.mark.parametrize("labels", [None, LABELS])
def test_bad_items(case, labels, rng):
    items, kind, sentence = BAD_ITEMS[case]
    with pytest.raises(kind, match=sentence):
        RDM(rng.random(10), labels).take(items)


def test_select(stack):
    part = stack.select(["emu", "ant", "cat"])
    assert part.labels == ("emu", "ant", "cat")
    assert np.array_equal(part.squareform()[..., 0, 1], stack.squareform()[..., 4, 0])
    assert (part.dims, part.metric, part.provenance) == (stack.dims, stack.metric, stack.provenance)
    accented = RDM([1, 2, 3], ["caf\u00e9", "b", "c"])
    assert accented.select(["c", "b", "cafe\u0301"]).values.tolist() == [3, 2, 1]


def test_bad_selections(stack):
    with pytest.raises(ValueError, match="does not hold 'elk', 'fox'"):
        stack.select(["ant", "elk", "fox"])
    with pytest.raises(ValueError, match="must be unique; repeated: 'ant'"):
        stack.select(["ant", "ant", "bee"])
    with pytest.raises(TypeError, match="single string"):
        stack.select("ant")
    with pytest.raises(ValueError, match="this RDM has no labels"):
        RDM([1, 2, 3]).select(["a", "b", "c"])


def test_isel(stack):
    one = stack.isel(subject=1, time=-1)
    assert (one.dims, one.coords, one.shape) == ((), {}, ())
    assert np.array_equal(one.values, stack.values[1, 2])
    some = stack.isel(time=[2, 0])
    assert np.array_equal(some.values, stack.values[:, [2, 0]])
    assert some.coords["time"].tolist() == [0.1, -0.1]
    assert np.array_equal(stack.isel(time=slice(1, None)).values, stack.values[:, 1:])
    assert np.array_equal(stack.isel(subject=np.array([False, True])).values, stack.values[1:])
    assert stack.isel(subject=np.int64(0)).dims == ("time",)
    assert stack.isel(subject=np.array(0)).dims == ("time",)


def test_sel(stack):
    assert np.array_equal(stack.sel(subject="s2", time=0.1).values, stack.values[1, 2])
    assert np.array_equal(stack.sel(time=[0.1, -0.1]).values, stack.values[:, [2, 0]])
    sessions = RDM(np.ones((2, 3)), dims=["session"], coords={"session": [1, 2]})
    assert sessions.sel(session=2).shape == sessions.sel(session=np.int8(2)).shape == ()


BAD_PARTS = {
    "no such axis": (lambda a: a.isel(session=0), ValueError, "the axis must be one of 'subject', 'time'"),
    "beyond": (lambda a: a.isel(subject=2), ValueError, "subject must lie between 0 and 1; got 2"),
    "bool": (lambda a: a.isel(subject=True), TypeError, "subject must be whole-number positions"),
    "fraction": (lambda a: a.isel(subject=0.5), TypeError, "subject must be whole-number positions"),
    "nothing": (lambda a: a.isel(time=[]), ValueError, "time: the selection is empty"),
    "empty slice": (lambda a: a.isel(time=slice(3, None)), ValueError, "is empty"),
    "unknown name": (lambda a: a.sel(subject="s9"), ValueError, "subject: 's9' is not one of 's1', 's2'"),
    "single": (lambda a: a.isel(subject=0, time=0).isel(subject=0), ValueError, "a single RDM has no leading axes"),
    "no coordinates": (lambda a: RDM(a.values).sel(axis_0=1), ValueError, r"no coordinates; use isel\(axis_0="),
    "mean over nothing": (lambda a: a.mean("session"), ValueError, "the axis must be one of"),
}


@pytest.mark.parametrize("case", BAD_PARTS)
def test_bad_parts(stack, case):
    take, kind, sentence = BAD_PARTS[case]
    with pytest.raises(kind, match=sentence):
        take(stack)


def test_sel_of_a_name_that_occurs_twice():
    a = RDM(np.ones((2, 3)), dims=["model"], coords={"model": ["x", "x"]})
    with pytest.raises(ValueError, match="'x' occurs 2 times; use isel"):
        a.sel(model="x")


def test_mean(stack):
    mean = stack.mean("subject")
    assert np.array_equal(mean.values, (stack.values[0] + stack.values[1]) / 2)
    assert mean.dims == ("time",)
    assert list(mean.coords) == ["time"]
    assert np.isnan(RDM([[1, np.nan, 2], [1, 2, 3], [0, 0, 1], [1, 1, 1]]).mean("rdm").values).tolist() == [0, 1, 0]


def test_parts_of_stacks_that_look_square(rng):
    # 6 subjects, 4 items: (6, 6); NaN and zeros in the "diagonal" must not make it a square either
    for values in (rng.random((6, 6)), np.full((6, 6), np.nan), np.zeros((6, 6))):
        a = RDM(values, dims=["subject"])
        assert a.isel(subject=slice(None)).n_items == 4
        assert a.take([3, 2, 1, 0]).n_items == 4
        assert RDM(np.stack([values, values]), dims=["session", "subject"]).mean("session").n_items == 4


def test_replace(stack):
    ranks = stack.replace(-stack.values, metric="negative")
    assert np.array_equal(ranks.values, -stack.values)
    assert (ranks.labels, ranks.dims, ranks.metric) == (LABELS, stack.dims, "negative")
    with pytest.raises(ValueError, match="labels"):
        stack.replace(np.ones((2, 3, 3)))


def test_condensed_rdm_checks_what_files_may_break():
    with pytest.raises(ValueError, match="which is not n"):
        condensed_rdm(np.ones(4))
    with pytest.raises(ValueError, match="is empty"):
        condensed_rdm(np.ones(0))
    with pytest.raises(ValueError, match="is empty"):
        condensed_rdm(np.array(1.0))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"metric": 5}, "metric must be a text that says what the dissimilarities are; got 5"),
        ({"provenance": [1]}, r"provenance must be a mapping of names to values; got \[1\]"),
        ({"provenance": np.ones(3)}, "provenance must be a mapping"),
        ({"dims": 1}, "dims must be a list of names"),
        ({"dims": [1]}, "dims must be a list of names"),
        ({"dims": {"a"}}, "dims must be a list of names"),
        ({"coords": ["a"]}, "coords must be a mapping of axis names"),
        ({"labels": {"a", "b", "c"}}, "labels must be a sequence of labels"),
    ],
)
def test_fields_of_the_wrong_kind(fields, sentence):
    with pytest.raises(TypeError, match=sentence):
        RDM([[1.0, 2.0, 3.0]], **fields)


def test_small_integers_select_many_items(rng):
    square = np.abs(rng.random(200)[:, None] - rng.random(200))
    square = square + square.T
    np.fill_diagonal(square, 0.0)
    rdm = RDM(square)
    for dtype in (np.int8, np.uint8):
        part = rdm.take(np.array([127, 0, 100], dtype=dtype))
        np.testing.assert_array_equal(part.squareform(), square[np.ix_([127, 0, 100], [127, 0, 100])])


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_as_read_only_as_the_original(how):
    rdms = RDM(np.arange(12.0).reshape(2, 6), list("abcd"), dims=["s"], coords={"s": ["x", "y"]}, metric="m")
    again = how(rdms)
    assert not again.values.flags.writeable
    assert not again.coords["s"].flags.writeable
    assert (again.labels, again.dims, again.metric) == (rdms.labels, rdms.dims, rdms.metric)
    assert np.array_equal(again.values, rdms.values)
    assert again.coords["s"].tolist() == ["x", "y"]


def test_long_labels_do_not_fill_the_screen():
    text = repr(RDM([1.0, 2.0, 3.0], labels=["a" * 24, "b" * 25, "c" * 500]))
    assert f"({'a' * 24}, {'b' * 21}..., {'c' * 21}...)" in text


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_slices_may_run_backwards(kind):
    values = np.arange(18.0).reshape(3, 6)
    if kind == "tensor":
        values = pytest.importorskip("torch").from_numpy(values)
    result = RDM(values, dims=["time"], coords={"time": [1, 2, 3]}).isel(time=slice(None, None, -2))
    assert result.coords["time"].tolist() == [3, 1]
    assert np.array_equal(np.asarray(result.values)[:, 0], [12.0, 0.0])


def test_sel_takes_the_nearest_within_a_tolerance_and_ranges(rng):
    times = np.arange(-13, 39) / 128
    a = RDM(rng.random((2, 52, 6)), dims=["subject", "time"], coords={"subject": ["s1", "s2"], "time": times})
    near = int(np.abs(times - 0.1).argmin())
    assert np.array_equal(a.sel(time=0.1, tolerance=0.005).values, a.values[:, near])
    assert np.array_equal(a.sel(subject="s2", time=[0.1, 0], tolerance=0.005).values, a.values[1, [near, 13]])
    part = a.sel(time=slice(0, 0.25))
    assert np.array_equal(part.coords["time"], times[13:46])  # both ends included
    assert np.array_equal(part.values, a.values[:, 13:46])
    assert a.sel(time=slice(None, None)).shape == a.shape
    shuffled = RDM(rng.random((3, 6)), dims=["time"], coords={"time": [0.3, 0.1, 0.2]})
    assert np.array_equal(shuffled.sel(time=slice(0.15, 0.1 + 0.2)).values, shuffled.values[[0, 2]])
    for names, sentence in (
        ({"time": 0.1}, r"'0.1' is not one of .*; the nearest is 0.1015625 \(a wider tolerance= takes it\)\."),
        ({"time": 0.1, "tolerance": 0.001}, "the nearest is 0.1015625"),
        ({"time": 0.1, "tolerance": -1}, "tolerance must be a number of at least 0"),
        ({"time": slice(0.5, 0.6)}, "none lies from 0.5 to 0.6; they go from -0.101562 to 0.296875"),
        ({"time": slice(0, 0.2, 2)}, "from one number to another, without a step"),
        ({"subject": slice("s1", "s2")}, "from one number to another"),
    ):
        with pytest.raises(ValueError, match=sentence):
            a.sel(**names)
