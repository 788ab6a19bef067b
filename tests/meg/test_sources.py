"""Sources give each chosen trial once, whatever the size of their blocks."""

from __future__ import annotations

import numpy as np
import pytest
from reference.epochs import make_epochs, save

from alignkit.meg import _sources
from alignkit.meg._sources import ArraySource, JoinedSource, MneSource, pieces


def collected(source, trials, start, stop, step):
    out = np.full((len(trials), source.n_channels, len(range(start, stop, step))), np.nan)
    for rows, block in source.blocks(np.asarray(trials), start, stop, step):
        assert np.isnan(out[rows]).all()
        out[rows] = block
    return out


def test_pieces_cover_everything_once():
    assert [list(range(10))[piece] for piece in pieces(10, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(list(pieces(3, 0))) == 3
    assert list(pieces(0, 4)) == []


@pytest.mark.parametrize("block", [1, 1000, 1 << 21])
def test_arrays_and_sessions_of_them(rng, monkeypatch, block):
    monkeypatch.setattr(_sources, "BLOCK", block)
    first, second = rng.standard_normal((7, 5, 12)), rng.standard_normal((4, 5, 12)).astype(np.float32)
    orders = np.array([0, 2, 4]), np.array([4, 2, 0])  # a session may have its channels in another order
    joined = JoinedSource([ArraySource(first, orders[0]), ArraySource(second, orders[1])])
    assert (joined.n_trials, joined.n_channels, joined.dtype) == (11, 3, np.float64)
    both = np.concatenate([first[:, orders[0]], second[:, orders[1]]])
    np.testing.assert_array_equal(collected(joined, range(11), 0, 12, 1), both)
    np.testing.assert_array_equal(collected(joined, [0, 6, 7, 10], 2, 9, 3), both[[0, 6, 7, 10], :, 2:9:3])
    np.testing.assert_array_equal(collected(joined, [8, 9], 2, 3, 1), both[[8, 9], :, 2:3])


def test_what_follows_each_other_is_not_copied(rng):
    data = rng.standard_normal((7, 5, 12))
    for trials, channels in (([2, 3, 4], [1, 2]), ([2, 3, 4], [2, 1]), ([0, 3], [1, 2]), ([0, 3], [4, 0]), ([6], [0])):
        source = ArraySource(data, np.array(channels))
        np.testing.assert_array_equal(collected(source, trials, 1, 12, 2), data[trials][:, channels, 1:12:2])
    ((_, block),) = ArraySource(data, np.arange(5)).blocks(np.arange(7), 0, 12, 1)
    assert np.shares_memory(block, data)


def test_an_array_that_a_file_is_mapped_to_is_not_in_memory(rng, tmp_path):
    data = rng.standard_normal((3, 2, 4))
    np.save(tmp_path / "x.npy", data)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    all_channels = np.arange(2)
    assert ArraySource(data, all_channels).in_memory
    assert ArraySource(data[1:], all_channels).in_memory
    for array in (mapped, mapped[1:], np.asarray(mapped)[:, ::-1]):
        assert not ArraySource(array, all_channels).in_memory
    assert not JoinedSource([ArraySource(data, all_channels), ArraySource(mapped, all_channels)]).in_memory


@pytest.mark.parametrize("held", [0, 1 << 28])
def test_mne_reads_its_epochs_at_once_or_block_by_block(tmp_path, monkeypatch, held):
    mne = pytest.importorskip("mne")
    monkeypatch.setattr(_sources, "_HELD", held)
    monkeypatch.setattr(_sources, "BLOCK", 1000)
    made = make_epochs()
    made.metadata = None
    path = save(made, tmp_path / "a-epo.fif.gz")
    epochs = mne.read_epochs(path, preload=False, verbose="error")
    reads = []
    get_data = epochs.get_data
    monkeypatch.setattr(epochs, "get_data", lambda *args, **kwargs: reads.append(1) or get_data(*args, **kwargs))
    source = MneSource(epochs, np.array([1, 6]))
    expected = get_data(verbose="error")[:, [1, 6]]
    np.testing.assert_array_equal(collected(source, range(24), 3, 20, 2), expected[..., 3:20:2])
    np.testing.assert_array_equal(collected(source, [5, 9], 0, 31, 1), expected[[5, 9]])
    assert len(reads) == (1 if held else 6 + 1)  # four epochs a block
    assert not epochs.preload


def test_a_compressed_file_that_ends_early_is_named(tmp_path):
    mne = pytest.importorskip("mne")
    made = make_epochs(400)  # more than what Python reads at once, which is 128 kB since 3.12
    made.metadata = None
    path = save(made, tmp_path / "a-epo.fif.gz")
    epochs = mne.read_epochs(path, preload=False, verbose="error")
    path.write_bytes(path.read_bytes()[:300_000])
    with pytest.raises(ValueError, match=r"a-epo.fif.gz cannot be read to the end .*; copy the file again"):
        collected(MneSource(epochs, np.arange(8)), range(400), 0, 31, 1)
