"""Flat channels are named, once, and no others."""

from __future__ import annotations

import numpy as np
import pytest
from reference.epochs import make_epochs, save
from reference.warned import its_own

from alignkit.meg import time_rdms
from alignkit.meg._as_trials import as_trials

BY, FOLDS, TIMES = np.tile(np.arange(4), 30), np.repeat([0, 1, 2], 40), np.arange(25) / 100


def test_flat_channels_are_named_and_weigh_as_they_do(rng):
    x = rng.normal(size=(120, 12, 25))
    x[:, 3], x[:, 7] = 0, 5e-6
    kwargs = {"by": BY, "folds": FOLDS, "times": TIMES, "noise": None}
    with pytest.warns(RuntimeWarning, match=r"2 of 12 channels are flat \(one value in all trials\): '3', '7'") as told:
        found = time_rdms(x, **kwargs)
    told = its_own(told)
    assert len(told) == 1
    assert told[0].filename == __file__
    alone = time_rdms(x, picks=[i for i in range(12) if i not in (3, 7)], **kwargs)
    np.testing.assert_allclose(found.values, alone.values * 10 / 12, rtol=1e-9)


def test_a_channel_that_moves_once_is_not_flat(rng):
    x = rng.normal(size=(120, 4, 25))
    x[:, 1] = 0
    x[77, 1, 13] = 1
    as_trials(x, by=BY, times=TIMES)
    with pytest.warns(RuntimeWarning, match="1 of 4 channels is flat"):
        as_trials(x, by=BY, times=TIMES, tmax=0.12)
    with pytest.warns(RuntimeWarning, match="1 of 4 channels is flat"):
        as_trials(x, by=BY, times=TIMES, decim=2)
    as_trials(x, by=BY, times=TIMES, picks=[0, 2, 3], decim=2)
    as_trials(np.zeros((4, 3, 25)), by=list("abab"), times=TIMES)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_flat_channels_of_files_are_found(tmp_path):
    pytest.importorskip("mne")
    epochs = make_epochs()
    epochs._data[:, 2] = 0
    path = save(epochs, tmp_path / "a-epo.fif", parts=2)
    with pytest.warns(RuntimeWarning, match=f"1 of 8 channels is flat .*: '{epochs.ch_names[2]}'"):
        as_trials(path, by="concept")
    epochs.info["bads"] = [epochs.ch_names[2]]
    as_trials(epochs, by="concept")
