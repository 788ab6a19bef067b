from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignkit.meg import _read_things_meg, read_things_meg

mne = pytest.importorskip("mne")

N_SESSIONS, N_CONCEPTS, N_TEST, N_CATCH = 4, 20, 5, 3
N_TRIALS = N_SESSIONS * (N_CONCEPTS + N_TEST + N_CATCH)


def table() -> pd.DataFrame:
    """Return metadata of small sessions with the columns of the published one."""
    rows: list[dict[str, Any]] = []
    for session in range(1, N_SESSIONS + 1):
        shown = [("exp", c, 100 * c + session) for c in range(N_CONCEPTS, 0, -1)]
        shown += [("test", c, 100 * c + 99) for c in range(1, N_TEST + 1)]
        shown += [("catch", np.nan, np.nan)] * N_CATCH
        rows += [
            {
                "trial_type": kind,
                "session_nr": session,
                "run_nr": 1 + i * 10 // len(shown),
                "things_category_nr": concept,
                "things_image_nr": image,
                "image_path": f"images_{kind}/concept{concept}/concept{concept}_{session:02d}b.jpg",
            }
            for i, (kind, concept, image) in enumerate(shown)
        ]
    return pd.DataFrame(rows)


def save(path: Path, metadata: pd.DataFrame | None = None, codes: np.ndarray | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = table()
    if codes is None:
        codes = attributes["things_image_nr"].fillna(999_999).to_numpy().astype(int)
    events = np.stack([np.arange(N_TRIALS), np.zeros(N_TRIALS, int), codes], axis=1)
    data = np.arange(N_TRIALS * 30 * 281.0).reshape(N_TRIALS, 30, 281) * 1e-15
    info = mne.create_info(30, 200.0, "mag", verbose="error")
    epochs = mne.EpochsArray(data, info, events, tmin=-0.1, metadata=metadata, verbose="error")
    epochs.save(path, verbose="error", **options)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("things")
    return save(folder / "preprocessed_P2-epo.fif", table(), split_size="2MB")


@pytest.mark.parametrize(("trial_type", "n"), [("exp", N_CONCEPTS), ("test", N_TEST), ("all", N_CONCEPTS + N_TEST)])
def test_trials_of_one_type(path, trial_type, n):
    assert len(list(path.parent.glob("*-epo-*.fif"))) >= 1
    epochs = read_things_meg(path, trial_type=trial_type)
    assert not epochs.preload
    assert len(epochs) == N_SESSIONS * n
    full = table()
    wanted = full["trial_type"] != "catch" if trial_type == "all" else full["trial_type"] == trial_type
    kept = full[wanted].reset_index(drop=True)
    for name in ("session_nr", "run_nr", "things_category_nr", "things_image_nr"):
        assert epochs.metadata[name].dtype == np.int64
        assert epochs.metadata[name].tolist() == kept[name].tolist()
    assert epochs.metadata["image_path"].tolist() == kept["image_path"].tolist()
    assert epochs.events[:, 2].tolist() == kept["things_image_nr"].tolist()
    rows = np.flatnonzero(wanted)[[0, -1]]
    values = epochs[[0, -1]].get_data(verbose="error")
    expected = (np.arange(N_TRIALS * 30 * 281.0).reshape(N_TRIALS, 30, 281) * 1e-15)[rows]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert epochs.times[[0, -1]].tolist() == [-0.1, 1.3]


def test_a_later_part_is_refused(path):
    (later, *_) = sorted(path.parent.glob("*-epo-*.fif"))
    with pytest.raises(ValueError, match=r"is a later part of preprocessed_P2-epo.fif; give that one"):
        read_things_meg(later)


def test_a_missing_part_is_named(path, tmp_path):
    shutil.copy(path, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"goes on in preprocessed_P2-epo-1.fif, which is not there"):
        read_things_meg(tmp_path / path.name)


@pytest.mark.parametrize("where", ["", "sourcedata", "../../sourcedata", "given"])
def test_metadata_from_a_table(tmp_path, where):
    folder = tmp_path / "derivatives" / "preprocessed"
    bare = save(folder / "preprocessed_P3-epo.fif")
    with pytest.raises(FileNotFoundError, match=r"no metadata and sample_attributes_P3.csv lies neither"):
        read_things_meg(bare)
    csv = folder / where / "sample_attributes_P3.csv"
    csv.parent.mkdir(exist_ok=True)
    table().to_csv(csv, index=False)
    epochs = read_things_meg(bare, attributes=csv if where == "given" else None)
    assert epochs.metadata["things_category_nr"].max() == N_CONCEPTS
    assert len(epochs) == N_SESSIONS * N_CONCEPTS


def test_a_table_of_other_epochs(tmp_path):
    bare = save(tmp_path / "preprocessed_P3-epo.fif")
    csv = tmp_path / "sample_attributes_P3.csv"
    table()[:-1].to_csv(csv, index=False)
    with pytest.raises(ValueError, match=r"has 111 rows for the 112 epochs of preprocessed_P3-epo.fif"):
        read_things_meg(bare)
    csv.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a readable table"):
        read_things_meg(bare)
    csv.write_text("")
    with pytest.raises(ValueError, match="is empty"):
        read_things_meg(bare)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_things_meg(bare, attributes=tmp_path / "no.csv")


def test_a_table_of_another_participant(tmp_path, rng):
    bare = save(tmp_path / "preprocessed_P3-epo.fif")
    other = table()
    shuffled = [rng.permutation(rows) for _, rows in other.groupby("session_nr").groups.items()]
    other.iloc[np.concatenate(shuffled)].to_csv(tmp_path / "sample_attributes_P3.csv", index=False)
    with pytest.raises(ValueError, match=r"event codes are not the things_image_nr .* belongs to another participant"):
        read_things_meg(bare)


def test_epochs_by_another_name_need_their_table_named(tmp_path):
    bare = save(tmp_path / "mine-epo.fif")
    table().to_csv(tmp_path / "sample_attributes_P1.csv", index=False)
    with pytest.raises(FileNotFoundError, match="name it with attributes="):
        read_things_meg(bare)


def test_missing_columns_and_unknown_types(tmp_path):
    with pytest.raises(ValueError, match="lacks the columns 'session_nr'; it has 'trial_type'"):
        read_things_meg(save(tmp_path / "a-epo.fif", table().drop(columns="session_nr")))
    odd = table().replace({"trial_type": {"test": "probe"}})
    with pytest.raises(ValueError, match="must be exp, test or catch; it holds 'probe'"):
        read_things_meg(save(tmp_path / "b-epo.fif", odd))
    with pytest.raises(ValueError, match="holds no test trials; its trial_type is 'catch', 'exp'"):
        read_things_meg(
            save(tmp_path / "c-epo.fif", table().replace({"trial_type": {"test": "exp"}})), trial_type="test"
        )
    gap = table()
    gap.loc[3, "things_category_nr"] = 1.5
    with pytest.raises(ValueError, match=r"the column things_category_nr must hold whole numbers; got .*1.5"):
        read_things_meg(save(tmp_path / "d-epo.fif", gap))


def test_event_codes_that_contradict_the_metadata(tmp_path):
    codes = table()["things_image_nr"].fillna(999_999).to_numpy().astype(int)
    codes[[2, 5, 21]] = 7
    path = save(tmp_path / "a-epo.fif", table(), codes)
    with pytest.warns(RuntimeWarning, match=r"3 of 100 event codes are not the trial's things_image_nr"):
        epochs = read_things_meg(path)
    assert epochs.metadata["things_image_nr"].tolist()[2] == 100 * (N_CONCEPTS - 2) + 1


def test_catch_trials_are_told_by_their_code_too(tmp_path):
    codes = table()["things_image_nr"].fillna(999_999).to_numpy().astype(int)
    codes[4] = 999_999
    assert len(read_things_meg(save(tmp_path / "a-epo.fif", table(), codes))) == N_SESSIONS * N_CONCEPTS - 1


def test_concepts_are_called_what_the_folders_of_images_are(path, tmp_path):
    for trial_type in ("exp", "test", "all"):
        metadata = read_things_meg(path, trial_type=trial_type).metadata
        assert metadata["concept"].tolist() == [f"concept{i}" for i in metadata["things_category_nr"]]
    merged = table().replace({"image_path": {"concept7/": "concept8/"}}, regex=True)
    merged["image_path"] = merged["image_path"].str.replace("concept7_", "concept8_")
    with pytest.warns(RuntimeWarning, match="image_path does not name the concepts of things_category_nr one by one"):
        epochs = read_things_meg(save(tmp_path / "a-epo.fif", merged))
    assert "concept" not in epochs.metadata.columns
    assert read_things_meg(save(tmp_path / "b-epo.fif", table().drop(columns="image_path"))) is not None


def test_numbers_of_trials(path, monkeypatch):
    with pytest.raises(ValueError, match="holds 80 exp, 20 test, 12 catch trials, where THINGS-MEG has 22,248 exp"):
        read_things_meg(path, complete=True)
    monkeypatch.setattr(_read_things_meg, "_CONCEPTS", N_CONCEPTS)  # it claims to be all of it
    with pytest.warns(RuntimeWarning, match="holds 80 exp, 20 test, 12 catch trials"):
        read_things_meg(path)
    read_things_meg(path, complete=False)
    monkeypatch.setattr(_read_things_meg, "_COMPLETE", {"exp": 80, "test": 20, "catch": 12})
    read_things_meg(path)
    read_things_meg(path, complete=True)
    assert sum({"exp": 12 * 1854, "test": 12 * 200, "catch": 12 * 200}.values()) == 27_048


def test_other_things(path, tmp_path, shared_data):
    with pytest.raises(ValueError, match="one of 'exp', 'test', 'all'"):
        read_things_meg(path, trial_type="catch")
    with pytest.raises(TypeError, match="path must name"):
        read_things_meg(3)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_things_meg(tmp_path / "preprocessed_P1-epo.fif")
    (tmp_path / "bad-epo.fif").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="cannot be read as a FIF file of epochs"):
        read_things_meg(tmp_path / "bad-epo.fif")
    with pytest.raises(ValueError, match="holds averages, not epochs"):
        read_things_meg(shared_data("meg", "mne_testing", "test_elekta-ave.fif"))
