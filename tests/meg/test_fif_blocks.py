"""Blocks of epochs read directly are what mne reads, whatever was done to the epochs; else they are left to mne."""

from __future__ import annotations

import os

import numpy as np
import pytest
from reference.epochs import make_epochs, mne_data, save

from alignkit.meg import _fif_blocks
from alignkit.meg._as_trials import as_trials
from alignkit.meg._fif_blocks import FifSource, fif_source
from alignkit.meg._sources import MneSource

mne = pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, as mne reads its tables


def opened(path, **options):
    return mne.read_epochs(path, preload=False, verbose="error", **options)


def read_all(epochs, channels):
    source = fif_source(epochs, channels)
    assert isinstance(source, FifSource)
    blocks = list(source.blocks(np.arange(source.n_trials), 0, len(epochs.times), 1))
    return np.concatenate([block for _, block in blocks]), source


@pytest.mark.parametrize("fmt", ["single", "double"])
@pytest.mark.parametrize("parts", [1, 3])
def test_blocks_are_what_mne_reads(tmp_path, fmt, parts):
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif", parts=parts, fmt=fmt))
    got, source = read_all(epochs, np.arange(8))
    assert len(source.parts) >= parts
    assert source.dtype == (np.float32 if fmt == "single" else np.float64)
    np.testing.assert_array_equal(got, epochs.get_data(verbose="error"))  # nothing is computed: the same bits


def test_a_block_may_be_smaller_than_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_fif_blocks, "BLOCK", 5000)  # five epochs
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif", parts=2))
    source = fif_source(epochs, np.array([1, 5]))
    trials = np.array([0, 1, 3, 9, 11, 12, 22, 23])
    seen = []
    for rows, block in source.blocks(trials, 4, 20, 5):
        expected = epochs.get_data(verbose="error")[trials[rows]][:, [1, 5], 4:20:5]
        np.testing.assert_array_equal(block, expected)
        seen += range(len(trials))[rows]
    assert seen == list(range(len(trials)))


def test_calibrations_are_applied(tmp_path):
    epochs = make_epochs()
    for i, channel in enumerate(epochs.info["chs"]):
        channel["cal"] = 1e-13 * (i + 1)
    path = save(epochs, tmp_path / "a-epo.fif")
    got, source = read_all(opened(path), np.arange(8))
    assert source.scale is not None
    np.testing.assert_allclose(got, opened(path).get_data(verbose="error"), rtol=1e-12)


def test_active_projectors_are_applied(tmp_path):
    epochs = make_epochs(types="eeg").set_eeg_reference(projection=True, verbose="error")
    path = save(epochs, tmp_path / "a-epo.fif")
    chosen = np.array([2, 3, 6])
    got, source = read_all(opened(path), chosen)
    assert source.projection.shape == (3, 8)  # an average needs all channels
    np.testing.assert_allclose(got, opened(path).get_data(verbose="error")[:, chosen], rtol=1e-9, atol=1e-12)
    got, source = read_all(opened(path, proj=False), chosen)
    assert source.projection is None
    np.testing.assert_array_equal(got, opened(path, proj=False).get_data(verbose="error")[:, chosen])
    got, source = read_all(opened(path, proj="delayed"), chosen)
    np.testing.assert_array_equal(got, opened(path, proj="delayed").get_data(verbose="error")[:, chosen])


def test_a_subset_in_any_order_is_found_again(tmp_path):
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif", parts=3))
    some = epochs[[20, 3, 4, 5, 11, 0]]
    got, _ = read_all(some, np.arange(8))
    np.testing.assert_array_equal(got, some.get_data(verbose="error"))


@pytest.mark.parametrize(
    "change",
    [
        lambda epochs: epochs.apply_baseline((None, 0), verbose="error"),
        lambda epochs: epochs.decimate(3, verbose="error"),
        lambda epochs: setattr(epochs, "detrend", 1),
    ],
    ids=["baseline", "decimation", "detrending"],
)
def test_what_is_pending_is_done_by_mne_or_as_mne_does_it(tmp_path, change):
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif"))
    change(epochs)
    trials = as_trials(epochs)
    np.testing.assert_allclose(trials.read(0, trials.n_times), mne_data(epochs), rtol=1e-9, atol=1e-25)
    np.testing.assert_allclose(trials.times, epochs.times, atol=1e-12)


def test_compressed_and_complex_files_are_left_to_mne(tmp_path):
    path = save(make_epochs(), tmp_path / "a-epo.fif.gz")
    assert fif_source(opened(path), np.arange(8)) is None
    trials = as_trials(path)
    assert isinstance(trials.read.source, MneSource)
    np.testing.assert_array_equal(trials.read(0, 31), mne_data(opened(path)))
    epochs = make_epochs()
    turned = mne.EpochsArray(epochs.get_data(copy=True) * (1 + 1j), epochs.info, tmin=-0.1, verbose="error")
    path = save(turned, tmp_path / "b-epo.fif")
    assert fif_source(opened(path), np.arange(8)) is None
    with pytest.raises(TypeError, match="real numbers; got complex"):
        as_trials(path)


def test_a_header_that_does_not_fit_leaves_the_file_to_mne(tmp_path, monkeypatch):
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif"))
    epochs._raw[0].epoch_shape = (31, 8)
    assert fif_source(epochs, np.arange(8)) is None
    epochs = opened(tmp_path / "a-epo.fif")
    epochs._raw[0].data_tag.pos += 8
    assert fif_source(epochs, np.arange(8)) is None
    epochs = opened(tmp_path / "a-epo.fif")
    monkeypatch.setattr(_fif_blocks, "_projection", lambda epochs, channels: (channels, 2 * np.eye(len(channels))))
    assert fif_source(epochs, np.arange(8)) is None  # other numbers than mne's
    del epochs._raw[0].cals
    assert fif_source(epochs, np.arange(8)) is None  # another mne


def test_a_truncated_file_is_said_to_be_one(tmp_path):
    path = save(make_epochs(), tmp_path / "a-epo.fif")
    epochs = opened(path)
    os.truncate(path, epochs._raw[0].data_tag.pos + 16 + 8 * 31 * 4 * 20)
    with pytest.raises(
        ValueError, match=r"a-epo.fif is at least [\d,]+ bytes shorter than it says it is; copy it again"
    ):
        fif_source(epochs, np.arange(8))


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path):
    path = save(make_epochs(), tmp_path / "a-epo.fif")
    source = fif_source(opened(path), np.arange(8))
    os.truncate(path, 10_000)
    with pytest.raises(ValueError, match="ended while it was read"):
        list(source.blocks(np.arange(24), 0, 31, 1))


def test_epochs_in_any_order_are_those_of_mne(tmp_path):
    epochs = opened(save(make_epochs(), tmp_path / "a-epo.fif", parts=2))
    order = np.random.default_rng(0).permutation(24)
    got, source = read_all(epochs[order], np.arange(8))
    assert (np.diff(source.rows) < 0).any()
    np.testing.assert_array_equal(got, epochs.get_data(verbose="error")[order])
