from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from alignkit.data import load_things
from alignkit.data._things48 import THINGS48
from alignkit.rsa import RDM, Triplets
from alignkit.rsa._condensed import squareform
from alignkit.train._splits import Splits
from alignkit.train.hba_meg._data import read_data
from alignkit.train.hba_meg.config import HBAMEGConfig

NAMES = tuple(f"item_{i:02d}" for i in range(12))
TIMES = np.arange(5) / 10 - 0.2
PEOPLE = ("ann", "bob", "cy")


def paint(folder, names):
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (20 * i % 256, 0, 0)).save(folder / f"{name}.png")


def write(path, values, names=NAMES, people=PEOPLE, times=TIMES):
    RDM(values, names, dims=("subject", "time"), coords={"subject": list(people), "time": times}).save(path)
    return path


@pytest.fixture
def values(rng):
    return rng.random((3, 5, 66))


@pytest.fixture
def study(tmp_path, values) -> HBAMEGConfig:
    """Twelve items of one's own, three people, two halves of sessions."""
    paint(tmp_path / "photos", NAMES)
    return HBAMEGConfig(
        images=tmp_path / "photos",
        rdms=(write(tmp_path / "all.npz", values),),
        test_rdms=(write(tmp_path / "test.npz", values[::-1] + 1, people=PEOPLE[::-1]),),
        root=tmp_path,
        val_share=0.3,
    )


def change(study, **changes) -> HBAMEGConfig:
    return dataclasses.replace(study, **changes)


def test_a_study_is_read(study, values):
    data = read_data(study)
    assert data.labels == NAMES
    assert [paths[0].stem for paths in data.images] == list(NAMES)
    assert (data.people, data.train_people, data.held_out_people) == (PEOPLE, PEOPLE, ())
    assert (len(data.train), len(data.val), len(data.held_out)) == (8, 4, 0)
    assert data.times == pytest.approx(TIMES)
    assert data.triplets is data.repeats is data.rdm48 is None
    assert data.notes == ()
    assert "12 items, 12 images, 5 times of all; 3 participants to train on; 8 objects" in repr(data)
    assert [own.tolist() for own in data.photos_of] == [[i] for i in range(12)]


def test_movies_are_of_the_items_and_people_asked_for(study, values):
    data = read_data(study)
    items, (rows, columns) = np.array([7, 2, 11, 0]), np.triu_indices(4, k=1)
    found = data.movie(items, ["cy", "ann"])
    assert (found.dims, found.labels) == (("subject", "time"), tuple(NAMES[i] for i in items))
    assert found.coords["subject"].tolist() == ["cy", "ann"]
    assert found.coords["time"] == pytest.approx(TIMES)
    assert found.values.dtype == np.float32
    assert np.allclose(found.values, squareform(values[[2, 0]])[..., items[rows], items[columns]])
    test = data.movie(items, ["cy", "ann"], test=True)
    assert np.allclose(test.values, found.values + 1)
    with pytest.raises(ValueError, match="no RDMs in the data of 'dan'; there are those of 'ann', 'bob', 'cy'"):
        data.movie(items, ["ann", "dan"])


def test_pairs_without_a_number_stay_so(study, values, tmp_path):
    values[1, 2, 0] = np.nan
    data = read_data(change(study, rdms=(write(tmp_path / "gaps.npz", values),)))
    found = data.movie(np.arange(4), PEOPLE)
    assert np.argwhere(np.isnan(found.values)).tolist() == [[1, 2, 0]]


def test_people_are_chosen_by_name(study):
    held = read_data(change(study, held_out_people=("bob",)))
    assert (held.train_people, held.held_out_people, held.people) == (("ann", "cy"), ("bob",), PEOPLE)
    chosen = read_data(change(study, people=("cy",), held_out_people=("ann",)))
    assert (chosen.train_people, chosen.held_out_people) == (("cy",), ("ann",))


@pytest.mark.parametrize("field", ["people", "held_out_people"])
def test_unknown_people_are_named(study, field):
    with pytest.raises(ValueError, match=f"{field} names 'dan', but the RDMs are those of 'ann', 'bob', 'cy'"):
        read_data(change(study, **{field: ("ann", "dan")}))
    with pytest.raises(ValueError, match=f"{field} names somebody twice"):
        read_data(change(study, **{field: ("ann", "ann")}))


def test_a_subject_must_be_there_and_somebody_to_train_on(study):
    assert read_data(change(study, subject="all")).people == PEOPLE
    with pytest.raises(ValueError, match="subject names '4'"):
        read_data(change(study, subject="4"))
    with pytest.raises(ValueError, match="all 3 participants are held out"):
        read_data(change(study, held_out_people=PEOPLE))


def test_items_are_held_out_by_name(study, tmp_path):
    (tmp_path / "held.txt").write_text(f"{NAMES[0]}\n{NAMES[5]}\n")
    data = read_data(change(study, held_out=tmp_path / "held.txt"))
    assert data.splits.held_out == (NAMES[0], NAMES[5])
    (tmp_path / "held.txt").write_text("nobody\n")
    with pytest.raises(ValueError, match="items that the RDMs do not have: 'nobody'"):
        read_data(change(study, held_out=tmp_path / "held.txt"))


def test_items_without_an_image_are_left_out_and_named(study, values):
    for name in (NAMES[3], NAMES[8]):
        (study.images / f"{name}.png").unlink()
    with pytest.warns(UserWarning, match="^2 of the 12 items of the RDMs have no image: 'item_03', 'item_08'.$"):
        read_data(change(study, val_share=0.4), warn=True)
    data = read_data(change(study, val_share=0.4))
    kept = [i for i in range(12) if i not in (3, 8)]
    assert data.labels == tuple(NAMES[i] for i in kept)
    assert data.notes == ("2 of the 12 items of the RDMs have no image: 'item_03', 'item_08'.",)
    rows, columns = np.triu_indices(10, k=1)
    expected = squareform(values)[..., np.array(kept)[rows], np.array(kept)[columns]]
    assert np.allclose(data.movie(np.arange(10), PEOPLE).values, expected)
    assert np.allclose(data.movie(np.arange(10), PEOPLE, test=True).values, expected + 1)
    for name in NAMES[2:]:
        (study.images / f"{name}.png").unlink(missing_ok=True)
    with pytest.raises(ValueError, match="2 of the 12 items of the RDMs have images, fewer than 3"):
        read_data(study)


def test_images_are_needed(study):
    with pytest.raises(ValueError, match="images is not given"):
        read_data(change(study, images=None))


def test_few_items_are_all_trained_on_and_that_is_said(study, values, tmp_path):
    five = write(tmp_path / "five.npz", squareform(values)[..., :5, :5], NAMES[:5])
    data = read_data(change(study, rdms=(five,), test_rdms=()))
    assert (len(data.train), len(data.val), len(data.held_out)) == (5, 0, 0)
    assert data.notes == (
        "5 items are too few to set any apart to choose epochs on or to test on: scores of people who were trained on "
        "are in-sample, and say how well a model was fitted.",
    )


def test_validation_items_too_few_to_choose_by_are_trained_on_and_that_is_said(study):
    data = read_data(change(study, val_share=0.25))  # three of twelve
    assert (len(data.train), len(data.val)) == (12, 0)
    assert data.notes[0].startswith("12 items are too few to set any apart to choose epochs on")


def test_held_out_items_that_the_start_was_trained_on_are_named(study, tmp_path):
    (tmp_path / "held.txt").write_text("\n".join(NAMES[:3]))
    start = tmp_path / "start"
    start.mkdir()
    held = change(study, held_out=tmp_path / "held.txt", val_share=0.5, start=start)
    assert read_data(held).notes == ()  # nothing is known of it
    Splits((NAMES[1], "other"), (NAMES[2],), (NAMES[0],), 0).save(start / "splits.json")
    assert read_data(held).notes == (
        f"2 of the 3 items held out were trained or chosen on by the run in {start}, at which the model starts: "
        "'item_01', 'item_02'.",
    )
    first = tmp_path / "first"
    start.rename(first)
    start.mkdir()
    Splits((NAMES[4],), (NAMES[5],), NAMES[:3], 0).save(start / "splits.json")
    assert read_data(held).notes == ()
    (start / "config.toml").write_text(f"start = '{first}'\n")
    assert read_data(held).notes == (
        f"2 of the 3 items held out were trained or chosen on by the run in {first}, at which its start started: "
        "'item_01', 'item_02'.",
    )


def test_no_items_are_set_apart_where_none_are_asked_for(study, tmp_path):
    (tmp_path / "held.txt").write_text(f"{NAMES[0]}\n{NAMES[5]}\n")
    data = read_data(change(study, val_share=0.0, held_out=tmp_path / "held.txt"))
    assert (len(data.train), len(data.val), len(data.held_out)) == (10, 0, 2)
    assert data.notes == (
        "No items are set apart to choose epochs on (val_share is 0); models are tested on 2 items held out.",
    )


def test_a_single_time_is_enough(study, values, tmp_path):
    path = tmp_path / "fmri.npz"
    RDM(values[:, 0], NAMES, dims=("subject",), coords={"subject": list(PEOPLE)}).save(path)
    data = read_data(change(study, rdms=(path,), test_rdms=()))
    assert data.times.tolist() == [0.0]
    assert data.movie(np.arange(12), ["bob"]).values[0] == pytest.approx(values[1, :1], abs=1e-6)


def test_other_sessions_may_lack_people_but_nothing_else(study, values, tmp_path):
    one = write(tmp_path / "one.npz", values[:1], people=["bob"])
    data = read_data(change(study, test_rdms=(one,)))
    assert data.test_rdms.subjects == ("bob",)
    assert data.notes == ("2 of 3 participants have no RDMs from other sessions: 'ann', 'cy'.",)
    with pytest.raises(ValueError, match="no RDMs from other sessions of 'cy'; there are those of 'bob'"):
        data.movie(np.arange(4), ["bob", "cy"], test=True)
    strangers = write(tmp_path / "strangers.npz", values, people=["ann", "x", "y"])
    with pytest.raises(ValueError, match="test_rdms are of 'x', 'y' too, of whom rdms have nothing"):
        read_data(change(study, test_rdms=(strangers,)))
    shifted = write(tmp_path / "shifted.npz", values, times=TIMES + 0.05)
    with pytest.raises(ValueError, match="rdms and test_rdms have different times"):
        read_data(change(study, test_rdms=(shifted,)))
    fewer = write(tmp_path / "fewer.npz", squareform(values)[..., :11, :11], NAMES[:11])
    with pytest.raises(ValueError, match="test_rdms lack 1 item that rdms have: 'item_11'"):
        read_data(change(study, test_rdms=(fewer,)))


def test_the_same_numbers_are_no_other_sessions(study, values, tmp_path):
    with pytest.raises(ValueError, match="the very numbers that rdms have of 'ann', 'bob', 'cy'; give RDMs of other"):
        read_data(change(study, test_rdms=study.rdms))
    copied = values + 1
    copied[1] = values[1]
    with pytest.raises(ValueError, match="the very numbers that rdms have of 'bob'; give"):
        read_data(change(study, test_rdms=(write(tmp_path / "copied.npz", copied),)))


def test_answers_of_people_are_matched_by_name(study, tmp_path):
    answers = Triplets([[0, 1, 2], [3, 4, 12], [2, 1, 0]], [*reversed(NAMES), "stranger"])
    answers.save(tmp_path / "answers.npz")
    data = read_data(change(study, triplets=tmp_path / "answers.npz"))
    assert data.triplets.labels == data.repeats.labels == NAMES
    assert data.triplets.items.tolist() == [[11, 10, 9], [9, 10, 11]]
    assert data.repeats.items.tolist() == [[11, 10, 9], [9, 10, 11]]


def test_the_48_of_things_are_held_out(shared_data, study, rng, tmp_path):
    root = shared_data("things").parent
    things = load_things(root)
    names = tuple(label for label in things.labels if label in THINGS48 or label.startswith("b"))
    n_pairs = len(names) * (len(names) - 1) // 2
    path = write(tmp_path / "things.npz", rng.random((3, 2, n_pairs)), names, times=TIMES[:2])
    paint(tmp_path / "concepts", names)
    data = read_data(change(study, rdms=(path,), test_rdms=(), images=tmp_path / "concepts", root=root))
    assert set(data.splits.held_out) == set(THINGS48)
    assert data.rdm48.n_items == 48
    assert data.triplets.labels == data.labels
    assert len(data.repeats)


def test_the_48_are_held_out_by_name_without_things_files(study, rng, tmp_path):
    names = (*NAMES, *THINGS48[:3])
    path = write(tmp_path / "more.npz", rng.random((3, 2, 105)), names, times=TIMES[:2])
    paint(tmp_path / "photos", names)
    data = read_data(change(study, rdms=(path,), test_rdms=()))
    assert data.splits.held_out == THINGS48[:3]
    assert "THINGS' files are not at hand" in data.notes[0]


def test_the_simulated_study_is_read(meg_lab, tmp_path):
    config = HBAMEGConfig(
        images=meg_lab.images, rdms=meg_lab.rdms, test_rdms=meg_lab.test_rdms, held_out=meg_lab.held_out, root=tmp_path
    )
    data = read_data(config)
    assert len(data.people) == 4
    assert set(data.splits.held_out) == set(meg_lab.held_out.read_text().split())
    both = [data.movie(data.held_out, data.people, test=test).values for test in (False, True)]
    assert both[0].shape == both[1].shape
    assert not np.allclose(*both)
