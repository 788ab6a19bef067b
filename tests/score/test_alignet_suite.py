"""The suite "alignet" on small files in the published layouts, each number against a plain loop or another library."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from reference.alignet_sets import (
    levels_people,
    people_rdms,
    write_cichy118_judgements,
    write_king,
    write_levels,
    write_peterson,
)
from reference.triplets import credits as loop_credits
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from alignkit.data import LabelledImages, load_levels
from alignkit.data._imagenet_classes import living17
from alignkit.models import Features
from alignkit.rsa import Triplets, choice_entropy, choice_probabilities, fit_person_temperatures, triplet_ceiling
from alignkit.score import SuiteScores, few_shot, linear_probe, score_suite
from alignkit.score._levels import MIN_TIMED, times_of_others, within_people

WNIDS = sorted(living17())[:12]
CICHY = [f"photo{i:03d}" for i in range(14)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> SimpleNamespace:
    """A root with small sets, and latents of all their pictures; people follow the latents."""
    root = tmp_path_factory.mktemp("alignet")
    rng = np.random.default_rng(0)
    names = [f"{wnid}_{k}" for wnid in WNIDS for k in range(12)]
    superclass = sorted({living17()[wnid][0] for wnid in WNIDS})
    centres = {name: 2 * rng.normal(size=6) for name in superclass}
    truth = np.array([centres[living17()[name.partition("_")[0]][0]] for name in names])
    truth = truth + 0.8 * rng.normal(size=truth.shape)
    write_levels(root, levels_people(truth, names, n_people=15, n_trials=90, temperature=4.0))
    cichy, king = rng.normal(size=(14, 6)), {f"set{k}": rng.normal(size=(12, 6)) for k in (1, 2)}
    write_cichy118_judgements(root, people_rdms(cichy, 5), CICHY)
    write_king(root, {name: people_rdms(x, 4) for name, x in king.items()})
    fruits = rng.normal(size=(11, 6))
    similarity = 10 - 9 * squareform(pdist(fruits)) / pdist(fruits).max()
    write_peterson(root, "fruits", similarity, ratings=True)
    labels = [f"val/{name.partition('_')[0]}/{name}.JPEG" for name in names]
    labels += [f"cichy118/{name}.jpg" for name in CICHY]
    labels += [f"king2019/{name}/{k + 1:04d}.jpg" for name in king for k in range(12)]
    labels += [f"peterson/fruits/images/fruits{k + 1:02d}.png" for k in range(11)]
    x = np.concatenate([truth, cichy, *king.values(), fruits])
    return SimpleNamespace(root=root, names=names, labels=labels, x=x, truth=truth, cichy=cichy, king=king,
                           fruits=fruits, similarity=similarity)  # fmt: skip


@pytest.fixture(scope="module")
def models(lab) -> dict[str, Features]:
    """Three arms: the aligned one is nearest to what people go by."""
    noise = {"base": 1.5, "control": 1.5, "aligned": 0.3}
    found = {}
    for seed, (name, size) in enumerate(noise.items()):
        rng = np.random.default_rng(seed + 1)
        order = rng.permutation(len(lab.x))
        x = lab.x + size * rng.normal(size=lab.x.shape)
        found[name] = Features.from_array(x[order], [lab.labels[i] for i in order], name=name)
    return found


@pytest.fixture(scope="module")
def scores(lab, models) -> SuiteScores:
    return score_suite(list(models.values()), "alignet", root=lab.root, kernel="dot", n_bootstrap=200, n_shuffles=5)


def rows_of(features, names):
    """Return a model's features of some inputs, found by their file's name."""
    stems = [label.rpartition("/")[2].partition(".")[0] for label in features.labels]
    return features.array()[[stems.index(name) for name in names]]


# --- Levels


@pytest.mark.parametrize("level", ["global", "local", "class border"])
@pytest.mark.parametrize("name", ["base", "aligned"])
def test_each_level_against_a_plain_loop(lab, models, scores, level, name):
    triplets = load_levels(lab.root).of(level)
    x = rows_of(models[name], triplets.labels)
    row = scores.table.value(name, f"Levels {level}", "odd-one-out accuracy")
    assert row.value == pytest.approx(np.mean(loop_credits(x.tolist(), triplets.items.tolist(), "dot", "wrong")))
    ceiling = triplet_ceiling(triplets, n_bootstrap=0)
    assert (row.ceiling_low, row.ceiling_high) == (ceiling.leave_one_out, ceiling.plug_in)
    assert row.n == len(triplets)
    assert row.over == "items and triplets"
    assert row.low < row.value < row.high
    assert row.people_low < row.value < row.people_high


def test_arms_are_told_apart_at_every_level(scores):
    for level in ("global", "local", "class border"):
        values = {n: scores.table.value(n, f"Levels {level}", "odd-one-out").value for n in ("base", "aligned")}
        assert values["aligned"] > values["base"]
        shuffled = scores.table.value("shuffled items", f"Levels {level}", "odd-one-out")
        assert abs(shuffled.value - 1 / 3) < 0.12


def test_temperatures_of_people_are_of_all_levels(lab, models, scores):
    levels = load_levels(lab.root)
    x = rows_of(models["aligned"], levels.triplets.labels)
    fit = fit_person_temperatures(x, levels.triplets, rng=0)
    for level in levels.levels:
        cost = fit.per_answer[levels.level == level].mean()
        row = scores.table.value("aligned", f"Levels {level}", "cross-entropy (nats), T of each person")
        assert row.value == pytest.approx(cost, rel=1e-6)
        share = scores.table.value("aligned", f"Levels {level}", "McFadden R2")
        assert share.value == pytest.approx(1 - cost / np.log(3), rel=1e-5)
        assert "each person fitted on other triplets" in row.split


def test_uncertainty_goes_with_response_time_within_people(lab, models, scores):
    levels = load_levels(lab.root)
    x = rows_of(models["aligned"], levels.triplets.labels)
    pooled = fit_person_temperatures(x, levels.triplets, rng=0).pooled
    triplets = levels.of("global")
    entropy = choice_entropy(choice_probabilities(x, triplets, temperature=pooled))
    people = np.unique(triplets.participant)
    expected = [
        spearmanr(entropy[own], triplets.response_time[own]).statistic
        for person in people
        if (own := triplets.participant == person).sum() >= MIN_TIMED
    ]
    row = scores.table.value("aligned", "Levels global", "spearman of model uncertainty and response time")
    assert row.value == pytest.approx(np.mean(expected), rel=1e-6)
    assert (row.over, row.n) == ("people", len(expected))
    assert row.low < row.value < row.high
    assert row.value > 0.1  # people were made slower where they are unsure
    assert "others' mean log time" in row.ceiling


def test_times_of_others_as_a_plain_loop(lab):
    triplets = load_levels(lab.root).of("local")
    found = times_of_others(triplets)
    keys = [tuple(sorted(row)) for row in triplets.items.tolist()]
    for row in range(0, len(triplets), 7):
        others = [
            np.log(triplets.response_time[i])
            for i, key in enumerate(keys)
            if key == keys[row] and triplets.participant[i] != triplets.participant[row]
        ]
        assert found[row] == pytest.approx(np.mean(others)) if others else np.isnan(found[row])


def test_correlations_within_people_need_answers():
    person = np.repeat([0, 1, 2], [20, 5, 12])
    a = np.random.default_rng(0).normal(size=37)
    b = a + np.random.default_rng(1).normal(size=37)
    b[25:] = 1.0
    found = within_people(a, b, person, 3)
    assert found[0] == pytest.approx(spearmanr(a[:20], b[:20]).statistic)
    assert np.isnan(found[1:]).all()


def test_levels_without_people_or_times(lab, models):
    from alignkit.data import Levels
    from alignkit.score._levels import score_levels
    from alignkit.score._row import Settings
    from alignkit.score._suite import Candidate

    levels = load_levels(lab.root)
    bare = Levels(Triplets(levels.triplets.items, levels.triplets.labels), levels.level)
    candidate = Candidate("m", models["base"].array(), models["base"].labels)
    part = score_levels([candidate], bare, Settings(n_bootstrap=0, n_shuffles=2))
    measures = {row.measure for row in part.scored["m"].rows}
    assert "odd-one-out accuracy" in measures
    assert not any("person" in measure or "time" in measure for measure in measures)


# --- judged similarity


def test_people_s_arrangements_against_scipy(lab, models, scores):
    for name in models:
        x = rows_of(models[name], CICHY)
        model = pdist(x, "correlation")
        people = [squareform(one, checks=False) for one in people_rdms(lab.cichy, 5)]
        row = scores.table.value(name, "Cichy-118 (multi-arrangement)", "spearman with people's RDMs")
        assert row.value == pytest.approx(np.mean([spearmanr(model, one).statistic for one in people]))
        assert row.ceiling_low < row.ceiling_high
        for metric in ("cosine", "correlation"):
            for method, function in (("spearman", spearmanr), ("pearson", pearsonr)):
                measure = f"{method} with the mean judgement ({metric} distances)"
                found = scores.table.value(name, "Cichy-118 (multi-arrangement)", measure).value
                assert found == pytest.approx(function(pdist(x, metric), np.mean(people, axis=0)).statistic)


def test_pictures_of_one_name_are_those_of_their_folder(lab, models, scores):
    for k in (1, 2):
        features = models["aligned"]
        where = [features.labels.index(f"king2019/set{k}/{i + 1:04d}.jpg") for i in range(12)]
        people = [squareform(one, checks=False) for one in people_rdms(lab.king[f"set{k}"], 4)]
        model = pdist(features.array()[where], "correlation")
        row = scores.table.value("aligned", f"King set {k} (multi-arrangement)", "spearman with people's RDMs")
        assert row.value == pytest.approx(np.mean([spearmanr(model, one).statistic for one in people]))


def test_names_that_two_sets_share_say_nothing_without_a_folder(lab):
    x = np.random.default_rng(0).normal(size=(26, 6))
    labels = [*(f"{k + 1:04d}.jpg" for k in range(12)), *CICHY]
    found = score_suite(Features.from_array(x, labels, name="bare"), "alignet", root=lab.root, n_bootstrap=0)
    assert {row.part for row in found.table.rows} == {"Cichy-118 (multi-arrangement)"}
    assert any("King set 1 (multi-arrangement): no model has 10 of its 12" in note for note in found.table.notes)


def test_ratings_have_no_ceiling(lab, models, scores):
    features = models["aligned"]
    where = [features.labels.index(f"peterson/fruits/images/fruits{k + 1:02d}.png") for k in range(11)]
    i, j = np.triu_indices(11, k=1)
    expected = spearmanr(pdist(features.array()[where], "correlation"), 10 - lab.similarity[i, j]).statistic
    row = scores.table.value("aligned", "Peterson fruits (Likert ratings)", "spearman with people's mean judgement")
    assert row.value == pytest.approx(expected)
    assert np.isnan(row.ceiling_low)
    shuffled = scores.table.value("shuffled items", "Peterson fruits (Likert ratings)", "spearman with people's mean")
    assert abs(shuffled.value) < 0.5


# --- read-outs


def test_subclasses_that_were_never_shown(lab, models, scores):
    features = models["aligned"]
    table = living17()
    rows = [(i, *table[label.split("/")[1]]) for i, label in enumerate(features.labels) if label.startswith("val/")]
    x = features.array()
    source = [(i, name) for i, name, domain in rows if domain == "source"]
    target = [(i, name) for i, name, domain in rows if domain == "target"]
    row = scores.table.value("aligned", "BREEDS Living-17", "linear probe accuracy, source")
    expected = linear_probe(x[[i for i, _ in source]], [name for _, name in source], n_bootstrap=0)
    assert row.value == expected.accuracy
    shots = scores.table.value("aligned", "BREEDS Living-17", "5-shot accuracy")
    assert shots.value == few_shot(x[[i for i, _ in source]], [name for _, name in source], n_bootstrap=0).accuracy
    shifted = scores.table.value("aligned", "BREEDS Living-17", "linear probe accuracy, target")
    assert shifted.n == len(target)
    assert shifted.primary
    assert shifted.value > 0.5


def test_adversarial_pictures_are_never_fitted_to(lab):
    rng = np.random.default_rng(0)
    wnids = ["n01498041", "n01531178", "n01616318"]
    centres = rng.normal(size=(3, 8)) * 4
    labels = [f"train/{w}/{k}.JPEG" for w in wnids for k in range(30)]
    labels += [f"imagenet-a/{w}/{k}.jpg" for w in wnids for k in range(10)]
    x = np.concatenate([np.repeat(centres, 30, axis=0), np.repeat(np.roll(centres, 1, axis=0), 10, axis=0)])
    features = Features.from_array(x + 0.3 * rng.normal(size=x.shape), labels, name="fooled")
    table = score_suite(features, "alignet", root=lab.root, n_bootstrap=50).table
    assert table.value("fooled", "ImageNet-A", "linear probe accuracy, source").value == 1.0
    assert table.value("fooled", "ImageNet-A", "linear probe accuracy, target").value == 0.0
    assert table.value("chance", "ImageNet-A", "linear probe accuracy").value == pytest.approx(1 / 3)


@pytest.mark.parametrize("form", ["object", "table"])
def test_classes_of_one_s_own(lab, models, form, tmp_path):
    features = models["aligned"]
    files = [label for label in features.labels if label.startswith("val/")]
    images = LabelledImages(tuple(files), tuple(living17()[f.split("/")[1]][0] for f in files), name="superclasses")
    path = tmp_path / "superclasses.csv"
    images.to_csv(path)
    classes = images if form == "object" else path
    table = score_suite(features, "alignet", root=lab.root, classes=classes, n_bootstrap=0).table
    x = features.array()[[features.labels.index(name) for name in files]]
    expected = linear_probe(x, images.classes, n_bootstrap=0).accuracy
    assert table.value("aligned", "superclasses", "linear probe accuracy").value == expected


# --- comparisons


def test_every_two_arms_are_compared_on_the_same_answers(scores):
    part = "Levels local"
    pairs = {
        (one.better, one.other): one
        for one in scores.table.differences
        if one.part == part and one.measure == "odd-one-out accuracy"
    }
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(pair) for pair in (("base", "control"), ("base", "aligned"), ("control", "aligned"))
    }
    for (better, other), one in pairs.items():
        first, second = (scores.table.value(name, part, "odd-one-out accuracy").value for name in (better, other))
        assert one.difference == pytest.approx(first - second)
        assert one.low <= one.difference <= one.high
        assert one.over == "items and triplets"


def test_small_differences_are_not_claimed(lab, models):
    aligned = models["aligned"]
    nearly = aligned.array().copy()
    nearly[:, 0] += 1e-6 * np.random.default_rng(0).normal(size=len(nearly))
    twin = Features.from_array(nearly, aligned.labels, name="twin")
    table = score_suite([aligned, twin], "alignet", root=lab.root, n_bootstrap=50, n_shuffles=2).table
    note = next(note for note in table.notes if note.startswith("Not claimed, being below 0.02"))
    assert "(Levels global)" in note
    assert "(Levels class border)" in note


def test_ceilings_are_called_bands(scores):
    assert any("leave-one-out ceiling is what one person reaches" in note for note in scores.table.notes)


# --- what is there and what is not


def test_what_is_missing_is_told_with_how_to_get_it(scores):
    assert set(scores.missing) == {"THINGS", "judgements of rsa92", "judgements of peterson", "CIFAR-10H", "ImageNet-A"}
    assert "alignkit data import peterson --from PATH" in scores.missing["judgements of peterson"]
    assert "natural-adv-examples" in scores.missing["ImageNet-A"]


def test_nothing_at_hand_is_one_error_that_names_all(tmp_path):
    features = Features.from_array(np.eye(4), ["a", "b", "c", "d"], name="few")
    with pytest.raises(FileNotFoundError, match="none of the data sets of the suite is at hand") as caught:
        score_suite(features, "alignet", root=tmp_path)
    for name in ("things", "levels", "cichy118", "king2019", "peterson", "cifar10h"):
        told = "\n".join(caught.value.__notes__)
        assert f"data import {name} --from PATH" in told or f"data fetch {name}" in told


def test_features_of_other_pictures_are_refused(lab):
    features = Features.from_array(np.eye(12), [f"x{i}" for i in range(12)], name="others")
    with pytest.raises(ValueError, match=r"too few items of every data set at hand\.") as caught:
        score_suite(features, "alignet", root=lab.root)
    assert re.match(r"Levels: no model has its \d+ images", caught.value.__notes__[0])


@pytest.mark.parametrize("option", [{"kernel": "dot"}, {"ties": "share"}, {"classes": "table.csv"}])
def test_options_of_another_suite_are_refused(option):
    features = Features.from_array(np.eye(4), list("abcd"), name="few")
    with pytest.raises(ValueError, match=r"is an option of the suite 'alignet'; 'hba' has no use for it"):
        score_suite(features, "hba", **option)


def test_it_comes_back_from_json_and_says_what_was_done(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    again = SuiteScores.load(tmp_path / "scores.json")
    assert again.table.value("aligned", "Levels local", "odd-one-out").value == pytest.approx(
        scores.table.value("aligned", "Levels local", "odd-one-out").value
    )
    assert "odd one out is left by the pair of highest dot similarity" in scores.methods_text()
    text = repr(scores)
    assert "the suite alignet" in text
    assert "value  over items and triplets  % of ceiling" in text
    assert "** temperature of each person fitted on other triplets" in text


def test_published_sets_are_brought_in_as_they_are_found(lab, tmp_path):
    from alignkit.data import import_dataset, load_judgements

    found = tmp_path / "download" / "processed_data"
    found.mkdir(parents=True)
    (found / "pruned_dataset.pkl").write_bytes((lab.root / "levels" / "pruned_dataset.pkl").read_bytes())
    root = tmp_path / "root"
    assert import_dataset("levels", tmp_path / "download", root=root, progress=False).ok
    for name in ("king2019", "peterson"):
        assert import_dataset(name, lab.root / name, root=root, progress=False).ok
    assert repr(load_levels(root)) == repr(load_levels(lab.root))
    for name in ("king-set2", "peterson-fruits"):
        first, second = (load_judgements(name, where).rdm for where in (root, lab.root))
        np.testing.assert_array_equal(first.values, second.values)
        assert first.labels == second.labels


# --- real data


@pytest.mark.slow
def test_real_people_and_pictures(root):
    """SPoSE on THINGS has its known numbers; arrangements of the 92 objects, and CIFAR-10's classes are read out."""
    from alignkit.data import load_cifar10h, load_rsa92, load_things

    things, objects, cifar = load_things(root), load_rsa92(root), load_cifar10h(root)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(10_000)[:300]
    width = things.spose66.shape[1]
    shown = np.eye(10)[cifar.target[chosen]] @ rng.normal(size=(10, width)) + rng.normal(size=(300, width))
    x = np.vstack([things.spose66, rng.normal(size=(92, width)), shown])
    labels = [*things.labels, *(f"rsa92/{name}.png" for name in objects.labels)]
    labels += [f"cifar10h/{cifar.labels[i]}.jpg" for i in chosen]
    features = Features.from_array(x, labels, name="SPoSE and noise")
    found = score_suite(features, "alignet", root=root, kernel="dot", n_bootstrap=10, n_shuffles=2)
    value = found.table.value
    # published: 64.26 % and .8243 nats in the right order of rows
    assert value("SPoSE and noise", "THINGS repeats", "odd-one-out").value == pytest.approx(0.6426, abs=5e-5)
    row = value("SPoSE and noise", "THINGS repeats", "cross-entropy (nats), T = 1")
    assert row.value == pytest.approx(0.8243, abs=5e-5)
    assert abs(value("SPoSE and noise", "92 objects (multi-arrangement)", "spearman with people's RDMs").value) < 0.1
    assert value("SPoSE and noise", "CIFAR-10H classes", "linear probe accuracy").value > 0.8
    assert 0.5 < value("SPoSE and noise", "CIFAR-10H images", "cross-entropy").value < np.log(10)
