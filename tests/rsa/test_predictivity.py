from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import pearsonr

from alignkit.rsa import Predictivity, predictivity
from alignkit.rsa._held_out import item_folds
from alignkit.rsa._response_reliability import response_reliability

N = 40
PENALTIES = [0.001, 0.1, 10.0, 1000.0]
LABELS = [f"i{k:02}" for k in range(N)]


@pytest.fixture(autouse=True)
def _himalaya() -> None:
    pytest.importorskip("himalaya")


@pytest.fixture
def planted(rng) -> tuple[np.ndarray, np.ndarray]:
    """Five features and four repeats of six channels made of them, one of which is noise alone."""
    x = rng.normal(size=(N, 5)) * [1, 10, 0.1, 1, 1] + 3
    signal = ((x - 3) / [1, 10, 0.1, 1, 1]) @ rng.normal(size=(5, 6))
    signal[:, 5] = 0
    return x, signal + rng.normal(size=(4, N, 6))


@pytest.mark.parametrize("width", [5, 60])
@pytest.mark.parametrize("score", ["pearson", "r2"])
def test_equals_nested_loops_of_scikit_learn(width, score, planted, rng):
    from reference import encoding as reference

    x, repeats = planted
    if width > 5:  # more features than items
        x = np.column_stack([x, rng.normal(size=(N, width - 5))])
    y = repeats.mean(axis=0)
    result = predictivity(x, y, score=score, penalties=PENALTIES, n_folds=3, n_inner_folds=2, n_repeats=2, rng=3)
    generator = np.random.default_rng(3)
    generator.integers(2**31)
    expected, penalties = [], []
    for child in generator.spawn(2):
        for test in item_folds(N, 3, child):
            train = np.setdiff1d(np.arange(N), test)
            inner = [(np.setdiff1d(np.arange(len(train)), fold), fold) for fold in item_folds(len(train), 2, child)]
            row, own = [], []
            for channel in y.T:
                own.append(reference.best_penalty(x[train], channel[train], inner, PENALTIES))
                guess = reference.predicted(x[train], channel[train], x[test], own[-1])
                truth = channel[test]
                r2 = 1 - np.square(truth - guess).sum() / np.square(truth - truth.mean()).sum()
                row.append(pearsonr(guess, truth).statistic if score == "pearson" else r2)
            expected.append(row)
            penalties.append(own)
    assert np.allclose(result.per_fold, expected, rtol=0, atol=1e-8)
    assert np.allclose(result.scores, np.mean(expected, axis=0), rtol=0, atol=1e-8)
    assert result.median == pytest.approx(np.median(np.mean(expected, axis=0)), abs=1e-8)
    assert np.allclose(np.log(result.penalties), np.log(penalties).mean(axis=0), rtol=0, atol=1e-8)


def test_reliability_is_spearman_and_browns(planted):
    from reference import encoding as reference

    _, repeats = planted
    found = response_reliability(repeats, 100, np.random.default_rng(0))
    expected = [reference.reliability(repeats[:, :, c]) for c in range(6)]
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("score", ["pearson", "r2"])
def test_scores_are_set_in_relation_to_what_can_be_expected(score, planted):
    x, repeats = planted
    result = predictivity(x, repeats, score=score, rng=0)
    known = result.reliability >= 0.1
    highest = result.reliability[known] ** (0.5 if score == "pearson" else 1)
    assert np.allclose(result.normalized[known], result.scores[known] / highest, rtol=0, atol=1e-12)
    assert np.isnan(result.normalized[~known]).all()
    assert (~known).sum() == result.n_unreliable
    assert result.median_normalized == pytest.approx(np.median(result.normalized[known]))
    alone = predictivity(x, repeats.mean(axis=0), score=score, rng=0)
    assert np.allclose(alone.scores, result.scores, rtol=0, atol=1e-12)
    assert np.isnan(alone.normalized).all()
    assert "no repeats, and therefore no ceiling" in repr(alone)


def test_the_ceiling_is_about_reached_where_features_made_the_responses(rng):
    x = rng.normal(size=(400, 4))
    repeats = x @ rng.normal(size=(4, 40)) + 2 * rng.normal(size=(6, 400, 40))
    result = predictivity(x, repeats, rng=0)
    assert result.median_normalized == pytest.approx(1, abs=0.03)
    assert result.n_above_1 == (result.normalized > 1).sum() > 0
    assert f"{result.n_above_1} channels above the ceiling, which is an estimate too" in repr(result)


def test_noise_is_not_predicted(rng):
    result = predictivity(rng.normal(size=(60, 50)), rng.normal(size=(60, 30)), rng=0)
    assert abs(result.median) < 0.15


def test_banded_ridge_finds_the_band_that_counts(rng):
    x, many = rng.normal(size=(60, 3)), rng.normal(size=(60, 200))
    y = x @ rng.normal(size=(3, 8)) + 0.5 * rng.normal(size=(60, 8))
    bands = {"few": x, "many": many}
    banded = predictivity(bands, y, model="banded", rng=0)
    ridge = predictivity(bands, y, rng=0)
    assert banded.median > ridge.median + 0.1
    assert banded.penalties.shape == (2, 8)
    assert banded.bands == ("few", "many")
    joined = predictivity(np.column_stack([x, many]), y, rng=0)
    assert np.allclose(joined.scores, ridge.scores, rtol=0, atol=1e-12)


def test_bands_with_one_penalty_each_equal_ridge_on_scaled_features(rng):
    """What a mixture of bands predicts is what ridge predicts from features over the roots of their penalties."""
    from reference import encoding as reference

    from alignkit.rsa._linear_fits import LinearFit

    bands = [rng.normal(size=(30, 4)), rng.normal(size=(30, 50))]
    others = [rng.normal(size=(9, 4)), rng.normal(size=(9, 50))]
    y = rng.normal(size=(30, 1))
    splits = [(np.arange(15), np.arange(15, 30)), (np.arange(15, 30), np.arange(15))]
    fit = LinearFit(np.array([0.5]), True, 1, True, 0)
    guess, penalties = fit.predict(bands, y, others, splits)
    z, other = [], []
    for x, o, penalty in zip(bands, others, penalties[:, 0], strict=True):
        mean, spread = x.mean(axis=0), x.std(axis=0)
        z.append((x - mean) / spread / np.sqrt(penalty * len(x)))
        other.append((o - mean) / spread / np.sqrt(penalty * len(x)))
    from sklearn.linear_model import Ridge

    expected = Ridge(alpha=1.0).fit(np.column_stack(z), y[:, 0]).predict(np.column_stack(other))
    assert np.allclose(guess[:, 0], expected, rtol=0, atol=1e-8)
    assert reference.predicted(bands[0], y[:, 0], others[0], 1.0).shape == (9,)


def test_seeds(planted):
    x, repeats = planted
    bands = [x[:, :2], x[:, 2:]]
    first, again, other = (predictivity(bands, repeats, model="banded", rng=seed).scores for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_are_matched_by_label(planted, rng):
    import pandas as pd

    x, repeats = planted
    order = rng.permutation(N)
    expected = predictivity(x, repeats, rng=0)
    shuffled = [LABELS[k] for k in order]
    found = predictivity(pd.DataFrame(x, index=LABELS), repeats[:, order], response_labels=shuffled, rng=0)
    assert np.allclose(found.scores, expected.scores, rtol=0, atol=1e-12)
    assert np.allclose(found.reliability, expected.reliability, rtol=0, atol=1e-12)
    assert found.aligned_by == "label"
    with pytest.raises(ValueError, match="features and responses do not hold the same items"):
        predictivity(x, repeats, labels=LABELS, response_labels=[*LABELS[:-1], "else"])


def test_constant_channels_and_features(planted):
    x, repeats = (v.copy() for v in planted)
    repeats[..., 2] = 0.1
    x[:, 1] = 7
    result = predictivity(x, repeats, rng=0)
    assert np.isnan(result.scores).tolist() == [False, False, True, False, False, False]
    assert "1 channel without variance in a fold" in repr(result)
    assert np.isfinite(result.median)
    flat = predictivity(np.ones((N, 2)), repeats, rng=0)
    assert (flat.scores[[0, 1, 3, 4, 5]] == 0).all()


def test_the_backend_of_others_is_left_as_it_was(planted):
    from himalaya.backend import get_backend, set_backend

    x, repeats = planted
    pytest.importorskip("torch")
    set_backend("torch")
    try:
        expected = predictivity(x, repeats, rng=0).scores
        assert get_backend().name == "torch"
        with pytest.raises(ValueError, match="responses holds 1 NaN"):
            predictivity(x, bad())
        assert get_backend().name == "torch"
        set_backend("numpy")
        found = predictivity(x, repeats, rng=0, backend="torch").scores
        assert get_backend().name == "numpy"
    finally:
        set_backend("numpy")
    assert np.allclose(found, expected, rtol=0, atol=1e-8)


def bad() -> np.ndarray:
    values = np.zeros((N, 6))
    values[3, 2] = np.nan
    return values


def test_the_backend_comes_back_after_an_error(planted, monkeypatch):
    from himalaya.backend import get_backend

    from alignkit.rsa._linear_fits import LinearFit

    def stop(*_: object) -> None:
        msg = f"stop {get_backend().name}"
        raise RuntimeError(msg)

    pytest.importorskip("torch")
    monkeypatch.setattr(LinearFit, "predict", stop)
    with pytest.raises(RuntimeError, match="stop torch"):
        predictivity(*planted, backend="torch")
    assert get_backend().name == "numpy"


def test_refusals(planted):
    x, repeats = planted
    with pytest.raises(ValueError, match="model='banded' has a penalty for every band; give features as a mapping"):
        predictivity(x, repeats, model="banded")
    with pytest.raises(ValueError, match="responses holds 1 NaN"):
        predictivity(x, bad())
    with pytest.raises(ValueError, match="least_reliability must be above 0"):
        predictivity(x, repeats, least_reliability=0)
    with pytest.raises(ValueError, match="5 items are too few for 2 folds and 2 folds of the training items"):
        predictivity(x[:5], repeats[:, :5])
    with pytest.raises(ValueError, match="penalties must hold one or more finite numbers above 0"):
        predictivity(x, repeats, penalties=[-1.0])


def test_without_himalaya_the_extra_is_named():
    code = (
        "import sys; sys.modules['himalaya'] = None\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'himalaya' else found(name, *a)\n"
        "import numpy as np; from alignkit.rsa import predictivity\n"
        "predictivity(np.random.rand(20, 3), np.random.rand(20, 2))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "install it with: pip install 'alignkit[encoding]'" in done.stderr


def test_the_result(planted, tmp_path):
    x, repeats = planted
    result = predictivity(x, repeats, rng=0)
    assert result.to_dataframe().score.tolist() == result.scores.tolist()
    result.save(tmp_path / "a.json")
    back = Predictivity.load(tmp_path / "a.json")
    assert repr(back) == repr(result)
    text = result.methods_text()
    assert "by ridge regression (himalaya; Dupré la Tour et al., 2022) with nested cross-validation over items" in text
    assert "the root of the split-half reliability" in text
    assert "highest that can be expected" in result.plot().get_xlabel()
    alone = predictivity(x, repeats[0], rng=0)
    assert alone.plot().get_xlabel() == "pearson on held-out items"
    alone.save(tmp_path / "b.json")
    assert np.isnan(Predictivity.load(tmp_path / "b.json").median_normalized)
