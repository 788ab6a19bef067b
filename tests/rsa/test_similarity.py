"""What all similarities of features share: layers, labels, NaN, chance, tensors."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from reference import feature_similarity as reference

from alignkit import _threads
from alignkit.rsa import _feature_rows, compare, rdm, similarity

METHODS = ("cka", "procrustes", "cca", "svcca", "pwcca", "mutual-knn")
SETTINGS = [
    {"method": "cka"},
    {"method": "cka", "debiased": False},
    {"method": "cka", "kernel": "rbf"},
    {"method": "cka", "kernel": "rbf", "debiased": False, "bandwidth": 0.5},
    {"method": "procrustes"},
    {"method": "procrustes", "score": "euclidean"},
    {"method": "procrustes", "score": "angular", "alpha": 0.5},
    {"method": "cca"},
    {"method": "svcca", "variance": 0.9, "squared": True},
    {"method": "pwcca"},
    {"method": "mutual-knn", "n_neighbours": 4},
]
each_setting = pytest.mark.parametrize("options", SETTINGS, ids=lambda options: "-".join(map(str, options.values())))


@pytest.fixture
def two(rng) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(30, 5))
    return x, np.hstack([x[:, :2] + 0.1 * rng.normal(size=(30, 2)), rng.normal(size=(30, 6))])


# ---- layers and labels -----------------------------------------------------------------------------------------------


@each_setting
def test_all_pairs_of_layers_in_one_pass(two, rng, options):
    x, y = two
    result = similarity({"a": x, "b": y, "c": x[:, :3]}, [y, x * 2 + 1], **options)
    assert result.values.shape == (3, 2)
    assert result.dims == ("layer_x", "layer_y")
    assert result.coords == {"layer_x": ["a", "b", "c"], "layer_y": [0, 1]}
    assert (result.n_channels_x, result.n_channels_y) == ((5, 8, 3), (8, 5))
    for i, a in enumerate((x, y, x[:, :3])):
        for j, b in enumerate((y, x * 2 + 1)):
            alone = similarity(a, b, **options)
            assert alone.values.shape == ()
            assert result.values[i, j] == pytest.approx(float(alone), rel=0, abs=1e-12)
    assert similarity(x, [y, x], **options).values.shape == (2,)
    assert similarity({"a": x, "b": y}, y, **options).dims == ("layer_x",)
    both = similarity([x, y], [x, y], **options)
    stack = [x, y]
    np.testing.assert_array_equal(similarity(stack, stack, **options).values, both.values)


@each_setting
def test_labels_match_rows(two, rng, options):
    x, y = two
    order = rng.permutation(30)
    names = np.array([f"item{i:02}" for i in range(30)])
    expected = float(similarity(x, y, **options))
    found = similarity(x, y[order], labels_x=names, labels_y=names[order], **options)
    assert float(found) == pytest.approx(expected, rel=0, abs=1e-12)
    assert found.aligned_by == "label"
    table = pd.DataFrame(y[order], index=names[order])
    array = xr.DataArray(x, dims=("item", "channel"), coords={"item": names})
    for first in (pd.DataFrame(x, index=names), array):
        assert float(similarity(first, table, **options)) == pytest.approx(expected, rel=0, abs=1e-12)
    layers = {"one": pd.DataFrame(x, index=names), "two": table}
    assert similarity(layers, array, **options).values[1] == pytest.approx(
        float(similarity(y, x, **options)), abs=1e-12
    )


def test_other_items_are_refused_or_left_out(two):
    x, y = two
    names = [f"item{i}" for i in range(30)]
    other = ["new", *names[1:29], "newer"]
    with pytest.raises(ValueError, match=r"x and y do not hold the same items \(only in x: 'item0', 'item29'"):
        similarity(x, y, labels_x=names, labels_y=other)
    result = similarity(x, y, labels_x=names, labels_y=other, on_mismatch="intersect")
    assert result.n_items == 28
    assert float(result) == pytest.approx(float(similarity(x[1:29], y[1:29])), abs=1e-13)
    with pytest.raises(ValueError, match=r"x and y have 30 and 29 items; give both of them labels"):
        similarity(x, y[1:], labels_x=names)
    with pytest.raises(ValueError, match=r"x\['one'\] and x\['two'\] do not hold the same items"):
        similarity({"one": pd.DataFrame(x, names), "two": pd.DataFrame(y, other)}, y)
    with pytest.raises(ValueError, match=r"share has 0 item\(s\)"):
        similarity(x, y, labels_x=names, labels_y=[f"no{i}" for i in range(30)], on_mismatch="intersect")
    assert similarity(x, y, labels_x=names).aligned_by == "position"


# ---- NaN and the undefined -------------------------------------------------------------------------------------------


@each_setting
def test_nan_is_propagated_left_out_or_refused(two, options):
    x, y = (z.copy() for z in two)
    x[3, 1], x[7, 0], y[7, 2] = np.nan, np.inf, np.nan
    layers = {"holed": x, "whole": two[0]}
    with pytest.warns(RuntimeWarning, match="x holds NaN.*: 'item 3', 'item 7'; y holds NaN.*'item 7'") as caught:
        result = similarity(layers, [y, two[1]], **options)
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(result.values), [[True, True], [True, False]])
    np.testing.assert_array_equal(result.n_items, [[0, 0], [0, 30]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = similarity(layers, [y, two[1]], nan_policy="omit", **options)
    np.testing.assert_array_equal(result.n_items, [[28, 28], [29, 30]])
    for (i, j), gone in {(0, 0): [3, 7], (0, 1): [3, 7], (1, 0): [7], (1, 1): []}.items():
        kept = np.setdiff1d(np.arange(30), gone)
        alone = similarity([x, two[0]][i][kept], [y, two[1]][j][kept], **options)
        assert result.values[i, j] == pytest.approx(float(alone), rel=0, abs=1e-13)
    with pytest.raises(ValueError, match=r"x holds NaN or infinite values .*'item 3', 'item 7'; y holds .*\.$"):
        similarity(layers, y, nan_policy="raise", **options)


def test_too_few_items_left_are_nan(two):
    x = two[0].copy()
    x[3:] = np.nan
    with pytest.warns(RuntimeWarning, match="fewer than 4 items are without NaN in both: 'x and y'"):
        result = similarity(x, two[1], nan_policy="omit")
    assert np.isnan(float(result))
    assert result.n_items == 0


@each_setting
def test_constant_features_are_undefined_exactly(two, options):
    constant = np.full((30, 4), 0.1) * np.array([1.0, 3.0, 1e6, -7.0])
    with pytest.warns(RuntimeWarning, match="the same for every item: 'y\\[1\\]'") as caught:
        result = similarity(two[0], [two[1], constant], n_permutations=3, rng=0, **options)
    assert len(caught) == 1
    for values in (result.values, result.baseline, result.p_values):
        np.testing.assert_array_equal(np.isnan(values), [False, True])
    with pytest.raises(ValueError, match="the same for every item: 'x'"):
        similarity(constant, two[1], nan_policy="raise", **options)


# ---- chance ----------------------------------------------------------------------------------------------------------


@each_setting
def test_chance_is_the_measure_of_permuted_items(two, options):
    x, y = two
    result = similarity([x, y], [y, x[:, :2]], n_permutations=19, rng=5, **options)
    generator = np.random.default_rng(5)
    null = np.array(
        [similarity([x, y], [z[order] for z in (y, x[:, :2])], **options).values for order in draws(generator, 19)]
    )
    np.testing.assert_allclose(result.baseline, null.mean(axis=0), rtol=1e-12, atol=1e-13)
    beyond = null <= result.values if result.is_distance else null >= result.values
    np.testing.assert_allclose(result.p_values, (beyond.sum(axis=0) + 1) / 20)
    assert result.p_values[0, 0] <= 0.1


def draws(generator, n):
    # the package permutes what has been prepared: item i of y takes the place that the order gives it
    return [generator.permutation(30) for _ in range(n)]


def test_seeds_decide_and_omitted_items_stay_out(two):
    x, y = two
    first, second, other = (similarity(x, y, n_permutations=20, rng=seed).baseline for seed in (1, 1, 2))
    assert first == second != other
    x = x.copy()
    x[[2, 9]] = np.nan
    result = similarity(x, y, n_permutations=200, rng=0, nan_policy="omit")
    kept = np.setdiff1d(np.arange(30), [2, 9])
    alone = similarity(x[kept], y[kept], n_permutations=200, rng=0)
    assert result.baseline == pytest.approx(alone.baseline, abs=0.05)
    assert result.p_values == pytest.approx(alone.p_values, abs=0.03)
    assert similarity(x[kept], y[kept]).baseline is None


@given(st.integers(0, 2**32 - 1))
def test_equal_values_count_as_at_least_as_similar(seed):
    # with three items every permutation leaves the biased value of two-valued features among few
    rng = np.random.default_rng(seed)
    x = np.array([[0.0], [0.0], [1.0], [1.0]])
    result = similarity(x, x + rng.normal(), debiased=False, n_permutations=60, rng=rng)
    # a third of the 24 orders give the same two pairs
    assert 0.1 < float(result.p_values) < 0.6


def test_progress_is_shown_when_asked_for(two, capsys):
    similarity(*two, n_permutations=20, rng=0)
    assert capsys.readouterr().err == ""
    similarity(*two, n_permutations=20, rng=0, progress=True)
    assert "permutations: 100%" in capsys.readouterr().err


# ---- storage, threads ------------------------------------------------------------------------------------------------


@each_setting
def test_storage_changes_nothing_but_its_own_rounding(two, readonly, options, tmp_path):
    x, y = (z + 1000 for z in two)
    expected = float(similarity(x, y, **options))
    assert float(similarity(readonly(x), np.asfortranarray(y), **options)) == pytest.approx(expected, rel=0, abs=1e-11)
    rounded = x.astype(np.float32)
    same = float(similarity(rounded.astype(np.float64), y, **options))
    assert float(similarity(rounded, y, **options)) == pytest.approx(same, rel=0, abs=1e-12)
    # float32 of numbers around 1000 holds them to 3e-5
    assert same == pytest.approx(expected, rel=0, abs=2e-3)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert float(similarity(mapped, y, **options)) == expected
    whole = np.rint(x).astype(np.int16)
    assert float(similarity(whole, y, **options)) == float(similarity(whole.astype(float), y, **options))
    assert float(similarity(whole.tolist(), y.tolist(), **options)) == float(similarity(whole, y, **options))


@each_setting
def test_the_number_of_threads_changes_no_bit(rng, options, monkeypatch):
    x, y = rng.normal(size=(700, 600)), rng.normal(size=(700, 520))
    monkeypatch.setattr(_feature_rows, "BLOCK", 1 << 17)
    found = []
    for number in (1, 3):
        monkeypatch.setattr(_threads, "_allowed", lambda number=number: number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ranks that overlap
            found.append(similarity([x, y], y, n_permutations=1, rng=0, **options))
    np.testing.assert_array_equal(found[0].values, found[1].values)
    np.testing.assert_array_equal(found[0].baseline, found[1].baseline)


# ---- tensors ---------------------------------------------------------------------------------------------------------


@each_setting
@pytest.mark.parametrize("wide", [False, True])
def test_tensors_give_the_same_numbers_as_tensors(rng, options, wide):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(30, 40 if wide else 5)) + 10
    y = np.hstack([x[:, :3] + 0.1 * rng.normal(size=(30, 3)), rng.normal(size=(30, 4))])
    if wide and options["method"] == "pwcca":
        pytest.skip("which variates share a correlation of 1 is anyone's choice, and their weights depend on it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ranks that overlap
        expected = similarity([x, x[:, :2]], y, n_permutations=5, rng=0, **options)
        result = similarity([torch.tensor(x), torch.tensor(x[:, :2])], y, n_permutations=5, rng=0, **options)
        half = similarity(torch.tensor(x, dtype=torch.float32), torch.tensor(y), **options)
        other = similarity(x.astype(np.float32), y, **options)
    assert result.values.dtype == torch.float64
    np.testing.assert_allclose(result.values.numpy(), expected.values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.baseline, expected.baseline, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(result.p_values, expected.p_values)
    assert float(half) == pytest.approx(float(other), rel=0, abs=1e-10)
    assert isinstance(result.numpy().values, np.ndarray)


@pytest.mark.parametrize("options", SETTINGS[:7], ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize(("p", "q"), [(3, 4), (3, 9), (11, 9)])
def test_gradients_flow(rng, options, p, q):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(rng.normal(size=(7, k)), requires_grad=True) for k in (p, q))
    if options.get("alpha", 1) < 1 and p > 6:
        pytest.skip("whitening features of full row rank has no unique singular vectors")
    assert torch.autograd.gradcheck(lambda a, b: similarity(a, b, **options).values, (x, y), atol=1e-6)
    similarity(x, y, n_permutations=2, rng=0, **options).values.backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 1e-6


def test_tensors_with_nan_and_on_other_devices(two):
    torch = pytest.importorskip("torch")
    x, y = map(torch.tensor, two)
    x[2, 1] = torch.nan
    with pytest.warns(RuntimeWarning, match="'item 2'"):
        result = similarity(x, y)
    assert torch.isnan(result.values)
    assert result.n_items == 0
    kept = [i for i in range(30) if i != 2]
    assert float(similarity(x, y, nan_policy="omit")) == pytest.approx(float(similarity(x[kept], y[kept])), abs=1e-13)
    with pytest.raises(TypeError, match="y must be a dense tensor"):
        similarity(x, y.to("meta"))
    with pytest.raises(TypeError, match=r"x must be a float32 or float64 tensor; got torch.float16"):
        similarity(x.half(), y)


@pytest.mark.gpu
@each_setting
def test_a_graphics_processor_gives_the_same_numbers(two, options):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, y = two
    result = similarity(torch.tensor(x, device="cuda"), y, n_permutations=3, rng=0, **options)
    assert result.values.device.type == "cuda"
    expected = similarity(x, y, n_permutations=3, rng=0, **options)
    assert float(result) == pytest.approx(float(expected), rel=0, abs=1e-10)
    assert float(result.baseline) == pytest.approx(float(expected.baseline), rel=0, abs=1e-10)


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "rsa"}, "method must be one of 'cka', 'procrustes'"),
        ({"kernel": "poly"}, "kernel must be one of 'linear', 'rbf'; got 'poly'"),
        ({"score": "cosine", "method": "procrustes"}, "score must be one of 'nbs', 'angular', 'euclidean'"),
        ({"bandwidth": 2.0}, "bandwidth is only for kernel='rbf'; got kernel='linear'"),
        ({"kernel": "rbf", "bandwidth": 0}, "bandwidth must be a finite number above 0; got 0"),
        ({"alpha": 0.5}, "alpha is only for method='procrustes'; got method='cka'"),
        ({"squared": True}, "squared is only for method='cca' or 'svcca'; got method='cka'"),
        ({"method": "procrustes", "alpha": 1.5}, "alpha must lie between 0 and 1; got 1.5"),
        ({"method": "svcca", "variance": 1.5}, "variance must lie above 0 and be at most 1; got 1.5"),
        ({"method": "svcca", "variance": 0}, "variance must be a finite number above 0; got 0"),
        ({"method": "mutual-knn", "n_neighbours": 0}, "n_neighbours must be at least 1; got 0"),
        ({"method": "cca", "debiased": False}, "debiased is only for method='cka'; got method='cca'"),
        ({"n_permutations": -1}, "n_permutations must be at least 0; got -1"),
        ({"nan_policy": "drop"}, "nan_policy must be one of"),
        ({"on_mismatch": "drop"}, "on_mismatch must be one of"),
        ({"labels_x": ["a"]}, "labels_x must hold one label per item: expected 30, got 1"),
    ],
)
def test_refusals(two, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        similarity(*two, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"debiased": 1.5}, "debiased must be True or False; got 1.5"),
        ({"method": "mutual-knn", "n_neighbours": 2.5}, "n_neighbours must be a whole number; got 2.5"),
        ({"rng": "seed"}, "rng must be a numpy Generator"),
        ({"method": "procrustes", "alpha": "half"}, "alpha must be a number; got 'half'"),
    ],
)
def test_refusals_of_kinds(two, options, sentence):
    with pytest.raises(TypeError, match=sentence):
        similarity(*two, **options)


def test_what_is_no_features_is_refused(two):
    x, y = two
    for bad, sentence in (
        (x[None], r"x must have shape \(items, channels\); got \(1, 30, 5\)\. Flatten"),
        (x[:, :0], r"x must have shape \(items, channels\); got \(30, 0\)"),
        (x[0], r"got \(5,\)"),
        (x[:2], r"x has 2 item\(s\); at least 3"),
        ({}, "x holds no layer"),
        ({"a": x, "b": x[1:]}, r"the layers of x must hold the same items; got \[29, 30\]"),
        ({"a": x, "b": x[0]}, r"x\['b'\] must have shape"),
        ([pd.DataFrame(x, [f"i{i}" for i in range(30)]), x], "some layers of x have row labels and 1 has none"),
        (pd.DataFrame(x, ["same"] * 30), "the row labels of x must be unique; repeated: 'same'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            similarity(bad, y)
    with pytest.raises(TypeError, match="x must hold real numbers of one dtype"):
        similarity(x.astype(complex), y)


def test_it_is_the_plain_definition_on_real_features(shared_data):
    words = np.loadtxt(shared_data("things", "spose_embedding_66d_sorted.txt"))[:60]
    other = np.exp(words[:, :30])
    for options in ({}, {"debiased": False}, {"kernel": "rbf"}):
        expected = reference.cka(words, other, **options)
        assert float(similarity(words, other, **options)) == pytest.approx(expected, rel=0, abs=1e-11)


def test_rdms_of_squared_distances_give_the_same_numbers(two):
    rdms = [rdm(z, metric="sqeuclidean") for z in two]
    whitened = compare(*rdms, method="whitened-cosine")
    assert float(similarity(*two, debiased=False)) == pytest.approx(float(whitened), rel=0, abs=1e-12)
    bures = compare(*rdms, method="bures")
    assert float(similarity(*two, method="procrustes")) == pytest.approx(float(bures), rel=0, abs=1e-6)
