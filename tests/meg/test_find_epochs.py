from __future__ import annotations

from pathlib import Path

import pytest

from alignkit.meg import find_epochs


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    make(
        tmp_path,
        "sub-01/ses-01/meg/sub-01_ses-01_task-main_run-01_meg.fif",
        "derivatives/mne/sub-01/ses-02/meg/sub-01_ses-02_task-main_epo.fif",
        "derivatives/mne/sub-01/ses-10/meg/sub-01_ses-10_task-main_epo.fif",
        "derivatives/mne/sub-01/ses-01/meg/sub-01_ses-01_task-main_split-01_epo.fif",
        "derivatives/mne/sub-01/ses-01/meg/sub-01_ses-01_task-main_split-02_epo.fif",
        "derivatives/mne/sub-01/ses-01/meg/sub-01_ses-01_task-main_epo-1.fif",
        "derivatives/mne/sub-01/ses-01/meg/sub-01_ses-01_task-rest_epo.fif",
        "derivatives/mne/sub-01/ses-01/meg/sub-01_ses-01_task-main_ave.fif",
        "derivatives/mne/sub-01/ses-01/meg/.sub-01_ses-01_task-x_epo.fif",
        "derivatives/mne/sub-10/meg/sub-10_task-main_epo.fif",
        "derivatives/mne/sub-11/sub-11_task-main-epo.fif.gz",
        "derivatives/mne/sub-12/meg/sub-12_task-main_meg.fif",
    )
    return tmp_path


def test_sessions_of_a_subject_in_order(dataset):
    found = find_epochs(dataset, subject="01", task="main")
    assert names(found) == [
        "sub-01_ses-01_task-main_split-01_epo.fif",
        "sub-01_ses-02_task-main_epo.fif",
        "sub-01_ses-10_task-main_epo.fif",
    ]
    assert find_epochs(dataset / "derivatives" / "mne", subject="01", task="main") == found
    assert find_epochs(dataset, subject="01", task="main", pipeline="mne") == found


def test_one_subject_is_not_another(dataset):
    for subject in (1, "1", "01", "sub-01"):
        assert len(find_epochs(dataset, subject=subject)) == 4
    assert names(find_epochs(dataset, subject=10)) == ["sub-10_task-main_epo.fif"]
    assert names(find_epochs(dataset, subject=11)) == ["sub-11_task-main-epo.fif.gz"]


def test_people_of_the_same_number(tmp_path):
    make(tmp_path, "sub-1/sub-1_ses-01_epo.fif", "sub-01/sub-01_ses-02_epo.fif")
    assert names(find_epochs(tmp_path, subject="01")) == ["sub-01_ses-02_epo.fif"]
    assert names(find_epochs(tmp_path, subject="sub-1")) == ["sub-1_ses-01_epo.fif"]
    for number in (1, "001"):
        with pytest.raises(ValueError, match=r"could be 'sub-01', 'sub-1', which are different people"):
            find_epochs(tmp_path, subject=number)


def test_by_session_and_task(dataset):
    assert names(find_epochs(dataset, subject=1, session=2)) == ["sub-01_ses-02_task-main_epo.fif"]
    assert names(find_epochs(dataset, subject=1, session="ses-01", task="rest")) == ["sub-01_ses-01_task-rest_epo.fif"]


def test_several_versions_of_the_same_are_refused(dataset):
    make(dataset, "derivatives/other/sub-10/meg/sub-10_task-main_epo.fif")
    with pytest.raises(ValueError, match=r"are epochs of the same session, task and run; choose with pipeline="):
        find_epochs(dataset, subject=10)
    assert find_epochs(dataset, subject=10, pipeline="other")[0].parts[-4] == "other"
    make(
        dataset,
        "derivatives/two/sub-20/eeg/sub-20_task-x_proc-clean_epo.fif",
        "derivatives/two/sub-20/eeg/sub-20_task-x_proc-raw_desc-z_epo.fif",
    )
    with pytest.raises(ValueError, match="processing= or description="):
        find_epochs(dataset, subject=20)
    assert names(find_epochs(dataset, subject=20, processing="clean")) == ["sub-20_task-x_proc-clean_epo.fif"]
    assert names(find_epochs(dataset, subject=20, description="z")) == ["sub-20_task-x_proc-raw_desc-z_epo.fif"]


def test_runs(tmp_path):
    make(tmp_path, *(f"sub-1/eeg/sub-1_task-x_run-{run}_epo.fif" for run in (10, 2, 1)))
    assert [path.stem[-5] for path in find_epochs(tmp_path, subject=1)] == ["1", "2", "0"]
    assert names(find_epochs(tmp_path, subject=1, run=2)) == ["sub-1_task-x_run-2_epo.fif"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"subject": 5}, r"has no subject sub-5; it has 'sub-01', 'sub-10', 'sub-11', 'sub-12'"),
        ({"subject": 12}, r"has no epochs of sub-12: no file ends in _epo.fif there"),
        ({"subject": 10, "task": "x"}, r"has no epochs of sub-10_task-x; this subject's are 'sub-10_task-main_epo"),
        ({"subject": 1, "pipeline": "no"}, r"has no folder 'no'; it has 'mne'"),
        ({"subject": 1, "pipeline": "../mne"}, r"has no folder"),
    ],
)
def test_nothing_found(dataset, options, text):
    with pytest.raises(FileNotFoundError, match=text):
        find_epochs(dataset, **options)


def test_bad_options(dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        find_epochs(tmp_path / "no", subject=1)
    with pytest.raises(TypeError, match="root must be the folder"):
        find_epochs(3, subject=1)
    for bad in ("../x", "", "a_b", 1.5, True):
        with pytest.raises(ValueError, match="subject must be a label of BIDS"):
            find_epochs(dataset, subject=bad)
    with pytest.raises(ValueError, match="task must be a label of BIDS"):
        find_epochs(dataset, subject=1, task="*")
