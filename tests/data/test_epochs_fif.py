from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.data._epochs_fif import EpochsHeader, write_epochs_fif

mne = pytest.importorskip("mne")


def made(n=23):
    """Return epochs of MNE's, and the same as a header and data."""
    rng = np.random.default_rng(1)
    info = mne.create_info(["a", "b", "c"], 100.0, "eeg", verbose="error")
    events = np.stack([np.arange(n) * 7, np.zeros(n, int), rng.integers(1, 4, n)], axis=1)
    metadata = pd.DataFrame({"name": [f"é{i}" for i in range(n)], "number": rng.normal(size=n)})
    data = rng.normal(size=(n, 3, 11)).astype(np.float32)
    epochs = mne.EpochsArray(data.astype(float), info, events, tmin=-0.05, metadata=metadata, verbose="error")
    return epochs, EpochsHeader(info, events, metadata, -5, 11), data


@pytest.mark.parametrize("split_size", [2**31 - 1, 4500])
@pytest.mark.parametrize("block", [1, 4, 23])
def test_files_read_as_the_epochs_they_hold(tmp_path, split_size, block):
    expected, header, data = made()
    blocks = (data[i : i + block] for i in range(0, len(data), block))
    paths = write_epochs_fif(tmp_path / "x-epo.fif", header, blocks, split_size=split_size)
    assert (len(paths) > 1) == (split_size < 10_000)
    assert max(path.stat().st_size for path in paths) <= split_size
    for preload in (True, False):
        found = mne.read_epochs(paths[0], preload=preload, verbose="error")
        np.testing.assert_array_equal(found.get_data(verbose="error"), data)
        np.testing.assert_array_equal(found.events, expected.events)
        np.testing.assert_allclose(found.times, expected.times)
        np.testing.assert_array_equal(found.selection, expected.selection)
        assert found.event_id == expected.event_id
        assert found.drop_log == expected.drop_log
        assert found.ch_names == expected.ch_names
        assert found.metadata["number"].to_list() == pytest.approx(expected.metadata["number"].to_list())
        assert found.metadata["name"].to_list() == expected.metadata["name"].to_list()


def test_a_failure_leaves_no_file(tmp_path):
    _, header, data = made()

    def broken():
        yield data[:20]
        msg = "cable"
        raise KeyError(msg)

    with pytest.raises(KeyError, match="cable"):
        write_epochs_fif(tmp_path / "x-epo.fif", header, broken(), split_size=4500)
    assert not list(tmp_path.iterdir())
