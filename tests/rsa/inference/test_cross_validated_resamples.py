from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import FixedModel, WeightedModel
from alignkit.rsa._inference._cross_validated_resamples import (
    cross_validated_resamples,
    mean_scores,
)
from alignkit.rsa._inference._fitted_task import Task, task_of
from alignkit.rsa._inference._held_out_scores import held_out_scores
from alignkit.rsa._inference._random_folds import default_item_folds, default_subject_folds, folds_of

N, S = 14, 6


@pytest.fixture
def given(rng) -> Task:
    components = rng.random((3, 91)) + 0.3
    data = np.array([0.5, 1.0, 0.2]) @ components + 0.3 * rng.normal(size=(S, 91))
    models = [FixedModel(components[0]), WeightedModel(components)]
    return task_of(models, [model.rdms.values for model in models], data, "pearson")


def counts(rng: np.random.Generator, n_resamples: int, n: int) -> np.ndarray:
    return rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)


def test_every_resample_is_cross_validated_in_its_own_folds(given, rng):
    items, subjects = counts(rng, 20, N), counts(rng, 20, S)
    found = cross_validated_resamples(
        given, (2, 2), 2, np.random.default_rng(3), item_counts=items, subject_counts=subjects
    )
    children = np.random.default_rng(3).spawn(20)
    every_item, every_subject = np.ones(N, dtype=int), np.ones(S, dtype=int)
    for b in range(20):
        for repeat in range(2):
            for kind, own_items, own_subjects in (
                ("items", items[b], every_subject),
                ("both", items[b], subjects[b]),
                ("subjects", every_item, subjects[b]),
            ):
                if kind != "both":  # which shares the folds of items
                    item_folds = folds_of(own_items, 2, 3, children[b])
                subject_folds = folds_of(own_subjects, 2, 1, children[b])
                if item_folds is None or subject_folds is None:
                    assert np.isnan(found[kind][b, repeat]).all()
                    continue
                scored = held_out_scores(
                    given, item_folds, subject_folds, item_counts=own_items, subject_counts=own_subjects
                )
                assert np.array_equal(found[kind][b, repeat], mean_scores(scored, own_subjects, whole=False))
    assert all(np.isfinite(values).any() for values in found.values())


def test_means_count_every_copy_of_a_subject(given):
    folds = ([np.arange(7), np.arange(7, 14)], [np.arange(3), np.arange(3, 6)])
    subjects = np.array([3, 0, 1, 1, 1, 0])
    scored = held_out_scores(given, *folds, subject_counts=subjects)
    expected = [np.mean([scored.scores[m, i, s] for i in range(2) for s in (0, 0, 0, 2, 3, 4)]) for m in range(2)]
    assert np.allclose(mean_scores(scored, subjects, whole=False)[:2], expected, rtol=0, atol=1e-14)


def test_folds_keep_copies_together_and_use_everything_drawn(rng):
    drawn = np.array([2, 0, 1, 1, 0, 3, 1, 1, 1])
    folds = folds_of(drawn, 2, 3, rng)
    assert folds is not None
    assert sorted(np.concatenate(folds)) == np.flatnonzero(drawn).tolist()
    assert folds_of(drawn, 3, 3, rng) is None
    assert folds_of(np.ones(4, dtype=int), 1, 3, rng)[0].tolist() == [0, 1, 2, 3]


def test_default_numbers_are_rsatoolboxs():
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.util.inference_util import default_k_pattern, default_k_rdm

    for n in range(2, 60):
        assert default_item_folds(n) == default_k_pattern(n)
        assert default_subject_folds(n) == default_k_rdm(n)
    assert default_subject_folds(1) == 1


def test_nothing_depends_on_the_number_of_threads(given, rng):
    from alignkit._threads import jobs

    items, subjects = counts(rng, 40, N), counts(rng, 40, S)
    found = []
    for n in (1, 3):
        with jobs(n):
            found.append(
                cross_validated_resamples(
                    given, (2, 2), 2, np.random.default_rng(3), item_counts=items, subject_counts=subjects
                )
            )
    for kind in found[0]:
        assert np.array_equal(found[0][kind], found[1][kind], equal_nan=True)
