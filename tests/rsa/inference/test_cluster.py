"""Resamples on a real cluster of two processes: the bits of one process, also after a worker was lost."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from alignkit import _executor
from alignkit._executor import Workers
from alignkit.cli import main
from alignkit.rsa import RDM, Evaluation, WeightedModel, _pools, evaluate
from alignkit.rsa._inference import _item_resamples, _rank_resamples
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._resampled_scores import resampled_scores

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills by signal")]
N, S, K = 24, 7, 3


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(host="127.0.0.1", **settings) as cluster, Client(cluster) as found:
        yield found


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
    calls, submit = [], Workers._submit

    def counted(self, function, task, sent):
        calls.append(function.__module__.rpartition(".")[2])
        return submit(self, function, task, sent)

    monkeypatch.setattr(Workers, "_submit", counted)
    return calls


def content(result: Evaluation) -> str:
    return repr(result.to_dict())


@pytest.mark.parametrize(
    ("generalize", "method", "options", "who"),
    [
        ("both", "spearman", {}, {"_item_resamples", "_pooled_bounds"}),
        ("both", "kendall-tau-a", {"n_bootstrap": 30}, {"_item_resamples", "_pooled_bounds"}),
        ("items", "pearson", {"interval": "bca", "test": "t"}, {"_item_resamples"}),
        ("items", "whitened-cosine", {"interval": "percentile", "test": "t"}, {"_item_resamples"}),
        ("subjects", "spearman", {}, {"_pooled_bounds"}),
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
    done, killed = [0], []

    def tick(n):
        done[0] += n
        deadline = time.monotonic() + 20
        while not killed and 160 < done[0] < 640 and time.monotonic() < deadline:
            for worker, held in client.has_what().items():
                if any("_call" in str(key) for key in held):
                    os.kill(client.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)
                    killed.append(done[0])
                    break

    found = resampled_scores(data, models, "spearman", **counts, tick=tick, executor=Workers(client))
    assert len(killed) == 1
    assert done[0] == 800
    for kind, one in expected.items():
        for name in ("scores", "lower", "upper"):
            assert_array_equal(getattr(found[kind], name), getattr(one, name))


def test_an_address_on_the_command_line(client, given, sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models, data = given
    RDM(models, dims=["model"]).save("models.npz")
    RDM(data, dims=["subject"]).save("people.npz")
    words = ["rsa", "evaluate", "models.npz", "--data", "people.npz", "--generalize", "both", "--n-bootstrap", "50"]
    words += ["--no-progress", "--seed", "1"]
    address = client.scheduler.address
    assert main([*words, "--out", "here.json"]) == 0
    assert not sent
    assert main([*words, "--out", "there.json", "--scheduler", address]) == 0
    assert sent
    assert content(Evaluation.load("there.json")) == content(Evaluation.load("here.json"))
