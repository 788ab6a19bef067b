"""What the study of perceptual initialisation reads: the bytes, the division, and trials that say what they should."""

from __future__ import annotations

import csv
import importlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.data import load_cifar10h, load_material2afc, open_pairs, read_labelled_images, read_two_afc

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"seed": 3, "n_pairs": 45, "n_trials": 400, "n_shards": 4}


@pytest.fixture(scope="module")
def study():
    if not (ROOT / "studies").exists():
        pytest.skip("the studies are not beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("studies._pi_data")


@pytest.fixture(scope="module")
def root(shared_data):
    shared_data("material2afc", "triplets.npz")
    return shared_data("cifar10h", "cifar10_train20k_jpg.npz").parents[1]


@pytest.fixture(scope="module")
def written(study, root, tmp_path_factory):
    return study.write_pi_data(tmp_path_factory.mktemp("pi") / "data", root, **SETTINGS)


@pytest.fixture(scope="module")
def people(root):
    return load_cifar10h(root)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def number(name):
    return int(Path(name).stem)


def test_pairs_are_the_training_images_with_their_class_in_a_template(study, written, root):
    pairs = open_pairs(written.pairs)
    assert len(list(written.pairs.glob("*.tar"))) == 4
    assert (len(pairs), pairs.bad) == (45, ())
    with np.load(root / study.PAIRS, allow_pickle=False) as file:
        data, offsets, labels, classes = (file[name] for name in ("data", "offsets", "labels", "classes"))
    for i in range(len(pairs)):
        original = int(pairs.name(i).rpartition("/")[2])
        assert pairs.image_bytes(i) == data[offsets[original] : offsets[original + 1]].tobytes()
        (caption,) = pairs.captions(i)
        assert caption in [template.format(classes[labels[original]]) for template in study.TEMPLATES]
    # the classes take turns, so any number of pairs is balanced to one
    counts = Counter(labels[int(pairs.name(i).rpartition("/")[2])] for i in range(len(pairs)))
    assert sorted(counts.values()) == [4] * 5 + [5] * 5
    assert len({pairs.caption(i).replace("airplane", "") for i in range(len(pairs))}) > 10


def test_test_images_are_divided_in_half_and_people_see_none_of_the_others(written, people):
    zero_shot = read_labelled_images(written.zero_shot)
    assert Counter(zero_shot.classes) == dict.fromkeys(people.classes, 500)
    for file, name in zip(zero_shot.files[::97], zero_shot.classes[::97], strict=True):
        assert people.classes[people.target[number(file)]] == name
        assert (written.zero_shot / file).read_bytes() == people.jpeg(number(file))
    left = {number(file) for file in zero_shot.files}
    theirs = {number(path.name) for path in written.images["cifar10h"].iterdir()}
    assert len(theirs) == 5000
    assert theirs | left == set(range(10_000))
    assert not theirs & left
    for table in ("cifar10h", "labels"):
        shown = {number(row[side]) for row in rows_of(written.judgements[table]) for side in ("reference", "left")}
        assert shown <= theirs


def test_trials_of_people_are_decided_by_how_likely_two_people_agree(study, written, people):
    rows = rows_of(written.judgements["cifar10h"])
    assert Counter(row["split"] for row in rows) == {"train": 360, "val": 40}
    kinds = Counter()
    for row in rows:
        reference, left, right = (number(row[side]) for side in ("reference", "left", "right"))
        assert len({reference, left, right}) == 3
        # from the counts, as two people drawn from those who labelled each image
        agree = [
            sum(a * b for a, b in zip(people.counts[reference], people.counts[other], strict=True))
            / people.counts[reference].sum()
            / people.counts[other].sum()
            for other in (left, right)
        ]
        assert abs(agree[0] - agree[1]) >= study.MARGIN - 1e-9
        assert (int(row["left_votes"]), int(row["right_votes"])) == ((1, 0) if agree[0] > agree[1] else (0, 1))
        own = [people.target[i] == people.target[reference] for i in (left, right)]
        kinds[sum(own)] += 1
    assert kinds == {1: 160, 2: 120, 0: 120}
    assert 0.4 < np.mean([int(row["left_votes"]) for row in rows]) < 0.6


def test_the_control_shows_the_same_references_and_class_labels_decide(written, people):
    rows, theirs = rows_of(written.judgements["labels"]), rows_of(written.judgements["cifar10h"])
    assert [row["reference"] for row in rows] == [row["reference"] for row in theirs]
    assert [row["split"] for row in rows] == [row["split"] for row in theirs]
    for row in rows:
        reference, left, right = (number(row[side]) for side in ("reference", "left", "right"))
        assert len({reference, left, right}) == 3
        same = [people.target[i] == people.target[reference] for i in (left, right)]
        assert [int(row["left_votes"]), int(row["right_votes"])] == same
        assert sum(same) == 1


@pytest.mark.parametrize("table", ["cifar10h", "labels"])
def test_held_out_trials_are_about_images_that_no_training_trial_shows(written, table):
    shown = {"train": set(), "val": set()}
    for row in rows_of(written.judgements[table]):
        shown[row["split"]] |= {row["reference"], row["left"], row["right"]}
    assert not shown["train"] & shown["val"]


def test_votes_about_materials_are_all_there_but_the_ties(written, root):
    data = load_material2afc(root)
    rows = rows_of(written.judgements["material2afc"])
    assert Counter(row["split"] for row in rows) == {"train": 22_801 - 1_395, "val": 3_000 - 262}
    assert all(row["left_votes"] != row["right_votes"] for row in rows)
    trials = data.train.take(~data.train.tied)
    read = read_two_afc(written.judgements["material2afc"], split="train")
    assert np.array_equal(read.votes, trials.votes)
    for i in (0, 5000, 21_000):
        row = rows[i]
        assert [Path(row[side]).stem for side in ("reference", "left", "right")] == [
            Path(data.labels[item]).stem for item in trials.items[i]
        ]
        assert [int(row["left_votes"]), int(row["right_votes"])] == trials.votes[i].tolist()
    folder = written.images["material2afc"]
    assert {row["reference"] for row in rows} <= {path.name for path in folder.iterdir()}
    with Image.open(folder / f"{Path(data.labels[0]).stem}.png") as image:
        assert (image.size, image.mode) == ((32, 32), "RGB")
        with Image.open(data.image_folder / data.labels[0]) as whole:
            squashed = whole.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
        assert np.array_equal(image, squashed)


def test_the_seed_decides_everything_and_what_is_there_is_kept(study, written, root, tmp_path):
    work = written.pairs.parent
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    assert study.write_pi_data(work, root, **SETTINGS) == written
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()} == before
    with pytest.raises(ValueError, match="other settings"):
        study.write_pi_data(work, root, **{**SETTINGS, "seed": 4})
    again = study.write_pi_data(tmp_path / "again", root, **SETTINGS)
    other = study.write_pi_data(tmp_path / "other", root, **{**SETTINGS, "seed": 4})
    for name in ("cifar10h", "labels"):
        assert again.judgements[name].read_bytes() == written.judgements[name].read_bytes()
        assert other.judgements[name].read_bytes() != written.judgements[name].read_bytes()
    for shard in written.pairs.glob("*.tar"):
        assert (again.pairs / shard.name).read_bytes() == shard.read_bytes()
    assert {path.name for path in (other.zero_shot / "cat").iterdir()} != {
        path.name for path in (written.zero_shot / "cat").iterdir()
    }


def test_a_tar_holds_nothing_of_the_day(study):
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        study.add_member(tar, "a.txt", b"text")
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        (member,) = tar.getmembers()
        assert (member.mtime, member.uid, member.uname) == (0, 0, "")
        assert tar.extractfile(member).read() == b"text"
