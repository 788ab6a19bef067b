"""Where RDMs over time come from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.meg import time_rdms
from alignkit.meg._as_trials import as_trials
from alignkit.meg._rdms_provenance import data_of, digest_of, methods_of

CONDITION, FOLD = np.tile(np.arange(3), 4), np.repeat([0, 1], 6)


def trials_of(data, **changes):
    return as_trials(data, **{"by": CONDITION, "folds": FOLD, "times": np.arange(5) / 10, **changes})


def test_what_the_data_are(rng):
    trials = trials_of(rng.normal(size=(12, 2, 5)), ch_types=["mag", "grad"], by=[0] * 6 + [1, 2] * 3)
    found = data_of(trials)
    assert found["n_trials"] == 12
    assert found["n_trials_per_condition"] == [3, 6]
    assert found["channel_types"] == {"mag": 1, "grad": 1}
    assert found["n_folds"] == 2
    assert "n_folds" not in data_of(trials_of(rng.normal(size=(12, 2, 5)), folds=None))


def test_the_selection_is_told(rng):
    data = rng.normal(size=(12, 2, 20))
    plain = data_of(trials_of(data, times=np.arange(20) / 10))
    assert (plain["baseline"], plain["decim"]) == (None, 1)
    assert "crop" not in plain
    cut = trials_of(data, times=np.arange(-5, 15) / 10, baseline=(None, 0), decim=2, tmin=0.1, tmax=1)
    found = data_of(cut)
    assert (found["baseline"], found["decim"], found["crop"]) == ([-0.5, 0.0], 2, [0.2, 1.0])
    text = methods_of("correlation", 3, cut.times, found | {"noise": None})
    assert "The mean of -0.5 to 0 s was subtracted from every trial and channel. Of the data, 0.2 to 1 s were" in text
    assert "One in 2 samples was kept. Channels were not whitened." in text
    assert "subtracted" not in methods_of("correlation", 3, cut.times, plain | {"noise": None})
    only = data_of(trials_of(data, times=np.arange(20) / 10, baseline=(0, 0))) | {"noise": None}
    assert "The mean of the sample at 0 s was subtracted" in methods_of("correlation", 3, cut.times, only)


def test_averages_are_called_so():
    mne = pytest.importorskip("mne")
    info = mne.create_info(3, 100.0, "mag")
    evokeds = [mne.EvokedArray(np.eye(3) * i, info, comment=name) for i, name in enumerate("abc", 1)]
    trials = as_trials(evokeds, baseline=(0, 0.01))
    text = methods_of("correlation", 3, trials.times, data_of(trials) | {"noise": None})
    assert "from 3 averages (1 per condition)" in text
    assert "subtracted from every average and channel" in text
    assert "trial" not in text
    assert data_of(trials)["averages"] is True


def test_other_data_have_another_digest(rng):
    data = rng.normal(size=(12, 2, 5))
    digest = digest_of(trials_of(data))
    assert digest == digest_of(trials_of(data.copy()))
    for other in (
        trials_of(data + 1),
        trials_of(data, by=CONDITION[::-1]),
        trials_of(data, folds=FOLD[::-1]),
        trials_of(data, folds=None),
        trials_of(data, by=[f"c{i}" for i in CONDITION]),
        trials_of(data[:, :1]),
        dataclasses.replace(trials_of(data), channels=("a", "b")),
    ):
        assert digest_of(other) != digest
    assert len({digest, *(digest_of(trials_of(data), noise) for noise in (np.eye(2), np.diag([1, 2])))}) == 3


@pytest.mark.parametrize("metric", ["correlation", "crossnobis", "decoding", "svm"])
def test_the_text_names_what_was_measured(metric):
    found = {"n_trials": 1200, "n_trials_per_condition": [10, 14], "channel_types": {"mag": 102}, "rank": 60}
    found |= {"noise": "baseline", "noise_from": "all", "shrinkage": "ledoit-wolf"}
    text = methods_of(metric, 92, np.array([-0.1, 0.5]), found)
    assert text.startswith("Representational dissimilarities of 92 conditions were computed at 2 times from -0.1 to")
    assert "1,200 trials (10 to 14 per condition) and 102 mag channels (rank 60)" in text
    assert "before 0 s and averaged, shrunk" in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ["12 times from -0.03 to 0.08 s", "45 trials (9 per condition)", "averaged over the epoch", "Ledoit"]),
        ({"noise": None}, ["Channels were not whitened."]),
        ({"noise": np.eye(4)}, ["given precision"]),
        ({"shrinkage": 0.25}, ["a weight of 0.25"]),
        (
            {"baseline": (None, 0), "tmin": 0},
            ["The mean of -0.03 to 0 s was subtracted from every trial", "0 to 0.08 s"],
        ),
        ({"shrinkage": "none", "noise_from": "all"}, ["all trials around", "without shrinkage"]),
        ({"metric": "decoding"}, ["linear discriminants", "tested on that one", "at each time,"]),
        ({"metric": "decoding", "covariance": "pairwise"}, ["that of the pair's training trials"]),
        ({"pseudo_trials": 2, "pseudo_repeats": 2, "rng": 4}, ["random groups of 2", "2 such groupings (seed 4)"]),
    ],
)
def test_the_methods_text_says_what_was_done(rng, more, words):
    x, fold = rng.normal(size=(45, 4, 12)), np.repeat([0, 1, 2], 15)
    kwargs = {"by": np.tile(np.arange(5), 9), "folds": fold, "times": np.arange(12) / 100 - 0.03}
    text = time_rdms(x, **kwargs, **more).provenance["methods"]
    for word in words:
        assert word in text
    assert "  " not in text
    assert ".." not in text
