from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import RDM, FixedModel, InterpolatedModel, SelectedModel, WeightedModel, compare
from alignkit.rsa._condensed import squareform, upper_triangle
from alignkit.rsa._inference._fitted_task import Task, task_of
from alignkit.rsa._inference._held_out_scores import HeldOut, held_out_scores
from alignkit.rsa._models import Model

N, S = 14, 5
METHODS = ["pearson", "cosine", "whitened-pearson", "whitened-cosine", "spearman", "rho-a", "kendall-tau-a"]
each_method = pytest.mark.parametrize("method", METHODS)
ITEM_FOLDS = [np.array([0, 3, 5, 8, 9]), np.array([1, 2, 4, 6]), np.array([7, 10, 11, 12, 13])]
SUBJECT_FOLDS = [np.array([0, 3]), np.array([1, 2, 4])]


def planted(rng: np.random.Generator, n_items: int = N) -> tuple[np.ndarray, list[Model]]:
    n_pairs = n_items * (n_items - 1) // 2
    components = rng.random((4, n_pairs)) + 0.3
    data = np.array([0.5, 1.0, 0.2, 0.1]) @ components + 0.3 * rng.normal(size=(S, n_pairs)) + 1
    models = [
        FixedModel(components[0]),
        SelectedModel(components),
        WeightedModel(components[:3]),
        WeightedModel(components[1:], nonnegative=False, penalty=0.2),
        InterpolatedModel(components[:3]),
    ]
    return data, models


def task(data: np.ndarray, models: list[Model], method: str) -> Task:
    return task_of(models, [model.rdms.values for model in models], data, method)


def rdms_of(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the condensed RDMs of drawn items; copies are at no distance: NaN."""
    square = squareform(np.atleast_2d(rows))[:, drawn][:, :, drawn].copy()
    square[:, drawn[:, None] == drawn] = np.nan
    square[:, np.arange(len(drawn)), np.arange(len(drawn))] = 0.0
    return upper_triangle(square)


def similarities(a: np.ndarray, b: np.ndarray, method: str) -> np.ndarray:
    return compare(a, b, method=method, nan_policy="omit").values.reshape(len(a), len(b))


def unit_mean(rows: np.ndarray, method: str) -> np.ndarray:
    """Return the RDM that is most like all, from the public ceiling's own definition, by hand."""
    from scipy.stats import rankdata

    known = ~np.isnan(rows).any(axis=0)
    mean = np.full(rows.shape[1], np.nan)
    x = rows[:, known]
    if method in ("spearman", "rho-a", "kendall-tau-a"):
        x = np.stack([rankdata(row) for row in x])
    elif method.startswith("whitened"):
        norms = [whitened_length(row, method) for row in rows]
        x = x / np.array(norms)[:, None] - (x.mean(axis=1) / np.array(norms))[:, None] * method.endswith("pearson")
    else:
        x = x - x.mean(axis=1, keepdims=True) * (method == "pearson")
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    mean[known] = x.mean(axis=0)
    return mean


def whitened_length(row: np.ndarray, method: str) -> float:
    from reference.compare import covariance_of_pairs

    known = ~np.isnan(row)
    n = round((1 + np.sqrt(1 + 8 * row.size)) / 2)
    v = covariance_of_pairs(n)[np.ix_(known, known)]
    x = row[known] - row[known].mean() * method.endswith("pearson")
    return float(np.sqrt(x @ np.linalg.solve(v, x)))


def loop(
    data: np.ndarray, models: list[Model], method: str, items: np.ndarray, subjects: np.ndarray, *, split_subjects: bool
) -> HeldOut:
    """Score by public functions, fold after fold, on RDMs that are written out with their copies."""
    scores = np.full((len(models), len(ITEM_FOLDS), S), np.nan)
    lower, upper = np.full((2, len(ITEM_FOLDS), S), np.nan)
    folds = SUBJECT_FOLDS if split_subjects else [np.arange(S)]
    for i, fold in enumerate(ITEM_FOLDS):
        test = np.repeat(np.arange(N), items * np.isin(np.arange(N), fold))
        train = np.repeat(np.arange(N), items * ~np.isin(np.arange(N), fold))
        for own in folds:
            own = own[subjects[own] > 0]
            others = subjects.copy()
            if split_subjects:
                others[own] = 0
            people = np.repeat(np.arange(S), others)
            judged = rdms_of(data[own], test)
            for m, model in enumerate(models):
                own_model = type(model)(rdms_of(model.rdms.values, train), **options(model))
                theta = own_model.fit(rdms_of(data[people], train), method=method, nan_policy="omit")
                # term by term: equal sums are equal, whatever their place
                predicted = np.sum([w * row for w, row in zip(theta, model.rdms.values, strict=True)], axis=0)
                scores[m, i, own] = similarities(rdms_of(predicted, test), judged, method)[0]
            upper[i, own] = similarities(
                unit_mean(rdms_of(data[np.repeat(np.arange(S), subjects)], test), method)[None], judged, method
            )[0]
            for s in own:
                rest = people if split_subjects else people[people != s]
                mean = unit_mean(rdms_of(data[rest], test), method)
                lower[i, s] = similarities(mean[None], rdms_of(data[[s]], test), method)[0, 0]
    return HeldOut(scores, lower, upper, ())


def options(model: Model) -> dict[str, object]:
    return {"nonnegative": model.nonnegative, "penalty": model.penalty} if isinstance(model, WeightedModel) else {}


@each_method
@pytest.mark.parametrize("split_subjects", [True, False])
@pytest.mark.parametrize("resampled", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_equals_the_loop(method, split_subjects, resampled, tied, rng):
    data, models = planted(rng)
    if tied:
        data, levels = np.round(7 * data), np.round(9 * models[1].rdms.values)
        models = [type(m)(levels[: m.n_components], **options(m)) for m in models]
    items = np.ones(N, dtype=np.int64)
    subjects = np.ones(S, dtype=np.int64)
    if resampled:
        items[[0, 1, 7]], items[[3, 2, 10]] = 2, 0
        subjects[:] = [2, 1, 1, 1, 0]
    folds = SUBJECT_FOLDS if split_subjects else [np.arange(S)]
    found = held_out_scores(task(data, models, method), ITEM_FOLDS, folds, item_counts=items, subject_counts=subjects)
    expected = loop(data, models, method, items, subjects, split_subjects=split_subjects)
    drawn = subjects > 0
    for name in ("scores", "lower", "upper"):
        ours, theirs = getattr(found, name)[..., drawn], getattr(expected, name)[..., drawn]
        assert np.isfinite(theirs).all()
        assert np.allclose(ours, theirs, rtol=0, atol=1e-10), name
    assert [theta.shape for theta in found.thetas] == [(3, len(folds), n) for n in (1, 4, 3, 3, 3)]


def test_all_items_and_subjects_in_one_fold_are_in_sample(rng):
    data, models = planted(rng)
    found = held_out_scores(task(data, models, "cosine"), [np.arange(N)], [np.arange(S)])
    for m, model in enumerate(models):
        theta = model.fit(data, method="cosine")
        assert np.allclose(found.thetas[m][0, 0], theta, rtol=0, atol=1e-12)
        expected = compare(model.predict(theta), data, method="cosine").values
        assert np.allclose(found.scores[m, 0], expected, rtol=0, atol=1e-12)


def test_items_missing_anywhere_leave(rng):
    data, models = planted(rng)
    data[1, :5] = np.nan
    found = held_out_scores(task(data, models, "pearson"), [np.arange(N)], [np.arange(S)])
    model = models[2]
    theta = model.fit(data, nan_policy="omit")
    expected = compare(
        model.predict(theta), np.where(np.isnan(data[1]), np.nan, data), nan_policy="omit", method="pearson"
    )
    assert np.allclose(found.scores[2, 0], expected.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_controls", [1, 2])
def test_controls_are_partialled_out_of_both_sides(n_controls, rng):
    data, models = planted(rng)
    controls = rng.random((n_controls, data.shape[1]))
    given = task_of([models[0]], [models[0].rdms.values], data, "pearson", controls=controls)
    found = held_out_scores(given, [np.arange(N)], [np.arange(S)]).scores[0, 0]
    expected = compare(models[0].rdms.values[0], data, method="pearson", controls=controls).values
    assert np.allclose(found, expected, rtol=0, atol=1e-12)
    itself = task_of([FixedModel(controls[0])], [controls[:1]], data, "pearson", controls=controls)
    # what the controls explain altogether predicts nothing
    assert np.array_equal(held_out_scores(itself, [np.arange(N)], [np.arange(S)]).scores[0, 0], np.zeros(S))


def test_a_prediction_of_nothing_scores_0(rng):
    data, models = planted(rng)
    opposite = WeightedModel(-models[2].rdms.values)
    for method in ("cosine", "spearman"):
        found = held_out_scores(task(np.abs(data), [opposite], method), ITEM_FOLDS, SUBJECT_FOLDS)
        if method == "cosine":
            assert np.array_equal(found.scores, np.zeros((1, 3, S)))
        assert np.isfinite(found.scores).all()


@pytest.mark.parametrize(("method", "name"), [("pearson", "corr"), ("cosine", "cosine")])
def test_equals_rsatoolboxs_crossval_on_its_own_folds(method, name, rng):
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.inference import crossval
    from rsatoolbox.model import ModelFixed, ModelSelect, ModelWeighted
    from rsatoolbox.model.fitter import fit_mock, fit_regress_nn, fit_select
    from rsatoolbox.rdm import RDMs

    data, models = planted(rng)
    components = models[1].rdms.values
    theirs = [ModelFixed("f", components[0]), ModelSelect("s", components), ModelWeighted("w", components[:3])]
    rdms = RDMs(data)
    train, test = [], []
    for own in SUBJECT_FOLDS:
        others = np.setdiff1d(np.arange(S), own)
        for fold in ITEM_FOLDS:
            rest = np.setdiff1d(np.arange(N), fold)
            train.append([rdms.subsample("index", list(others)).subset_pattern("index", list(rest)), list(rest)])
            test.append([rdms.subsample("index", list(own)).subset_pattern("index", list(fold)), list(fold)])
    fitters = [fit_mock, fit_select, fit_regress_nn]
    expected = crossval(theirs, rdms, train, test, method=name, fitter=fitters, calc_noise_ceil=False)
    found = held_out_scores(task(data, models[:3], method), ITEM_FOLDS, SUBJECT_FOLDS).scores
    ours = np.stack([found[:, i, own].mean(axis=1) for own in SUBJECT_FOLDS for i in range(3)], axis=1)
    assert np.allclose(ours, expected.evaluations[0], rtol=0, atol=1e-10)


def test_labels_do_not_matter_here(rng):
    data, models = planted(rng)
    labelled = [FixedModel(RDM(models[0].rdms.values[0], [f"i{k}" for k in range(N)]))]
    found = held_out_scores(task(data, labelled, "cosine"), ITEM_FOLDS, SUBJECT_FOLDS).scores
    assert np.array_equal(found, held_out_scores(task(data, models[:1], "cosine"), ITEM_FOLDS, SUBJECT_FOLDS).scores)
