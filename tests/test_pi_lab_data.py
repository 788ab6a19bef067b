"""What the simulated lab of perceptual initialisation reads: its own objects, true captions, votes of its people."""

from __future__ import annotations

import csv
import importlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.data import open_pairs, read_labelled_images, read_two_afc, simulate

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"seed": 5, "sizes": (24, 60), "n_people": 240, "n_zero_shot": 32, "n_trials": 500}


@pytest.fixture(scope="module")
def study():
    if not (ROOT / "studies").exists():
        pytest.skip("the studies are not beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("studies._pi_lab_data")


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    return study.write_pi_lab_data(tmp_path_factory.mktemp("lab") / "data", **SETTINGS)


@pytest.fixture(scope="module")
def lab():
    """The public lab of the same seed, which holds every object."""
    few = {"n_triplets": 1, "n_held_out": 1, "n_repeats": 1, "n_two_afc": 1, "n_scanned": 1}
    return simulate(332, rng=5, image_size=32, noise=0.2, **few)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def label(file):
    return Path(file).stem


def test_each_size_of_pairs_holds_the_smaller_and_the_labs_pictures(written, lab):
    small, large = (open_pairs(list(written.pairs[size])) for size in (24, 60))
    assert (len(small), len(large), large.bad) == (24, 60, ())
    names = [label(large.name(i)) for i in range(60)]
    assert [label(small.name(i)) for i in range(24)] == names[:24]
    assert names == list(lab.labels[272:])
    for i in (0, 30, 59):
        assert np.array_equal(np.asarray(large.image(i)), lab.image(names[i]))
        assert 1 <= len(large.captions(i)) <= 3


def test_captions_say_nothing_that_is_not_so(study, written, lab):
    pairs = open_pairs(list(written.pairs[60]))
    words = {"slightly": (0.3, 0.6), "": (0.6, 1.1), "very": (1.1, np.inf)}
    categories = Counter()
    for i in range(60):
        name = label(pairs.name(i))
        latents = dict(zip(lab.dimension_names, lab.embedding[lab.labels.index(name)], strict=True))
        for caption in pairs.captions(i):
            found = re.findall(rf"(?:(slightly|very) )?\b({'|'.join(latents)})\b", caption)
            assert len(found) in (1, 2) or "plain" in caption
            for degree, trait in found:
                assert words[degree][0] <= latents[trait] < words[degree][1], caption
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption), caption
            nouns = [noun for noun in set(lab.categories) if noun in caption]
            assert nouns in ([], [name.rpartition("_")[0]])
            categories[len(nouns)] += 1
    # half of them name the category, as NAMED says: 4 standard errors
    total = categories.total()
    assert abs(categories[1] / total - study.NAMED) < 4 * np.sqrt(0.25 / total)


def test_zero_shot_pictures_are_of_objects_that_no_pair_and_no_judgement_shows(written, lab):
    images = read_labelled_images(written.zero_shot)
    assert Counter(images.classes) == dict.fromkeys(set(lab.categories), 4)
    assert {label(file) for file in images.files} == set(lab.labels[:32])
    with Image.open(written.zero_shot / images.files[0]) as image:
        assert np.array_equal(np.asarray(image), lab.image(label(images.files[0])))
    traits = read_labelled_images(written.traits)
    assert set(traits.files) == set(images.files)
    for file, trait in zip(traits.files, traits.classes, strict=True):
        assert trait == lab.dimension_names[int(np.argmax(lab.embedding[lab.labels.index(label(file))]))]
    there = {path.name for path in written.images.iterdir()}
    for table in written.judgements.values():
        assert set(read_two_afc(table).labels) <= there
        shown = {label(row[side]) for row in rows_of(table) for side in ("reference", "left", "right")}
        assert shown <= set(lab.labels[32:272])


def test_votes_follow_the_planted_similarity(written, lab):
    rows = rows_of(written.judgements["people"])
    assert Counter(row["split"] for row in rows) == {"train": 450, "val": 50}
    own = Counter()
    expected, given = [], []
    for row in rows:
        reference, left, right = (lab.labels.index(label(row[side])) for side in ("reference", "left", "right"))
        own[sum(lab.categories[i] == lab.categories[reference] for i in (left, right))] += 1
        # the formula of SimulatedLab, person by person
        p = []
        for weights, lapse in zip(lab.weights, lab.lapses, strict=True):
            to_left, to_right = (lab.embedding[reference] * weights @ lab.embedding[i] for i in (left, right))
            p.append((1 - lapse) / (1 + np.exp((to_left - to_right) / lab.noise)) + lapse / 2)
        expected.append(np.mean(p))
        assert int(row["left_votes"]) + int(row["right_votes"]) == 5
        given.append(int(row["right_votes"]) / 5)
    # any two of the last 30 % may be of the reference's category too
    assert own[1] >= 200
    assert 150 <= own[2] < 200
    assert own[0] > 50
    expected, given = np.array(expected), np.array(given)
    error = np.sqrt((expected * (1 - expected) / 5).sum()) / len(rows)
    assert abs(expected.mean() - given.mean()) < 4 * error
    slope = np.polyfit(expected, given, 1)[0]
    assert slope == pytest.approx(1, abs=0.15)
    split = np.array([row["split"] for row in rows])
    agree = (expected > 0.5) == (given > 0.5)
    for name, ideal in written.ideal.items():
        assert ideal == pytest.approx(agree[split == name].mean())


def test_the_control_knows_categories_alone(written, lab):
    rows, theirs = rows_of(written.judgements["labels"]), rows_of(written.judgements["people"])
    assert [(row["reference"], row["split"]) for row in rows] == [(row["reference"], row["split"]) for row in theirs]
    category = dict(zip(lab.labels, lab.categories, strict=True))
    for row in rows:
        reference, left, right = (category[label(row[side])] for side in ("reference", "left", "right"))
        assert [int(row["left_votes"]), int(row["right_votes"])] == [reference == left, reference == right]
        assert (reference == left) != (reference == right)


def test_more_pairs_change_nothing_else(study, written, tmp_path):
    more = study.write_pi_lab_data(tmp_path / "more", **{**SETTINGS, "sizes": (24, 60, 70)})
    assert more.ideal == written.ideal
    for name in ("people", "labels"):
        assert more.judgements[name].read_bytes() == written.judgements[name].read_bytes()
    for own, other in zip(written.pairs[60], more.pairs[60], strict=True):
        assert own.read_bytes() == other.read_bytes()
    with pytest.raises(ValueError, match="other settings"):
        study.write_pi_lab_data(tmp_path / "more", **SETTINGS)


def test_captions_differ_and_do_not_depend_on_the_size_of_the_lab(study):
    lab = study.Lab(5, 8)
    captions = lab.captions(3)
    assert captions == lab.captions(3) == study.Lab(5, 99).captions(3)
    assert len(set(captions)) == len(captions)
