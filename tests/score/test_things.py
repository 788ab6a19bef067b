"""Known answers on real data: what others published, and what plain loops give."""

from __future__ import annotations

import numpy as np
import pytest
from reference.triplets import credits
from scipy.stats import pearsonr, spearmanr

from alignkit.data import load_things
from alignkit.models import Features, load_transform, open_features
from alignkit.score import score

ACCURACY = "odd-one-out accuracy"


@pytest.fixture(scope="module")
def things(root):
    return load_things(root)


@pytest.fixture(scope="module")
def spose(things, root):
    """SPoSE-66 scored as if it were a model; its rows are given in reverse."""
    features = Features.from_array(things.spose66[::-1], things.labels[::-1], name="SPoSE-66")
    return score(features, "things", root=root, kernel="dot", n_bootstrap=50, n_shuffles=4)


@pytest.mark.slow
def test_published_numbers_of_spose(spose):
    assert spose.value("SPoSE-66", "repeats", ACCURACY).value == pytest.approx(0.6426, abs=1e-4)
    assert spose.value("SPoSE-66", "test10", ACCURACY).value == pytest.approx(0.6568, abs=1e-4)
    assert spose.value("SPoSE-66", "repeats", "cross-entropy (nats), T = 1").value == pytest.approx(0.8243, abs=1e-4)
    assert spose.value("SPoSE-66", "repeats", "expected calibration error, T = 1").value == pytest.approx(
        0.022, abs=5e-4
    )
    own = spose.value("SPoSE-66", "repeats", ACCURACY)
    assert (own.n, own.role) == (20_000, "model")
    assert (own.ceiling_low, own.ceiling_high) == pytest.approx((0.6438, 0.6722), abs=1e-4)
    assert own.low < own.value < own.high
    assert own.people_low < own.value < own.people_high


@pytest.mark.slow
def test_the_parts_add_up(spose):
    parts = {part: spose.value("SPoSE-66", part, ACCURACY) for part in ("repeats", "test10", "all answers")}
    assert parts["all answers"].n == parts["repeats"].n + parts["test10"].n == 166_168
    hits = sum(parts[part].value * parts[part].n for part in ("repeats", "test10"))
    assert parts["all answers"].value == pytest.approx(hits / 166_168, abs=1e-12)


@pytest.mark.slow
def test_a_model_called_like_the_baseline_is_kept_apart(spose, things):
    rows = [row for row in spose.rows if row.part == "RDM48" and row.primary]
    assert [(row.model, row.role) for row in rows] == [("SPoSE-66", "model"), ("SPoSE-66", "baseline")]
    # the baseline: choice probabilities in the context of the 48, as published (.90); the model: its RDM
    assert rows[1].value == pytest.approx(0.9060, abs=1e-4)
    upper = np.triu_indices(48, 1)
    x = things.spose66[things.rows48]
    expected = pearsonr((1 - np.corrcoef(x))[upper], things.rdm48.squareform()[upper]).statistic
    assert rows[0].value == pytest.approx(expected, abs=1e-10)
    assert rows[1].percent_of_ceiling == pytest.approx(100 * rows[1].value / 0.91)


@pytest.mark.slow
def test_similarities_by_the_kernel_asked_for(spose):
    own = spose.value("SPoSE-66", "SPoSE-66 similarity", "spearman of dot similarities")
    assert own.value == pytest.approx(1.0, abs=1e-12)
    assert own.n == 1854 * 1853 // 2


@pytest.mark.slow
def test_baselines_and_text_of_the_whole_data_set(spose):
    for part in ("repeats", "test10", "all answers"):
        shuffled = spose.value("shuffled items", part, ACCURACY)
        assert shuffled.value == pytest.approx(1 / 3, abs=0.012)
        assert spose.value("chance", part, ACCURACY).value == 1 / 3
    assert spose.notes == ("SPoSE-66: 1,854 inputs stand for 1,854 concepts.",)
    text = spose.to_text()
    assert max(map(len, text.splitlines())) <= 130
    # side by side, model and baseline of one name have their own numbers
    own, baseline = (spose.rows[k].value for k, row in enumerate(spose.rows) if row.measure.startswith("spearman with"))
    assert f"\n  SPoSE-66                                {own:.4f}\n" in text
    assert f"\n  (SPoSE-66)                              {baseline:.4f}\n" in text
    assert own < 0.88 < baseline


@pytest.fixture(scope="module")
def clip(root):
    folder = root / "things" / "clip_features"
    features = open_features(folder / "clip_feature_maps_test.npy", labels=folder / "test_concepts_200.txt")
    glocal = load_transform(root / "glocal" / "clip_ViT-L_14_visual.npz")
    return score(features, "things", root=root, transform=glocal, n_bootstrap=50, n_shuffles=4), features, glocal


def test_clip_before_and_after_glocal(clip, things):
    table, features, glocal = clip
    names = ["clip_feature_maps_test", "clip_feature_maps_test + clip_ViT-L_14_visual"]
    before, after = (table.value(name, "SPoSE-66 similarity", "spearman") for name in names)
    assert (before.value, after.value) == pytest.approx((0.41, 0.86), abs=5e-3)
    assert "in-sample wherever it saw these objects" in after.split
    upper = np.triu_indices(200, 1)
    place = {label: i for i, label in enumerate(things.labels)}
    human = things.spose66[[place[label] for label in features.labels]]
    for row, x in ((before, features.array()), (after, glocal.apply(features.array()))):
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        expected = spearmanr((unit @ unit.T)[upper], (human @ human.T)[upper]).statistic
        assert row.value == pytest.approx(expected, abs=1e-6)


def test_a_subset_is_scored_on_the_answers_that_show_only_it(clip, things):
    table, features, _ = clip
    held = set(features.labels)
    rows = [row for row in things.test10.items.tolist() if all(things.labels[i] in held for i in row)]
    own = table.value("clip_feature_maps_test", "test10", ACCURACY)
    assert own.n == len(rows) == 173
    place = {label: i for i, label in enumerate(features.labels)}
    numbered = [[place[things.labels[i]] for i in row] for row in rows]
    hits = credits(features.array().astype(float), numbered, "cosine", "wrong")
    assert own.value == pytest.approx(sum(hits) / len(hits))
    # too few repeats show only these: the ceiling is that of all repeats, and says so
    assert (own.ceiling_low, own.ceiling_high) == pytest.approx((0.6438, 0.6722), abs=1e-4)
    assert "over all 1,854 concepts (too few show only these)" in own.ceiling
    assert not [row for row in table.rows if row.part in ("repeats", "RDM48")]
    assert "Scored on the 200 of 1,854 items of things that every model has." in table.notes


def test_paired_differences_are_between_the_same_answers(clip):
    table, *_ = clip
    for d in table.differences:
        better, other = (table.value(name, d.part, ACCURACY).value for name in (d.better, d.other))
        assert d.difference == pytest.approx(better - other)
        assert 0 < d.low < d.difference < d.high
        assert d.over == "triplets"


def test_too_few_concepts_for_any_answer(root, things):
    few = Features.from_array(np.eye(3), things.labels[:3])
    with pytest.raises(ValueError, match="no THINGS triplet shows only these 3 concepts; more concepts are needed"):
        score(few, "things", root=root, n_bootstrap=0)


def test_photos_are_matched_by_the_manifest(root, things):
    import csv

    with open(root / "things" / "photos_manifest.csv", newline="", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    files = sorted({entry["file"] for entry in entries})
    rng = np.random.default_rng(0)
    features = Features.from_array(rng.normal(size=(len(files) + 1, 4)), [*files, "a_stray.jpg"], name="photos")
    options = {"root": root, "n_bootstrap": 0, "n_shuffles": 1}
    anything = score(features, "things", **options)
    exact = score(features, "things", relation="exact", **options)
    for table, relations in ((anything, {"exact", "hyponym"}), (exact, {"exact"})):
        kept = [entry for entry in entries if entry["relation"] in relations]
        n_files, n_concepts = (len({entry[key] for entry in kept}) for key in ("file", "uniqueID"))
        missed = len(files) - n_files + 1
        start = f"photos: {n_files:,} inputs stand for {n_concepts:,} concepts; {missed:,} matched none"
        assert table.notes[0].startswith(start)
        assert table.value("photos", "SPoSE-66 similarity", "spearman").n_items == n_concepts


@pytest.mark.slow
def test_layers_of_a_network_that_comes_to_know_people(things, root):
    rng = np.random.default_rng(0)
    x = {f"b{k}": things.spose66 + noise * rng.normal(size=(1854, 66)) for k, noise in enumerate((3.0, 0.5, 0.05, 1.0))}
    net = Features.from_arrays(x, things.labels, name="net")
    options = {"root": root, "kernel": "dot", "n_bootstrap": 10, "n_shuffles": 1}
    table = score(net, "things", layers="all", n_splits=4, **options)
    alone = score(net, "things", layer="b1", **options)
    for part in ("repeats", "test10", "all answers", "RDM48"):
        measure = "pearson with people's choice matrix" if part == "RDM48" else ACCURACY
        found = table.value("net", part, measure, layer="b1")
        assert found.value == pytest.approx(alone.value("net [b1]", part, measure).value, abs=1e-12)
        assert {row.layer: row.chosen for row in table.curve("net", part)}["b2"] == 1.0
        held_out = table.value("net", part, f"{measure}, held-out items")
        best = table.value("net", part, measure, layer="b2")
        assert held_out.value == pytest.approx(best.value, abs=0.03)
        if part == "test10":
            assert "about 18," in held_out.split  # an eighth of 146,168
