from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest
from reference.matlab73 import write_matlab73
from scipy.io import loadmat, savemat

from alignkit.meg import read_epochs, time_rdms

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


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("CTF", {"mag": 271, "ref_meg": 24, "misc": 35}),
        ("EGI", {"eeg": 126}),
        ("neuromag306", {"grad": 202, "mag": 101, "eeg": 60, "stim": 9, "eog": 1}),
    ],
)
def test_averages_of_fieldtrip(shared_data, name, types):
    path = shared_data("meg", "fieldtrip", f"{name}_averaged_v7.mat")
    evoked = read_epochs(path)
    content = loadmat(path)["data"][0, 0]
    assert isinstance(evoked, mne.Evoked)
    assert np.array_equal(evoked.data, content["avg"])
    np.testing.assert_allclose(evoked.times, content["time"][0], atol=1e-6)  # mne's own start at 0 s
    assert evoked.times[0] < -0.009
    assert evoked.comment == f"{name}_averaged_v7"
    assert Counter(evoked.get_channel_types()) == types


def test_averages_of_conditions_make_rdms(rng, tmp_path):
    paths = [tmp_path / f"{name}.mat" for name in ("face", "house", "cat")]
    averages = rng.standard_normal((3, 3, 10))
    for path, average in zip(paths, averages, strict=True):
        savemat(path, {"tl": timelock(average)})
    movie = time_rdms([read_epochs(path) for path in paths], metric="euclidean", noise=None, picks="misc")
    assert movie.labels == ("cat", "face", "house")
    np.testing.assert_allclose(movie.coords["time"], np.arange(-2, 8) / 100, atol=1e-9)
    expected = np.linalg.norm(averages[2, 1:] - averages[0, 1:], axis=0)
    np.testing.assert_allclose(movie.values[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["averaged", "epoched"])
def test_cell_arrays_of_fieldtrip(shared_data, name):
    with pytest.raises(ValueError, match=r"'data' is a cell array of 2 structures; save each .*\(one = data\{1\}\)"):
        read_epochs(shared_data("meg", "fieldtrip", f"cellarray_{name}_v7.mat"))


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
    parts = {"trial": cells(*trials), "time": cells(*times), "label": labels, "trialinfo": info, "fsample": 100.0}
    return {**parts, **changes}


def timelock(average: np.ndarray) -> dict[str, Any]:
    labels = np.array([["EOG1"], ["A1"], ["A2"]], dtype=object)
    return {"avg": average, "time": np.arange(-2, 8)[None] / 100, "label": labels, "dimord": "chan_time"}


def test_fieldtrip_without_sensors(rng, tmp_path):
    content = struct(rng)
    savemat(tmp_path / "a.mat", {"data": content, "cfg": {"x": 1}})
    epochs = read_epochs(tmp_path / "a.mat")
    assert epochs.get_channel_types() == ["eog", "misc", "misc"]
    assert epochs.metadata.to_numpy().tolist() == content["trialinfo"].tolist()
    assert list(epochs.metadata.columns) == ["trialinfo_1", "trialinfo_2"]
    assert epochs.events[:, 2].tolist() == [1, 2, 1, 2]
    assert np.array_equal(epochs.get_data(copy=False)[3], content["trial"][0, 3])
    np.testing.assert_allclose(epochs.times, content["time"][0, 0][0], atol=1e-9)


def test_fieldtrip_version_73(rng, tmp_path):
    content = struct(rng)
    lists = {name: list(content[name].ravel()) for name in ("trial", "time", "label")}
    previous = {"cfg": {"previous": "x"}}
    write_matlab73(tmp_path / "a.mat", {"data": {**content, **lists, "cfg": previous}})
    savemat(tmp_path / "b.mat", {"data": content})
    new, old = read_epochs(tmp_path / "a.mat"), read_epochs(tmp_path / "b.mat")
    assert np.array_equal(new.get_data(copy=False), old.get_data(copy=False))
    assert new.get_data(copy=False).shape == (4, 3, 10)
    assert new.ch_names == ["EOG1", "A1", "A2"]
    assert new.metadata.equals(old.metadata)
    assert np.array_equal(new.times, old.times)


def test_codes_that_are_no_whole_numbers(rng, tmp_path):
    for codes in ([0.5, 0.25, 1.5, 2], [1, 2, np.nan, 4]):
        savemat(tmp_path / "a.mat", {"data": struct(rng, trialinfo=np.array(codes)[:, None])})
        epochs = read_epochs(tmp_path / "a.mat")
        assert set(epochs.events[:, 2]) == {1}
        assert epochs.event_id == {"1": 1}
        np.testing.assert_array_equal(epochs.metadata["trialinfo_1"], codes)


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
        ({"trial": cells(*np.zeros((4, 2, 10)))}, r"must all have the shape \(3 channels, times\); got \(2, 10\)"),
        ({"time": cells(*[np.arange(10)[None] / 100] * 3, np.arange(10)[None] / 50)}, "the same, evenly spaced times"),
        ({"time": cells(*[np.arange(10)[None] ** 2.0] * 4)}, "must be evenly spaced, by its fsample"),
        ({"fsample": 50.0}, "by its fsample; mne has 50 Hz"),
        ({"label": np.array([["A"], ["A"], ["B"]], dtype=object)}, "label must be unique; repeated: 'A'"),
        ({"trial": np.zeros((4, 3, 10)), "time": np.arange(10)[None] / 100}, "ft_checkdata"),
        ({"trial": cells(np.zeros((3, 10))), "time": cells(np.arange(10)[None] / 100)}, "two or more trials"),
        ({"trialinfo": np.zeros((3, 1))}, "a matrix of numbers with a row per trial"),
        ({"trialinfo": np.array([["a"]] * 4, dtype=object)}, "a matrix of numbers with a row per trial"),
    ],
)
def test_trials_that_do_not_fit(rng, tmp_path, changes, text):
    savemat(tmp_path / "a.mat", {"data": struct(rng, **changes)})
    with pytest.raises(ValueError, match=text) as caught:
        read_epochs(tmp_path / "a.mat")
    assert str(tmp_path / "a.mat") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_averages_that_do_not_fit(rng, tmp_path):
    savemat(tmp_path / "a.mat", {"data": timelock(np.zeros((10, 3)))})
    with pytest.raises(ValueError, match=r"shape \(3 channels, 10 times\); got \(10, 3\)"):
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


def test_eeglab_version_73(tmp_path, rng):
    epochs = [{"number": [1.0], "latency": [0.0]}, {"number": [2.0, 3.0], "latency": [-300.0, 0.0]}]
    data = rng.standard_normal((3, 5, 2))
    content = {
        "data": data,
        "nbchan": 3,
        "pnts": 5,
        "trials": 2,
        "srate": 10.0,
        "xmin": -0.2,
        "xmax": 0.2,
        "event": {
            "type": ["cat", "beep", "dog"],
            "latency": [3.0, 7.0, 8.0],
            "epoch": [1.0, 2.0, 2.0],
            "load": [1.0, 2.0, 3.0],
        },
        "epoch": {
            "event": [1.0, np.array([2.0, 3.0])],
            "eventlatency": [part["latency"] for part in epochs],
            "eventtype": [["cat"], ["beep", "dog"]],
        },
        "chanlocs": {"labels": ["O1", "O2", "Pz"]},
    }
    write_matlab73(tmp_path / "a.set", {"EEG": content})
    read = read_epochs(tmp_path / "a.set")
    np.testing.assert_allclose(read.get_data(copy=False), data.transpose(2, 0, 1) * 1e-6, rtol=1e-12)
    assert read.metadata["type"].tolist() == ["cat", "dog"]
    assert read.metadata["load"].tolist() == [1, 3]


def test_eeglab_files_that_are_no_epochs(shared_data, tmp_path):
    with pytest.raises(ValueError, match="cannot be read as EEGLAB's epochs") as caught:
        read_epochs(shared_data("meg", "eeglab", "eeglab_data.set"))
    assert "\n" not in str(caught.value)
    source = shared_data("meg", "eeglab", "eeglab_data_epochs_ica.set")
    shutil.copy(source, tmp_path)
    with pytest.raises(FileNotFoundError, match="keeps its data in a file that is not there"):
        read_epochs(tmp_path / source.name)
    (tmp_path / "cut.set").write_bytes(source.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.set cannot be read as a MATLAB file"):
        read_epochs(tmp_path / "cut.set")
    savemat(tmp_path / "other.set", {"x": 1}, appendmat=False)
    with pytest.raises(ValueError, match="cannot be read as EEGLAB's epochs"):
        read_epochs(tmp_path / "other.set")


# --- others


def test_fif(tmp_path, shared_data):
    # first: the trace of a test that is skipped would keep the open file for the collector, which warns of it
    averages = shared_data("meg", "mne_testing", "test_elekta-ave.fif")
    info = mne.create_info(3, 100.0, "mag", verbose="error")
    mne.EpochsArray(np.zeros((4, 3, 10)), info, verbose="error").save(tmp_path / "a-epo.fif", verbose="error")
    epochs = read_epochs(tmp_path / "a-epo.fif")
    assert not epochs.preload
    assert len(epochs) == 4
    with pytest.raises(ValueError, match="holds averages, not epochs"):
        read_epochs(averages)
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
