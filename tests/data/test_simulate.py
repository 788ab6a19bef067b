from __future__ import annotations

import hashlib
import subprocess
import sys
from time import process_time

import numpy as np
import pytest
from reference.simulate import (
    left_right_probabilities,
    odd_probabilities,
    repeat_ceilings,
    squared_distances,
)
from scipy.stats import chi2, chisquare, norm, spearmanr

from alignkit.data._simulate import simulate
from alignkit.rsa import Triplets, TwoAFC


@pytest.fixture(scope="module")
def lab():
    return simulate(96)


def fingerprint(lab):
    digest = hashlib.sha256()
    meg = lab.meg(n_subjects=1, n_trials=1, n_times=30)
    arrays = [
        lab.embedding, lab.weights, lab.lapses, lab.triplets.items, lab.triplets.response_time, lab.held_out.items,
        lab.repeats.items, lab.repeats.repeat, lab.two_afc.items, lab.two_afc.votes, lab.image(3), lab.image(5, view=2),
        meg.patterns, meg.condition,
    ]  # fmt: skip
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


# --- one seed, the same bits


def test_same_seed_same_bits_also_in_another_process():
    code = "from test_simulate import fingerprint, simulate; print(fingerprint(simulate(24, n_participants=3, rng=7)))"
    folder = __file__.rpartition("/")[0]
    paths = f"import sys; sys.path[:0] = [{folder!r}, {folder.rpartition('/')[0]!r}]; "
    other = subprocess.run(
        [sys.executable, "-c", paths + code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder.rpartition("/tests")[0],
    )
    assert other.stdout.strip() == fingerprint(simulate(24, n_participants=3, rng=7))


def test_other_seeds_differ():
    prints = {fingerprint(simulate(24, n_participants=3, rng=seed)) for seed in range(4)}
    assert len(prints) == 4


def test_generator_and_none_draw_a_seed():
    a, b = (simulate(16, n_participants=2, rng=np.random.default_rng(3)) for _ in range(2))
    assert a.seed == b.seed
    assert fingerprint(a) == fingerprint(b)
    assert simulate(16, n_participants=2, rng=None).seed != simulate(16, n_participants=2, rng=None).seed


def test_images_do_not_depend_on_order_or_on_the_size_of_the_lab(lab):
    small = simulate(16, n_participants=2)
    first = [small.image(i).copy() for i in range(16)]
    for i in reversed(range(16)):
        np.testing.assert_array_equal(small.image(i), first[i])
        np.testing.assert_array_equal(lab.image(i), first[i])
    np.testing.assert_array_equal(lab.images(view=1)[4], lab.image("ring_000", view=1))


def test_objects_and_people_are_the_same_in_labs_of_any_size(lab):
    small = simulate(40, n_participants=5, n_dimensions=8)
    np.testing.assert_array_equal(small.embedding, lab.embedding[:40, :8])
    assert small.labels == lab.labels[:40]
    assert small.participants == lab.participants[:5]
    np.testing.assert_array_equal(small.lapses, lab.lapses[:5])
    large = simulate(200, n_participants=60)
    np.testing.assert_array_equal(large.weights[:24], lab.weights)


# --- objects


def test_latents_are_sparse_and_clustered(lab):
    x = lab.embedding
    assert x.shape == (96, 12)
    assert x.min() == 0
    assert (x == 0).mean() > 0.5
    assert (x > 0).sum(axis=0).min() >= 8  # each dimension is carried by several objects
    assert len(set(lab.labels)) == 96
    assert len(set(lab.categories)) == 8
    assert all(label.startswith(category) for label, category in zip(lab.labels, lab.categories, strict=True))
    similarity, category, kind = x @ x.T, np.array(lab.categories), np.array(lab.superordinates)
    off = ~np.eye(96, dtype=bool)
    within = (category[:, None] == category) & off
    near = (kind[:, None] == kind) & (category[:, None] != category)
    far = kind[:, None] != kind
    assert similarity[within].mean() > 2 * similarity[near].mean() > 2 * similarity[far].mean() * 1.05
    assert not lab.embedding.flags.writeable


def test_split_is_disjoint_and_holds_every_category():
    for n in (16, 24, 96, 131):
        lab = simulate(n, n_participants=2)
        train, test = lab.split["train"], lab.split["test"]
        assert sorted(train + test) == sorted(lab.labels)
        assert {label.split("_")[0] for label in test} == set(lab.categories)
        held_out = lab.held_out.restrict(test)
        assert len(held_out) == len(lab.held_out)
        assert len(lab.triplets.restrict(train)) > 0


def test_captions_name_the_strongest_dimensions(lab):
    for i in (0, 5, 33):
        strongest = lab.dimension_names[lab.embedding[i].argmax()]
        assert lab.captions[i].startswith(("a picture of a " + strongest, "a picture of an " + strongest))
        assert lab.captions[i].endswith(lab.categories[i])


# --- people


def test_true_probabilities_equal_the_definition(lab):
    rows = lab.triplets.take(np.arange(0, 12_000, 1500))
    people = [lab.participants.index(str(name)) for name in rows.participant]
    group, own = lab.true_choice_probabilities(rows), lab.true_choice_probabilities(rows, of="person")
    for row, triple in enumerate(rows.items):
        each = [
            odd_probabilities(lab.embedding, lab.weights[p], lab.noise, lab.lapses[p], triple)
            for p in range(len(lab.participants))
        ]
        np.testing.assert_allclose(own[row], each[people[row]], rtol=1e-12)
        np.testing.assert_allclose(group[row], np.mean(each, axis=0), rtol=1e-12)
    # names decide, not numbers
    order = lab.labels[::-1]
    np.testing.assert_array_equal(lab.true_choice_probabilities(rows.restrict(order)), group)


def test_true_two_afc_probabilities_equal_the_definition(lab):
    trials = lab.two_afc.take(np.arange(5))
    expected = [
        np.mean(
            [
                left_right_probabilities(lab.embedding, w, lab.noise, lapse, trial)
                for w, lapse in zip(lab.weights, lab.lapses, strict=True)
            ],
            axis=0,
        )
        for trial in trials.items
    ]
    np.testing.assert_allclose(lab.true_two_afc_probabilities(trials), expected, rtol=1e-12)


def test_choices_follow_the_known_softmax(lab):
    names, person = ("urchin_000", "beetle_000", "melon_000"), 3
    answers = lab.ask(30_000, objects=names, participant=lab.participants[person], rng=1)
    positions = [lab.labels.index(name) for name in names]
    probability = odd_probabilities(lab.embedding, lab.weights[person], lab.noise, lab.lapses[person], positions)
    observed = [(answers.items[:, 2] == position).sum() for position in positions]
    assert min(probability) > 0.01
    assert chisquare(observed, 30_000 * np.array(probability)).pvalue > 0.001


def test_choices_over_all_triplets_are_calibrated(lab):
    # the given answer's own probability, summed, against its binomial bounds, in ten bins of confidence
    answers = lab.ask(60_000, rng=5)
    probability = lab.true_choice_probabilities(answers, of="person")
    columns = np.sort(probability, axis=1)
    for low in np.arange(0.0, 1.0, 0.1):
        inside = (probability >= low) & (probability < low + 0.1)
        expected, hits = probability[inside].sum(), inside[:, 2].sum()
        sd = np.sqrt((probability * (1 - probability))[inside].sum())
        assert abs(hits - expected) < 4 * sd + 1e-9
    assert columns[:, 2].mean() > 0.6


def test_votes_follow_the_known_probabilities():
    lab = simulate(48, n_two_afc=4000, lapse=0.05)
    p = lab.true_two_afc_probabilities(lab.two_afc)
    assert (lab.two_afc.votes.sum(axis=1) == 6).all()
    expected, variance = 6 * p[:, 1], 6 * p[:, 1] * p[:, 0]
    z = (lab.two_afc.votes[:, 1] - expected).sum() / np.sqrt(variance.sum())
    assert abs(z) < norm.ppf(0.9995)
    confident = p[:, 1] > 0.8
    assert lab.two_afc.votes[confident, 1].mean() / 6 == pytest.approx(p[confident, 1].mean(), abs=0.02)


def test_lapse_of_one_is_chance(lab):
    blind = simulate(96, lapse=1.0, n_triplets=30_000)
    np.testing.assert_allclose(blind.true_choice_probabilities(blind.triplets), 1 / 3, rtol=1e-12)
    assert blind.bayes_accuracy == pytest.approx(1 / 3)
    predicted = lab.true_choice_probabilities(blind.triplets).argmax(axis=1) == 2
    assert abs(predicted.mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / 30_000)


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_without_noise_the_largest_dot_product_wins(noise):
    lab = simulate(48, noise=noise, lapse=0.0, individuality=0.0, n_triplets=2000)
    x, untied = lab.embedding, 0
    for i, j, k in lab.triplets.items:
        kept, others = x[i] @ x[j], max(x[i] @ x[k], x[j] @ x[k])
        assert kept >= others - 1e-3
        untied += kept > others + 1e-3
    assert untied > 1800
    assert lab.bayes_accuracy > 0.95  # the rest are ties: three objects with nothing in common


def test_ideal_observer_reaches_the_stated_accuracy(lab):
    assert 0.65 < lab.bayes_accuracy < 0.75  # about what people reach with people (THINGS: .67)
    fresh = lab.ask(50_000, rng=9)
    hits = lab.true_choice_probabilities(fresh).argmax(axis=1) == 2
    assert hits.mean() == pytest.approx(lab.ideal_accuracy(fresh), abs=4 * np.sqrt(0.25 / 50_000))
    # nobody does better without knowing the person: not even the best of the individual observers
    own = lab.true_choice_probabilities(fresh, of="person").max(axis=1).mean()
    assert own > lab.ideal_accuracy(fresh)


def test_repeats_bracket_the_ideal_accuracy():
    lab = simulate(96, n_repeats=400)
    repeats = lab.repeats
    assert len(repeats) == 400 * 24
    for number in (0, 199, 399):
        rows = repeats.take(repeats.repeat == number)
        assert len({tuple(sorted(row)) for row in rows.items.tolist()}) == 1
        assert sorted(rows.participant) == sorted(lab.participants)
    assert len({tuple(sorted(row)) for row in repeats.items.tolist()}) == 400
    plug_in, left_out = repeat_ceilings(repeats.items, repeats.repeat)
    assert left_out < lab.ideal_accuracy(repeats) < plug_in
    assert plug_in - left_out < 0.06


def test_uncertain_answers_take_longer(lab):
    p = lab.true_choice_probabilities(lab.triplets, of="person")
    entropy = -(p * np.log(p)).sum(axis=1)
    seconds = lab.triplets.response_time
    assert seconds.min() > 0.4
    assert 1 < np.median(seconds) < 4
    assert spearmanr(entropy, seconds).statistic > 0.3


def test_people_differ_mildly_and_truly(lab):
    np.testing.assert_allclose(lab.weights.mean(axis=1), 1, rtol=1e-12)
    assert 0.2 < np.log(lab.weights).std() < 0.4
    assert lab.lapses.mean() == pytest.approx(0.03, abs=0.02)
    answers = lab.ask(40_000, rng=2)
    own = -np.log(lab.true_choice_probabilities(answers, of="person")[:, 2]).mean()
    group = -np.log(lab.true_choice_probabilities(answers)[:, 2]).mean()
    assert own < group - 0.003
    alike = simulate(16, n_participants=3, individuality=0.0)
    np.testing.assert_array_equal(alike.weights, 1)


def test_everybody_answers_equally_often(lab):
    _, counts = np.unique(lab.triplets.participant, return_counts=True)
    assert (counts == 500).all()
    first = np.bincount(lab.triplets.items.ravel(), minlength=96)
    statistic = ((first - 375) ** 2 / 375).sum()
    assert statistic < chi2.ppf(0.999, 95)


# --- brains


def test_fmri_holds_the_latent_geometry_the_better_the_less_noise():
    found = []
    for snr in (0.01, 0.1, 1.0, 100.0):
        lab = simulate(96, fmri_snr=snr, individuality=0.0)
        assert lab.fmri.dims == ("subject",)
        assert tuple(lab.fmri.coords["subject"]) == lab.participants[:12]
        assert lab.fmri.labels == lab.labels
        found.append(np.mean([spearmanr(row, lab.latent_rdm.values).statistic for row in lab.fmri.values]))
    assert np.all(np.diff(found) > 0), found
    assert found[0] < 0.3
    assert found[-1] > 0.97


def test_truth_rdms_equal_the_definition():
    lab = simulate(16, n_participants=2)
    x = lab.embedding
    np.testing.assert_allclose(lab.latent_rdm.values, np.array(squared_distances(x)) * x.shape[1], rtol=1e-10)
    i, j = 2, 7
    kept = [odd_probabilities(x, np.ones(12), lab.noise, 0.0, (i, j, k))[2] for k in range(16) if k not in (i, j)]
    assert lab.rdm.squareform()[i, j] == pytest.approx(1 - np.mean(kept))


# --- files, words, speed


def test_images_are_written_as_named(tmp_path):
    from PIL import Image

    lab = simulate(16, n_participants=2, image_size=32, images_per_object=2)
    paths = lab.export_images(tmp_path / "new" / "one", views=1)
    assert [path.name for path in paths] == [f"{label}.png" for label in lab.labels]
    np.testing.assert_array_equal(np.asarray(Image.open(paths[3])), lab.image(3))
    several = lab.export_images(tmp_path / "several")
    assert several[1] == tmp_path / "several" / "urchin_000" / "view_01.png"
    assert len(several) == 32
    np.testing.assert_array_equal(np.asarray(Image.open(several[1])), lab.image(0, view=1))
    with pytest.raises(NotADirectoryError, match="is a file; give a folder"):
        lab.export_images(paths[0])


def test_the_lab_says_that_it_is_simulated(lab):
    text = lab.describe()
    assert "simulated" in text
    assert "no answer comes from a person" in text
    assert f"{lab.bayes_accuracy:.1%}" in text
    assert "simulated" in repr(lab)
    assert "simulated" in repr(lab.meg(n_subjects=1, n_trials=1))


def test_simulating_is_fast():
    simulate(16, n_participants=2)
    started = process_time()
    simulate(96)
    assert process_time() - started < 1.0


# --- bad arguments


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"n_objects": 8}, ValueError, "n_objects must be at least 16; got 8"),
        ({"n_objects": 20.5}, TypeError, "n_objects must be a whole number"),
        ({"n_participants": 1}, ValueError, "n_participants must be at least 2"),
        ({"n_dimensions": 7}, ValueError, "n_dimensions must be at least 8"),
        ({"n_dimensions": 13}, ValueError, r"n_dimensions must be at most 12 \(dimensions that can be drawn\)"),
        ({"n_triplets": 0}, ValueError, "n_triplets must be at least 1"),
        ({"n_repeats": 10**7}, ValueError, r"n_repeats must be at most \d+ \(half of all triplets\)"),
        ({"n_votes": 0}, ValueError, "n_votes must be at least 1"),
        ({"n_votes": 25}, ValueError, r"n_votes must be at most 24 \(participants\)"),
        ({"noise": -1}, ValueError, "noise must be a finite number of at least 0"),
        ({"noise": float("nan")}, ValueError, "noise must be a finite number of at least 0"),
        ({"lapse": 1.5}, ValueError, "lapse must lie between 0 and 1; got 1.5"),
        ({"individuality": float("inf")}, ValueError, "individuality must be a finite number"),
        ({"fmri_snr": 0}, ValueError, "fmri_snr must be a finite number above 0"),
        ({"n_scanned": 25}, ValueError, r"n_scanned must be at most 24 \(participants\)"),
        ({"image_size": 8}, ValueError, "image_size must be at least 16"),
        ({"images_per_object": 0}, ValueError, "images_per_object must be at least 1"),
        ({"rng": -1}, ValueError, "rng must be at least 0"),
        ({"rng": True}, TypeError, "rng must be a numpy Generator"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(options, error, sentence):
    n_objects = options.pop("n_objects", 96)
    with pytest.raises(error, match=sentence):
        simulate(n_objects, **options)


def test_unknown_objects_and_people_are_named(lab):
    with pytest.raises(ValueError, match="the lab holds no object 'unicorn_000'"):
        lab.image("unicorn_000")
    with pytest.raises(ValueError, match=r"the lab holds 96 objects \(0 to 95\); got 96"):
        lab.image(96)
    with pytest.raises(ValueError, match="view must be at least 0"):
        lab.image(0, view=-1)
    with pytest.raises(ValueError, match="the lab holds no object 'cat'"):
        lab.true_choice_probabilities(Triplets([[0, 1, 2]], labels=["cat", "dog", "car"]))
    with pytest.raises(ValueError, match="the lab holds 96 objects"):
        lab.true_two_afc_probabilities(TwoAFC([[0, 1, 96]], [[1, 2]]))
    with pytest.raises(ValueError, match="do not say who answered"):
        lab.true_choice_probabilities(Triplets([[0, 1, 2]]), of="person")
    with pytest.raises(ValueError, match="participant must be one of"):
        lab.ask(5, participant="nobody")
    with pytest.raises(ValueError, match="objects must name at least 3 objects; got 2"):
        lab.ask(5, objects=lab.labels[:2])
    with pytest.raises(ValueError, match="of must be one of 'group', 'person'"):
        lab.true_choice_probabilities(lab.triplets, of="all")
