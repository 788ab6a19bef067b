from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.rsa import NoisePrecision, noise_precision, rdm

METHODS = ("shrinkage_eye", "shrinkage_diag", "diag", "full")


@pytest.fixture
def residuals(rng) -> np.ndarray:
    return rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 10


@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_inverse_of_its_covariance(method, residuals, readonly):
    result = noise_precision(readonly(residuals), method=method)
    assert np.allclose(result.precision @ result.covariance, np.eye(5), rtol=0, atol=1e-11)
    assert np.array_equal(result.precision, result.precision.T)
    assert (result.dof, result.n_rows, result.folds, result.method) == (59, 60, None, method)
    assert 0 <= result.shrinkage <= 1


def test_the_methods_without_shrinkage_are_numpys(residuals):
    assert np.allclose(noise_precision(residuals, method="full").covariance, np.cov(residuals.T), rtol=1e-12)
    variances = noise_precision(residuals, method="diag").covariance
    assert np.allclose(variances, np.diag(residuals.var(axis=0, ddof=1)), rtol=1e-12)
    assert np.allclose(noise_precision(residuals, method="full", dof=40).covariance, np.cov(residuals.T) * 59 / 40)


def test_shrinkage_by_plain_loops(residuals):
    # Ledoit & Wolf (2004): b2 / d2; Schaefer & Strimmer (2005): sum of variances over sum of squares
    x = residuals - residuals.mean(axis=0)
    n, p = x.shape
    sample = sum(np.outer(row, row) for row in x) / n
    level = np.trace(sample) / p
    d2 = ((sample - level * np.eye(p)) ** 2).sum()
    b2 = min(d2, sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / n**2)
    result = noise_precision(residuals, dof=n)
    assert result.shrinkage == pytest.approx(b2 / d2, rel=1e-12)
    assert np.allclose(result.covariance, b2 / d2 * level * np.eye(p) + (1 - b2 / d2) * sample, rtol=1e-12)
    shrunk = noise_precision(residuals, method="shrinkage_diag")
    off = ~np.eye(p, dtype=bool)
    cov = np.cov(residuals.T)
    assert np.allclose(shrunk.covariance[off], (1 - shrunk.shrinkage) * cov[off], rtol=1e-12)
    assert np.allclose(shrunk.covariance[~off], cov[~off], rtol=1e-12)


def test_more_channels_than_rows(rng):
    residuals = rng.normal(size=(10, 40))
    for method in METHODS[:3]:
        result = noise_precision(residuals, method=method)
        assert np.isfinite(result.precision).all()
    with pytest.raises(ValueError, match=r"must be positive definite.*10 rows.*use method='shrinkage_eye'"):
        noise_precision(residuals, method="full")


def test_one_channel(rng):
    x = rng.normal(size=(20, 1))
    for method in METHODS:
        assert noise_precision(x, method=method).precision == pytest.approx(1 / x.var(ddof=1))


def test_trials_lose_the_mean_of_their_condition(rng):
    labels = list("abcabcabcabc")
    noise = rng.normal(size=(12, 3))
    x = noise + 100 * np.array([ord(label) for label in labels])[:, None]
    result = noise_precision(x, labels=labels, method="full")
    rest = np.stack([x[k] - x[k % 3 :: 3].mean(axis=0) for k in range(12)])
    assert np.allclose(result.covariance, rest.T @ rest / 9, rtol=1e-9)
    assert result.dof == 9


def test_one_per_fold(rng):
    x = rng.normal(size=(30, 4)) * np.repeat([1.0, 2.0, 3.0], 10)[:, None]
    folds = np.repeat(["run2", "run1", "run3"], 10)
    result = noise_precision(x, folds=folds)
    assert result.folds == ["run2", "run1", "run3"]
    assert result.precision.shape == (3, 4, 4)
    for k in range(3):
        one = noise_precision(x[10 * k : 10 * k + 10])
        assert np.allclose(result.precision[k], one.precision, rtol=1e-13)
        assert result.shrinkage[k] == pytest.approx(one.shrinkage, rel=1e-13)
    parts = [x[:10], x[10:20], x[20:]]
    for unnamed in (noise_precision(np.stack(parts)), noise_precision(parts)):
        assert unnamed.folds is None
        assert np.allclose(unnamed.precision, result.precision, rtol=1e-13)
    assert noise_precision([x[:10], x[10:15], x[15:]], dof=[9, 4, 3]).dof.tolist() == [9, 4, 3]
    within = noise_precision(x, folds=folds, labels=list("ababababab") * 3)
    assert within.dof.tolist() == [8, 8, 8]


def test_rdm_takes_it_with_its_folds_by_name(rng):
    labels, folds = list("abcd") * 6, np.repeat(["r1", "r2", "r3"], 8)
    x = rng.normal(size=(24, 3))
    estimated = noise_precision(x, labels=labels, folds=folds[::-1])
    options = {"metric": "crossnobis", "labels": labels, "folds": folds}
    result = rdm(x, noise=estimated, **options)
    named = dict(zip(estimated.folds, estimated.covariance, strict=True))
    assert estimated.folds == ["r3", "r2", "r1"]
    assert np.array_equal(result.values, rdm(x, noise=named, noise_kind="covariance", **options).values)
    assert result.provenance["noise"] == "shrinkage_eye per fold"
    assert result.provenance["shrinkage"] == estimated.shrinkage.tolist()
    unnamed = noise_precision([x[folds == name] for name in ("r1", "r2", "r3")])
    assert np.isfinite(rdm(x, noise=unnamed, **options).values).all()
    whole = noise_precision(x, labels=labels)
    same = rdm(x, noise=whole.precision, **options).values
    assert np.allclose(rdm(x, noise=whole, **options).values, same, rtol=1e-11, atol=1e-13)


BAD = {
    "one axis": (np.ones(5), {}, "residuals must have shape"),
    "one row": (np.ones((1, 5)), {}, r"1 row\(s\) and 1 mean\(s\) to take out: nothing is left"),
    "still": (np.eye(4)[:, :3] * [1, 0, 1], {}, "channels that never vary: '1'"),
    "NaN": (np.full((4, 2), np.nan), {}, "residuals holds 8 NaN"),
    "channels": ([np.eye(4), np.eye(3)], {}, "all residuals must hold the same channels"),
    "method": (np.eye(4), {"method": "oas"}, "method must be one of 'shrinkage_eye'"),
    "dof": (np.eye(4), {"dof": 0}, "dof must be at least 1; got 0"),
    "dof above the rows": (np.eye(4), {"dof": 100_000}, r"dof must be at most the .* residuals; got 100,000 for 4 row"),
    "dof of a fold": ([np.eye(4)] * 2, {"dof": [3, 5]}, r"rows of residuals in fold '1'; got 5 for 4 row"),
    "dofs": (np.eye(4), {"dof": [3, 3]}, "dof must be one number, or one for each of 1 folds; got 2"),
    "labels": (np.eye(4), {"labels": list("abc")}, "expected 4, got 3"),
    "each alone": (np.eye(4), {"labels": list("abcd")}, r"4 mean\(s\) to take out"),
    "folds twice": ([np.eye(4)] * 2, {"folds": [1] * 4}, "come with folds of their own"),
    "labels of a stack": (np.stack([np.eye(4)] * 2), {"labels": list("abcd")}, "name the fold of each row with folds="),
    "a fold of one": (np.eye(4), {"folds": [2, 1, 1, 1]}, r"1 row\(s\) in fold '2'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_residuals(case):
    residuals, options, sentence = BAD[case]
    with pytest.raises(ValueError, match=sentence):
        noise_precision(residuals, **options)


def test_it_is_a_result(rng, tmp_path):
    x = rng.normal(size=(30, 4))
    one, several = noise_precision(x), noise_precision(x, folds=[1, 2, 3] * 10)
    assert repr(one).startswith("<NoisePrecision 4 channels, shrinkage_eye, shrinkage ")
    assert "3 folds" in repr(several)
    assert list(several.to_dataframe().columns) == ["fold", "method", "shrinkage", "dof", "n_rows", "n_channels"]
    assert len(several.to_dataframe()) == 3
    assert len(one.to_dataframe()) == 1
    assert "for each of 3 folds" in several.methods_text()
    assert "Ledoit & Wolf" in one.methods_text()
    for result in (one, several):
        result.save(tmp_path / "p.json")
        back = NoisePrecision.load(tmp_path / "p.json")
        assert np.array_equal(back.precision, result.precision)
        assert np.array_equal(back.shrinkage, result.shrinkage)
        assert json.loads((tmp_path / "p.json").read_text())["method"] == "shrinkage_eye"
    assert np.array_equal(rdm(x, metric="mahalanobis", noise=back if back.folds is None else one).values.shape, (435,))


def test_the_unit_of_a_channel_does_not_matter(rng):
    # gradiometers and magnetometers in one array differ by many powers of ten
    x = rng.normal(size=(50, 4))
    units = np.array([1e-13, 1e-11, 1.0, 1e6])
    plain, scaled = noise_precision(x, method="shrinkage_diag"), noise_precision(x * units, method="shrinkage_diag")
    assert np.allclose(scaled.precision * np.outer(units, units), plain.precision, rtol=1e-11)
