"""Evaluations of models that are fitted, and with other RDMs controlled for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from alignkit._threads import jobs
from alignkit.rsa import (
    RDM,
    Evaluation,
    FixedModel,
    InterpolatedModel,
    SelectedModel,
    WeightedModel,
    compare,
    dual_variance,
    evaluate,
    t_test,
)
from alignkit.rsa._condensed import squareform, upper_triangle
from alignkit.rsa._inference._cross_validated_resamples import cross_validated_resamples
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._fitted_task import task_of
from alignkit.rsa._inference._held_out_scores import held_out_scores
from alignkit.rsa._inference._random_folds import folds_of

N, S = 16, 6
WAYS = ("subjects", "items", "both")


@pytest.fixture
def planted(rng) -> tuple[dict[str, object], np.ndarray]:
    components = rng.random((4, N * (N - 1) // 2)) + 0.3
    data = np.array([0.5, 1.0, 0.2, 0.1]) @ components + 0.3 * rng.normal(size=(S, components.shape[1]))
    models = {
        "fixed": FixedModel(components[0]),
        "layer": SelectedModel(components),
        "weighted": WeightedModel(components),
        "mixed": InterpolatedModel(components[:2]),
    }
    return models, data


def fast(models, data, **options):
    return evaluate(models, data, **{"n_bootstrap": 30, "rng": 0, "method": "pearson", **options})


def task(models, data, method="pearson"):
    return task_of(list(models.values()), [one.rdms.values for one in models.values()], data, method)


@pytest.mark.parametrize("method", ["pearson", "spearman", "whitened-cosine"])
def test_scores_are_means_over_random_folds(method, planted):
    models, data = planted
    result = fast(models, data, method=method, n_repeats=3, n_folds=3, n_subject_folds=2)
    values, bounds = [], []
    for child in np.random.default_rng(0).spawn(8)[6].spawn(3):
        items = folds_of(np.ones(N, dtype=int), 3, 3, child)
        subjects = folds_of(np.ones(S, dtype=int), 2, 1, child)
        found = held_out_scores(task(models, data, method), items, subjects)
        values.append(found.scores.mean(axis=1))
        bounds.append([found.lower.mean(), found.upper.mean()])
    assert_allclose(result.per_subject, np.mean(values, axis=0), rtol=0, atol=1e-14)
    assert_allclose([result.ceiling_lower, result.ceiling_upper], np.mean(bounds, axis=0), rtol=0, atol=1e-14)
    for k, model in enumerate(models.values()):
        theta = model.fit(data, method=method)
        assert_allclose(result.weights[k], theta, rtol=0, atol=1e-10)
        whole = compare(model.predict(theta), data, method=method).values.mean()
        assert result.in_sample[k] == pytest.approx(whole, abs=1e-10)
    assert (result.n_folds, result.n_subject_folds, result.n_repeats, result.n_cv) == (3, 2, 3, 2)


@pytest.mark.parametrize("way", WAYS)
def test_errors_are_rsatoolboxs_corrected_ones(way, planted):
    models, data = planted
    result = fast(models, data, generalize=way, n_folds=2, n_subject_folds=2, n_cv=3, n_bootstrap=60)
    items, subjects, *_, folds = np.random.default_rng(0).spawn(8)
    drawn = cross_validated_resamples(
        task(models, data),
        (2, 2),
        3,
        folds,
        item_counts=None if way == "subjects" else draw_counts(N, 60, items),
        subject_counts=None if way == "items" else draw_counts(S, 60, subjects),
        kinds=WAYS if way == "both" else (way,),
    )
    variances = {}
    for kind, values in drawn.items():
        complete = values[~np.isnan(values).any(axis=(1, 2))]
        of_mean = complete.mean(axis=1).var(axis=0, ddof=1)
        single = complete.var(axis=0, ddof=1).mean(axis=0)
        left = ((3 * of_mean - single) / 2)[:-2]
        # resamples that vary no more than random folds do say nothing of the variance
        variances[kind] = np.maximum(left, 0) if way == "both" else np.where(left > 0, left, np.nan)
    assert np.isfinite(list(variances.values())).any()
    if way == "both":
        expected = dual_variance(*(variances[k] for k in ("both", "subjects", "items")), n_subjects=S, n_items=N)
    else:
        expected = variances[way] * {"subjects": S / (S - 1), "items": N / (N - 1)}[way]
    assert_allclose(result.se, np.sqrt(expected), rtol=1e-9)
    assert result.test_zero == result.test_pairwise == "t"
    assert_allclose(result.t_zero, result.score / result.se, rtol=1e-12)
    assert_array_equal(np.isnan(result.p_zero), np.isnan(result.se))
    assert all(("raise n_cv" in why) == np.isnan(se) for why, se in zip(result.why_zero, result.se, strict=True))


def test_folds_are_rsatoolboxs_by_default(planted):
    models, data = planted
    # of 16 items and 6 subjects a resample holds 10.1 and 3.8 different ones
    assert (fast(models, data).n_folds, fast(models, data).n_subject_folds) == (3, 2)
    assert fast(models, data, generalize="items").n_folds == 2
    assert fast(models, data, generalize="items").n_subject_folds == 3
    both = fast(models, data, generalize="both")
    assert (both.n_folds, both.n_subject_folds) == (2, 2)


def test_planted_weights_are_found_and_noise_is_not_explained(planted, rng):
    models, data = planted
    result = fast(models, data, n_bootstrap=200, n_cv=4)
    names = list(result.models)
    assert result.score[names.index("weighted")] == result.score.max()
    assert result.p_zero[names.index("weighted")] < 0.05
    many = WeightedModel(rng.normal(size=(20, 120)), nonnegative=False)
    noise = fast({"many": many}, rng.normal(size=(S, 120)))
    assert noise.in_sample[0] > 0.1
    assert noise.score[0] < 0.1


@pytest.mark.parametrize("way", WAYS)
def test_nothing_depends_on_the_number_of_threads(way, planted):
    models, data = planted
    found = []
    for n in (1, 3):
        with jobs(n):
            found.append(fast(models, data, generalize=way).to_dict())
    assert found[0] == found[1]


def test_items_are_matched_by_label(planted, rng):
    models, data = planted
    labels = [f"i{k:02}" for k in range(N)]
    order = rng.permutation(N)
    named = {name: type(one)(RDM(one.rdms.values, labels, dims=["m"]).take(order)) for name, one in models.items()}
    expected = fast(models, data)
    found = fast(named, RDM(data, labels, dims=["subject"]))
    assert_allclose(found.per_subject, expected.per_subject, rtol=0, atol=1e-12)
    assert found.aligned_by == "label"


def test_rdms_beside_fitted_models_are_fixed_ones(planted):
    models, data = planted
    rdm = models["fixed"].rdms.values[0]
    expected = fast(models, data)
    assert_array_equal(fast({**models, "fixed": rdm}, data).per_subject, expected.per_subject)
    listed = fast(list(models.values()), data)
    assert listed.models == ("model 0", "model 1", "model 2", "model 3")
    assert_array_equal(listed.per_subject, expected.per_subject)
    assert fast(models["layer"], data).models == ("model 0",)


def test_missing_pairs(planted):
    models, data = planted
    data = data.copy()
    data[0, 3] = np.nan
    with pytest.raises(ValueError, match="models that are fitted need RDMs without NaN; nan_policy='omit' leaves"):
        fast(models, data)
    found = fast(models, data, nan_policy="omit")
    assert found.n_pairs == 119
    assert np.isfinite(found.score).all()


def test_one_subject_has_no_ceiling(planted):
    models, data = planted
    result = fast(models, data[:1], generalize="items", n_bootstrap=150)
    assert np.isfinite(result.score).all()
    assert np.isfinite(result.se).all()
    assert np.isnan([result.ceiling_lower, result.ceiling_upper]).all()
    assert set(result.why_ceiling) == {"one subject: there is no ceiling"}
    assert result.n_subject_folds == 1


def test_whitened_scores_with_variances_of_items(planted):
    models, data = planted
    variances = np.linspace(1, 3, N)
    result = fast(models, data, method="whitened-cosine", sigma_k=variances, generalize="both")
    assert np.isfinite(result.se).all()
    plain = fast(models, data, method="whitened-cosine", generalize="both")
    assert not np.allclose(plain.score, result.score, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match=r"sigma_k must hold variances, shape \(items,\), where items are resampled"):
        fast(models, data, method="whitened-cosine", sigma_k=np.diag(variances), generalize="items")


def test_subjects_that_do_not_vary_are_named(planted):
    models, data = planted
    data = data.copy()
    data[2] = 0.3
    with pytest.warns(RuntimeWarning, match="a model or a subject does not vary over some held-out pairs: 'fixed'"):
        assert np.isnan(fast(models, data).score).all()


@pytest.mark.parametrize("method", ["pearson", "spearman", "whitened-cosine"])
def test_a_model_that_does_not_vary_has_no_score_beside_whatever_models(method, planted):
    models, data = planted
    nothing = np.full(120, 0.0 if method == "whitened-cosine" else 0.5)
    with pytest.warns(RuntimeWarning, match="among the models"):
        alone = evaluate({"flat": nothing, "fixed": models["fixed"]}, data, method=method, rng=0)
    with pytest.warns(RuntimeWarning, match="does not vary over some held-out pairs: 'flat'"):
        beside = fast({**models, "flat": nothing}, data, method=method)
    plain = fast(models, data, method=method)
    assert np.isnan([alone.score[0], alone.se[0], beside.score[-1], beside.se[-1], beside.p_zero[-1]]).all()
    assert_allclose(beside.score[:-1], plain.score, rtol=0, atol=1e-12)
    assert_allclose(beside.se[:-1], plain.se, rtol=1e-9)


def test_refusals(planted):
    models, data = planted
    for options, sentence in [
        ({"test": "sign-flip"}, "held-out scores share what they were fitted to, and have no exact test"),
        ({"interval": "bca"}, "interval='bca' is for fixed models"),
        ({"n_bootstrap": 0}, "n_bootstrap must be at least 2 where models are fitted"),
        ({"n_folds": 1, "n_subject_folds": 1}, "nothing is held out of the fits"),
        ({"n_folds": 6}, "16 items and 6 subjects do not make 6 folds of 3 or more items"),
        ({"pooling": "raw"}, "ceilings of pooling='rank' only"),
        ({"method": "spearman", "controls": data[0]}, "controls beside models that are fitted are for the methods"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            fast(models, data, **options)
    with pytest.raises(ValueError, match="n_folds and n_subject_folds are for models that are fitted"):
        fast({"fixed": models["fixed"]}, data, n_folds=2)


def test_the_result(planted, tmp_path):
    models, data = planted
    result = fast(models, data, generalize="both")
    result.save(tmp_path / "a.json")
    back = Evaluation.load(tmp_path / "a.json")
    assert repr(back) == repr(result)
    assert back.weights == result.weights
    assert back.components == result.components == tuple(tuple(f"model {k}" for k in range(n)) for n in (1, 4, 4, 2))
    text = result.methods_text()
    assert "weighted: a sum of 4 RDMs with non-negative least-squares weights" in text
    assert "cross-validated over 2 folds of items times 2 folds of subjects" in text
    assert "2 cross-validations in every resample and the variance corrected" in text
    assert "on held-out data" in repr(result)
    assert "not measured" in result.note
    assert len(result.plot().patches) >= 4


# ---- controls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("n_controls", [1, 2])
def test_controls_give_partial_correlations(method, n_controls, planted, rng):
    models, data = planted
    rows = models["layer"].rdms.values
    controls = rng.random((n_controls, 120)) + rows[1]
    result = fast(rows, data, method=method, controls=controls)
    expected = compare(rows, data, method=method, controls=controls).values
    assert_allclose(result.per_subject, expected, rtol=0, atol=1e-12)
    assert_allclose(result.se, t_test(expected).sem, rtol=1e-9)
    assert result.n_controls == n_controls
    assert result.test_zero == "sign-flip"
    plain = fast(rows, data, method=method)
    assert not np.allclose(plain.per_subject, result.per_subject, rtol=0, atol=1e-3)
    assert "after" in result.methods_text()
    assert "partialled out of both" in result.methods_text()
    assert "partial" in repr(result)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_controls_are_partialled_out_in_resamples_of_items(method, planted, rng):
    models, data = planted
    rows, controls = models["layer"].rdms.values, rng.random((1, 120))
    result = fast(rows, data, method=method, controls=controls, generalize="items", n_bootstrap=12)
    items = np.random.default_rng(0).spawn(8)[0]
    scores = []
    for counts in draw_counts(N, 12, items):
        drawn = np.repeat(np.arange(N), counts)
        squares = squareform(np.concatenate([rows, data, controls]))[:, drawn][:, :, drawn]
        pairs = upper_triangle(squares)[:, drawn[np.triu_indices(N, 1)[0]] != drawn[np.triu_indices(N, 1)[1]]]
        own = [pad(x) for x in (pairs[:4], pairs[4:-1], pairs[-1:])]
        scores.append(compare(*own[:2], controls=own[2], method=method, nan_policy="omit").values.mean(axis=1))
    expected = np.sqrt(np.var(scores, axis=0, ddof=1) * N / (N - 1))
    assert_allclose(result.se, expected, rtol=1e-9)
    assert result.test_zero == "t"


def pad(rows: np.ndarray) -> np.ndarray:
    """Return rows as condensed RDMs of some number of items, with NaN where they end."""
    n = next(n for n in range(3, 40) if n * (n - 1) // 2 >= rows.shape[1])
    padded = np.full((len(rows), n * (n - 1) // 2), np.nan)
    padded[:, : rows.shape[1]] = rows
    return padded


def test_fitted_models_with_controls(planted, rng):
    models, data = planted
    controls = rng.random((1, 120))
    result = fast(models, data, controls=controls, generalize="items", n_bootstrap=100)
    assert np.isfinite(result.se).all()
    fixed = fast({"fixed": models["fixed"]}, data, controls=controls)
    assert abs(result.score[0] - fixed.score[0]) < 0.1
    with pytest.raises(ValueError, match="controls need RDMs without NaN"):
        fast({"fixed": models["fixed"]}, data, controls=np.where(np.arange(120) == 3, np.nan, controls))
    with pytest.raises(ValueError, match="items are not permuted"):
        fast({"fixed": models["fixed"]}, data, controls=controls, generalize="items", test="permutation")
    with pytest.raises(ValueError, match="controls are for the methods 'pearson' and 'spearman'"):
        fast({"fixed": models["fixed"]}, data, controls=controls, method="cosine")
