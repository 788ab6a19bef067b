from __future__ import annotations

import warnings

import numpy as np
import pytest
from reference import resampled as reference
from threadpoolctl import threadpool_limits

from alignkit.rsa import compare
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._resampled_scores import resampled_scores
from alignkit.rsa._matrix_methods import COMPARISON_METHODS
from alignkit.rsa._pooling import POOLING_METHODS

THEIRS = {
    "pearson": "corr",
    "cosine": "cosine",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "kendall-tau-a": "tau-a",
    "kendall-tau-b": "tau-b",
    "whitened-cosine": "cosine_cov",
    "whitened-pearson": "corr_cov",
}
N, S, K, B = 8, 4, 3, 12


def study(rng, n=N, levels=None):
    """Subjects and models, the last model with two values; with ``levels``, all of them with many ties."""
    pairs = n * (n - 1) // 2
    common = rng.normal(size=pairs)
    rows = 3 + common + rng.normal(size=(S + K, pairs))
    if levels is not None:
        rows = np.round(rows * levels) / levels
    rows[-1] = rng.random(pairs) < 0.5
    return rows[:S], rows[S:]


def counts_of(rng, n=N, b=B):
    return draw_counts(n, b, rng), draw_counts(S, b, rng)


def expected(data, models, method, items, subjects, **options):
    rows = [reference.resample(data, models, method, i, s, **options) for i, s in zip(items, subjects, strict=True)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def agree(found, wanted, tolerance=1e-12):
    for own, other in zip((found.scores, found.lower, found.upper), wanted, strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", POOLING_METHODS)
@pytest.mark.parametrize("levels", [None, 1])
def test_equals_resamples_written_out(method, levels, rng):
    data, models = study(rng, levels=levels)
    items, subjects = counts_of(rng)
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    ones = np.ones_like
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = {
            "items": expected(data, models, method, items, ones(subjects)),
            "subjects": expected(data, models, method, ones(items), subjects),
            "both": expected(data, models, method, items, subjects),
        }
    assert set(found) == set(wanted)
    for name, columns in wanted.items():
        scores, lower, upper = columns
        if name != "items":
            alone = (subjects > 0).sum(axis=1) == 1
            lower, upper = (np.where(alone, np.nan, ends) for ends in (lower, upper))
        agree(found[name], (scores, lower, upper), 1e-10 if method.startswith("whitened") else 1e-12)


@pytest.mark.parametrize("method", POOLING_METHODS)
@pytest.mark.parametrize("pooling", ["raw", "rsatoolbox"])
def test_other_ways_to_pool(method, pooling, rng):
    data, models = study(rng, levels=2)
    items, _ = counts_of(rng)
    subjects = np.array([[2, 0, 1, 1], [0, 3, 0, 1], [1, 1, 1, 1]] * 4)
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects, pooling=pooling)
    agree(found["both"], expected(data, models, method, items, subjects, pooling=pooling), 1e-10)
    agree(found["items"], expected(data, models, method, items, np.ones_like(subjects), pooling=pooling), 1e-10)


@pytest.mark.parametrize("method", ["whitened-cosine", "whitened-pearson"])
@pytest.mark.parametrize("pooling", ["rank", "raw", "rsatoolbox"])
def test_items_of_unequal_variances(method, pooling, rng):
    data, models = study(rng)
    items, _ = counts_of(rng)
    subjects = np.array([[2, 0, 1, 1], [0, 3, 0, 1], [1, 1, 1, 1]] * 4)
    options = {"sigma_k": rng.uniform(0.5, 2, N), "pooling": pooling}
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects, **options)
    agree(found["both"], expected(data, models, method, items, subjects, **options), 1e-10)
    with pytest.raises(ValueError, match="sigma_k must hold variances"):
        resampled_scores(data, models, method, item_counts=items, sigma_k=np.eye(N))
    whole = resampled_scores(data, models, method, subject_counts=subjects, sigma_k=np.diag(options["sigma_k"]))
    own = resampled_scores(data, models, method, subject_counts=subjects, sigma_k=options["sigma_k"])
    agree(own["subjects"], (whole["subjects"].scores, whole["subjects"].lower, whole["subjects"].upper), 1e-12)


@pytest.mark.parametrize("method", ["pearson", "cosine", "spearman", "rho-a", "whitened-cosine", "whitened-pearson"])
@pytest.mark.parametrize("levels", [None, 1])
def test_equals_rsatoolbox_on_its_own_resamples(method, levels, rng):
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.inference import bootstrap_sample
    from rsatoolbox.rdm import RDMs

    n = 12
    data, models = study(rng, n, levels)
    theirs, their_models = RDMs(data), RDMs(models)
    np.random.seed(1)  # noqa: NPY002 (rsatoolbox draws from the global state)
    drawn = [bootstrap_sample(theirs)[1:] for _ in range(8)]
    items = np.array([np.bincount(i, minlength=n) for _, i in drawn])
    subjects = np.array([np.bincount(s, minlength=S) for s, _ in drawn])
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects, pooling="rsatoolbox")
    for b, (people, patterns) in enumerate(drawn):
        everybody = np.arange(S)
        for name, s, i in (
            ("items", everybody, patterns),
            ("subjects", people, np.arange(n)),
            ("both", people, patterns),
        ):
            scores, ends = by_rsatoolbox(theirs, their_models, THEIRS[method], s, i)
            own = found[name]
            tolerance = 5e-6 if method.startswith("whitened") and name != "subjects" else 1e-12  # their solver's
            np.testing.assert_allclose(own.scores[b], scores, rtol=0, atol=tolerance)
            if len(set(s)) > 1:
                np.testing.assert_allclose((own.lower[b], own.upper[b]), ends, rtol=0, atol=tolerance)


def by_rsatoolbox(data, models, method, people, patterns):
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
    from rsatoolbox.rdm import compare as their_compare

    drawn = data.subsample("index", people).subsample_pattern("index", patterns)
    scores = their_compare(models.subsample_pattern("index", patterns), drawn, method).mean(axis=1)
    return scores, boot_noise_ceiling(drawn, method)


def test_copies_of_an_item_stand_at_one_place_for_bures(rng):
    points = rng.normal(size=(S + K, 6, 3))
    items = np.array([[2, 1, 0, 1, 1, 1], [0, 3, 1, 0, 1, 1]])
    rows = np.array([distances(p) for p in points])
    found = resampled_scores(rows[:S], rows[S:], "bures", item_counts=items)["items"]
    for b, times in enumerate(items):
        again = np.array([distances(np.repeat(p, times, axis=0)) for p in points])
        wanted = compare(again[:S], again[S:], method="bures").values.mean(axis=0)
        np.testing.assert_allclose(found.scores[b], wanted, rtol=0, atol=1e-10)
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()


def distances(points):
    first, second = np.triu_indices(len(points), k=1)
    return np.square(points[first] - points[second]).sum(axis=1)


@pytest.mark.parametrize("method", COMPARISON_METHODS)
def test_what_is_undefined_is_nan(method, rng):
    data, models = study(rng, 6)
    items = np.array([[3, 3, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0], [2, 2, 2, 0, 0, 0]])
    subjects = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [4, 0, 0, 0]])
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    for name in ("items", "both"):
        assert np.isnan(found[name].scores[:2]).all()
        assert np.isnan(found[name].lower[:2]).all()
        assert np.isnan(found[name].upper[:2]).all()
    assert np.isnan(found["both"].lower[2])
    assert np.isnan(found["both"].upper[2])
    if method in POOLING_METHODS:
        assert np.isfinite(found["items"].lower[2])
        assert np.isfinite(found["both"].scores[2, :2]).all()


@pytest.mark.parametrize("method", ["pearson", "spearman", "whitened-pearson", "kendall-tau-b"])
def test_a_constant_resample_is_nan_and_the_next_one_is_not(method, rng):
    data, models = study(rng, 6)
    square = np.full((6, 6), 0.1)
    square[5] = square[:, 5] = rng.random(6)
    models[0] = square[np.triu_indices(6, k=1)]
    data[1] = models[0] * 0.7
    items = np.array([[2, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    subjects = np.array([[2, 0, 1, 1], [1, 1, 1, 1]])
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    assert np.isnan(found["items"].scores[0]).all()
    assert np.isnan(found["items"].upper[0])
    assert np.isnan(found["both"].scores[0, 0])
    assert np.isfinite(found["both"].scores[0, 1])
    assert np.isfinite(found["both"].upper[0])
    assert np.isfinite(found["both"].scores[1]).all()
    assert np.isfinite(found["items"].lower[1])


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_pairs_that_nobody_has_are_left_out(method, rng):
    data, models = study(rng)
    missing = [0, 9, 27]
    items, subjects = counts_of(rng)
    data[:, missing] = models[:, missing] = np.nan
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    ones = np.ones((1, S), dtype=int)
    for b in range(3):
        times = items[b]
        with_copies = np.repeat(np.arange(N), times)
        square = [np.full((N, N), np.nan) for _ in range(S + K)]
        for matrix, row in zip(square, [*data, *models], strict=True):
            matrix[np.triu_indices(N, k=1)] = row
            matrix[np.tril_indices(N, k=-1)] = matrix.T[np.tril_indices(N, k=-1)]
        upper = np.triu_indices(len(with_copies), k=1)
        rows = np.array([matrix[np.ix_(with_copies, with_copies)][upper] for matrix in square])
        wanted = compare(rows[:S], rows[S:], method=method, nan_policy="omit").values
        np.testing.assert_allclose(found["items"].scores[b], wanted.mean(axis=0), rtol=0, atol=1e-12)
    assert resampled_scores(data, models, method, subject_counts=ones)["subjects"].lower.shape == (1,)
    data[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN must be common to all RDMs"):
        resampled_scores(data, models, method, item_counts=items)


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_a_resample_has_the_same_bits_alone_and_among_others(method, rng):
    data, models = study(rng, 15)
    items, subjects = draw_counts(15, 400, 0)[:300], draw_counts(S, 300, 1)
    step = 300 if not method.startswith("kendall") else 20
    items, subjects = items[:step], subjects[:step]
    everything = resampled_scores(data, models, method, item_counts=items, subject_counts=subjects)
    with threadpool_limits(1):
        part = slice(step // 3, step // 3 + 7)
        alone = resampled_scores(data, models, method, item_counts=items[part], subject_counts=subjects[part])
    for name, found in alone.items():
        for column in ("scores", "lower", "upper"):
            np.testing.assert_array_equal(getattr(found, column), getattr(everything[name], column)[part])


def test_counts_add_up_and_ticks_too(rng):
    data, models = study(rng)
    items, subjects = counts_of(rng, b=300)
    ticks: list[int] = []
    found = resampled_scores(data, models, "pearson", item_counts=items, subject_counts=subjects, tick=ticks.append)
    assert sum(ticks) == 300
    assert found["items"].scores.shape == (300, K)
    ticks.clear()
    found = resampled_scores(data, models, "pearson", subject_counts=subjects, tick=ticks.append, ceilings=False)
    assert sum(ticks) == 300
    assert set(found) == {"subjects"}
    assert np.isnan(found["subjects"].lower).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give item_counts"),
        ({"item_counts": np.ones((2, 5), dtype=int)}, "item_counts must say how often each of 8"),
        ({"subject_counts": np.zeros((2, 4), dtype=int)}, "subject_counts must say"),
        (
            {"item_counts": np.ones((2, 8), dtype=int), "subject_counts": np.ones((3, 4), dtype=int)},
            "the same number of resamples",
        ),
        ({"item_counts": np.ones((2, 8), dtype=int), "pooling": "mean"}, "pooling must be one of"),
    ],
)
def test_bad_input(options, message, rng):
    data, models = study(rng)
    with pytest.raises(ValueError, match=message):
        resampled_scores(data, models, "pearson", **options)
