from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alignkit.rsa import RDM, compare, squareform

LABELS = ("zebra", "café", "日本", "ant")


@pytest.fixture
def stack(rng) -> RDM:
    values = rng.random((2, 3, 6))
    values[1, 2, 4] = np.nan
    coords = {"subject": ["s2", "s1"], "time": [-0.1, 0.0, 0.1]}
    provenance = {"normalize": False, "noise": None, "run": [1, 2]}
    return RDM(values, LABELS, dims=["subject", "time"], coords=coords, metric="cosine", provenance=provenance)


def assert_same(a: RDM, b: RDM) -> None:
    assert np.array_equal(a.values, b.values, equal_nan=True)
    assert a.labels == b.labels
    assert a.dims == b.dims
    assert {k: v.tolist() for k, v in a.coords.items()} == {k: v.tolist() for k, v in b.coords.items()}
    assert a.metric == b.metric
    assert a.provenance == b.provenance


# ---- xarray ----------------------------------------------------------------------------------------------------------


def test_xarray_round_trip(stack):
    array = stack.to_xarray()
    assert array.dims == ("subject", "time", "item", "item_2")
    assert array.sel(subject="s1", time=0.1, item="ant", item_2="zebra").item() == stack.values[1, 2, 2]
    assert_same(RDM.from_xarray(array), stack)


def test_xarray_round_trip_of_an_unlabelled_rdm(rng):
    for values in (rng.random(6), rng.random((6, 6))):
        a = RDM(values, dims=["subject"][: values.ndim - 1])
        assert_same(RDM.from_xarray(a.to_xarray()), a)


def test_xarray_columns_in_another_order_are_matched(stack):
    array = stack.to_xarray().isel(item_2=[3, 1, 0, 2])
    assert_same(RDM.from_xarray(array), stack)


def test_xarray_attributes_can_be_written_to_netcdf(stack):
    attrs = stack.to_xarray().attrs
    assert all(isinstance(value, str) for value in attrs.values())
    assert RDM([1, 2, 3]).to_xarray().attrs == {}


def test_foreign_dataarray():
    array = xr.DataArray(squareform([1, 2, 3]), dims=("stim", "stim2"), attrs={"provenance": "a paper", "n": 3})
    a = RDM.from_xarray(array)
    assert (a.labels, a.metric, a.provenance) == (None, None, {"provenance": "a paper", "n": 3})


def test_bad_dataarrays(stack):
    with pytest.raises(ValueError, match="must end in two dims of items"):
        RDM.from_xarray(xr.DataArray(np.ones(3)))
    array = stack.to_xarray().assign_coords(item_2=["zebra", "café", "日本", "elk"])
    with pytest.raises(ValueError, match=r"do not hold the same items.*'ant'.*'elk'"):
        RDM.from_xarray(array)
    with pytest.raises(ValueError, match="must be square in its last two dims; got sizes"):
        RDM.from_xarray(stack.to_xarray().isel(item_2=slice(3)).drop_vars(["item", "item_2"]))


# ---- pandas ----------------------------------------------------------------------------------------------------------


def test_dataframe_round_trip(stack):
    table = stack.to_dataframe()
    assert table.columns.tolist() == ["subject", "time", "item_a", "item_b", "dissimilarity"]
    row = table[(table.subject == "s1") & (table.time == 0.0) & (table.item_a == "zebra") & (table.item_b == "ant")]
    assert row.dissimilarity.item() == stack.values[1, 1, 2]
    assert_same(RDM.from_dataframe(table), stack)


def test_dataframe_rows_in_any_order(stack):
    table = stack.to_dataframe().sample(frac=1, random_state=3).reset_index(drop=True)
    flip = table.index % 2 == 0  # (b, a) is the pair (a, b)
    table.loc[flip, ["item_a", "item_b"]] = table.loc[flip, ["item_b", "item_a"]].to_numpy()
    back = RDM.from_dataframe(table)
    assert back.coords["time"].tolist() == [-0.1, 0.0, 0.1]
    ordered = back.select(LABELS).sel(subject=["s2", "s1"])
    assert_same(ordered, stack)


def test_dataframe_through_csv(stack, tmp_path):
    stack.to_dataframe().to_csv(tmp_path / "rdm.csv", index=False)
    back = RDM.from_dataframe(pd.read_csv(tmp_path / "rdm.csv"))
    assert np.array_equal(back.values, stack.values, equal_nan=True)
    assert back.labels == stack.labels


def test_unlabelled_dataframe_round_trip(rng):
    a = RDM(rng.random((2, 10)))
    back = RDM.from_dataframe(a.to_dataframe().sample(frac=1, random_state=0))
    assert back.labels is None
    assert np.array_equal(back.values, a.values)
    one = RDM(a.values[0])
    assert_same(RDM.from_dataframe(one.to_dataframe()), one)


def test_numbers_that_are_not_positions_are_labels():
    table = pd.DataFrame({"item_a": [7, 7, 9], "item_b": [9, 12, 12], "dissimilarity": [1.0, 2.0, 3.0]})
    assert RDM.from_dataframe(table).labels == ("7", "9", "12")


def test_pairs_left_out_are_nan():
    table = RDM([1, 2, 3], ["a", "b", "c"]).to_dataframe().iloc[[0, 2]]
    assert np.array_equal(RDM.from_dataframe(table).values, [1, np.nan, 3], equal_nan=True)


def test_categorical_and_integer_columns():
    table = RDM([[1, 2, 3], [4, 5, 6]], list("abc"), dims=["run"], coords={"run": [10, 2]}).to_dataframe()
    table["item_a"] = table["item_a"].astype("category")
    back = RDM.from_dataframe(table)
    assert back.coords["run"].tolist() == [2, 10]
    assert back.values.tolist() == [[4, 5, 6], [1, 2, 3]]


def test_square_table(rng):
    a = RDM(rng.random(6), LABELS)
    table = pd.DataFrame(a.squareform(), LABELS, LABELS)
    assert_same(RDM.from_dataframe(table), a)
    assert_same(RDM.from_dataframe(table[["ant", "zebra", "日本", "café"]]), a)


BAD_TABLES = {
    "twice": (lambda t: pd.concat([t, t.iloc[[1]]]), "more than one dissimilarity for item_a a, item_b c"),
    "both ways": (
        lambda t: pd.concat([t, t.iloc[[1]].rename(columns={"item_a": "item_b", "item_b": "item_a"})]),
        "more than one dissimilarity",
    ),
    "itself": (lambda t: t.assign(item_b=["a", "c", "c"]), "zero diagonal"),
    "no item_b": (lambda t: t.drop(columns="item_b"), "a column must be one of .*; got 'item_b'"),
    "no values": (lambda t: t.drop(columns="dissimilarity"), "must have the columns item_a, item_b and dissimilarity"),
    "no rows": (lambda t: t.iloc[:0], "the table is empty"),
    "square, other names": (lambda t: pd.DataFrame(np.zeros((3, 3)), list("abc"), list("abd")), "'c'.*'d'"),
    "square, repeated": (lambda t: pd.DataFrame(np.zeros((3, 3)), list("aab"), list("aab")), "unique; repeated: 'a'"),
    "missing subject": (lambda t: t.assign(subject=["s", None, "s"]), "the column 'subject' has missing values"),
    "missing item": (lambda t: t.assign(item_a=["a", None, "b"]), "missing label"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(case):
    change, sentence = BAD_TABLES[case]
    with pytest.raises(ValueError, match=sentence):
        RDM.from_dataframe(change(RDM([1, 2, 3], list("abc")).to_dataframe()))


def test_text_in_the_values():
    table = RDM([1, 2, 3], list("abc")).to_dataframe().assign(dissimilarity=["x", "y", "z"])
    with pytest.raises(TypeError, match="the column dissimilarity must hold numbers"):
        RDM.from_dataframe(table)


# ---- rsatoolbox ------------------------------------------------------------------------------------------------------


@pytest.fixture
def rsatoolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports of optional packages
        return pytest.importorskip("rsatoolbox")


def test_rsatoolbox_round_trip(stack, rsatoolbox):
    theirs = stack.to_rsatoolbox()
    assert theirs.n_rdm == 6
    assert theirs.n_cond == 4
    assert np.array_equal(theirs.get_matrices().reshape(2, 3, 4, 4), stack.squareform(), equal_nan=True)
    assert theirs.rdm_descriptors["subject"] == ["s2"] * 3 + ["s1"] * 3
    back = RDM.from_rsatoolbox(theirs)
    assert_same(back, stack.replace(stack.values, provenance={}))


def test_rsatoolbox_does_not_share_memory(stack, rsatoolbox):
    stack.to_rsatoolbox().dissimilarities[:] = 0
    assert np.nanmin(stack.values) > 0


def test_rsatoolbox_one_axis_and_none(rng, rsatoolbox):
    people = RDM(rng.random((3, 6)), LABELS, dims=["subject"], coords={"subject": ["b", "a", "b"]})
    assert_same(RDM.from_rsatoolbox(people.to_rsatoolbox()), people)
    one = RDM(rng.random(6), LABELS, metric="m")
    back = RDM.from_rsatoolbox(one.to_rsatoolbox())
    assert (back.dims, back.shape, back.labels) == (("rdm",), (1,), LABELS)
    assert np.array_equal(back.values[0], one.values)


def test_rsatoolbox_labels_by_name(rng, rsatoolbox):
    theirs = rsatoolbox.rdm.RDMs(rng.random((2, 6)), pattern_descriptors={"stim": list(LABELS)})
    assert RDM.from_rsatoolbox(theirs).labels is None
    assert RDM.from_rsatoolbox(theirs, labels="stim").labels == LABELS
    with pytest.raises(ValueError, match="labels must be one of 'stim', 'index'; got 'conds'"):
        RDM.from_rsatoolbox(theirs, labels="conds")


def test_rsatoolbox_descriptors_that_are_no_grid(rng, rsatoolbox):
    descriptors = {"subject": [0, 0, 1], "session": [0, 1, 1]}
    back = RDM.from_rsatoolbox(rsatoolbox.rdm.RDMs(rng.random((3, 6)), rdm_descriptors=descriptors))
    assert (back.dims, back.shape) == (("rdm",), (3,))


# ---- all of them -----------------------------------------------------------------------------------------------------


def test_a_round_trip_compares_as_identical(stack):
    back = RDM.from_dataframe(stack.isel(subject=0, time=0).to_dataframe().sample(frac=1, random_state=1))
    assert float(compare(stack.isel(subject=0, time=0), back)) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("bad", [None, "a.csv", [[1, 2]], np.ones((3, 3))])
def test_something_else_than_a_table(bad):
    with pytest.raises(TypeError, match="xarray's DataArray is needed; got"):
        RDM.from_xarray(bad)
    with pytest.raises(TypeError, match="pandas's DataFrame is needed; got"):
        RDM.from_dataframe(bad)
    with pytest.raises(TypeError, match="rsatoolbox's RDMs is needed; got"):
        RDM.from_rsatoolbox(bad)
