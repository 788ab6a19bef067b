"""Trials of whatever is given are what mne would give, and what was given stays as it was."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
from reference.epochs import make_epochs, mne_data, save

from alignkit.meg._as_trials import as_trials

mne = pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def state(epochs):
    """Return what might change when epochs are read."""
    held = copy.deepcopy(
        {key: value for key, value in vars(epochs).items() if key not in ("_raw", "info", "_metadata")}
    )
    return repr(held), repr(epochs.info), epochs.metadata.to_json()


def whole(trials):
    return trials.read(0, trials.n_times)


def test_epochs_in_memory():
    epochs = make_epochs(types=["mag", "grad", "eeg", "eog"])
    before, data = state(epochs), epochs.get_data(copy=True)
    trials = as_trials(epochs, by="concept", folds="session")
    np.testing.assert_array_equal(whole(trials), mne_data(epochs))
    assert trials.channels == tuple(epochs.ch_names[:3])
    assert trials.channel_types == ("mag", "grad", "eeg")
    assert trials.rank_by_type == {"meg": 2, "eeg": 1}
    assert trials.dtype == np.float64
    assert trials.source == "EpochsArray"
    np.testing.assert_array_equal(trials.times, epochs.times)
    whole(trials)[...] = 0
    assert state(epochs) == before
    np.testing.assert_array_equal(epochs.get_data(), data)


@pytest.mark.parametrize("parts", [1, 3])
def test_the_same_from_memory_from_disk_and_from_a_path(tmp_path, parts):
    epochs = make_epochs()
    with epochs.info._unlock():
        epochs.info["lowpass"] = 15.0
    path = save(epochs, tmp_path / "a-epo.fif", parts=parts)
    loaded = mne.read_epochs(path, verbose="error")
    lazy = mne.read_epochs(path, preload=False, verbose="error")
    options = dict(by="concept", folds="session", tmin=-0.02, tmax=0.15, decim=2, baseline=(None, 0))
    expected = mne_data(
        loaded.copy().apply_baseline((None, 0), verbose="error").crop(-0.02, 0.15).decimate(2, verbose="error")
    )
    for data in (loaded, lazy, path, str(path)):
        trials = as_trials(data, **options)
        np.testing.assert_allclose(whole(trials), expected, rtol=1e-5, atol=1e-19)
        np.testing.assert_array_equal(trials.times, loaded.times[8:26:2])
        assert trials.design.labels == ("9", "10", "11", "12")
    assert not lazy.preload


def test_a_stretch_is_the_same_however_it_is_cut(tmp_path):
    trials = as_trials(save(make_epochs(), tmp_path / "a-epo.fif", parts=2), baseline=(-0.1, 0))
    assert trials.dtype == np.float32
    pieces = [trials.read(start, min(start + 4, 31)) for start in range(0, 31, 4)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole(trials))


def test_threads_may_read_side_by_side(tmp_path):
    trials = as_trials(save(make_epochs(), tmp_path / "a-epo.fif", parts=2))
    expected, found = whole(trials), [None] * 31

    def read(first):
        for i in range(first, 31, 4):
            found[i] = trials.read(i, i + 1)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_epochs_of_a_raw_file_are_rejected_projected_and_corrected_as_mne_does(tmp_path, rng):
    info = mne.create_info([f"EEG {i}" for i in range(6)] + ["STI"], 100.0, ["eeg"] * 6 + ["stim"])
    data = rng.standard_normal((7, 2000)) * 1e-5
    data[2, 730:760] = 1e-3  # one epoch to reject
    raw = mne.io.RawArray(data, info, verbose="error").set_eeg_reference(projection=True, verbose="error")
    raw.save(tmp_path / "a_raw.fif", fmt="double", verbose="error")
    raw = mne.io.read_raw_fif(tmp_path / "a_raw.fif", verbose="error")
    events = np.column_stack([np.arange(50, 1990, 40), np.zeros(49, int), np.arange(49) % 3 + 1])
    options = dict(tmin=-0.1, tmax=0.2, baseline=(None, 0), reject={"eeg": 5e-4}, verbose="error")
    epochs = mne.Epochs(raw, events, **options)
    expected = epochs.copy().load_data()
    assert len(expected) == 48
    trials = as_trials(epochs, picks="eeg")
    np.testing.assert_allclose(whole(trials), mne_data(expected, "eeg"), rtol=1e-12, atol=1e-18)
    assert trials.design.n_trials == len(expected)
    assert trials.rank == 5
    assert not epochs._bad_dropped
    assert not epochs.preload
    assert epochs.drop_log == mne.Epochs(raw, events, **options).drop_log


def test_a_query_reads_only_its_trials(tmp_path):
    path = save(make_epochs(), tmp_path / "a-epo.fif")
    epochs = mne.read_epochs(path, verbose="error")
    query = "kind == 'exp' and session != 2"
    trials = as_trials(path, by="word", query=query)
    np.testing.assert_array_equal(whole(trials), mne_data(epochs[query]).astype(np.float32))


def test_sessions_follow_one_another(tmp_path):
    first, second = make_epochs(8), make_epochs(12, seed=1)
    paths = [save(first, tmp_path / "a-epo.fif"), save(second, tmp_path / "b-epo.fif")]
    second.reorder_channels(second.ch_names[::-1])
    for data in ([first, second], paths):
        trials = as_trials(data, by="concept", folds="file")
        expected = np.concatenate([mne_data(first), mne_data(second, first.ch_names)], axis=1)
        np.testing.assert_allclose(whole(trials), expected, rtol=1e-6)
        np.testing.assert_array_equal(trials.design.fold, [0] * 8 + [1] * 12)
    assert trials.source == "a-epo.fif, b-epo.fif"


def test_averages(tmp_path):
    epochs = make_epochs()
    averages = [epochs[name].average() for name in ("tool", "face/own", "house", "tool")]
    for evoked, name in zip(averages, ("tool", "face/own", "house", "tool"), strict=True):
        evoked.comment = name
    trials = as_trials(averages)
    assert trials.design.labels == ("face/own", "house", "tool")
    np.testing.assert_array_equal(trials.design.condition, [2, 0, 1, 2])  # one comment: repeats of one condition
    np.testing.assert_array_equal(whole(trials), np.stack([evoked.data.T for evoked in averages], axis=1))
    folds = as_trials(averages, by=["t", "f", "h", "t"], folds=[1, 1, 1, 2]).design
    np.testing.assert_array_equal(folds.fold, [0, 0, 0, 1])
    mne.write_evokeds(tmp_path / "a-ave.fif", averages[:3], verbose="error")
    assert as_trials(tmp_path / "a-ave.fif").design.labels == trials.design.labels
    averages[1].comment = ""
    with pytest.raises(
        ValueError, match=r"Evoked 1 has no comment to name its condition; set evoked.comment, or pass by"
    ):
        as_trials(averages)


def test_arrays(rng, readonly):
    data = readonly(rng.standard_normal((6, 4, 50)).astype(np.float32))
    times = readonly(np.arange(-10, 40) / 100)
    trials = as_trials(data, by=list("abcabc"), folds=[1, 1, 1, 2, 2, 2], times=times, picks=[0, 2], tmin=0, decim=5)
    np.testing.assert_array_equal(whole(trials), data[:, [0, 2], 10::5].transpose(2, 0, 1))
    assert trials.dtype == np.float32
    assert trials.channels == ("0", "2")
    assert (trials.n_times, trials.n_channels, trials.n_bytes) == (8, 2, 6 * 2 * 4)
    assert trials.info is None


def test_arrays_mapped_from_a_file_stay_there(tmp_path, rng):
    np.save(tmp_path / "a.npy", rng.standard_normal((6, 4, 50)))
    data = np.load(tmp_path / "a.npy", mmap_mode="r")
    trials = as_trials(data, by=list("abcabc"), times=np.arange(50) / 100)
    assert np.shares_memory(trials.read.source.data, data)
    np.testing.assert_array_equal(whole(trials), data.transpose(2, 0, 1))


def called_by_a_public_function(data, **options):
    return as_trials(data, **options)


def test_aliasing_is_told():
    epochs = make_epochs()
    with epochs.info._unlock():
        epochs.info["lowpass"] = 20.0
    as_trials(epochs, decim=2)
    with pytest.warns(RuntimeWarning, match=r"decim= \(3\) leaves 33.3333 Hz of data filtered below 20 Hz") as told:
        called_by_a_public_function(epochs, decim=3)
    assert told[0].filename == __file__


def test_verbose_is_that_of_mne(tmp_path, capsys):
    path = save(make_epochs(), tmp_path / "a-epo.fif")
    as_trials(path)
    assert capsys.readouterr().out == ""
    as_trials(path, verbose=True)
    assert "Reading" in capsys.readouterr().out
    with pytest.raises(TypeError, match="verbose must be True, False, or a level"):
        as_trials(path, verbose=[1])
    with pytest.raises(ValueError, match=r"verbose must be True, False, or a level .* got 'loud'"):
        as_trials(path, verbose="loud")


# --- real recordings


def test_seven_conditions_of_an_elekta(shared_data):
    trials = as_trials(shared_data("meg", "mne_testing", "test_elekta-ave.fif"))
    assert trials.design.labels[3:] == ("Test event 3", "Test event 4", "Test event 5", "Test event 6")
    assert (trials.design.n_trials, trials.n_channels, trials.n_times, trials.rank) == (7, 306, 351, 306)
    evokeds = mne.read_evokeds(shared_data("meg", "mne_testing", "test_elekta-ave.fif"), verbose="error")
    np.testing.assert_array_equal(whole(trials), np.stack([e.get_data("meg").T for e in evokeds], axis=1))


def test_five_people_with_long_comments(shared_data):
    for number in range(15, 20):
        path = shared_data("meg", "mne_misc", f"sub-0{number}_ses-P3_task-P3_ave.fif")
        trials = as_trials(path, by=["target", "non-target", "difference"])
        x = whole(trials)
        assert x.shape == (129, 3, 30)
        condition = trials.design.condition.tolist()
        target, other, difference = (condition.index(i) for i in (2, 1, 0))
        np.testing.assert_allclose(x[:, target] - x[:, other], x[:, difference], atol=1e-7)


def test_a_ctf_recording(shared_data):
    raw = mne.io.read_raw_fif(shared_data("meg", "mne_python", "test_ctf_comp_raw.fif"), verbose="error")
    events = mne.make_fixed_length_events(raw, duration=0.04)
    epochs = mne.Epochs(raw, events, tmin=0, tmax=0.03, baseline=None, verbose="error")
    trials = as_trials(epochs)
    assert set(trials.channel_types) == {"mag"}
    np.testing.assert_array_equal(whole(trials), mne_data(epochs, "mag"))
    assert as_trials(epochs, picks="M[LRZ]O").n_channels < trials.n_channels


def test_eeglab_epochs(shared_data):
    path = shared_data("meg", "eeglab", "eeglab_data_epochs_ica.set")
    epochs = mne.read_epochs_eeglab(path, verbose="error")
    trials = as_trials(epochs)
    assert trials.design.n_trials == 80
    np.testing.assert_array_equal(whole(trials), mne_data(epochs, "eeg"))


def test_a_file_without_data_channels(shared_data):
    with pytest.raises(ValueError, match=r"audio-epo.fif has no good data channels, only 'misc'; name channels"):
        as_trials(shared_data("meg", "mne_misc", "audio-epo.fif"))
