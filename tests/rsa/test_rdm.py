from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.rsa import correlation_distance, crossnobis, pairwise

from alignkit.rsa import RDM, rdm

METRICS = ("correlation", "cosine", "euclidean", "sqeuclidean")
LABELS = ("ant", "bee", "cat", "dog", "emu", "fox")


@pytest.fixture
def x(rng) -> np.ndarray:
    return rng.normal(size=(6, 8))


# ---- what comes in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.longdouble])
def test_any_real_dtype_counts_as_float64(metric, dtype, rng, readonly):
    x = readonly(rng.integers(0, 2, size=(5, 12)).astype(dtype))
    result = rdm(x, metric=metric)
    assert result.values.dtype == np.float64
    assert np.array_equal(result.values, rdm(x.astype(np.float64), metric=metric).values)


@pytest.mark.parametrize("metric", METRICS)
def test_float32_is_computed_in_float64(metric, x):
    single = x.astype(np.float32)
    assert np.array_equal(rdm(single, metric=metric).values, rdm(single.astype(float), metric=metric).values)


def test_lists_and_fortran_order(x):
    expected = rdm(x).values
    assert np.array_equal(rdm(x.tolist()).values, expected)
    assert np.allclose(rdm(np.asfortranarray(x)).values, expected, rtol=0, atol=1e-15)
    assert np.allclose(rdm(np.repeat(x, 2, axis=1)[:, ::2]).values, expected, rtol=0, atol=1e-15)


def test_torch_tensors(x):
    torch = pytest.importorskip("torch")
    assert np.allclose(rdm(torch.from_numpy(x)).values.numpy(), rdm(x).values, rtol=0, atol=1e-15)


def test_two_channels():
    assert np.allclose(rdm([[0, 1], [2, 1], [5, 9]]).values, [2, 0, 2], rtol=0, atol=1e-15)


BAD = {
    "one axis": (np.ones(5), ValueError, r"x must have shape \(\.\.\., items, channels\)"),
    "no channels": (np.ones((5, 0)), ValueError, "at least one channel"),
    "no items": (np.ones((0, 5)), ValueError, "x must have shape"),
    "no stack": (np.ones((0, 4, 5)), ValueError, "x must have shape"),
    "one channel": (np.ones((5, 1)), ValueError, "undefined for a single channel; use metric='euclidean'"),
    "one item": (np.ones((1, 5)), ValueError, "x has 1 item"),
    "text": ([["a", "b"]] * 3, TypeError, "x must hold real numbers"),
    "ragged": ([[1, 2], [1], [2, 3]], TypeError, "different lengths"),
    "objects": (np.array([[1, None]] * 3), TypeError, "dtype object"),
    "complex": (np.ones((3, 4)) * 1j, TypeError, "complex"),
    "float16 overflow": (np.full((3, 4), np.inf, np.float16), ValueError, "overflowed when it was saved"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_patterns(case):
    x, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        rdm(x)


BAD_OPTIONS = {
    "metric": ({"metric": "manhattan"}, "metric must be one of 'correlation', 'cosine'.*got 'manhattan'"),
    "metric type": ({"metric": 3}, "metric must be one of"),
    "nan policy": ({"nan_policy": "drop"}, "nan_policy must be one of 'propagate', 'omit', 'raise'; got 'drop'"),
    "omit": ({"metric": "cityblock", "nan_policy": "omit"}, "only for the metrics correlation, cosine, euclidean and"),
    "folds": (
        {"folds": [1] * 6},
        "folds is only for the metrics crossnobis, .* and poisson_cv; got metric='correlation'",
    ),
    "cv": ({"cv": "fold-pairs"}, "cv is only for the metrics crossnobis, sqeuclidean_cv"),
    "noise": ({"noise": np.eye(8)}, "noise is only for the metrics mahalanobis, sqmahalanobis and crossnobis"),
    "no noise": ({"metric": "mahalanobis"}, "mahalanobis needs noise=.*without it use metric='euclidean'"),
    "no noise either": ({"metric": "sqmahalanobis"}, "without it use metric='sqeuclidean'"),
    "noise kind alone": ({"noise_kind": "covariance"}, "noise_kind='covariance' says what noise= is"),
    "p": ({"p": 3.0}, "p is only for metric='minkowski'"),
    "p value": ({"metric": "minkowski", "p": 0.0}, "p must be a finite number above 0; got 0.0"),
    "prior": ({"prior_weight": 1.0}, "prior_weight is only for the metrics poisson and poisson_cv"),
    "negative prior": ({"metric": "poisson", "prior_weight": -1.0}, "prior_weight must be a finite number of at least"),
    "floor": ({"variance_floor": 0.1}, "variance_floor is only for the metrics correlation_cv and cosine_cv"),
    "dtype": ({"dtype": "float16"}, "dtype must be one of 'float64', 'float32'; got 'float16'"),
    "normalize": ({"normalize": True}, "normalize=True is only for the metrics sqeuclidean"),
    "labels": ({"labels": ["a"]}, "labels must hold one label per item: expected 6, got 1"),
    "dims": ({"dims": ["subject"]}, r"dims must give 0 different name"),
    "crossnobis": ({"metric": "crossnobis"}, "crossnobis needs labels="),
    "crossnobis without folds": ({"metric": "crossnobis", "labels": LABELS}, "and folds="),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options(case, x):
    options, sentence = BAD_OPTIONS[case]
    with pytest.raises(ValueError, match=sentence):
        rdm(x, **options)


@pytest.mark.parametrize("name", ["labels", "folds"])
def test_a_string_is_no_sequence_of_labels(name, x):
    options = {"metric": "crossnobis", "labels": LABELS, "folds": [1] * 6, name: "abcdef"}
    with pytest.raises(TypeError, match=f"{name} must be a sequence of labels.*single string 'abcdef'"):
        rdm(x, **options)


# ---- what comes out --------------------------------------------------------------------------------------------------


def test_fields(x):
    result = rdm(np.stack([x, x]), metric="sqeuclidean", normalize=True, labels=LABELS, dims=["subject"])
    assert isinstance(result, RDM)
    assert (result.labels, result.dims, result.metric) == (LABELS, ("subject",), "sqeuclidean")
    assert result.provenance == {"normalize": True, "noise": None}
    assert np.allclose(result.values * 8, rdm(np.stack([x, x]), metric="sqeuclidean").values, rtol=1e-15)


def test_coordinates(x):
    result = rdm(np.stack([x, x]), dims=["time"], coords={"time": [0.1, 0.2]})
    assert result.sel(time=0.2).shape == ()


@pytest.mark.parametrize("metric", METRICS)
def test_leading_axes_equal_a_loop(metric, rng, readonly):
    x = readonly(rng.normal(size=(3, 2, 6, 5)))
    batch = rdm(x, metric=metric)
    assert batch.shape == (3, 2)
    for i in np.ndindex(3, 2):
        assert np.allclose(batch.values[i], rdm(x[i], metric=metric).values, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("n_rdms", "n_items"), [(3, 3), (6, 4), (10, 5), (15, 6), (21, 7)])
def test_as_many_rdms_as_pairs(n_rdms, n_items, rng):
    # the values are square then, and must not be taken for one RDM
    x = rng.normal(size=(n_rdms, n_items, 5))
    result = rdm(x)
    assert (result.shape, result.n_items) == ((n_rdms,), n_items)
    assert np.allclose(result.values[-1], rdm(x[-1]).values, atol=1e-15)


def test_three_equal_subjects_of_three_equal_items():
    assert rdm(np.ones((3, 3, 4)), metric="euclidean").shape == (3,)


def test_repeats_are_averaged_by_label_in_order_of_appearance(rng):
    trials = rng.normal(size=(2, 12, 5))
    labels = ["b10", "a", "b2", "a", "b10", "c", "b2", "a", "c", "b10", "c", "c"]
    result = rdm(trials, labels=labels)
    assert result.labels == ("b10", "a", "b2", "c")
    means = np.stack([trials[:, [k for k in range(12) if labels[k] == name]].mean(1) for name in result.labels], 1)
    for s in range(2):
        assert np.allclose(result.values[s], pairwise(means[s], correlation_distance), atol=1e-14)


def test_labels_may_be_an_iterator(x):
    assert rdm(x, labels=iter(LABELS)).labels == LABELS


# ---- crossnobis ------------------------------------------------------------------------------------------------------


def trials(rng, n_items: int = 4, n_folds: int = 3, n_channels: int = 6, unequal: bool = False):
    labels, folds = [], []
    for i in range(n_items):
        for f in range(n_folds):
            n = int(rng.integers(1, 5)) if unequal else 2
            labels += [f"c{i}"] * n
            folds += [f"run{f}"] * n
    order = rng.permutation(len(labels))
    x = rng.normal(size=(len(labels), n_channels)) + 5 * rng.normal(size=n_channels)
    return x, [labels[i] for i in order], [folds[i] for i in order]


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("n_folds", [2, 3, 5])
@pytest.mark.parametrize("with_precision", [False, True])
def test_crossnobis_equals_the_plain_loop(unequal, n_folds, with_precision, rng):
    x, labels, folds = trials(rng, n_folds=n_folds, unequal=unequal)
    root = rng.normal(size=(6, 6))
    precision = root @ root.T if with_precision else None
    result = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=precision)
    assert result.labels == tuple(dict.fromkeys(labels))
    assert np.allclose(result.values, crossnobis(x, labels, folds, precision), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("offset", [2.0**30, -(2.0**36)])
def test_crossnobis_far_from_the_origin_keeps_its_digits(offset, rng):
    labels, folds = list("abcd") * 5, [0] * 4 + [1] * 8 + [2] * 8  # so that folds weigh differently
    x = rng.integers(-500, 500, (20, 6)) / 64.0  # exact, also with the offset
    expected = rdm(x, metric="crossnobis", labels=labels, folds=folds).values
    moved = rdm(x + offset, metric="crossnobis", labels=labels, folds=folds).values
    assert np.allclose(moved, expected, rtol=1e-12, atol=1e-12)


def test_crossnobis_of_noise_is_negative_as_often_as_not(rng):
    x, labels, folds = trials(rng, n_items=20, n_channels=40)
    values = rdm(x, metric="crossnobis", labels=labels, folds=folds).values
    assert 0.3 < np.mean(values < 0) < 0.7


def test_crossnobis_of_noiseless_repeats_is_the_squared_distance(rng):
    items = rng.normal(size=(5, 8))
    labels = list("abcde") * 3
    folds = np.repeat([1, 2, 3], 5)
    values = rdm(np.tile(items, (3, 1)), metric="crossnobis", labels=labels, folds=folds).values
    assert np.allclose(values, rdm(items, metric="sqeuclidean", normalize=True).values, rtol=1e-13)


def test_crossnobis_batched_equals_a_loop(rng):
    x, labels, folds = trials(rng, unequal=True)
    stack = np.stack([x, 2 * x, rng.normal(size=x.shape)])
    batch = rdm(stack, metric="crossnobis", labels=labels, folds=folds, dims=["time"])
    assert batch.shape == (3,)
    for k in range(3):
        one = rdm(stack[k], metric="crossnobis", labels=labels, folds=folds).values
        assert np.allclose(batch.values[k], one, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-150, 1e-13, 1e13, 1e150])
def test_crossnobis_in_any_unit(scale, rng):
    x, labels, folds = trials(rng)
    expected = rdm(x, metric="crossnobis", labels=labels, folds=folds).values
    values = rdm(x * scale, metric="crossnobis", labels=labels, folds=folds).values
    assert np.allclose(values / scale / scale, expected, rtol=1e-10, atol=1e-13)


def test_crossnobis_with_an_offset_of_every_fold(rng):
    x, labels, folds = trials(rng, unequal=False)
    drift = {"run0": 1e6, "run1": -1e6, "run2": 0.0}
    shifted = x + np.array([drift[f] for f in folds])[:, None]
    expected = rdm(x, metric="crossnobis", labels=labels, folds=folds).values
    assert np.allclose(rdm(shifted, metric="crossnobis", labels=labels, folds=folds).values, expected, atol=1e-8)


BAD_NOISE = {
    "shape": (np.eye(5), ValueError, "noise is of 5 channels and the patterns have 6"),
    "axes": (np.ones(6), ValueError, "noise must have shape"),
    "asymmetric": (np.triu(np.ones((6, 6))), ValueError, "noise must be symmetric"),
    "asymmetric and tiny": (np.triu(np.ones((6, 6))) * 1e-12, ValueError, "noise must be symmetric"),
    "negative": (-np.eye(6), ValueError, "noise must be positive semi-definite; its eigenvalues lie between -1 and -1"),
    "indefinite": (np.diag([1.0, 1, 1, 1, 1, -1e-3]), ValueError, "positive semi-definite"),
    "zero": (np.zeros((6, 6)), ValueError, "positive semi-definite"),
    "folds": ([np.eye(6)] * 2, ValueError, "one matrix per fold: expected 3 .*, got 2"),
    "other folds": ({"run0": np.eye(6), "r1": np.eye(6)}, ValueError, r"no matrix for the fold\(s\) 'run\d', 'run\d'"),
    "NaN": (np.full((6, 6), np.nan), ValueError, "noise holds 36 NaN"),
    "text": (np.full((6, 6), "a"), TypeError, "noise must hold real numbers"),
}


@pytest.mark.parametrize("case", BAD_NOISE)
def test_bad_noise(case, rng):
    noise, kind, sentence = BAD_NOISE[case]
    x, labels, folds = trials(rng)
    with pytest.raises(kind, match=sentence):
        rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=noise)


# ---- undefined -------------------------------------------------------------------------------------------------------


def undefined_pairs(items: list[int], n: int = 6) -> np.ndarray:
    rows, columns = np.triu_indices(n, 1)
    return np.isin(rows, items) | np.isin(columns, items)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_spoil_their_item_only(metric, bad, x):
    expected = rdm(x, metric=metric).values
    x[1, 3] = x[4, 0] = bad
    with pytest.warns(RuntimeWarning, match="items with NaN or infinite values: 'bee', 'emu'. The values") as caught:
        values = rdm(x, metric=metric, labels=LABELS).values
    assert len(caught) == 1
    assert caught[0].filename == __file__
    where = undefined_pairs([1, 4])
    assert np.array_equal(np.isnan(values), where)
    assert np.allclose(values[~where], expected[~where], rtol=1e-13, atol=1e-15)
    with pytest.raises(ValueError, match="items with NaN or infinite values: 'bee', 'emu'"):
        rdm(x, metric=metric, labels=LABELS, nan_policy="raise")


def test_a_bad_item_costs_the_others_no_digits(rng):
    x = rng.normal(size=(6, 20)) + 1e7
    expected = rdm(x[1:], metric="euclidean").values
    x[0] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 0'"):
        values = rdm(x, metric="euclidean").take([1, 2, 3, 4, 5]).values
    assert np.allclose(values, expected, rtol=1e-12)


def test_constant_rows(x):
    x[2] = 7
    with pytest.warns(RuntimeWarning, match="constant patterns, whose correlation is undefined: 'cat'") as caught:
        values = rdm(x, labels=LABELS).values
    assert len(caught) == 1
    assert np.array_equal(np.isnan(values), undefined_pairs([2]))
    with pytest.raises(ValueError, match="'cat'"):
        rdm(x, labels=LABELS, nan_policy="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in ("cosine", "euclidean", "sqeuclidean"):
            assert np.isfinite(rdm(x, metric=metric).values).all()


def test_zero_rows(x):
    x[5] = 0
    with pytest.warns(RuntimeWarning, match="all-zero patterns, whose cosine is undefined: 'item 5'") as caught:
        values = rdm(x, metric="cosine").values
    assert len(caught) == 1
    assert np.array_equal(np.isnan(values), undefined_pairs([5]))


def test_two_reasons_make_one_warning(x):
    x[0, 0], x[3] = np.nan, 1
    with pytest.warns(RuntimeWarning, match=r"infinite values: 'ant'; items with constant.*: 'dog'\. The") as caught:
        rdm(x, labels=LABELS)
    assert len(caught) == 1


def test_many_names_are_cut_short(rng):
    x = rng.normal(size=(92, 3))
    x[10:90] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 10', 'item 11', 'item 12', 'item 13', 'item 14' and 75 more"):
        rdm(x)


@pytest.mark.parametrize("metric", METRICS)
def test_all_items_bad(metric):
    with pytest.warns(RuntimeWarning, match="'item 0', 'item 1', 'item 2'") as caught:
        assert np.isnan(rdm(np.full((3, 4), np.inf), metric=metric).values).all()
    assert len(caught) == 1


def test_nan_in_one_rdm_of_a_stack(rng):
    x = rng.normal(size=(3, 6, 5))
    x[1, 2, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 2'"):
        values = rdm(x).values
    assert not np.isnan(values[[0, 2]]).any()
    assert np.array_equal(np.isnan(values[1]), undefined_pairs([2]))


def test_nan_in_one_repeat_and_opposite_infinities(rng):
    x = rng.normal(size=(6, 4))
    x[0, 0], x[1, 1] = np.inf, np.nan
    x[2, 0], x[3, 0] = np.inf, -np.inf
    with pytest.warns(RuntimeWarning, match="'a', 'b'") as caught:
        rdm(x, labels=["a", "a", "b", "b", "c", "d"])
    assert len(caught) == 1


def test_nan_in_one_fold_of_crossnobis(rng):
    x, labels, folds = trials(rng)
    expected = rdm(x, metric="crossnobis", labels=labels, folds=folds)
    x[labels.index("c2"), 0] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN or infinite values: 'c2'") as caught:
        result = rdm(x, metric="crossnobis", labels=labels, folds=folds)
    assert len(caught) == 1
    others = ["c0", "c1", "c3"]
    assert np.allclose(result.select(others).values, expected.select(others).values, rtol=1e-12, atol=1e-14)
    assert np.isnan(result.values).sum() == 3


# ---- properties ------------------------------------------------------------------------------------------------------

patterns = hnp.arrays(np.float64, (5, 4), elements=st.floats(-8, 8, width=16))
metrics = st.sampled_from(METRICS)


def quiet(x: np.ndarray, metric: str, **options: object) -> RDM:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant and zero rows are welcome here
        return rdm(x, metric=metric, **options)


@given(patterns, metrics, st.permutations(range(5)), st.permutations(range(4)))
def test_order_of_items_and_channels(x, metric, items, channels):
    original = quiet(x, metric)
    shuffled = quiet(x[np.ix_(items, channels)], metric)
    assert np.allclose(shuffled.values, original.take(items).values, rtol=1e-10, atol=1e-10, equal_nan=True)


@given(patterns, st.sampled_from([0.25, 2.0, 16.0]), st.floats(-4, 4, width=16))
def test_affine_maps_of_patterns(x, scale, shift):
    original = {metric: quiet(x, metric).values for metric in METRICS}
    same = {"equal_nan": True, "rtol": 1e-9, "atol": 1e-9}
    assert np.allclose(quiet(x * scale, "cosine").values, original["cosine"], **same)
    assert np.allclose(quiet(x * scale + shift, "correlation").values, original["correlation"], **same)
    assert np.allclose(quiet(x * scale + shift, "euclidean").values, scale * original["euclidean"], **same)
    assert np.allclose(quiet(x, "sqeuclidean").values, original["euclidean"] ** 2, **same)


@given(patterns, metrics)
def test_copies_of_items(x, metric):
    doubled = quiet(np.concatenate([x, x]), metric)
    assert np.allclose(
        doubled.take(range(5, 10)).values, quiet(x, metric).values, rtol=1e-10, atol=1e-10, equal_nan=True
    )
    copies = np.diagonal(doubled.squareform(), 5)
    assert np.all(np.isnan(copies) | (np.abs(copies) < 1e-12))


@given(patterns, st.lists(st.integers(0, 4), min_size=5, max_size=9))
def test_repeats_of_equal_rows_change_nothing(x, extra):
    labels = list("abcde")
    repeated = np.concatenate([x, x[extra]])
    result = quiet(repeated, "euclidean", labels=labels + [labels[i] for i in extra])
    assert np.allclose(result.values, quiet(x, "euclidean").values, rtol=1e-12, atol=1e-12)


@given(hnp.arrays(np.float64, (5, 4), elements=st.floats(-1e6, 1e6)))
def test_euclidean_is_a_metric(x):
    square = rdm(x, metric="euclidean").squareform()
    assert np.all(square >= 0)
    assert np.all(square[:, None, :] <= square[:, :, None] + square[None, :, :] + 1e-9 * square.max())


def test_labelled_tables_keep_their_names(rng):
    import pandas as pd
    import xarray as xr

    x = rng.normal(size=(4, 5))
    expected = rdm(x, labels=list("abcd"))
    for table in (
        pd.DataFrame(x, index=list("abcd")),
        xr.DataArray(x, dims=["item", "unit"], coords={"item": list("abcd")}),
    ):
        result = rdm(table)
        assert result.labels == expected.labels
        np.testing.assert_array_equal(result.values, expected.values)


def test_row_numbers_of_a_table_are_no_names(rng):
    import pandas as pd

    half = pd.DataFrame(rng.normal(size=(3, 5)))
    result = rdm(pd.concat([half, half + 1]))
    assert result.labels is None
    assert result.n_items == 6


@pytest.mark.parametrize("metric", ["sqeuclidean", "crossnobis", "poisson"])
def test_products_that_float32_cannot_hold(metric, rng):
    x = rng.uniform(1, 2, size=(6, 5)).astype(np.float32)
    options = {"labels": list("abcabc"), "folds": [0, 0, 0, 1, 1, 1]} if metric == "crossnobis" else {}
    large = x * np.float32(1.5e38)
    with pytest.raises(ValueError, match=r"^x holds values up to .*e\+38, whose products .*dtype='float64' or"):
        rdm(large, metric=metric, dtype="float32", **options)
    if metric != "poisson":
        assert np.isfinite(rdm(large, metric=metric, **options).values).all()
        with pytest.raises(ValueError, match=r"are beyond float64, which ends at 1\.8e\+308; divide x by"):
            rdm(x.astype(np.float64) * 1e200, metric=metric, **options)
