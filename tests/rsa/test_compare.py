from __future__ import annotations

import json
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import rsa as reference
from scipy import stats

from alignkit.rsa import RDM, Comparison, compare
from alignkit.rsa._matrix_methods import COMPARISON_METHODS

METHODS = tuple(reference.METHODS)
LABELS = ("ant", "bee", "cat", "dog", "emu")


@pytest.fixture
def two(rng) -> tuple[RDM, RDM]:
    a = RDM(rng.integers(6, size=(2, 3, 10)) * 0.5, LABELS, dims=["subject", "time"], coords={"subject": ["s1", "s2"]})
    b = RDM(rng.integers(6, size=(4, 10)) + 0.25, LABELS, dims=["model"], coords={"model": list("wxyz")})
    return a, b


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backend", ["auto", "numpy", "numba"])
def test_all_pairs_of_two_stacks(method, backend, two):
    a, b = two
    result = compare(a, b, method=method, backend=backend)
    assert result.values.shape == (2, 3, 4)
    for i, j, k in product(range(2), range(3), range(4)):
        expected = reference.METHODS[method](a.values[i, j], b.values[k])
        assert result.values[i, j, k] == pytest.approx(expected, rel=0, abs=1e-14)
        assert result.n_pairs[i, j, k] == 10
        alone = compare(a.isel(subject=i, time=j), b.isel(model=k), method=method)
        assert float(alone) == pytest.approx(result.values[i, j, k], rel=0, abs=1e-15)


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall-tau-b"])
def test_real_sizes_equal_scipy(method, rng):
    scipys = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall-tau-b": stats.kendalltau}[method]
    brain = rng.normal(size=4186)
    categories = (brain + rng.normal(size=4186) > 0).astype(float)
    for x in (rng.normal(size=4186) + brain, categories):
        assert float(compare(brain, x, method=method)) == pytest.approx(scipys(brain, x).statistic, rel=0, abs=1e-14)


def test_tied_models_gain_under_spearman_only(rng):
    truth = rng.normal(size=4186)
    model = (truth > 0).astype(float)
    assert float(compare(truth, model)) > float(compare(truth, model, method="rho-a"))


@pytest.mark.parametrize("method", METHODS)
def test_three_items(method):
    assert float(compare([1, 2, 3], [1, 3, 2], method=method)) == pytest.approx(
        reference.METHODS[method]([1, 2, 3], [1, 3, 2]), rel=0, abs=1e-15
    )


def test_squares_tables_and_dtypes(rng):
    a, b = RDM(rng.integers(99, size=10), LABELS), RDM(rng.integers(99, size=10), LABELS)
    expected = float(compare(a, b))
    assert float(compare(a.squareform(), b.values)) == expected
    assert float(compare(a.squareform().tolist(), b.values.astype(np.int16))) == expected
    shuffled = b.select(["emu", "cat", "ant", "dog", "bee"])
    square = pd.DataFrame(shuffled.squareform(), shuffled.labels, shuffled.labels)
    for table in (square, shuffled.to_dataframe(), shuffled.to_xarray()):
        result = compare(a, table)
        assert float(result) == pytest.approx(expected, abs=1e-15)
        assert result.aligned_by == "label"


def test_labels_in_any_order(two):
    a, b = two
    result = compare(a, b.select(["emu", "cat", "ant", "dog", "bee"]))
    assert np.allclose(result.values, compare(a, b).values, rtol=0, atol=1e-15)
    assert result.aligned_by == "label"
    assert compare(a, b.values).aligned_by == "position"


def test_other_items(two):
    a, b = two
    other = RDM(b.values, ["ant", "bee", "cat", "dog", "elk"])
    with pytest.raises(ValueError, match="only in the first RDM: 'emu'; only in the second RDM: 'elk'"):
        compare(a, other)
    result = compare(a, other, on_mismatch="intersect")
    assert result.n_items == 4
    assert (result.n_pairs == 6).all()
    shared = list(LABELS[:4])
    assert np.array_equal(result.values, compare(a.select(shared), other.select(shared)).values)


def test_inputs_are_not_written_to(rng, readonly):
    a, b = readonly(rng.random((2, 10))), readonly(rng.random(10))
    for method in METHODS:
        compare(a, b, method=method)
    writeable = rng.random(10)
    compare(writeable, writeable)
    writeable[0] = 1


# ---- NaN -------------------------------------------------------------------------------------------------------------


def holes(rng, n: int, fraction: float) -> np.ndarray:
    x = rng.integers(5, size=(n, 15)).astype(float)
    x[rng.random(x.shape) < fraction] = np.nan
    return x


@pytest.mark.parametrize("method", METHODS)
def test_omit_leaves_pairs_out_of_that_comparison_alone(method, rng):
    a, b = holes(rng, 4, 0.2), holes(rng, 3, 0.2)
    a[0], b[0] = rng.permutation(15), rng.permutation(15)
    result = compare(a, b, method=method, nan_policy="omit")
    for i, j in product(range(4), range(3)):
        both = ~np.isnan(a[i]) & ~np.isnan(b[j])
        assert result.n_pairs[i, j] == both.sum()
        expected = reference.METHODS[method](a[i][both], b[j][both])
        assert result.values[i, j] == pytest.approx(expected, rel=0, abs=1e-14)
    assert result.n_pairs[0, 0] == 15


@pytest.mark.parametrize("policy", ["omit", "propagate"])
def test_no_state_from_one_rdm_to_the_next(policy, rng):
    a, b = holes(rng, 5, 0.1), holes(rng, 4, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        together = compare(a, b, nan_policy=policy)
        backwards = compare(a[::-1], b[::-1], nan_policy=policy)
        alone = [[float(compare(x, y, nan_policy=policy)) for y in b] for x in a]
    assert np.allclose(together.values, alone, rtol=0, atol=1e-15, equal_nan=True)
    assert np.allclose(together.values, backwards.values[::-1, ::-1], rtol=0, atol=1e-15, equal_nan=True)


def test_propagate(two):
    a, b = two
    values = a.values.copy()
    values[1, 0, 0] = values[1, 0, 1] = np.nan  # ant-bee, ant-cat
    with pytest.warns(RuntimeWarning, match=r"the first RDM holds NaN \(nan_policy='omit'.*'ant', 'bee', 'cat'") as w:
        result = compare(a.replace(values), b)
    assert len(w) == 1
    assert w[0].filename == __file__
    assert np.isnan(result.values[1, 0]).all()
    assert (result.n_pairs[1, 0] == 0).all()
    rest = np.delete(result.values.reshape(6, 4), 3, axis=0)
    assert np.allclose(rest, np.delete(compare(a, b).values.reshape(6, 4), 3, axis=0), rtol=0, atol=1e-15)


def test_nan_raises_on_request(two):
    a, b = two
    values = b.values.copy()
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"the second RDM holds NaN.*'ant', 'bee'"):
        compare(a, b.replace(values), nan_policy="raise")


def test_both_sides_with_nan_and_constant_make_one_warning():
    a = np.array([[1, 2, 3, 4, 5, np.nan], [7.0] * 6])
    b = np.array([[np.nan, 2, 3, 4, 5, 1], [6, 5, 4, 3, 2, 1]])
    sentence = "the first RDM holds NaN.*spearman is undefined.*all equal; in the first stack: 'rdm 1'; the second RDM"
    with pytest.warns(RuntimeWarning, match=sentence) as caught:
        result = compare(a, b)
    assert len(caught) == 1
    assert np.isnan(result.values).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_rdms(method, value, two):
    a, b = two
    flat = RDM(np.where(np.arange(4)[:, None] == 2, value, b.values), LABELS, dims=b.dims, coords=b.coords)
    undefined = method in ("spearman", "pearson", "kendall-tau-b") or (method == "cosine" and value == 0)
    if undefined:
        with pytest.warns(RuntimeWarning, match=f"{method} is undefined.*in the second stack: 'model y'") as caught:
            result = compare(a, flat, method=method)
        assert len(caught) == 1
        assert np.isnan(result.values[..., 2]).all()
        with pytest.raises(ValueError, match="'model y'"):
            compare(a, flat, method=method, nan_policy="raise")
    else:
        result = compare(a, flat, method=method)
        if method != "cosine":
            assert (result.values[..., 2] == 0).all()
    assert np.isfinite(np.delete(result.values, 2, axis=-1)).all()


def test_two_constant_rdms_are_both_named():
    with pytest.warns(RuntimeWarning, match="in the first stack: 'the only RDM'.*in the second stack: 'the only RDM'"):
        assert np.isnan(float(compare([1, 1, 1], [2, 2, 2])))


def test_constant_once_pairs_are_left_out():
    a = np.array([1, 1, 1, 1, 1, 9.0])
    b = np.array([6, 5, 4, 3, 2, np.nan])
    sentence = "spearman is undefined on the item pairs that are left of: 'the only RDM of the first and the only RDM"
    with pytest.warns(RuntimeWarning, match=sentence) as caught:
        result = compare(a, b, nan_policy="omit")
    assert len(caught) == 1
    assert result.n_pairs == 5


def test_hardly_any_pair_left():
    a = np.array([1, 2, np.nan, np.nan, np.nan, 3])
    b = np.array([np.nan, np.nan, 1, 2, 3, 4])
    with pytest.warns(RuntimeWarning, match="fewer than two item pairs are without NaN in both") as caught:
        result = compare([a], [b, np.arange(6.0)], nan_policy="omit")
    assert len(caught) == 1
    assert result.n_pairs.tolist() == [[1, 3]]
    assert np.isnan(result.values[0, 0])
    assert result.values[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("method", COMPARISON_METHODS)
def test_one_pair_is_like_any_other(method):
    # the cosine of two numbers is 1 or -1, whatever they are
    a, b = np.full((2, 6), np.nan)
    a[2], b[2] = 3.0, 4.0
    with pytest.warns(RuntimeWarning, match="fewer than two item pairs|single pairs are missing"):
        assert np.isnan(compare(a, b, method=method, nan_policy="omit").values)


def test_an_item_without_data_is_named_alone(rng):
    square = RDM(rng.random(4186)).squareform()
    square[5] = square[:, 5] = np.nan
    with pytest.warns(RuntimeWarning, match="leaves those pairs out\\) for: 'item 5'\\. The"):
        compare(square, rng.random(4186))


# ---- bad input -------------------------------------------------------------------------------------------------------

BAD = {
    "method": ({"method": "euclidean"}, "method must be one of 'spearman'.*got 'euclidean'"),
    "nan_policy": ({"nan_policy": "drop"}, "nan_policy must be one of 'propagate', 'omit', 'raise'; got 'drop'"),
    "on_mismatch": ({"on_mismatch": "drop"}, "on_mismatch must be one of"),
    "backend": ({"backend": "torch"}, "backend must be one of"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case):
    options, sentence = BAD[case]
    with pytest.raises(ValueError, match=sentence):
        compare([1, 2, 3], [3, 2, 1], **options)


def test_bad_rdms():
    with pytest.raises(ValueError, match="the second RDM is not symmetric"):
        compare([1, 2, 3], [[0, 1, 2], [3, 0, 4], [5, 6, 0]])
    with pytest.raises(ValueError, match="have 3 and 4 items"):
        compare([1, 2, 3], [1, 2, 3, 4, 5, 6])
    with pytest.raises(ValueError, match="the first RDM has 2 item"):
        compare([1], [1])
    with pytest.raises(TypeError, match="the second RDM must hold real numbers"):
        compare([1, 2, 3], ["a", "b", "c"])


# ---- the result ------------------------------------------------------------------------------------------------------


def test_axes_and_coordinates(two):
    a, b = two
    result = compare(a, b)
    assert result.dims == ("subject", "time", "model")
    assert result.coords == {"subject": ["s1", "s2"], "model": ["w", "x", "y", "z"]}
    own = compare(a, a)
    assert own.dims == ("subject", "time", "subject_2", "time_2")
    assert own.coords == {"subject": ["s1", "s2"], "subject_2": ["s1", "s2"]}
    assert np.allclose(np.einsum("ijij->ij", own.values), 1)
    c = RDM(np.eye(6)[:4].reshape(2, 2, 6), dims=["subject", "subject_2"])
    assert compare(c, c).dims == ("subject", "subject_2", "subject_3", "subject_2_2")


def test_repr():
    one = compare([1, 2, 3], [1, 3, 2])
    assert repr(one) == "<Comparison spearman = 0.5000, 3 items>"
    many = compare([[1, 2, 3], [3, 2, 1]], [[1, 2, 3]])
    assert repr(many) == "<Comparison spearman, rdm: 2, rdm_2: 1: -1.0000 to 1.0000, mean 0.0000, 3 items>"
    with pytest.warns(RuntimeWarning):
        assert "all NaN" in repr(compare([[1, 1, 1], [2, 2, 2]], [1, 2, 3]))


def test_float_of_a_single_comparison_only(two):
    with pytest.raises(TypeError, match=r"holds 24 values; index \.values"):
        float(compare(*two))
    assert float(compare([[1, 2, 3]], [1, 2, 3])) == pytest.approx(1)


def test_to_dataframe(two):
    a, b = two
    result = compare(a, b)
    table = result.to_dataframe()
    assert table.columns.tolist() == ["subject", "time", "model", "similarity", "n_pairs", "method"]
    row = table[(table.subject == "s2") & (table.time == 1) & (table.model == "y")]
    assert row.similarity.item() == result.values[1, 1, 2]
    one = compare([1, 2, 3], [1, 3, 2]).to_dataframe()
    assert one.to_dict("records") == [{"similarity": pytest.approx(0.5), "n_pairs": 3, "method": "spearman"}]


def assert_same(a: Comparison, b: Comparison) -> None:
    assert np.array_equal(a.values, b.values, equal_nan=True)
    assert a.values.shape == b.values.shape
    assert np.array_equal(a.n_pairs, b.n_pairs)
    assert a.n_pairs.dtype == b.n_pairs.dtype == np.int64
    for name in ("method", "nan_policy", "dims", "coords", "n_items", "aligned_by"):
        assert getattr(a, name) == getattr(b, name)


@pytest.mark.parametrize("shapes", [((), ()), ((2,), ()), ((1,), (1,)), ((2, 3), (4,))])
@pytest.mark.parametrize("hole", [False, True])
def test_json_round_trip(shapes, hole, rng, tmp_path):
    values = [rng.random((*shape, 10)) for shape in shapes]
    if hole:
        values[0][..., 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = compare(RDM(values[0], LABELS), RDM(values[1], LABELS))
    result.save(tmp_path / "a.json")
    back = Comparison.load(tmp_path / "a.json")
    assert_same(back, result)
    assert repr(back) == repr(result)
    assert back.to_dataframe().equals(result.to_dataframe())
    assert json.loads((tmp_path / "a.json").read_text())["kind"] == "Comparison"


def test_dates_survive_json(tmp_path):
    days = np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")
    result = compare(RDM(np.eye(3)[:2], dims=["day"], coords={"day": days}), [1, 2, 3])
    result.save(tmp_path / "a.json")
    assert Comparison.load(tmp_path / "a.json").coords == {"day": ["2020-01-01", "2020-01-02"]}


def test_csv(two, tmp_path):
    result = compare(*two)
    result.save(tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    assert np.allclose(table.similarity, result.values.ravel(), rtol=1e-15)


def test_bad_result_files(two, tmp_path):
    result = compare(*two)
    with pytest.raises(ValueError, match=r"saved as \.json or \.csv"):
        result.save(tmp_path / "a.pkl")
    (tmp_path / "a.json").write_text('{"kind": "NoiseCeiling"}')
    with pytest.raises(ValueError, match="does not hold a Comparison"):
        Comparison.load(tmp_path / "a.json")


def test_methods_text(two):
    a, b = two
    text = compare(a, b, method="rho-a").methods_text()
    assert "RDMs of 5 items were compared by rho-a" in text
    assert "(10 item pairs), rows matched by label." in text
    hole = b.values.copy()
    hole[0, :2] = np.nan
    text = compare(a.values, b.replace(hole), nan_policy="omit").methods_text()
    assert "(8 to 10 item pairs, those without a value in either RDM left out), rows matched by position." in text


# ---- properties ------------------------------------------------------------------------------------------------------

vectors = hnp.arrays(np.float64, (3, 10), elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0, 7.0]))
methods = st.sampled_from(METHODS)


def quiet(*args: object, **options: object) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant RDMs are welcome here
        return compare(*args, **options).values


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=0, atol=1e-13, equal_nan=True)


@given(vectors, vectors, methods)
def test_symmetry(a, b, method):
    assert close(quiet(a, b, method=method), quiet(b, a, method=method).T)


@given(vectors, vectors, methods, st.permutations(range(5)))
def test_order_of_items(a, b, method, order):
    x, y = (RDM(v).take(order) for v in (a, b))
    assert close(quiet(x, y, method=method), quiet(a, b, method=method))


@given(vectors, vectors, methods, st.permutations(LABELS))
def test_order_of_labels(a, b, method, order):
    assert close(quiet(RDM(a, LABELS), RDM(b, LABELS).select(order), method=method), quiet(a, b, method=method))


@given(vectors, vectors, methods, st.sampled_from([0.25, 3.0, 1e9]), st.sampled_from([0.0, -2.0, 5.0]))
def test_positive_affine_maps(a, b, method, scale, shift):
    shift = 0.0 if method == "cosine" else shift
    assert close(quiet(a * scale + shift, b, method=method), quiet(a, b, method=method))


@given(vectors, vectors)
def test_monotone_maps_leave_rank_methods_alone(a, b):
    for method in ("spearman", "rho-a", "kendall-tau-a", "kendall-tau-b"):
        assert close(quiet(np.exp(a / 4), b**3, method=method), quiet(a, b, method=method))


@given(vectors, vectors, methods)
def test_signs(a, b, method):
    assert close(quiet(-a, b, method=method), -quiet(a, b, method=method))


@given(vectors, vectors, methods)
def test_bounds(a, b, method):
    values = quiet(a, b, method=method)
    assert np.all(np.isnan(values) | (np.abs(values) <= 1))


@given(vectors, vectors, methods)
def test_copies_of_rdms(a, b, method):
    values = quiet(np.concatenate([a, a]), b, method=method)
    assert close(values[:3], values[3:])


@given(vectors, vectors, methods)
def test_backends(a, b, method):
    assert np.array_equal(
        quiet(a, b, method=method, backend="numpy"), quiet(a, b, method=method, backend="numba"), equal_nan=True
    )
