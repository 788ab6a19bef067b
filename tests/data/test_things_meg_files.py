from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.data import simulate

mne = pytest.importorskip("mne")

COLUMNS = {
    "trial_type", "session_nr", "run_nr", "things_category_nr", "things_image_nr", "image_nr", "image_path",
    "image_on", "image_off",
}  # fmt: skip


@pytest.fixture(scope="module")
def meg():
    return simulate(20, n_participants=2, individuality=0.0).meg(
        n_subjects=2, n_sessions=4, n_channels=30, n_times=30, snr=20.0
    )


@pytest.fixture(scope="module")
def first(meg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("things") / "new"
    return meg.write_things(folder, subject=1, participant=3, n_test=5, n_catch=3, split_size=150_000)


@pytest.fixture(scope="module")
def epochs(first):
    return mne.read_epochs(first, preload=False, verbose="error")


def test_parts_are_named_and_linked_as_mne_does(first, epochs):
    names = sorted(path.name for path in first.parent.iterdir())
    assert first.name == "preprocessed_P3-epo.fif"
    assert len(names) == 5
    assert names[:4] == [f"preprocessed_P3-epo{part}.fif" for part in ("-1", "-2", "-3", "")]
    assert names[4] == "sample_attributes_P3.csv"
    assert max(path.stat().st_size for path in first.parent.iterdir()) <= 150_000
    assert len(epochs) == 4 * (20 + 5 + 3)
    assert all(log == () for log in epochs.drop_log)
    np.testing.assert_array_equal(epochs.selection, np.arange(len(epochs)))


def test_metadata_hold_the_design_of_things_meg(meg, epochs):
    table = epochs.metadata
    assert set(table.columns) >= COLUMNS
    for _, session in table.groupby("session_nr"):
        assert session["trial_type"].value_counts().to_dict() == {"exp": 20, "test": 5, "catch": 3}
        exp = session[session["trial_type"] == "exp"]
        assert sorted(exp["things_category_nr"]) == list(range(1, 21))
        assert not exp["things_category_nr"].is_monotonic_increasing
        assert session["run_nr"].is_monotonic_increasing
        assert set(session["run_nr"]) == set(range(1, 11))
    exp, test, catch = (table[table["trial_type"] == kind] for kind in ("exp", "test", "catch"))
    assert exp["things_image_nr"].is_unique  # each image is shown once
    assert (
        exp.groupby("things_category_nr")["things_exemplar_nr"].apply(sorted).map(list) == [[1, 2, 3, 4]] * 20
    ).all()
    assert (test.groupby("things_image_nr").size() == 4).all()
    assert (test.groupby("things_category_nr")["things_image_nr"].nunique() == 1).all()
    assert sorted(set(test["test_image_nr"])) == [1, 2, 3, 4, 5]
    assert not set(test["things_image_nr"]) & set(exp["things_image_nr"])
    assert catch["things_category_nr"].isna().all()
    for row in exp.itertuples():
        assert f"/{meg.labels[int(row.things_category_nr) - 1]}/" in row.image_path
    assert (table["image_off"] > table["image_on"]).all()


def test_events_are_image_numbers(epochs):
    table, codes = epochs.metadata, epochs.events[:, 2]
    np.testing.assert_array_equal(codes, table["image_nr"])
    caught = (table["trial_type"] == "catch").to_numpy()
    assert (codes[caught] == 999_999).all()
    np.testing.assert_array_equal(codes[~caught], table["things_image_nr"].to_numpy()[~caught])
    assert len(np.unique(epochs.events[:, 0])) == len(epochs)


def test_sample_attributes_equal_the_metadata(first, epochs):
    table = pd.read_csv(first.parent / "sample_attributes_P3.csv")
    pd.testing.assert_frame_equal(table, epochs.metadata.reset_index(drop=True), check_dtype=False)


def test_values_are_read_back_bit_for_bit(meg, tmp_path):
    first = meg.write_things(tmp_path, subject=1, n_test=0, n_catch=0, split_size=150_000)
    epochs = mne.read_epochs(first, preload=False, verbose="error")
    assert len({ch["cal"] for ch in epochs.info["chs"]}) > 1  # a reader that forgets calibrations is found out
    assert epochs.ch_names == list(meg.channels)
    np.testing.assert_allclose(epochs.times, meg.times, atol=1e-9)
    np.testing.assert_array_equal(epochs.get_data(verbose="error"), meg.patterns[1])
    np.testing.assert_array_equal(mne.read_epochs(first, verbose="error").get_data(), meg.patterns[1])
    again = meg.epochs(1)
    np.testing.assert_array_equal(again.events, epochs.events)
    theirs = epochs.metadata.reset_index(drop=True).astype({"test_image_nr": float})  # nothing but missing
    pd.testing.assert_frame_equal(again.metadata.drop(columns="object"), theirs, check_dtype=False)


def test_the_planted_signal_is_in_the_files(meg, epochs):
    at_peak = np.argmin(np.abs(meg.times - 0.15))
    data, table = epochs.get_data(verbose="error")[..., at_peak], epochs.metadata
    exp = (table["trial_type"] == "exp").to_numpy()
    category = table["things_category_nr"].to_numpy()
    means = np.array([data[exp & (category == c)].mean(axis=0) for c in range(1, 21)])
    distances = ((means[:, None] - means) ** 2).mean(axis=-1)[np.triu_indices(20, 1)]
    assert np.corrcoef(distances, meg.planted.values[at_peak])[0, 1] > 0.95
    # a test image shows its category, and a catch trial none
    for kind, same in (("test", True), ("catch", False)):
        for trial in np.flatnonzero(table["trial_type"] == kind):
            nearest = ((means - data[trial]) ** 2).sum(axis=1).argmin()
            assert (nearest == category[trial] - 1) == same


def test_defaults_are_in_proportion_to_things_meg(tmp_path):
    meg = simulate(93, n_participants=2).meg(n_subjects=1, n_trials=1, n_times=30, n_channels=12)
    epochs = mne.read_epochs(meg.write_things(tmp_path), preload=False, verbose="error")
    assert epochs.metadata["trial_type"].value_counts().to_dict() == {"exp": 93, "test": 10, "catch": 10}
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "preprocessed_P1-epo.fif",
        "sample_attributes_P1.csv",
    ]


def test_bad_requests_are_refused_in_one_sentence(meg, tmp_path):
    with pytest.raises(ValueError, match="n_test must be at most 20, the number of objects; got 21"):
        meg.write_things(tmp_path, n_test=21)
    with pytest.raises(ValueError, match=r"split_size must lie between [\d,]+ \(one epoch\) and 2,147,483,647 bytes"):
        meg.write_things(tmp_path, split_size=1000)
    with pytest.raises(ValueError, match="split_size must lie between"):
        meg.write_things(tmp_path, split_size=2**31)
    with pytest.raises(ValueError, match="participant must be at least 1"):
        meg.write_things(tmp_path, participant=0)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file; give a folder"):
        meg.write_things(file)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # nothing half-written
