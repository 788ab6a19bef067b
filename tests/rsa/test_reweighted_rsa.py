from __future__ import annotations

import numpy as np
import pytest
from reference import reweighted as reference

from alignkit.rsa import RDM, ReweightedRSA, compare, noise_ceiling, reweighted_rsa
from alignkit.rsa._held_out import item_folds

N = 18
LABELS = tuple(f"i{k:02}" for k in range(N))
PENALTIES = [10.0, 0.1, 0.001]


@pytest.fixture
def planted(rng) -> tuple[np.ndarray, np.ndarray]:
    """Six features, of which people weigh the first two, and RDMs of four people."""
    x = rng.normal(size=(N, 6)) * np.array([1.0, 5.0, 0.2, 1.0, 1.0, 1.0]) + 3
    weights = np.array([2.0, 0.05, 0, 0, 0, 0])
    return x, reference.design(x) @ weights + rng.normal(size=(4, N * (N - 1) // 2))


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_equals_nested_loops_over_the_design_written_out(method, nonnegative, planted):
    x, rdms = planted
    result = reweighted_rsa(
        x,
        rdms,
        method=method,
        nonnegative=nonnegative,
        penalties=PENALTIES[::-1],
        n_folds=3,
        n_inner_folds=2,
        n_repeats=2,
        n_bootstrap=0,
        rng=4,
    )
    generator = np.random.default_rng(4)
    every = np.arange(N)
    scores, equal = [], []
    for child in generator.spawn(2):
        for test in item_folds(N, 3, child):
            train = np.setdiff1d(every, test)
            inner = item_folds(len(train), 2, child)
            for y in rdms:
                penalty = reference.best_penalty(x, y, train, inner, PENALTIES, method, nonnegative=nonnegative)
                scores.append(reference.fitted_score(x, y, train, test, penalty, method, nonnegative=nonnegative))
                plain = reference.design(x[test] / x[train].std(axis=0)).sum(axis=1)
                equal.append(reference.correlation(plain, reference.part(y, test, N), method))
    assert np.allclose(result.scores, np.reshape(scores, (-1, 4)).mean(axis=0), rtol=0, atol=1e-9)
    assert np.allclose(result.unweighted, np.reshape(equal, (-1, 4)).mean(axis=0), rtol=0, atol=1e-9)
    inner = item_folds(N, 2, generator)
    for s, y in enumerate(rdms):
        penalty = reference.best_penalty(x, y, every, inner, PENALTIES, method, nonnegative=nonnegative)
        assert result.penalties[s] == penalty
        scale = x.std(axis=0)
        weights = reference.ridge(reference.design(x / scale), y, penalty, nonnegative=nonnegative)
        assert np.allclose(result.weights[s], weights / scale**2, rtol=0, atol=1e-9)
        fitted = compare(reference.design(x) @ result.weights[s], y, method=method).values
        assert result.in_sample[s] == pytest.approx(float(fitted), abs=1e-9)


def test_ceilings_are_those_of_the_held_out_pairs(planted):
    x, rdms = planted
    result = reweighted_rsa(x, rdms, n_folds=3, n_repeats=1, n_bootstrap=0, rng=4)
    folds = item_folds(N, 3, np.random.default_rng(4).spawn(1)[0])
    ceilings = [
        noise_ceiling(np.stack([reference.part(y, fold, N) for y in rdms]), method="pearson", n_bootstrap=0)
        for fold in folds
    ]
    for name in ("lower", "upper"):
        expected = np.mean([getattr(one, f"{name}_per_subject") for one in ceilings], axis=0)
        assert np.allclose(getattr(result, name), expected, rtol=0, atol=1e-12)


def test_planted_weights_beat_equal_ones_and_noise_predicts_nothing(planted, rng):
    x, rdms = planted
    result = reweighted_rsa(x, rdms, rng=0)
    assert (result.scores > result.unweighted).all()
    assert result.gain_interval[0] > 0
    assert result.weights[:, 0].mean() == pytest.approx(2.0, rel=0.2)
    noise = reweighted_rsa(x, rng.normal(size=(8, 153)), rng=0, n_bootstrap=0)
    assert abs(noise.scores.mean()) < 0.15
    assert noise.in_sample.mean() > noise.scores.mean()


def test_units_of_features_do_not_matter_where_they_are_standardised(planted):
    x, rdms = planted
    plain = reweighted_rsa(x, rdms, rng=0, n_repeats=1)
    scaled = reweighted_rsa(x * np.logspace(-6, 6, 6) + 7, rdms * 1e6, rng=0, n_repeats=1)
    assert np.allclose(scaled.scores, plain.scores, rtol=0, atol=1e-6)
    raw = reweighted_rsa(x, rdms, rng=0, n_repeats=1, standardize=False)
    assert not np.allclose(raw.scores, plain.scores, rtol=0, atol=1e-4)


def test_constant_features_weigh_nothing(planted):
    x, rdms = planted
    padded = np.column_stack([x, np.full(N, 0.1)])
    result = reweighted_rsa(padded, rdms, rng=0, n_repeats=1)
    assert (result.weights[:, -1] == 0).all()
    flat = reweighted_rsa(np.ones((N, 2)), rdms, rng=0, n_repeats=1)
    assert (flat.scores == 0).all()


def test_rows_are_matched_by_label(planted, rng):
    import pandas as pd

    x, rdms = planted
    order = rng.permutation(N)
    stack = RDM(rdms, LABELS, dims=["subject"], coords={"subject": list("vwxy")})
    expected = reweighted_rsa(x, rdms, rng=0, n_repeats=1)
    found = reweighted_rsa(pd.DataFrame(x, index=LABELS), stack.take(order), rng=0, n_repeats=1)
    assert np.allclose(found.scores, expected.scores, rtol=0, atol=1e-12)
    assert (found.aligned_by, found.subjects) == ("label", ("v", "w", "x", "y"))
    with pytest.raises(ValueError, match="features and rdms do not hold the same items"):
        reweighted_rsa(x, stack, labels=[*LABELS[:-1], "else"])
    fewer = reweighted_rsa(x, stack, labels=[*LABELS[:-1], "else"], on_mismatch="intersect", rng=0, n_repeats=1)
    assert fewer.n_items == 17


def test_single_rdms(planted):
    x, rdms = planted
    single = reweighted_rsa(x, rdms[0], rng=0, n_repeats=1)
    assert np.isnan(single.lower).all()
    assert "one subject: no ceiling; no interval: 1 subject" in repr(single)
    assert single.scores[0] == pytest.approx(reweighted_rsa(x, rdms, rng=0, n_repeats=1).scores[0], abs=1e-12)


def test_refusals(planted):
    x, rdms = planted
    missing = rdms.copy()
    missing[0, 3] = np.nan
    with pytest.raises(ValueError, match="rdms must be complete: NaN for 'item 0', 'item 4'"):
        reweighted_rsa(x, missing)
    with pytest.raises(ValueError, match=r"^labels must hold one label per item: expected 18, got 3"):
        reweighted_rsa(x, rdms, labels=["a", "b", "c"])
    with pytest.raises(ValueError, match="penalties must hold one or more finite numbers above 0"):
        reweighted_rsa(x, rdms, penalties=[0.0, 1.0])
    with pytest.raises(ValueError, match="18 items are too few for 5 folds and 5 folds of the training items"):
        reweighted_rsa(x, rdms, n_folds=5, n_inner_folds=5)
    with pytest.raises(ValueError, match=r"features has 10,001 channels, of at most 10,000; reduce them first"):
        reweighted_rsa(np.zeros((N, 10_001)), rdms)
    with pytest.raises(ValueError, match="features holds the layers 'a', 'b'; give one of them"):
        reweighted_rsa({"a": x, "b": x}, rdms)
    with pytest.raises(ValueError, match=r"choose one of each but the subjects with isel"):
        reweighted_rsa(x, RDM(rdms.reshape(2, 2, -1), dims=["subject", "time"]))


def test_the_result(planted, tmp_path):
    x, rdms = planted
    result = reweighted_rsa(x, rdms, rng=0, n_repeats=1)
    table = result.to_dataframe()
    assert table.score.tolist() == result.scores.tolist()
    result.save(tmp_path / "a.json")
    back = ReweightedRSA.load(tmp_path / "a.json")
    assert repr(back) == repr(result)
    assert np.array_equal(back.weights, result.weights)
    assert "judged by the Pearson correlation over pairs of held-out items" in result.methods_text()
    assert len(result.plot().patches) == 3


def test_a_subject_that_does_not_vary_is_named(rng):
    people = rng.random((3, 66))
    people[1] = 1.0
    found = reweighted_rsa(rng.normal(size=(12, 3)), people, n_repeats=1, n_bootstrap=0, rng=0)
    assert np.isnan(found.scores).tolist() == [False, True, False]
    assert found.note == "NaN: all values are equal in the RDM of '1'"
