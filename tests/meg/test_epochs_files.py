"""Files of epochs: parts count once, and what is wrong with a file is said in one sentence."""

from __future__ import annotations

import shutil

import pytest
from reference.epochs import make_epochs, save
from reference.warned import its_own

from alignkit.meg._as_trials import as_trials
from alignkit.meg._epochs_files import is_path, open_files

mne = pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def opened(*paths):
    return open_files(paths, level="error")


def test_paths_are_known(tmp_path):
    assert is_path("a-epo.fif")
    assert is_path(tmp_path)
    assert not is_path(b"a")
    assert not is_path(None)


@pytest.mark.parametrize("naming", ["neuromag", "bids"])
def test_the_parts_of_a_split_file_count_once(tmp_path, naming):
    first = save(make_epochs(), tmp_path / "sub-1_epo.fif", parts=3, naming=naming)
    parts = sorted(tmp_path.iterdir())
    assert len(parts) >= 3
    assert len(opened(first)[0].events) == 24
    with pytest.warns(RuntimeWarning, match="the first part of a split file brings the others: .* left out") as told:
        found = opened(*parts)
    told = its_own(told)
    assert len(told) == 1
    assert [len(each.events) for each in found] == [24]
    with pytest.raises(ValueError, match=r"is a later part of .*; give that one: it brings its other parts"):
        opened(next(path for path in parts if path != first))


def test_a_part_without_its_first_and_a_first_without_its_parts(tmp_path):
    first = save(make_epochs(), tmp_path / "a-epo.fif", parts=2)
    later = tmp_path / "a-epo-1.fif"
    (tmp_path / "b").mkdir()
    alone = shutil.copy(later, tmp_path / "b")
    with pytest.raises(ValueError, match=r"is a later part of a-epo.fif \(which is not there\); give that one"):
        opened(alone)
    later.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"a-epo.fif is split and goes on in a-epo-1.fif, which is not there; put"
    ):
        opened(first)


def test_later_parts_by_the_names_of_bids(tmp_path):
    path = tmp_path / "sub-1_split-02_epo.fif"
    shutil.copy(save(make_epochs(), tmp_path / "a-epo.fif"), path)
    with pytest.raises(ValueError, match=r"is a later part of sub-1_split-01_epo.fif \(which is not there\)"):
        opened(path)


def test_a_file_is_not_read_twice(tmp_path):
    path = save(make_epochs(), tmp_path / "a-epo.fif", parts=2)
    with pytest.raises(ValueError, match=r"names the same file twice: 'a-epo.fif'; its trials would count twice"):
        opened(path, tmp_path / "." / "a-epo.fif")
    renamed = shutil.copy(path, tmp_path / "b-epo.fif")  # it still goes on in a-epo-1.fif
    with pytest.raises(ValueError, match=r"a-epo-1.fif is a part of both .*a-epo.fif and .*b-epo.fif; give one"):
        opened(path, renamed)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none-epo.fif does not exist"):
        opened(tmp_path / "none-epo.fif")
    with pytest.raises(IsADirectoryError, match="is a directory; a file is expected"):
        opened(tmp_path)
    empty = tmp_path / "empty-epo.fif"
    empty.touch()
    with pytest.raises(ValueError, match="is empty"):
        opened(empty)
    other = tmp_path / "other-epo.fif"
    other.write_bytes(b"no FIF file, though it is long enough to be one" * 100)
    with pytest.raises(ValueError, match=r"other-epo.fif cannot be read as a FIF file of epochs \(.*\)\.$"):
        opened(other)
    with pytest.raises(ValueError, match=r"x-ave.fif cannot be read as a FIF file of averages"):
        opened(shutil.copy(other, tmp_path / "x-ave.fif"))
    with pytest.raises(ValueError, match="epochs and files of averages cannot be read together"):
        opened(other, tmp_path / "x-ave.fif")


def test_any_truncation_is_one_sentence(tmp_path):
    whole = save(make_epochs(), tmp_path / "a-epo.fif").read_bytes()
    path = tmp_path / "cut-epo.fif"
    for length in (10, 100, 1000, len(whole) // 2, len(whole) - 400, len(whole) - 40, len(whole) - 4):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut-epo.fif .*[.]$") as caught:
            as_trials(path)
        assert "\n" not in str(caught.value)
        assert "object has no attribute" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.set", "a.MAT", "a.npy", "a.npz"])
def test_files_of_others_are_for_read_epochs(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is no FIF file: open it with alignkit.meg.read_epochs"):
        open_files([tmp_path / name], level="error")
