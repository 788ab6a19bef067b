"""Channels are picked by MNE's words, by patterns and groups, and alike in all sessions."""

from __future__ import annotations

import numpy as np
import pytest
from reference.epochs import make_epochs

from alignkit.meg._picks import pick
from alignkit.meg._recordings import recordings_of

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
TYPES = ["grad", "mag", "eeg", "eeg", "eog", "mag", "misc", "stim"]


def recordings(*epochs):
    pytest.importorskip("mne")
    return recordings_of(list(epochs), times=None, ch_types=None, level="error")


def array(n_channels=5, ch_types=None):
    return recordings_of(np.zeros((2, n_channels, 3)), times=np.arange(3) / 10, ch_types=ch_types, level="error")


@pytest.mark.parametrize(
    "picks",
    ["mag", "meg", "eeg", ["eeg", "grad"], ["MRT01", "MLO00"], "MRT01", [3, 0], slice(1, 4), "all", np.array([2, 5])],
)
def test_the_words_are_those_of_mne(picks):
    epochs = make_epochs(types=TYPES)
    picked = pick(recordings(epochs), picks)
    expected = epochs.copy().pick(picks)
    assert picked.channels == tuple(expected.ch_names)
    assert picked.types == tuple(expected.get_channel_types())
    assert [epochs.ch_names[i] for i in picked.positions[0]] == expected.ch_names
    assert picked.info["ch_names"] == expected.ch_names


def test_good_data_channels_are_the_default():
    epochs = make_epochs(types=TYPES)
    assert pick(recordings(epochs), None).types == ("grad", "mag", "eeg", "eeg", "mag")
    epochs.info["bads"] = ["MRT01", "MLT03"]
    names = epochs.ch_names
    assert pick(recordings(epochs), None).channels == (names[0], names[2], names[5])
    assert pick(recordings(epochs), "mag").channels == (names[5],)
    assert pick(recordings(epochs), ["MRT01"]).channels == ("MRT01",)  # asked for by name
    assert epochs.info["bads"] == ["MRT01", "MLT03"]


def test_a_pattern_picks_the_good_channels_whose_names_begin_so():
    epochs = make_epochs()
    epochs.info["bads"] = ["MLO00"]
    expected = tuple(name for name in epochs.ch_names if name[2] == "O" and name != "MLO00")
    assert pick(recordings(epochs), "M.O").channels == expected
    assert pick(recordings(epochs), "ML|MR").channels == tuple(n for n in epochs.ch_names if n[1] in "LR")[1:]


def test_groups_of_vectorview_sensors(shared_data):
    mne = pytest.importorskip("mne")
    evokeds = mne.read_evokeds(shared_data("meg", "mne_testing", "test_elekta-ave.fif"), verbose="error")
    picked = pick(recordings(*evokeds), "Left-occipital")
    assert set(picked.channels) == set(mne.read_vectorview_selection("Left-occipital", info=evokeds[0].info))


def test_sessions_agree_on_channels_whatever_their_order():
    first, second = make_epochs(), make_epochs(seed=1)
    second.reorder_channels(second.ch_names[::-1])
    second.info["bads"] = ["MZT05"]
    picked = pick(recordings(first, second), None)
    assert picked.channels == tuple(name for name in first.ch_names if name != "MZT05")
    assert [second.ch_names[i] for i in picked.positions[1]] == list(picked.channels)


@pytest.mark.parametrize("picks", ["grad", "nope", 99, "[", "Vertex", 1.5])
def test_nothing_picked_is_one_sentence(picks):
    with pytest.raises(ValueError, match=r"^picks=.* chooses none of the channels \('MLO00', .*\), .*\('mag'\)\.$"):
        pick(recordings(make_epochs()), picks)


def test_no_data_channels():
    with pytest.raises(
        ValueError, match=r"EpochsArray has no good data channels, only 'misc'; name channels with picks="
    ):
        pick(recordings(make_epochs(types="misc")), None)
    assert pick(recordings(make_epochs(types="misc")), "misc").types == ("misc",) * 8


def test_arrays_have_positions_and_types():
    assert pick(array(), None).channels == ("0", "1", "2", "3", "4")
    assert pick(array(), [3, -5]).channels == ("3", "0")
    assert pick(array(), slice(1, None, 2)).channels == ("1", "3")
    assert pick(array(), np.array([True, False, True, False, False])).channels == ("0", "2")
    picked = pick(array(ch_types=["mag", "grad", "mag", "eeg", "eeg"]), "mag")
    assert (picked.channels, picked.types, picked.info) == (("0", "2"), ("mag", "mag"), None)
    for bad in ([0, 0], slice(9, None), "mag", []):
        with pytest.raises((ValueError, TypeError), match="picks"):
            pick(array(), bad)
    with pytest.raises(ValueError, match="picks must be positions among 5 channels"):
        pick(array(), [5])
    with pytest.raises(TypeError, match="picks of an array must be positions, a slice, a mask or a type"):
        pick(array(), ["0"])


def test_what_is_wrong_with_picks_is_said():
    epochs = make_epochs(types=TYPES)
    for picks in (["MRT01", "MRT01"], ["MRT01", "nobody"], ["seeg"], []):
        with pytest.raises(ValueError, match=r"must name channels .* or types .* that are there, none twice"):
            pick(recordings(epochs), picks)
    epochs.info["bads"] = list(epochs.ch_names)
    with pytest.raises(ValueError, match=r"has no good data channels, only .*, 8 marked bad; name channels"):
        pick(recordings(epochs), None)
