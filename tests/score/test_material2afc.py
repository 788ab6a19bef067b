from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from reference.nested import nested_credit
from reference.score import clustered_bootstrap, two_afc

from alignkit.data import load_material2afc
from alignkit.models import Features
from alignkit.score import score
from alignkit.score._nested import halvings

ACCURACY, VOTES = "2AFC accuracy", "agreement with single votes"


@pytest.fixture(scope="module")
def material(root):
    return load_material2afc(root)


@pytest.fixture(scope="module")
def colours(material):
    """Mean and spread of the colours of each render, named by the files' stems."""
    x = []
    for label in material.labels:
        pixels = np.asarray(Image.open(material.image_folder / label).convert("RGB"), dtype=float).reshape(-1, 3)
        x.append(np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)]))
    return Features.from_array(np.array(x), [label.removesuffix(".jpg") for label in material.labels], name="colours")


@pytest.mark.parametrize(("kernel", "min_votes"), [("cosine", 0), ("euclidean", 4)])
def test_both_parts_against_a_plain_loop(root, material, colours, kernel, min_votes):
    table = score(colours, "material2afc", root=root, kernel=kernel, min_votes=min_votes, n_bootstrap=50, n_shuffles=3)
    x = colours.array().tolist()
    for part, trials in (("test trials", material.test), ("train trials", material.train)):
        accuracy, votes, n = two_afc(x, trials.items.tolist(), trials.votes.tolist(), kernel, min_votes)
        row = table.value("colours", part, ACCURACY)
        assert (row.value, row.n, row.n_items) == (pytest.approx(accuracy, abs=1e-12), n, 100)
        assert row.low < row.value < row.high
        single = table.value("colours", part, VOTES)
        assert single.value == pytest.approx(votes, abs=1e-12)
        assert single.ceiling_low < single.ceiling_high
        assert single.percent_of_ceiling == pytest.approx(100 * (votes - 0.5) / (single.ceiling_low - 0.5))
        shuffled = table.value("shuffled items", part, ACCURACY)
        assert shuffled.value == pytest.approx(0.5, abs=0.06)
        assert table.value("chance", part, ACCURACY).value == table.value("chance", part, VOTES).value == 0.5
    assert "262" not in table.notes[0]
    assert f"{int(material.test.tied.sum() + material.train.tied.sum()):,} trials whose votes tie" in table.notes[0]


def test_the_shares_of_votes_bound_everyone(root, material):
    # whoever knows the majority of every trial with its reference cannot be beaten on single votes
    table = score(
        Features.from_array(np.eye(100), material.labels), "material2afc", root=root, n_bootstrap=0, n_shuffles=1
    )
    row = table.value("features", "test trials", VOTES)
    votes = material.test.votes[~material.test.tied]
    assert row.ceiling_high == pytest.approx((votes.max(axis=1) / votes.sum(axis=1)).mean())
    assert table.value("features", "test trials", ACCURACY).value == 0.5  # all images are equally far apart
    assert row.value == 0.5


def test_paired_differences_of_two_models(root, material, colours):
    noise = Features.from_array(np.random.default_rng(0).normal(size=(100, 5)), colours.labels, name="noise")
    table = score([noise, colours], "material2afc", root=root, n_bootstrap=2000, n_shuffles=1, kernel="euclidean")
    (d,) = (d for d in table.differences if d.part == "test trials")
    assert (d.better, d.other, d.over) == ("colours", "noise", "trials")
    used = ~material.test.tied
    items, votes = material.test.items[used].tolist(), material.test.votes[used].tolist()
    gaps = []
    for item, vote in zip(items, votes, strict=True):
        ours, theirs = (two_afc(f.array().tolist(), [item], [vote], "euclidean")[0] for f in (colours, noise))
        gaps.append(ours - theirs)
    assert d.difference == pytest.approx(sum(gaps) / len(gaps))
    assert (d.low, d.high) == pytest.approx(clustered_bootstrap(gaps, range(len(gaps)), 2000, 0.95), abs=0.006)


def test_a_subset_keeps_the_trials_that_show_only_it(root, material, colours):
    some = set(range(40))
    part = colours.select([colours.labels[i] for i in some])
    table = score(part, "material2afc", root=root, n_bootstrap=0, n_shuffles=1)
    kept = [k for k, row in enumerate(material.test.items.tolist()) if set(row) <= some]
    accuracy, _, n = two_afc(
        part.array().tolist(), material.test.items[kept].tolist(), material.test.votes[kept].tolist(), "cosine"
    )
    row = table.value("colours", "test trials", ACCURACY)
    assert (row.value, row.n, row.n_items) == (pytest.approx(accuracy), n, 40)
    assert table.notes[0] == "Scored on the 40 of 100 items of material2afc that the model has."


def test_too_few_images_or_votes_are_refused(root, colours):
    few = colours.select([colours.labels[i] for i in (0, 50, 99)])
    with pytest.raises(ValueError, match="no trial of material2afc shows only the 3 images that the features hold"):
        score(few, "material2afc", root=root)
    with pytest.raises(ValueError, match="no trial is left"):
        score(colours, "material2afc", root=root, min_votes=1000)


def test_constant_features_matter_only_where_they_are_used(root, colours):
    x = np.array(colours.array())
    x[3] = 7.0  # no correlation is defined, but the cosine is
    table = score(Features.from_array(x, colours.labels), "material2afc", root=root, n_bootstrap=0, n_shuffles=1)
    assert np.isfinite(table.value("features", "test trials", ACCURACY).value)


def test_an_item_without_a_similarity_makes_scores_undefined_and_spoils_no_pairs(root, colours):
    x = np.array(colours.array())
    x[7] = 0.0
    dead = Features.from_array(x, colours.labels, name="dead")
    with pytest.warns(RuntimeWarning, match="'dead' are constant or all zero for"):
        table = score([dead, colours], "material2afc", root=root, n_bootstrap=50, n_shuffles=2)
    assert np.isnan(table.value("dead", "test trials", ACCURACY).value)
    assert np.isfinite(table.value("colours", "test trials", ACCURACY).value)
    assert [(d.better, d.other) for d in table.differences] == [("colours", "dead")] * 2
    assert np.isnan([d.difference for d in table.differences]).all()


def test_layers_against_a_plain_loop(root, material, colours):
    x = {"mean": colours.array()[:, :3], "all": colours.array(), "spread": colours.array()[:, 3:]}
    net = Features.from_arrays(x, colours.labels, name="net")
    options = {"root": root, "kernel": "euclidean", "n_bootstrap": 20, "n_shuffles": 2}
    table = score(net, "material2afc", layers="all", n_splits=3, **options)
    for part, trials in (("test trials", material.test), ("train trials", material.train)):
        for layer, own in x.items():
            expected, _, n = two_afc(own.tolist(), trials.items.tolist(), trials.votes.tolist(), "euclidean", 0)
            row = table.value("net", part, "2AFC accuracy (majority of the votes)", layer=layer)
            assert (row.value, row.n) == (pytest.approx(expected, abs=1e-12), n)
        used = ~trials.tied
        majority = (trials.votes[:, 0] > trials.votes[:, 1])[used]
        credits = []
        for own in x.values():
            a, b = (
                np.linalg.norm(own[trials.items[used][:, 0]] - own[trials.items[used][:, k]], axis=1) for k in (1, 2)
            )
            credits.append(np.where(a == b, 0.5, (a < b) == majority).tolist())
        halves = [set(np.flatnonzero(row).tolist()) for row in halvings(100, 3, 0)]
        expected = [v for v in nested_credit(credits, trials.items[used].tolist(), halves) if v is not None]
        row = table.value("net", part, "2AFC accuracy (majority of the votes), held-out items")
        assert row.value == pytest.approx(np.mean(expected), abs=2e-4)  # near-ties apart
        assert row.n == len(expected)
