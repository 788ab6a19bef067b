"""RDMs over time of a run's model beside people's, against the run's own files."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit.models import extract, load
from alignkit.rsa import RDM, squareform
from alignkit.train import rdm_movies, run
from alignkit.train.hba_meg._data import read_data
from tests.reference.hba_meg_runs import lab_config
from tests.reference.toy_clip import add_tiny_clip, sizes


@pytest.fixture(scope="module")
def config(meg_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("movies")
    with pytest.MonkeyPatch.context() as patch:
        config = lab_config(meg_lab, folder, add_tiny_clip(folder, patch, sizes(2)), held_out_people=("p004",))
        run(config)
        yield config


@pytest.fixture(scope="module")
def movies(config):
    return rdm_movies(config.out, device="cpu", progress=False)


def test_people_are_the_mean_of_those_trained_on_in_other_sessions(movies, config):
    people = movies["people"]
    data = read_data(config)
    assert sorted(people.labels) == sorted(data.splits.held_out)
    assert people.dims == ("time",)
    np.testing.assert_allclose(people.coords["time"], data.times)
    total = 0.0
    for path in config.test_rdms[:3]:
        total = total + RDM.load(path).select(people.labels).values.astype(np.float64)
    np.testing.assert_allclose(people.values, total / 3, rtol=1e-5, atol=1e-7)


def test_the_model_is_what_its_layers_give(movies, config):
    model = movies["model"]
    assert model.labels == movies["people"].labels
    data = read_data(config)
    loaded = load(f"run:{config.out}", device="cpu")
    photos = {label: data.images[data.labels.index(label)][0] for label in model.labels}
    features = extract(loaded, photos, layers=["180ms"], progress=False)
    k = int(np.argmin(np.abs(data.times - 0.18)))
    expected = pdist(features.array(), "correlation")
    np.testing.assert_allclose(model.values[k], expected, rtol=1e-3, atol=1e-4)


def test_neighbours_are_alike(movies):
    """Leaves of a tree: items next to each other are nearer than items at random."""
    people = movies["people"]
    late = people.coords["time"] >= 0
    square = squareform(np.asarray(people.values)[late].mean(axis=0))
    beside = np.diagonal(square, 1).mean()
    assert beside < square[np.triu_indices(len(square), 1)].mean()


def test_of_many_items_some_are_drawn(config):
    few = rdm_movies(config.out, n_items=5, device="cpu", progress=False)
    assert few["people"].n_items == few["model"].n_items == 5
    again = rdm_movies(config.out, n_items=5, device="cpu", progress=False)
    assert again["people"].labels == few["people"].labels


def test_refusals(config, tmp_path):
    with pytest.raises(ValueError, match="n_items must be"):
        rdm_movies(config.out, n_items=3)
    with pytest.raises(FileNotFoundError):
        rdm_movies(tmp_path / "nowhere")
