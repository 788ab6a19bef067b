from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.data import load_things, simulate
from alignkit.rsa import Triplets
from alignkit.train.hba._data import HBAData, join_data, read_data, restrict_answers
from alignkit.train.hba._targets import scale_targets
from alignkit.train.hba.config import HBAConfig

NAMES = [f"item_{i:02d}" for i in range(12)]


@pytest.fixture
def study(tmp_path, rng):
    """A study of one's own: twelve images and a table."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        Image.new("RGB", (20, 20), (20 * i, 0, 0)).save(folder / f"{name}.png")
    rows = [f"{name},{','.join(f'{v:.6f}' for v in rng.random(4))}" for name in NAMES]
    table = tmp_path / "targets.csv"
    table.write_text("\n".join(["item,a,b,c,d", *rows]) + "\n")
    return HBAConfig(images=folder, targets=str(table), root=tmp_path, val_share=0.3)


def test_a_study_of_ones_own_is_read(study):
    data = read_data(study)
    assert data.labels == tuple(NAMES)
    assert data.prompts == data.dimensions == ("a", "b", "c", "d")
    assert [paths[0].stem for paths in data.images] == NAMES
    assert len(data.val) == 4
    assert data.answers is data.triplets is data.repeats is data.rdm48 is None


def test_targets_come_back_in_their_own_units(study):
    data = read_data(study)
    table = np.loadtxt(study.targets, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4))
    assert data.in_units(data.targets) == pytest.approx(table)


def test_rows_of_the_table_may_come_in_any_order(study, tmp_path):
    header, *rows = Path(study.targets).read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([header, *reversed(rows)]) + "\n")
    data, turned = read_data(study), read_data(dataclasses.replace(study, targets=str(other)))
    row = {label: i for i, label in enumerate(turned.labels)}
    assert np.array_equal(turned.targets[[row[label] for label in data.labels]], data.targets)
    assert [turned.images[row[label]] for label in data.labels] == list(data.images)


def test_an_item_without_an_image_is_named(study):
    (study.images / f"{NAMES[3]}.png").unlink()
    with pytest.raises(ValueError, match=f"1 of the 12 items .* no image .* '{NAMES[3]}'"):
        read_data(study)


def test_further_items_are_held_out_by_name(study, tmp_path):
    path = tmp_path / "held.txt"
    path.write_text(f"{NAMES[0]}\n{NAMES[5]}\n")
    data = read_data(dataclasses.replace(study, held_out=path))
    assert data.splits.held_out == (NAMES[0], NAMES[5])
    path.write_text("nobody\n")
    with pytest.raises(ValueError, match="targets do not have: 'nobody'"):
        read_data(dataclasses.replace(study, held_out=path))


def test_answers_of_people_are_matched_by_name(study, tmp_path):
    names = [*reversed(NAMES), "stranger"]
    answers = Triplets([[0, 1, 2], [3, 4, 12], [9, 8, 7]], names)
    answers.save(tmp_path / "answers.npz")
    data = read_data(dataclasses.replace(study, triplets=tmp_path / "answers.npz", loss="triplets", answers="human"))
    assert data.answers.labels == tuple(NAMES)
    assert data.answers.items.tolist() == [[11, 10, 9], [2, 3, 4]]
    assert np.array_equal(data.triplets.items, data.answers.items)


def test_the_ceiling_of_ones_own_answers_is_of_those_given_again(study, tmp_path):
    answers = [[0, 1, 2], [3, 4, 5], [2, 0, 1], [6, 7, 8], [5, 4, 3], [0, 1, 3]]
    Triplets(answers, NAMES).save(tmp_path / "answers.npz")
    data = read_data(dataclasses.replace(study, triplets=tmp_path / "answers.npz"))
    assert data.repeats.items.tolist() == [[0, 1, 2], [3, 4, 5], [2, 0, 1], [5, 4, 3]]
    Triplets(answers[:2], NAMES).save(tmp_path / "answers.npz")
    assert read_data(dataclasses.replace(study, triplets=tmp_path / "answers.npz")).repeats is None


def test_answers_of_people_must_be_there_and_named(study, tmp_path):
    with pytest.raises(ValueError, match="needs triplets="):
        read_data(dataclasses.replace(study, loss="triplets", answers="human"))
    Triplets([[0, 1, 2]]).save(tmp_path / "answers.npz")
    with pytest.raises(ValueError, match="does not name its items"):
        read_data(dataclasses.replace(study, triplets=tmp_path / "answers.npz"))


def test_one_participants_answers_are_found_by_their_id(study, tmp_path):
    path = tmp_path / "answers.npz"
    Triplets([[0, 1, 2], [3, 4, 5], [9, 8, 7]], NAMES, participant=[3, 12, 3]).save(path)
    config = dataclasses.replace(study, triplets=path)
    assert len(read_data(dataclasses.replace(config, subject="3")).answers) == 2
    assert len(read_data(dataclasses.replace(config, subject="all")).answers) == 3
    with pytest.raises(ValueError, match="subject '4' gave no answers; those who did are '3', '12'"):
        read_data(dataclasses.replace(config, subject="4"))
    Triplets([[0, 1, 2]], NAMES).save(path)
    with pytest.raises(ValueError, match="do not say who gave them"):
        read_data(dataclasses.replace(config, subject="3"))


def test_answers_may_be_a_table_of_names(study, tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(f"first,second,odd,participant\n{NAMES[3]},{NAMES[1]},{NAMES[7]},a\nstranger,{NAMES[0]},x,b\n")
    data = read_data(dataclasses.replace(study, triplets=path, loss="triplets", answers="human"))
    assert data.answers.labels == tuple(NAMES)
    assert data.answers.items.tolist() == [[3, 1, 7]]
    assert data.answers.participant.tolist() == ["a"]


def test_a_study_needs_its_images_to_be_named(study):
    with pytest.raises(ValueError, match="images is not given"):
        read_data(dataclasses.replace(study, images=None))


def test_photos_of_two_objects_keep_these_together(tmp_path):
    shared = tmp_path / "shared.png"
    images = {name: (tmp_path / f"{name}.png",) for name in NAMES}
    images[NAMES[0]] = (shared,)
    images[NAMES[1]] = (shared, tmp_path / "more.png")
    values = np.random.default_rng(0).random((12, 3))
    targets = scale_targets(values, NAMES, list("abc"), name="these", limits=None)
    data = join_data(targets, list("abc"), images, held_out=[NAMES[0]], val_share=0.3)
    assert set(data.splits.held_out) == {NAMES[0], NAMES[1]}
    assert len(data.photos) == 12
    assert data.photos_of[0].tolist() == [0]
    assert data.photos_of[1].tolist() == [0, 1]


def test_objects_without_images_are_left_out_everywhere(tmp_path):
    images = {name: (tmp_path / f"{name}.png",) for name in NAMES[2:]}
    values = np.random.default_rng(0).random((12, 3))
    targets = scale_targets(values, NAMES, list("abc"), name="these", limits=None)
    answers = Triplets([[0, 1, 2], [2, 3, 4]], NAMES)
    data = join_data(targets, list("abc"), images, answers=answers, val_share=0.3)
    assert data.labels == tuple(NAMES[2:])
    assert np.array_equal(data.targets, targets.values[2:])
    assert data.answers.items.tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match="no item of these has an image"):
        join_data(targets, list("abc"), {})


def test_answers_about_other_objects_are_none():
    triplets = Triplets([[0, 1, 2]], ["a", "b", "c"])
    assert restrict_answers(triplets, ["x", "y", "z"]) is None
    assert restrict_answers(None, ["x"]) is None
    with pytest.raises(ValueError, match="no labels"):
        restrict_answers(Triplets([[0, 1, 2]]), ["x", "y", "z"])


# --- the simulated lab


def test_the_lab_holds_its_test_objects_out(lab, lab_data):
    assert set(lab_data.splits.held_out) == set(lab.split["test"])
    assert lab_data.labels == lab.labels
    assert all(len(paths) == 2 for paths in lab_data.images)
    assert lab_data.triplets.labels == lab.labels
    assert "simulated" in lab_data.notes[0]
    assert "80 images" in repr(lab_data)


def test_the_labs_targets_give_the_probabilities_of_its_people(lab, lab_data):
    x = lab_data.in_units(lab_data.targets)
    i, j, k = lab.triplets.items[:50].T
    s = np.stack([(x[j] * x[k]).sum(1), (x[i] * x[k]).sum(1), (x[i] * x[j]).sum(1)], axis=1)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    # people lapse, and weigh dimensions as they like; nobody does so with even weights
    plain = lab.embedding
    t = np.stack([(plain[a] * plain[b]).sum(1) for a, b in ((j, k), (i, k), (i, j))], axis=1) / lab.noise
    assert p == pytest.approx(np.exp(t) / np.exp(t).sum(axis=1, keepdims=True))
    assert np.corrcoef(p.ravel(), lab.true_choice_probabilities(lab.triplets)[:50].ravel())[0, 1] > 0.9


def test_the_labs_images_are_drawn_once(lab, lab_data, tmp_path):
    folder = lab_data.images[0][0].parents[1]
    before = {path: path.stat().st_mtime_ns for path in lab_data.photos}
    again = HBAData.from_lab(lab, folder)
    assert {path: path.stat().st_mtime_ns for path in again.photos} == before
    assert again.splits == lab_data.splits


def test_data_are_split_anew_with_others_held_out(lab_data):
    names = lab_data.labels[:5]
    data = lab_data.split(held_out=names, val_share=0.3, seed=2)
    assert data.splits.held_out == names
    assert sorted([*data.train, *data.val, *data.held_out]) == list(range(len(data.labels)))


def test_a_lab_without_noise_keeps_its_units(tmp_path):
    lab = simulate(16, n_participants=2, noise=0.0, image_size=16, n_triplets=10, n_held_out=10, n_repeats=5, rng=1)
    data = HBAData.from_lab(lab, tmp_path, val_share=0.3)
    assert data.in_units(data.targets) == pytest.approx(lab.embedding)


# --- THINGS


def test_the_48_are_known_by_name_without_the_files_of_things(study, tmp_path):
    named = {NAMES[2]: "camera1", NAMES[9]: "beaver_01b"}
    text = Path(study.targets).read_text()
    for name, concept in named.items():
        (study.images / f"{name}.png").rename(study.images / f"{concept}.png")
        text = text.replace(name, concept)
    Path(study.targets).write_text(text)
    data = read_data(study)
    assert set(data.always) == set(data.splits.held_out) == {"camera1", "beaver_01b"}
    assert data.rdm48 is None
    assert "'camera1', 'beaver_01b'" in data.notes[0]


def test_things_photos_are_matched_by_id(shared_data):
    root = shared_data("things", "photos").parents[1]
    data = read_data(HBAConfig(root=root))
    things = load_things(root)
    assert (len(data.labels), len(data.photos), data.targets.shape[1]) == (511, 1301, 66)
    assert len(data.triplets) == 3020
    assert set(data.always) <= set(data.splits.held_out)
    assert set(data.always) == set(data.rdm48.labels) == set(things.rdm48.labels) & set(data.labels)
    row = {label: i for i, label in enumerate(things.labels)}
    spose = things.spose66[[row[label] for label in data.labels]]
    assert data.in_units(data.targets) == pytest.approx(spose, abs=1e-9)
    assert data.prompts[3] == "textile"
    abacus = data.images[data.labels.index("abacus")]
    assert any("abacus" in path.name for path in abacus)
    # a photo of several concepts is on one side
    sides = [{path for i in part for path in data.images[i]} for part in (data.train, data.val, data.held_out)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_table_of_things_concepts_holds_the_48_out(shared_data, tmp_path):
    root = shared_data("things", "photos").parents[1]
    full = read_data(HBAConfig(root=root))
    table = tmp_path / "mine.csv"
    rows = [f"{label},{','.join(map(str, row[:5]))}" for label, row in zip(full.labels, full.targets, strict=True)]
    table.write_text("\n".join(["concept,a,b,c,d,e", *rows]) + "\n")
    items = shared_data("things", "photos_manifest.csv")
    data = read_data(HBAConfig(root=root, targets=str(table), images=root / "things" / "photos", items=items))
    assert data.splits == full.splits
    assert data.images == full.images
    assert data.rdm48.labels == full.rdm48.labels


def own_photos(full, folder, name, n):
    """Give the first photo of some concepts names of one's own, and their targets a table."""
    folder.mkdir()
    chosen = [*full.always, *(label for label in full.labels if label not in full.always)][:n]
    row = {label: i for i, label in enumerate(full.labels)}
    for label in chosen:
        (folder / name(label)).symlink_to(full.images[row[label]][0])
    return [f"{name(label)},{','.join(map(str, full.targets[row[label]][:4]))}" for label in chosen]


def test_the_48_are_held_out_beside_items_of_ones_own_and_under_names_of_images(shared_data, tmp_path):
    root = shared_data("things", "photos").parents[1]
    full = read_data(HBAConfig(root=root))
    rows = own_photos(full, tmp_path / "mixed", lambda label: f"{label}.jpg", 60)
    for i in range(5):
        Image.new("RGB", (20, 20), (20 * i, 0, 0)).save(tmp_path / "mixed" / f"mine_{i}.jpg")
        rows.append(f"mine_{i}.jpg,{i},1,2,3")
    table = tmp_path / "mixed.csv"
    table.write_text("\n".join(["item,a,b,c,d", *(row.replace(".jpg,", ",") for row in rows)]) + "\n")
    mixed = read_data(HBAConfig(root=root, targets=str(table), images=tmp_path / "mixed"))
    assert mixed.always == mixed.rdm48.labels
    assert set(mixed.always) == set(full.always) == set(mixed.splits.held_out)
    table.write_text("\n".join(["item,a,b,c,d", *own_photos(full, tmp_path / "files", "{}_01b.jpg".format, 60)]) + "\n")
    named = read_data(HBAConfig(root=root, targets=str(table), images=tmp_path / "files"))
    assert {name.removesuffix("_01b.jpg") for name in named.splits.held_out} == set(full.always)
    assert set(named.split(held_out=(), val_share=0.2, seed=3).splits.held_out) == set(named.always)
    assert "under names of images" in named.notes[0]


def test_spose49_has_its_prompts_as_names(shared_data):
    root = shared_data("things", "photos").parents[1]
    data = read_data(HBAConfig(root=root, targets="spose49", order="published"))
    assert data.dimensions == data.prompts
    assert len(data.prompts) == 49
    assert any("21 concepts" in note for note in data.notes)


def test_missing_photos_say_where_they_belong(shared_data, tmp_path):
    root = shared_data("things", "prompts.json").parents[1]
    (tmp_path / "things").mkdir()
    for path in (root / "things").iterdir():
        if path.name != "photos":
            (tmp_path / "things" / path.name).symlink_to(path)
    with pytest.raises(FileNotFoundError, match=r"no photos of THINGS at .*photos; name the folder"):
        read_data(HBAConfig(root=tmp_path))
