from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from alignkit.meg import read_epochs

mne = pytest.importorskip("mne")


# --- FieldTrip


@pytest.mark.parametrize(
    ("name", "counts", "sfreq"),
    [
        ("CTF", {"mag": 271, "ref_meg": 24, "misc": 35}, 1200),
        ("EGI", {"eeg": 126}, 1000),
        ("neuromag306", {"grad": 202, "mag": 101, "eeg": 60, "stim": 9, "eog": 1}, 300.307495),
    ],
)
def test_fieldtrip_recordings(shared_data, name, counts, sfreq):
    path = shared_data("meg", "fieldtrip", f"{name}_epoched_v7.mat")
    epochs = read_epochs(path)
    struct = loadmat(path)["data"][0, 0]
    data = epochs.get_data(copy=False)
    assert data.shape[0] == struct["trial"].shape[1]
    for i, trial in enumerate(struct["trial"][0]):
        assert np.array_equal(data[i], trial)
    np.testing.assert_allclose(epochs.times, struct["time"][0, 0][0], atol=1e-6)
    assert epochs.ch_names == [str(cell[0][0]) for cell in struct["label"]]
    assert Counter(epochs.get_channel_types()) == counts
    assert epochs.info["sfreq"] == pytest.approx(sfreq, rel=1e-4)
    if name == "EGI":
        assert epochs.metadata is None
    else:
        assert epochs.metadata["trialinfo_1"].tolist() == struct["trialinfo"].ravel().tolist()
        assert epochs.events[:, 2].tolist() == struct["trialinfo"].ravel().tolist()


def test_fieldtrip_places(shared_data):
    epochs = read_epochs(shared_data("meg", "fieldtrip", "CTF_epoched_v7.mat"))
    places = np.array(
        [
            ch["loc"][:3]
            for ch, kind in zip(epochs.info["chs"], epochs.get_channel_types(), strict=True)
            if kind == "mag"
        ]
    )
    radius = np.linalg.norm(places - places.mean(axis=0), axis=1)
    assert (radius > 0.05).all()  # metres: a helmet
    assert (radius < 0.25).all()


@pytest.mark.parametrize("name", ["CTF_averaged_v7", "cellarray_epoched_v7"])
def test_other_structures_of_fieldtrip(shared_data, name):
    with pytest.raises(ValueError, match="must hold one FieldTrip structure with trial, time and label; it has none"):
        read_epochs(shared_data("meg", "fieldtrip", f"{name}.mat"))


def cells(*values: Any) -> np.ndarray:
    array = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def struct(rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    trials = rng.standard_normal((4, 3, 10))
    times = [np.arange(-2, 8)[None] / 100] * 4
    labels = np.array([["EOG1"], ["A1"], ["A2"]], dtype=object)
    info = np.array([[1, 10.5], [2, 11.5], [1, 12.5], [2, 13.5]])
    return {"trial": cells(*trials), "time": cells(*times), "label": labels, "trialinfo": info, **changes}


def test_fieldtrip_without_sensors(rng, tmp_path):
    content = struct(rng)
    savemat(tmp_path / "a.mat", {"data": content, "cfg": {"x": 1}})
    epochs = read_epochs(tmp_path / "a.mat")
    assert epochs.get_channel_types() == ["eog", "misc", "misc"]
    assert epochs.metadata.to_numpy().tolist() == content["trialinfo"].tolist()
    assert epochs.events[:, 2].tolist() == [1, 2, 1, 2]
    assert np.array_equal(epochs.get_data(copy=False)[3], content["trial"][0, 3])


def test_trials_of_a_timelock_structure(rng, tmp_path):
    trials = rng.standard_normal((4, 3, 10))
    savemat(tmp_path / "a.mat", {"tl": struct(rng, trial=trials, time=np.arange(-2, 8)[None] / 100)})
    assert np.array_equal(read_epochs(tmp_path / "a.mat").get_data(copy=False), trials)


def test_codes_that_are_no_whole_numbers(rng, tmp_path):
    savemat(tmp_path / "a.mat", {"data": struct(rng, trialinfo=np.full((4, 1), 0.5))})
    epochs = read_epochs(tmp_path / "a.mat")
    assert set(epochs.events[:, 2]) == {1}
    assert epochs.metadata["trialinfo_1"].tolist() == [0.5] * 4


def test_several_structures(rng, tmp_path):
    savemat(tmp_path / "a.mat", {"one": struct(rng), "two": struct(rng)})
    with pytest.raises(ValueError, match=r"it has 2 of them \('one', 'two'\): save one alone, or name it"):
        read_epochs(tmp_path / "a.mat")
    assert len(read_epochs(tmp_path / "a.mat", variable="two")) == 4
    with pytest.raises(ValueError, match="it has none"):
        read_epochs(tmp_path / "a.mat", variable="three")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trial": cells(*np.zeros((3, 3, 10)), np.zeros((3, 9)))}, "must all have the shape"),
        ({"trial": np.zeros((4, 2, 10))}, "must all have the shape"),
        ({"time": cells(*[np.arange(10)[None] / 100] * 3, np.arange(10)[None] / 50)}, "evenly spaced times"),
        ({"time": cells(*[np.arange(10)[None] ** 2.0] * 4)}, "evenly spaced times"),
        ({"label": np.array([["A"], ["A"], ["B"]], dtype=object)}, "unique"),
    ],
)
def test_trials_that_do_not_fit(rng, tmp_path, changes, text):
    savemat(tmp_path / "a.mat", {"data": struct(rng, **changes)})
    with pytest.raises(ValueError, match=text):
        read_epochs(tmp_path / "a.mat")


# --- EEGLAB


def test_eeglab_epochs_with_the_fields_of_their_events(shared_data):
    path = shared_data("meg", "eeglab", "eeglab_data_epochs_ica.set")
    shared_data("meg", "eeglab", "eeglab_data_epochs_ica.fdt")
    epochs = read_epochs(path)
    assert epochs.metadata["position"].value_counts().to_dict() == {1: 40, 2: 40}
    assert set(epochs.metadata["type"]) == {"square"}
    theirs = mne.read_epochs_eeglab(path, verbose="error")
    assert np.array_equal(epochs.get_data(copy=False), theirs.get_data(copy=False))


def test_eeglab_files_that_are_no_epochs(shared_data, tmp_path):
    with pytest.raises(ValueError, match="cannot be read as EEGLAB's epochs") as caught:
        read_epochs(shared_data("meg", "eeglab", "eeglab_data.set"))
    assert "\n" not in str(caught.value)
    source = shared_data("meg", "eeglab", "eeglab_data_epochs_ica.set")
    shutil.copy(source, tmp_path)
    with pytest.raises(FileNotFoundError, match="keeps its data in a file that is not there"):
        read_epochs(tmp_path / source.name)
    (tmp_path / "cut.set").write_bytes(source.read_bytes()[:5000])
    with pytest.raises(ValueError, match="truncated or damaged"):
        read_epochs(tmp_path / "cut.set")
    savemat(tmp_path / "other.set", {"x": 1}, appendmat=False)
    with pytest.raises(ValueError, match="cannot be read as EEGLAB's epochs"):
        read_epochs(tmp_path / "other.set")


# --- others


def test_fif(tmp_path, shared_data):
    info = mne.create_info(3, 100.0, "mag", verbose="error")
    mne.EpochsArray(np.zeros((4, 3, 10)), info, verbose="error").save(tmp_path / "a-epo.fif", verbose="error")
    epochs = read_epochs(tmp_path / "a-epo.fif")
    assert not epochs.preload
    assert len(epochs) == 4
    with pytest.raises(ValueError, match="holds averages, not epochs"):
        read_epochs(shared_data("meg", "mne_testing", "test_elekta-ave.fif"))
    shutil.copy(tmp_path / "a-epo.fif", tmp_path / "b-epo-1.fif")
    with pytest.raises(ValueError, match=r"is a later part of b-epo.fif"):
        read_epochs(tmp_path / "b-epo-1.fif")


def test_things_eeg2(tmp_path):
    content = {"preprocessed_eeg_data": np.zeros((2, 3, 2, 10)), "ch_names": ["O1", "O2"], "times": np.arange(10) / 10}
    np.save(tmp_path / "a.npy", content)
    np.savez(tmp_path / "a.npz", **content)
    for name in ("a.npy", "a.npz"):
        assert len(read_epochs(tmp_path / name)) == 6


def test_what_is_none(tmp_path):
    with pytest.raises(TypeError, match="path must name a file of epochs"):
        read_epochs(None)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_epochs(tmp_path / "a.set")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        read_epochs(tmp_path)
    (tmp_path / "a.edf").write_text("x")
    with pytest.raises(ValueError, match=r"got the suffix '.edf'"):
        read_epochs(tmp_path / "a.edf")
    with pytest.raises(ValueError, match=r"variable= names a structure in a .mat file; a.edf is none"):
        read_epochs(tmp_path / "a.edf", variable="x")
