"""Time courses on a real cluster of two processes: the bits of one process, also after a worker was lost."""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference.cluster import Killer

from alignkit import _executor
from alignkit._executor import Workers
from alignkit.meg import _over_time, fusion, label_test, timecourse, variance_partition
from alignkit.rsa import RDM

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills by signal")]
N, S, T = 12, 3, 40


@pytest.fixture
def given(rng):
    models = rng.random((2, N * (N - 1) // 2))
    movies = np.round(models[0] + 2 * rng.random((S, T, models.shape[1])), 1)
    return models, RDM(movies, dims=["subject", "time"], coords={"time": np.arange(T) / 100})


@pytest.fixture
def sent(monkeypatch):
    """Return a list to which every bundle of tasks adds what it calls; stretches are single times, and all is sent."""
    monkeypatch.setattr(_executor, "_SMALL", 0)
    monkeypatch.setattr(_over_time, "_BLOCK", 1)
    calls, submit = [], Workers._submit

    def counted(self, function, tasks, shared):
        calls.append(function.__module__.rpartition(".")[2])
        return submit(self, function, tasks, shared)

    monkeypatch.setattr(Workers, "_submit", counted)
    return calls


def content(result) -> str:
    return repr(result.to_dict())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "pearson", "controls": True},
        {"method": "whitened-cosine"},
        {"method": "bures"},
        {"nan_policy": "omit"},
        {"pooling": "normalized-rank", "memory": "1 MB"},
    ],
    ids=["ranks", "partial", "whitened", "bures", "gaps", "memory"],
)
@pytest.mark.filterwarnings("ignore:bures takes squared Euclidean distances")
def test_the_same_bits_as_in_one_process(client, given, sent, options):
    models, data = given
    options = {"n_bootstrap": 50, "rng": 1} | options
    if "controls" in options:
        options["controls"] = models[1]
    if "nan_policy" in options:
        values = data.values.copy()
        values[1, 5, 3] = np.nan
        data = RDM(values, dims=data.dims, coords=data.coords)
    expected = timecourse(models[0], data, **options)
    assert not sent
    assert content(timecourse(models[0], data, client=client, **options)) == content(expected)
    assert sent == ["_over_time"] * T


@pytest.mark.parametrize(
    ("what", "who"), [(label_test, "_permutations"), (variance_partition, "_over_time"), (fusion, "_over_time")]
)
def test_tests_parts_and_fusion(client, given, sent, what, who):
    models, data = given
    if what is fusion:
        models, data = data, RDM(models, dims=["subject"])
    options = {"n_permutations": 200} if what is label_test else {"n_bootstrap": 50}
    expected = what(models, data, rng=1, **options)
    assert content(what(models, data, rng=1, client=client, **options)) == content(expected)
    assert set(sent) == {who}


def test_the_same_bits_after_a_worker_was_lost(client, given, sent, monkeypatch):
    expected = timecourse(*given, n_bootstrap=0)
    bars = []

    def killing(total, **_):
        bars.append(Killer(client, total))
        return bars[-1]

    monkeypatch.setattr("tqdm.tqdm", killing)
    found = timecourse(*given, n_bootstrap=0, client=client)
    assert 0.2 < bars[0].killed_at < 0.8
    assert bars[0].n == T
    for name in ("similarity", "lower_per_subject", "upper_per_subject"):
        assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("what", [timecourse, label_test, variance_partition, fusion])
def test_what_is_no_client(given, what):
    models, data = given
    order = (data, RDM(models, dims=["subject"])) if what is fusion else (models, data)
    with pytest.raises(TypeError, match=r"client must be a dask\.distributed\.Client; got 3"):
        what(*order, client=3)
