"""Inference on a real cluster of two processes: the bits of one process, also after a worker was lost."""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference.cluster import Killer

from alignkit import _executor
from alignkit._executor import Workers
from alignkit.rsa import (
    RDM,
    WeightedModel,
    _permutations,
    _permuted_products,
    _pools,
    compare_groups,
    evaluate,
    permutation_test,
    power,
)
from alignkit.rsa._inference import _item_resamples, _rank_resamples
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._resampled_scores import resampled_scores

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills by signal")]
N, S, K = 24, 7, 3


@pytest.fixture
def given(rng):
    models = rng.random((K, N * (N - 1) // 2))
    # rounded: some pairs are tied
    return models, np.round(models[0] + models[1] + 2 * rng.random((S, models.shape[1])), 1)


@pytest.fixture
def sent(monkeypatch):
    """Return a list to which every task adds what it calls; blocks are small, and what they share is sent once."""
    monkeypatch.setattr(_executor, "_SMALL", 0)
    monkeypatch.setattr(_item_resamples, "_BLOCK", 1 << 11)
    monkeypatch.setattr(_rank_resamples, "_BLOCK", 1 << 13)
    monkeypatch.setattr(_pools, "_BLOCK", 1 << 13)
    monkeypatch.setattr(_permuted_products, "_BLOCK", 1 << 13)
    monkeypatch.setattr(_permutations, "_ROUND", 3)
    calls, submit = [], Workers._submit

    def counted(self, function, task, sent):
        calls.append(function.__module__.rpartition(".")[2])
        return submit(self, function, task, sent)

    monkeypatch.setattr(Workers, "_submit", counted)
    return calls


def content(result) -> str:
    return repr(result.to_dict())


@pytest.mark.parametrize(
    ("generalize", "method", "options", "who"),
    [
        ("both", "spearman", {}, {"_item_resamples", "_pools"}),
        ("both", "kendall-tau-a", {"n_bootstrap": 30}, {"_item_resamples", "_pools"}),
        ("items", "pearson", {"interval": "bca", "test": "t"}, {"_item_resamples"}),
        ("items", "whitened-cosine", {"interval": "percentile", "test": "t"}, {"_item_resamples"}),
        ("items", "pearson", {"n_permutations": 900}, {"_item_resamples", "_permutations"}),
        ("subjects", "spearman", {}, {"_pools"}),
    ],
)
def test_the_same_bits_as_in_one_process(client, given, sent, generalize, method, options, who):
    options = {"generalize": generalize, "method": method, "n_bootstrap": 400, "rng": 3, **options}
    expected = evaluate(*given, **options)
    assert not sent
    assert content(evaluate(*given, client=client, **options)) == content(expected)
    assert set(sent) == who
    assert len(sent) > len(who)


def test_models_that_are_fitted(client, given, sent):
    models, data = given
    models = {"mixed": WeightedModel(models[:2]), "other": WeightedModel(models[1:])}
    options = {"generalize": "both", "method": "pearson", "n_bootstrap": 40, "n_repeats": 2, "rng": 3}
    expected = content(evaluate(models, data, **options))
    assert content(evaluate(models, data, client=client, **options)) == expected
    assert sent == ["_cross_validated_resamples"] * 3


def test_the_same_bits_after_a_worker_was_lost(client, given, sent, monkeypatch):
    # what waits for its turn is held by workers
    monkeypatch.setattr(_executor, "_AHEAD", 4)
    models, data = given
    items, subjects = (draw_counts(n, 800, np.random.default_rng(n)) for n in (N, S))
    counts = {"item_counts": items, "subject_counts": subjects}
    expected = resampled_scores(data, models, "spearman", **counts)
    bar = Killer(client, 800)
    found = resampled_scores(data, models, "spearman", **counts, tick=bar.update, executor=Workers(client))
    assert 0.2 < bar.killed_at < 0.8
    assert bar.n == 800
    for kind, one in expected.items():
        for name in ("scores", "lower", "upper"):
            assert_array_equal(getattr(found[kind], name), getattr(one, name))


@pytest.mark.parametrize(
    "options",
    [
        {"method": "spearman", "average": "subject", "alternative": "greater"},
        {"method": "whitened-cosine"},
        {"method": "kendall-tau-b", "n_permutations": 40},
        {"method": "bures", "n_permutations": 40},
        {"method": "pearson", "controls": True},
        {"nan_policy": "omit", "n_permutations": 40},
    ],
    ids=["ranks", "whitened", "kendall", "bures", "partial", "gaps"],
)
@pytest.mark.filterwarnings("ignore:bures takes squared Euclidean distances")
def test_permutations(client, given, sent, options):
    models, data = RDM(given[0], dims=["model"]), given[1]
    options = {"n_permutations": 900, "rng": 5} | options
    if "controls" in options:
        options["controls"] = RDM(given[0][0] ** 2)
    if "nan_policy" in options:
        data[:, 3] = np.nan
    data = RDM(data, dims=["subject"])
    expected = permutation_test(models, data, **options)
    assert not sent
    found = permutation_test(models, data, client=client, **options)
    assert_array_equal(found.null, expected.null)
    assert content(found) == content(expected)
    assert set(sent) == {"_permutations"}
    assert len(sent) > 1


def test_permutations_after_a_worker_was_lost(client, given, sent, monkeypatch):
    options = {"n_permutations": 3000, "rng": 5}
    expected = permutation_test(*given, **options)
    bars = []

    def killing(total, **_):
        bars.append(Killer(client, total))
        return bars[-1]

    monkeypatch.setattr("tqdm.tqdm", killing)
    found = permutation_test(*given, client=client, **options)
    assert 0.2 < bars[0].killed_at < 0.8
    assert bars[0].n == 3000
    assert_array_equal(found.null, expected.null)


@pytest.mark.parametrize(("method", "who"), [("spearman", {"_pools"}), ("pearson", set())])
def test_divisions_of_two_groups(client, given, sent, method, who):
    models, data = given
    options = {"models": models, "method": method, "statistic": "means", "n_permutations": 30, "rng": 5}
    expected = compare_groups(data[:4], data[4:], **options)
    assert content(compare_groups(data[:4], data[4:], client=client, **options)) == content(expected)
    assert set(sent) == who


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ({"n_items": [12, 24]}, {"_item_resamples", "_simulated_power"}),
        ({"generalize": "both"}, {"_item_resamples"}),
        ({"test": "t"}, {"_simulated_power"}),
    ],
)
def test_experiments(client, given, sent, options, who):
    options = {"n_subjects": [4, 12], "n_simulations": 130, "n_bootstrap": 40, "rng": 5} | options
    expected = power(*given, **options)
    assert content(power(*given, client=client, **options)) == content(expected)
    assert set(sent) == who
