"""The rank is what the info knows and what the data shows, whichever is lower."""

from __future__ import annotations

import numpy as np
import pytest
from reference.epochs import make_epochs, save

from alignkit.meg._as_trials import as_trials

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword", "ignore:1 of 12 channels is flat")


def ranks(data, **options):
    made = as_trials(data, **options)
    assert made.rank == sum(made.rank_by_type.values())
    return made.rank_by_type


def array_ranks(values, **options):
    return ranks(values, by=np.arange(len(values)) % 2, times=np.arange(values.shape[2]) / 100, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_shows_its_rank(rng, dtype):
    noise = rng.standard_normal((60, 12, 20)) * 10.0 ** rng.integers(-14, 3, size=(12, 1))
    assert array_ranks(noise.astype(dtype)) == {"misc": 12}
    referenced = noise - noise.mean(axis=1, keepdims=True)
    assert array_ranks(rng.standard_normal((60, 12, 20)).astype(dtype)) == {"misc": 12}
    like = rng.standard_normal((60, 12, 20))
    like -= like.mean(axis=1, keepdims=True)
    assert array_ranks(like.astype(dtype)) == {"misc": 11}
    mixed = np.einsum("ij,njt->nit", rng.standard_normal((12, 5)), rng.standard_normal((60, 5, 20)))
    assert array_ranks(mixed.astype(dtype)) == {"misc": 5}
    assert array_ranks(mixed.astype(dtype), ch_types=["mag"] * 3 + ["eeg"] * 9) == {"mag": 3, "eeg": 5}
    flat = like.copy()
    flat[:, 3] = 0
    assert array_ranks(flat.astype(dtype)) == {"misc": 11}
    assert referenced.shape == noise.shape


def test_offsets_of_channels_hide_nothing(rng):
    x = rng.standard_normal((60, 12, 20))
    offsets = 1e6 * rng.standard_normal((12, 1))
    assert array_ranks(x + 1e6) == array_ranks(x + offsets) == {"misc": 12}
    x -= x.mean(axis=1, keepdims=True)
    assert array_ranks(x + offsets) == {"misc": 11}
    x[:, 3] = 1e6 / 3  # a channel that never changes
    assert array_ranks(x + offsets) == {"misc": 11}


def test_few_samples_show_nothing(rng):
    assert array_ranks(rng.standard_normal((3, 30, 4))) == {"misc": 30}
    assert array_ranks(np.repeat(rng.standard_normal((4, 30, 1)), 3, axis=2)) == {"misc": 30}


def test_only_active_projectors_count(tmp_path):
    mne = pytest.importorskip("mne")
    epochs = make_epochs(types="eeg").set_eeg_reference(projection=True, verbose="error")
    assert ranks(epochs) == {"eeg": 8}
    path = save(epochs, tmp_path / "a-epo.fif")
    assert ranks(path) == {"eeg": 7}  # mne applies them as it reads
    assert ranks(mne.read_epochs(path, proj=False, preload=False, verbose="error")) == {"eeg": 8}
    assert ranks(epochs.copy().apply_proj(verbose="error")) == {"eeg": 7}
    # mne's info knows nothing of a reference that was subtracted
    referenced = make_epochs(types="eeg").set_eeg_reference("average", verbose="error")
    assert mne.compute_rank(referenced, rank="info", verbose="error") == {"eeg": 8}
    assert ranks(referenced) == {"eeg": 7}


def test_signal_space_separation(shared_data):
    mne = pytest.importorskip("mne")
    path = shared_data("meg", "mne_testing", "sample_audvis_trunc_raw_sss.fif")
    raw = mne.io.read_raw_fif(path, verbose="error")
    events = mne.make_fixed_length_events(raw, duration=0.02)
    epochs = mne.Epochs(raw, events, tmin=0, tmax=0.05, baseline=None, verbose="error")
    assert ranks(epochs, picks="meg") == {"meg": 69}
    assert ranks(epochs, picks="mag") == {"mag": 69}
    assert ranks(epochs, picks=epochs.ch_names[:20]) == {"meg": 20}


def test_averages_have_the_rank_of_their_info(shared_data):
    evokeds = shared_data("meg", "mne_python", "test-ave.fif.gz")
    assert ranks(evokeds) == {"meg": 303, "eeg": 59}
    assert ranks(evokeds, picks="grad") == {"grad": 204}
    assert ranks(evokeds, picks="mag") == {"mag": 99}  # its projectors are of magnetometers


@pytest.mark.parametrize(("share", "rank"), [(1e-3, 12), (1e-8, 11)])
def test_what_is_small_counts_and_what_is_rounding_does_not(rng, share, rank):
    noise = rng.standard_normal((60, 12, 20))
    noise[:, 0] = noise[:, 1:].mean(axis=1) + share * noise[:, 0]
    assert array_ranks(noise) == {"misc": rank}
