"""``--scheduler tcp://``: verbs on a real cluster of two processes write what they write without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit._executor import Workers
from alignkit.meg import RDMStore
from alignkit.rsa import RDM, TiledRDM

pytestmark = pytest.mark.slow
LABELS = [f"item {i}" for i in range(12)]
TIMES = np.arange(-3, 5) / 10
MODELS, DRAWS = ("shape.npz", "noise.npz"), ("--seed", "3", "--no-progress")


FEW = ("--n-bootstrap", "40", "--n-simulations", "130")


@pytest.fixture
def files(here) -> Path:
    draw = np.random.default_rng(0)
    models = draw.random((2, 66))
    for name, values in zip(MODELS, models, strict=True):
        RDM(values, LABELS).save(name)
    for name in ("young.npz", "old.npz"):
        RDM(models[0] + 2 * draw.random((4, 66)), LABELS, dims=["subject"]).save(name)
    for name in ("p1.zarr", "p2.zarr", "p3.zarr"):
        with RDMStore.create(name, labels=LABELS, times=TIMES, metric="crossnobis", dtype="float64") as store:
            store.write(0, models[0] + draw.random((len(TIMES), 66)))
    np.save("features.npy", draw.normal(size=(40, 6)))
    return here


@pytest.fixture
def sent(monkeypatch):
    """Return a list to which every bundle of tasks adds what it calls."""
    calls, submit = [], Workers._submit

    def counted(self, function, tasks, shared):
        calls.append(function.__module__)
        return submit(self, function, tasks, shared)

    monkeypatch.setattr(Workers, "_submit", counted)
    return calls


def content(path: str) -> object:
    return TiledRDM.open(path).load().values.tolist() if path.endswith(".zarr") else json.loads(Path(path).read_text())


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("rdm", "features.npy", "--tiled"), ".zarr"),
        (("permute", "shape.npz", "young.npz", *DRAWS), ".json"),
        (("rsa", "evaluate", *MODELS, "--data", "young.npz", "--generalize", "both", *DRAWS), ".json"),
        (("rsa", "groups", "young.npz", "old.npz", "--statistic", "means", *DRAWS), ".json"),
        (("rsa", "power", *MODELS, "--pilot", "young.npz", "--n-items", "8", *FEW, *DRAWS), ".json"),
        (("meg", "timecourse", "--models", *MODELS, "--data", "p1.zarr", "p2.zarr", "p3.zarr", *DRAWS), ".json"),
    ],
    ids=lambda words: "-".join(words[:2]) if isinstance(words, tuple) else words,
)
def test_the_same_files_on_a_cluster(client, run, files, sent, words, out):
    assert run(*words, "--out", f"here{out}")[0] == 0
    assert not sent
    code, _, err = run(*words, "--out", f"there{out}", "--scheduler", client.scheduler.address)
    assert code == 0, err
    assert sent
    assert content(f"there{out}") == content(f"here{out}")


def test_labels_are_permuted_there_too(client, run, files, sent):
    words = ("meg", "timecourse", "--models", "shape.npz", "--data", "p1.zarr", "--test", "labels", *DRAWS)
    assert run(*words, "--out", "here")[0] == 0
    code, _, err = run(*words, "--out", "there", "--scheduler", client.scheduler.address)
    assert code == 0, err
    assert {"alignkit.meg._over_time", "alignkit.rsa._permutations"} == set(sent)
    assert Path("there-test.csv").read_text() == Path("here-test.csv").read_text()


def test_a_cluster_that_is_not_there(run, files):
    code, _, err = run("permute", "shape.npz", "young.npz", "--scheduler", "nowhere")
    assert code == 2
    assert "no dask scheduler answers at --scheduler nowhere; start one with `dask scheduler`" in err
