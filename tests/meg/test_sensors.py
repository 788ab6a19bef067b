"""Sensors, who is beside whom, and mne's description of them, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from alignkit.meg._as_trials import as_trials
from alignkit.meg._sensors import Sensors, as_adjacency, patches_of

mne = pytest.importorskip("mne")


@pytest.fixture
def neuromag(shared_data):
    path = shared_data("meg", "mne_python", "test-ave.fif.gz")
    return mne.read_evokeds(path, verbose="error")


def test_info_comes_back_as_it_was(neuromag):
    evoked = neuromag[0].copy().pick("data")
    sensors = Sensors.of(as_trials(neuromag))
    info = sensors.info(100.0)
    assert info["sfreq"] == 100.0
    assert info.ch_names == evoked.ch_names
    assert info.get_channel_types() == evoked.get_channel_types()
    for found, expected in zip(info["chs"], evoked.info["chs"], strict=True):
        np.testing.assert_array_equal(found["loc"], expected["loc"])
        for name in ("coil_type", "coord_frame", "unit", "kind"):
            assert found[name] == expected[name], name
    np.testing.assert_array_equal(info["dev_head_t"]["trans"], evoked.info["dev_head_t"]["trans"])


@pytest.mark.parametrize("kind", ["mag", "grad", "eeg"])
def test_adjacency_is_that_of_mne(neuromag, kind):
    sensors = Sensors.of(as_trials(neuromag))
    found = sensors.adjacency()
    with mne.use_log_level("error"):
        expected, names = mne.channels.find_ch_adjacency(neuromag[0].info, kind)
    own = [sensors.names.index(name) for name in names]
    np.testing.assert_array_equal(found[np.ix_(own, own)], expected.toarray() > 0)
    others = np.setdiff1d(np.arange(len(sensors)), own)
    assert not found[np.ix_(own, others)].any()


def test_patches_by_radius_and_number_equal_a_loop(neuromag):
    sensors = Sensors.of(as_trials(neuromag))
    by_radius, by_number = patches_of(sensors, None, 0.04, None), patches_of(sensors, None, None, 5)
    where = sensors.places()
    for i in (0, 1, 100, 300, len(sensors) - 1):
        same = [j for j in range(len(sensors)) if sensors.types[j] == sensors.types[i]]
        distance = {j: np.linalg.norm(where[j] - where[i]) for j in same}
        assert by_radius[i].tolist() == [j for j in same if distance[j] <= 0.04]
        assert len(by_number[i]) == 6
        assert i in by_number[i]
        farthest = max(distance[j] for j in by_number[i])
        assert all(distance[j] >= farthest - 1e-12 for j in set(same) - set(by_number[i].tolist()))
    assert [patch.tolist() for patch in patches_of(sensors, None, None, 0)] == [[i] for i in range(len(sensors))]


def test_a_radius_includes_the_sensors_that_far():
    places = np.zeros((4, 12))
    places[:, 0] = [0.01, 0.04, 0.07, 0.11]
    sensors = Sensors(tuple("abcd"), ("mag",) * 4, places, None, None)
    assert [patch.tolist() for patch in patches_of(sensors, None, 0.03, None)] == [[0, 1], [0, 1, 2], [1, 2], [3]]


def test_pairs_of_gradiometers_share_a_site(neuromag):
    sensors = Sensors.of(as_trials(neuromag))
    sites = sensors.sites("grad")
    assert {len(site) for site in sites} == {2}
    assert all(sensors.names[a][:-1] == sensors.names[b][:-1] for a, b in sites)
    assert {len(site) for site in sensors.sites("mag")} == {1}


def test_arrays_have_no_places():
    sensors = Sensors.of(as_trials(np.zeros((2, 3, 4)), by=["a", "b"], times=np.arange(4) / 10, ch_types="eeg"))
    assert sensors.types == ("eeg",) * 3
    with pytest.raises(ValueError, match="pass adjacency="):
        sensors.adjacency()


def test_unknown_positions_are_named():
    info = mne.create_info(["Fz", "Cz", "Pz", "Oz"], 10.0, "eeg")
    data = [mne.EvokedArray(np.ones((4, 3)), info, comment=name, verbose="error") for name in "ab"]
    with pytest.raises(ValueError, match="positions of 'Fz', 'Cz', 'Pz', 'Oz' are not known"):
        Sensors.of(as_trials(data)).adjacency()


def test_too_few_to_triangulate():
    info = mne.create_info(["Fz", "Cz"], 10.0, "eeg")
    for i, ch in enumerate(info["chs"]):
        ch["loc"][:3] = 0.0, 0.01 * i, 0.1
    data = [mne.EvokedArray(np.ones((2, 3)), info, comment=name, verbose="error") for name in "ab"]
    with pytest.raises(ValueError, match="2 sensors of type 'eeg' cannot be triangulated"):
        Sensors.of(as_trials(data)).adjacency()
    with pytest.raises(ValueError, match="n_neighbors=2 is more than the other sensors"):
        patches_of(Sensors.of(as_trials(data)), None, None, 2)


def test_given_adjacency_is_checked():
    line = np.eye(4, k=1) + np.eye(4, k=-1)
    found = as_adjacency(line, 4)
    assert found.diagonal().all()
    np.testing.assert_array_equal(as_adjacency(csr_array(line), 4), found)
    with pytest.raises(ValueError, match="symmetric; channel 0 touches 1"):
        as_adjacency(np.eye(4, k=1), 4)
    with pytest.raises(ValueError, match="must have shape"):
        as_adjacency(line, 5)
    sensors = Sensors(tuple("abcd"), ("mag", "mag", "grad", "grad"), None, None, None)
    assert [patch.tolist() for patch in patches_of(sensors, found, None, None)] == [[0, 1], [0, 1], [2, 3], [2, 3]]
