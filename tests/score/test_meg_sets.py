from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from reference.meg_sets import upper

from alignkit.data import import_dataset
from alignkit.score import _meg_sets
from alignkit.score._meg_sets import MEG_SETS, find_rdms, open_movie

BY_NAME = {one.dataset: one for one in MEG_SETS}


@pytest.fixture
def copy(meg, tmp_path):
    """Return a function that copies a data set to a root of its own, to be changed."""

    def copy(name: str) -> Path:
        return shutil.copytree(meg.root / name, tmp_path / name)

    return copy


@pytest.mark.parametrize("name", ["things_meg", "cichy118", "meg_ds1"])
def test_published_layouts(meg, name):
    labels = meg.names[name]
    some = [labels[7], labels[2], labels[4]]
    with open_movie(BY_NAME[name], meg.root) as movie:
        assert movie.labels == tuple(labels)
        np.testing.assert_allclose(movie.times, meg.times[name], atol=1e-9)
        assert len(movie.subjects) == len(meg.people[name])
        (where, values), *more = movie.stretches(some)
    assert not more
    assert where == slice(0, len(meg.times[name]))
    items = [7, 2, 4]
    expected = [[upper(square[np.ix_(items, items)]) for square in person] for person in meg.people[name]]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_stretches_are_as_long_as_memory_allows(meg, monkeypatch):
    one = BY_NAME["cichy118"]
    with open_movie(one, meg.root) as movie:
        whole = np.concatenate([values for _, values in movie.stretches(movie.labels)], axis=1)
        # two times of the squares in a block, and six times of pairs in a stretch
        monkeypatch.setattr("alignkit.meg._rdm_array._BLOCK", 2 * 10 * 14 * 14 * 8)
        monkeypatch.setattr(_meg_sets, "_STRETCH", 6 * 5 * 91 * 8)
        object.__setattr__(movie.source, "data", np.asarray(movie.source.data))  # without the file's own pieces
        found = list(movie.stretches(movie.labels))
    assert [where.start for where, _ in found] == list(range(0, 221, 6))
    assert found[-1][0].stop == 221
    np.testing.assert_array_equal(np.concatenate([values for _, values in found], axis=1), whole)


def test_the_other_form_of_118_images(meg, copy, tmp_path):
    folder = copy("cichy118")
    (folder / "MEG_decoding_RDMs.mat").unlink()
    np.save(folder / "Cichy_MEG_RDM_rescaled.npy", meg.people["cichy118"])
    with open_movie(BY_NAME["cichy118"], tmp_path) as movie:
        assert movie.source.path.name == "Cichy_MEG_RDM_rescaled.npy"
        assert movie.labels == tuple(meg.names["cichy118"])


def test_pictures_name_items_in_the_order_in_which_people_count(meg):
    with open_movie(BY_NAME["meg_ds1"], meg.root) as movie:
        assert movie.labels[1:3] == ("o2.png", "o3.png")
        assert "is an assumption" in movie.notes[0]
    with open_movie(BY_NAME["cichy118"], meg.root) as movie:
        assert movie.notes == ()


def test_nothing_is_guessed_about_concepts(meg, copy, tmp_path):
    folder = copy("things_meg")
    (folder / "sample_attributes_P1.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs sample_attributes_P1\.csv.*OpenNeuro ds004212"):
        find_rdms(BY_NAME["things_meg"], tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("thing03", "thing04"), "paths and numbers differ"),
        (lambda text: "\n".join(line for line in text.splitlines() if "thing15" not in line) + "\n", "name the conc"),
        (lambda text: text.replace("image_path", "path"), "lacks the column"),
    ],
)
def test_a_table_of_trials_that_does_not_name_concepts(copy, tmp_path, change, sentence):
    path = copy("things_meg") / "sample_attributes_P1.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=sentence), open_movie(BY_NAME["things_meg"], tmp_path):
        pass


def test_names_that_do_not_fit(copy, tmp_path):
    ds1 = copy("meg_ds1")
    (ds1 / "stimuli" / "o13.png").touch()
    with (
        pytest.raises(ValueError, match=r"have 12 items, but .* holds 13 pictures"),
        open_movie(BY_NAME["meg_ds1"], tmp_path),
    ):
        pass
    (ds1 / "images.txt").write_text("a\n" * 12)
    with pytest.raises(ValueError, match="names 'a' more than once"), open_movie(BY_NAME["meg_ds1"], tmp_path):
        pass
    (ds1 / "images.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="has 2 lines, 12 are expected"), open_movie(BY_NAME["meg_ds1"], tmp_path):
        pass


def test_rdms_without_names_are_not_at_hand(copy, tmp_path):
    shutil.rmtree(copy("meg_ds1") / "stimuli")
    with pytest.raises(FileNotFoundError, match=r"needs images\.txt.*a text file with the name of each image"):
        find_rdms(BY_NAME["meg_ds1"], tmp_path)


def test_damaged_files_are_one_sentence(copy, tmp_path):
    path = copy("meg_ds1") / "ds1.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"ds1\.mat"), open_movie(BY_NAME["meg_ds1"], tmp_path):
        pass


@pytest.mark.parametrize("name", ["things_meg", "cichy118", "meg_ds1"])
def test_what_is_imported_is_found(meg, tmp_path, name):
    found = import_dataset(name, meg.root / name, root=tmp_path, progress=False)
    assert found.ok
    with open_movie(BY_NAME[name], tmp_path) as movie:
        assert movie.labels == tuple(meg.names[name])
