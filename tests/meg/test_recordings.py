"""What is taken as data, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from reference.epochs import make_epochs, save
from reference.warned import its_own

from alignkit.meg._recordings import check_sessions, recordings_of

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def taken(data, *, times=None, ch_types=None):
    return recordings_of(data, times=times, ch_types=ch_types, level="error")


def evokeds(n=3):
    epochs = make_epochs()
    return [epochs[i].average() for i in range(n)]


def test_kinds_of_data(tmp_path):
    pytest.importorskip("mne")
    epochs = make_epochs()
    path = save(epochs, tmp_path / "a-epo.fif")
    assert [r.source for r in taken(epochs)] == ["EpochsArray"]
    assert [r.source for r in taken(str(path))] == ["a-epo.fif"]
    assert [r.n_trials for r in taken((epochs, epochs.copy()))] == [24, 24]
    with pytest.raises(ValueError, match="same object twice; its trials would count twice"):
        taken([epochs, epochs])
    (averages,) = taken(evokeds())
    assert (averages.n_trials, averages.source) == (3, "Evoked")
    assert taken(evokeds()[0])[0].n_trials == 1
    (array,) = taken([[[1, 2], [3, 4]]], times=[0, 0.1])
    assert (array.n_trials, array.channels, array.types) == (1, ("0", "1"), ("misc", "misc"))


def test_tensors_are_arrays():
    torch = pytest.importorskip("torch")
    (recording,) = taken(torch.ones((2, 3, 4)), times=np.arange(4) / 10, ch_types="eeg")
    assert (recording.n_trials, recording.types) == (2, ("eeg",) * 3)


@pytest.mark.parametrize("data", [None, {}, object, "x", [None], ["a", 3]])
def test_other_things_are_refused(data):
    with pytest.raises((TypeError, ValueError, FileNotFoundError)):
        taken(data)


def test_raw_data_is_no_epochs():
    mne = pytest.importorskip("mne")
    raw = mne.io.RawArray(np.zeros((2, 100)), mne.create_info(2, 100.0, "mag"), verbose="error")
    for data in (raw, [raw]):
        with pytest.raises(
            TypeError, match=r"data must be mne epochs, a list of mne Evoked, an array .*; got .*RawArray"
        ):
            taken(data)


def test_mixed_lists_are_refused(tmp_path):
    epochs = make_epochs()
    path = save(epochs, tmp_path / "a-epo.fif")
    with pytest.raises(TypeError, match="paths or mne objects, not both"):
        taken([path, epochs])
    with pytest.raises(TypeError, match=r"got 2 elements \(EpochsArray, EvokedArray\)"):
        taken([epochs, evokeds()[0]])


def test_arrays_need_axes_and_times():
    with pytest.raises(ValueError, match=r"data must have the axes \(trials, channels, times\).* got shape \(2, 3\)"):
        taken(np.zeros((2, 3)), times=range(3))
    with pytest.raises(ValueError, match="times are needed with an array"):
        taken(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="times must hold one number per sample: expected 4, got 3"):
        taken(np.zeros((2, 3, 4)), times=range(3))
    with pytest.raises(ValueError, match="times must be finite and increase"):
        taken(np.zeros((2, 3, 4)), times=[0, 1, 1, 2])
    with pytest.raises(ValueError, match="ch_types must hold one label per item: expected 3, got 2"):
        taken(np.zeros((2, 3, 4)), times=np.arange(4) / 10, ch_types=["mag", "eeg"])
    for complex_or_text in (np.zeros((2, 3, 4), complex), np.full((2, 3, 4), "a")):
        with pytest.raises(TypeError, match="data must hold real numbers"):
            taken(complex_or_text, times=np.arange(4) / 10)


def test_mne_brings_its_own_times_and_types():
    pytest.importorskip("mne")
    with pytest.raises(ValueError, match="times belongs to arrays: mne's objects bring their own"):
        taken(make_epochs(), times=range(31))
    with pytest.raises(ValueError, match="ch_types belongs to arrays"):
        taken(evokeds(), ch_types="mag")


def test_averages_are_put_side_by_side_by_the_names_of_channels():
    pytest.importorskip("mne")
    first, second, third = evokeds()
    second.reorder_channels(second.ch_names[::-1])
    third.info["bads"] = ["MLO00"]
    (recording,) = taken([first, second, third])
    source = recording.open(np.arange(8))
    blocks = np.concatenate([block for _, block in source.blocks(np.arange(3), 0, 31, 1)])
    np.testing.assert_array_equal(blocks, [first.data, second.data[::-1], third.data])
    assert recording.info["bads"] == ["MLO00"]
    assert first.info["bads"] == []


def test_averages_that_cannot_be_put_side_by_side():
    pytest.importorskip("mne")
    first, second, third = evokeds()
    with pytest.raises(
        ValueError, match=r"Evoked 1 and Evoked 0 must have the same channels; they differ in 'MLO00'\."
    ):
        taken([first, second.drop_channels(["MLO00"])])
    with pytest.raises(ValueError, match=r"Evoked 1 and Evoked 0 must have the same times; got -0.1 to 0.1 s"):
        taken([first, third.crop(None, 0.1)])
    spread = make_epochs().standard_error()
    with pytest.raises(ValueError, match=r"Evoked 1 \(.*\) is a standard error; leave it out"):
        taken([first, spread])


def test_sessions_must_fit():
    pytest.importorskip("mne")
    check_sessions(taken([make_epochs(), make_epochs(8)]))
    with pytest.raises(
        ValueError, match=r"session 2 \(EpochsArray\) and session 1 \(EpochsArray\) must have the same ch"
    ):
        check_sessions(taken([make_epochs(), make_epochs(n_channels=7)]))
    with pytest.raises(ValueError, match="must have the same times"):
        check_sessions(taken([make_epochs(), make_epochs(n_times=30)]))


def test_epochs_that_were_all_dropped():
    pytest.importorskip("mne")
    epochs = make_epochs()
    epochs.drop_bad(reject={"mag": 1e-16}, verbose="error")
    with pytest.raises(ValueError, match="data holds no epochs: all were dropped"):
        taken(epochs)


def test_milliseconds_are_told():
    with pytest.warns(RuntimeWarning, match=r"times= are taken as seconds: -100 to 200 s, 100 s from one") as told:
        taken(np.zeros((2, 3, 4)), times=np.arange(-1, 3) * 100)
    told = its_own(told)
    assert len(told) == 1
    assert told[0].filename == __file__
    taken(np.zeros((2, 3, 4)), times=np.arange(4) * 0.4)
