from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from alignkit.align import EmbeddingMap, fit_embedding_map
from alignkit.align._fit_embedding_map import deal_items, held_out_predictions
from alignkit.align._kernel_ridge import kernel_ridge_path, predict_kernel_ridge
from alignkit.align._mlp import EPOCHS, WIDTH, mlp_path, predict_mlp
from alignkit.models import Features
from alignkit.rsa import Triplets, fit_temperature


@pytest.fixture
def pairs(rng):
    """Features that say something about three dimensions."""
    y = rng.random((60, 3))
    x = y @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(60, 8))
    return x, y


def test_kernel_ridge_is_that_of_sklearn(rng, readonly):
    x, y = readonly(3 * rng.normal(size=(30, 4)) + 2), readonly(rng.random((30, 3)))
    other = rng.normal(size=(5, 4))
    scale = 1 / x.std(axis=0)
    z = x * scale
    squared = ((z[:, None] - z) ** 2).sum(axis=2)
    median = np.median(squared[np.triu_indices(30, 1)])
    arrays = kernel_ridge_path(x, y, (0.1,))[0.1, 0.5]
    oracle = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / (0.5 * median)).fit(z, y - y.mean(axis=0))
    assert predict_kernel_ridge(arrays, other) == pytest.approx(oracle.predict(other * scale) + y.mean(axis=0))


def test_the_network_is_that_of_sklearn(rng, readonly):
    x, y = readonly(rng.normal(size=(40, 4)) + 2), readonly(rng.random((40, 3)))
    scaler = StandardScaler().fit(x)
    oracle = MLPRegressor(hidden_layer_sizes=(WIDTH,), alpha=4.0, batch_size=40, max_iter=EPOCHS, random_state=3)
    with pytest.warns(Warning, match="iterations"):
        oracle.fit(scaler.transform(x), (y - y.mean(axis=0)) / y.std())
    wanted = oracle.predict(scaler.transform(x)) * y.std() + y.mean(axis=0)
    assert predict_mlp(mlp_path(x, y, (4.0,), 3)[(4.0,)], x) == pytest.approx(wanted, abs=1e-6)


def test_the_penalty_has_the_least_error_on_held_out_items(pairs, readonly):
    x, y = map(readonly, pairs)
    fitted = fit_embedding_map(x, y, nonnegative=False, n_folds=4, seed=3)
    folds = deal_items(60, 4, np.random.default_rng(3))
    errors = {}
    for penalty in (0.1, 1.0, 10.0, 100.0):
        predicted = np.empty_like(y)
        for k in range(4):
            scaler = StandardScaler().fit(x[folds != k])
            ridge = Ridge(alpha=penalty).fit(scaler.transform(x[folds != k]), y[folds != k])
            predicted[folds == k] = ridge.predict(scaler.transform(x[folds == k]))
        errors[penalty] = ((predicted - y) ** 2).mean()
        assert fitted.error[f"penalty {penalty:.4g}"] == pytest.approx(errors[penalty])
    assert min(fitted.error.values()) <= min(errors.values())
    assert fitted.error[f"penalty {fitted.settings['penalty']:.4g}"] == min(fitted.error.values())


def test_the_temperature_fits_answers_about_held_out_predictions(pairs, rng):
    x, y = pairs
    items = np.array([rng.permutation(60)[:3] for _ in range(800)])
    fitted = fit_embedding_map(x, y, triplets=Triplets(items), nonnegative=False, penalty=1.0, seed=1)
    folds = deal_items(60, 5, np.random.default_rng(1))
    held_out = held_out_predictions("ridge", x, y, folds, (1.0,), 1)[(1.0,)]
    assert fitted.temperature == pytest.approx(fit_temperature(held_out, items).temperature, rel=1e-3)
    assert fitted.apply(x) == pytest.approx(fitted.predict(x) / fitted.temperature**0.5)


def test_noise_gives_a_higher_temperature(pairs, rng):
    x, y = pairs
    clear = fit_embedding_map(x, y, penalty=0.1)
    noisy = fit_embedding_map(x + 2 * rng.normal(size=x.shape), y, penalty=0.1)
    assert noisy.temperature > clear.temperature
    assert clear.temperature == pytest.approx(1.0, abs=0.1)  # as in the embedding, whose probabilities are fitted


@pytest.mark.parametrize("method", ["ridge", "kernel-ridge", "mlp"])
def test_a_map_comes_back_from_its_file(pairs, tmp_path, method):
    x, y = pairs
    fitted = fit_embedding_map(x, y, method=method, penalty=1.0, n_folds=2)
    fitted.save(tmp_path / "map.npz")
    loaded = EmbeddingMap.load(tmp_path / "map.npz")
    assert repr(loaded) == repr(fitted)
    assert np.array_equal(loaded.apply(x), fitted.apply(x))
    assert method in repr(fitted)


def test_a_ridge_is_a_transform(pairs):
    x, y = pairs
    fitted = fit_embedding_map(x, y, nonnegative=False)
    assert fitted.transform.apply(x) == pytest.approx(fitted.apply(x))
    assert fitted.n_parameters == 8 * 3 + 3
    with pytest.raises(ValueError, match="nonnegative=False"):
        _ = fit_embedding_map(x, y, nonnegative=True).transform
    with pytest.raises(ValueError, match="is not linear"):
        _ = fit_embedding_map(x, y, method="kernel-ridge", penalty=1.0).transform


@pytest.mark.parametrize("method", ["ridge", "kernel-ridge", "mlp"])
def test_dimensions_without_negative_numbers_are_predicted_without(pairs, method):
    x, y = pairs
    y = np.maximum(y - np.median(y), 0.0)
    options = {"method": method, "penalty": 1.0, "n_folds": 3}
    plain, cut = fit_embedding_map(x, y, nonnegative=False, **options), fit_embedding_map(x, y, **options)
    assert plain.predict(x).min() < 0
    assert cut.predict(x) == pytest.approx(np.maximum(plain.predict(x), 0.0))
    # numbers that cannot be below 0 are nearer to what is above 0
    assert min(cut.error.values()) < min(plain.error.values())
    shifted = fit_embedding_map(x, y - 0.1, **options)
    assert not shifted.nonnegative
    assert shifted.predict(x).min() < -0.1


def test_rows_are_found_by_label(pairs):
    x, y = pairs
    labels = [f"item {i}" for i in range(60)]
    order = np.random.default_rng(0).permutation(60)
    shuffled = Features.from_array(y[order], [labels[i] for i in order])
    a = fit_embedding_map(Features.from_array(x, labels), shuffled)
    assert a.predict(x) == pytest.approx(fit_embedding_map(x, y).predict(x))
    with pytest.raises(ValueError, match="no row for 'item 59'"):
        fit_embedding_map(Features.from_array(x, labels), Features.from_array(y[:59], labels[:59]))


def test_groups_stay_together_and_folds_are_even(rng):
    groups = rng.integers(0, 20, 60)
    folds = deal_items(60, 4, rng, groups)
    assert all(len(set(folds[groups == g])) == 1 for g in groups)
    plain = deal_items(62, 4, rng)
    assert sorted(np.bincount(plain)) == [15, 15, 16, 16]


def test_bad_input_is_refused(pairs, tmp_path):
    x, y = pairs
    for bad, words in (
        ({"method": "lasso"}, "method must be one of"),
        ({"penalty": 0.0}, "above 0"),
        ({"n_folds": 61}, "at least as many items; there are 60"),
        ({"groups": [1, 2]}, "one value per item"),
    ):
        with pytest.raises(ValueError, match=words):
            fit_embedding_map(x, y, **bad)
    with pytest.raises(ValueError, match="59 rows where features has 60"):
        fit_embedding_map(x, y[:59])
    with pytest.raises(ValueError, match="NaN"):
        fit_embedding_map(x * np.nan, y)
    fitted = fit_embedding_map(x, y)
    with pytest.raises(ValueError, match="takes features of 8 channels"):
        fitted.predict(x[:, :7])
    with pytest.raises(ValueError, match="maps are saved as"):
        fitted.save(tmp_path / "map.json")
    np.savez(tmp_path / "other.npz", weights=np.eye(2))
    with pytest.raises(ValueError, match="does not hold a map"):
        EmbeddingMap.load(tmp_path / "other.npz")


def test_a_damaged_file_is_refused(pairs, tmp_path):
    path = tmp_path / "map.npz"
    fit_embedding_map(*pairs).save(path)
    with np.load(path) as content:
        arrays = dict(content)
    np.savez(path, **{**arrays, "weight": arrays["weight"][:, :5]})
    with pytest.raises(ValueError, match="damaged"):
        EmbeddingMap.load(path)
    header = next(name for name, value in arrays.items() if value.dtype == np.uint8)
    meta = json.loads(bytes(arrays[header]))
    meta["temperature"] = -1.0
    np.savez(path, **{**arrays, header: np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)})
    with pytest.raises(ValueError, match="do not fit together"):
        EmbeddingMap.load(path)
