"""The front door: what goes in, how models are named and matched, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from alignkit.align import apply_teacher, fit_transform
from alignkit.models import Features, Transform, load_transform, open_features
from alignkit.rsa import Triplets
from alignkit.score import ScoreTable, score


def lines(table):
    """Return the lines in JSON's types, in which NaN equals NaN."""
    return table.to_dict()["rows"]


def models(table):
    return list(dict.fromkeys(row.model for row in table.rows if row.role == "model"))


# --- items are matched by name


def test_the_order_of_the_rows_does_not_matter(lab, make, quick):
    one = make()
    order = np.random.default_rng(3).permutation(len(one))
    assert order.tolist() != list(range(len(one)))
    other = Features.from_array(one.array()[order], [one.labels[i] for i in order], name="model")
    assert quick(one, lab).to_dict() == quick(other, lab).to_dict()


@pytest.mark.parametrize("spelling", ["{}.png", "some/where/{}.jpg", "c:\\pictures\\{}.png", "{}/only.webp"])
def test_files_and_folders_stand_for_their_items(lab, make, quick, spelling):
    plain = quick(make(), lab)
    spelled = quick(make(labels=[spelling.format(label) for label in lab.labels]), lab)
    assert lines(spelled) == lines(plain)
    assert spelled.notes == plain.notes


def test_several_images_of_one_item_are_averaged(lab, make, quick):
    labels = make().labels
    x = np.round(64 * make().array()) / 64  # exact in binary, as are sums and means of two
    apart = np.random.default_rng(0).integers(-4, 4, x.shape) / 4.0
    views = Features.from_array(
        np.concatenate([x + apart, x - apart]),
        [f"{label}/view_{k}.png" for k in range(2) for label in labels],
        name="model",
    )
    table = quick(views, lab)
    assert lines(table) == lines(quick(Features.from_array(x, labels, name="model"), lab))
    assert table.notes[0] == "model: 48 inputs stand for 24 items."


def test_inputs_that_match_nothing_are_named(lab, make, quick):
    one = make()
    x = np.concatenate([one.array(), np.full((2, one.array().shape[1]), 9.0)])
    table = quick(Features.from_array(x, [*one.labels, "unicorn.png", "gryphon.png"], name="model"), lab)
    assert lines(table) == lines(quick(one, lab))
    assert table.notes[0] == "model: 24 inputs stand for 24 items; 2 matched none ('unicorn.png', 'gryphon.png')."


def test_models_are_scored_on_the_items_that_all_of_them_have(lab, make, quick):
    a, b = make("a"), make("b", seed=4)
    first, last = list(lab.labels[:20]), list(lab.labels[4:])
    both = quick([a.select(first), b.select(last)], lab)
    alone = quick([a.select(lab.labels[4:20]), b.select(lab.labels[4:20])], lab)
    assert lines(both) == lines(alone)
    assert {row.n_items for row in both.rows} <= {16}
    assert "Scored on the 16 of 24 items of the simulated lab that every model has." in both.notes


def test_labels_of_another_data_set_are_refused_with_both_sides_named(lab, make, root):
    with pytest.raises(ValueError, match=r"the labels of 'model' .* are not those of rsa92 \('01_human"):
        score(make(), "rsa92", root=root)
    with pytest.raises(ValueError, match=r"^none of the 24 labels .* names a THINGS concept"):
        score(make(), "things", root=root)
    with pytest.raises(ValueError, match="models share fewer than 3 items of the simulated lab"):
        score([make().select(lab.labels[:5]), make().select(lab.labels[4:])], lab)


# --- models and their names


def test_names_that_repeat_get_numbers_that_are_free(lab, make, quick):
    table = quick([make("a"), make("a (1)", seed=1), make("a", seed=2), make("a", seed=3)], lab)
    assert sorted(models(table)) == ["a (1)", "a (2)", "a (3)", "a (4)"]
    # the one whose name was taken keeps it
    # by its repr, as NaN equals no NaN
    expected = replace_name(quick(make("x", seed=1), lab), "x", "a (1)")
    assert repr(table.value("a (1)", "fMRI", "spearman")) == repr(expected)


def replace_name(table, name, new):
    import dataclasses

    return dataclasses.replace(table.value(name, "fMRI", "spearman"), model=new)


@pytest.mark.parametrize("name", ["true latents", "chance", "shuffled items"])
def test_a_model_may_be_called_like_a_baseline(lab, make, quick, name):
    table, usual = quick(make(name), lab), quick(make("x"), lab)
    assert [row.role for row in table.rows] == [row.role for row in usual.rows]
    assert [row.value for row in table.rows] == pytest.approx([row.value for row in usual.rows], nan_ok=True)
    own = table.value(name, "answers", "odd-one-out accuracy")
    assert own.role == "model"


def test_the_last_layer_is_taken_by_default_and_named(lab, quick):
    x = np.random.default_rng(0).normal(size=(2, 24, 6))
    both = Features.from_arrays({"early": x[0], "late": x[1]}, lab.labels, name="net")
    assert models(quick(both, lab)) == ["net [late]"]
    assert models(quick(both, lab, layer="early")) == ["net [early]"]
    alone = quick(Features.from_array(x[1], lab.labels, name="net [late]"), lab)
    assert lines(quick(both, lab)) == lines(alone)
    with pytest.raises(ValueError, match=r"^the features 'net' hold the layers 'early', 'late', not 'head'\.$"):
        score(both, lab, layer="head")
    with pytest.raises(ValueError, match="not ''"):
        score(both, lab, layer="")


def test_paths_are_opened(lab, make, quick, tmp_path):
    path = tmp_path / "model.npz"
    make().save(path)
    assert lines(quick(str(path), lab)) == lines(quick([path], lab)) == lines(quick(make(), lab))


def test_features_are_scored_before_and_after_a_transform(lab, make, quick):
    flip = Transform(-3 * np.eye(lab.embedding.shape[1]), name="flip")
    table = quick([make("a"), make("a", seed=4)], lab, transform=flip)
    assert sorted(models(table)) == ["a (1)", "a (1) + flip", "a (2)", "a (2) + flip"]
    for k in (1, 2):  # a flip changes no cosine
        before, after = (table.value(name, "answers", "odd-one-out") for name in (f"a ({k})", f"a ({k}) + flip"))
        assert before.value == after.value
        assert "nothing was fitted" in before.split
        assert after.split == "transform flip fitted elsewhere: in-sample wherever it saw these objects or answers"
    with pytest.raises(ValueError, match="the transform 'flip' takes features of 12 channels; got shape"):
        score(Features.from_array(np.ones((24, 5)), lab.labels), lab, transform=flip)


@pytest.mark.parametrize("spelling", ["{}", "{}.png", "photos/{}/1.jpg"])
@pytest.mark.parametrize(("n_fitted", "how"), [(24, "in-sample: "), (12, "partly in-sample: ")])
def test_what_a_teacher_saw_is_marked_in_sample(lab, make, quick, tmp_path, spelling, n_fitted, how):
    plain, items = make("net"), lab.labels[:n_fitted]
    triplets = np.array([np.random.default_rng(k).permutation(n_fitted)[:3] for k in range(60)])
    teacher = fit_transform(plain.select(items), Triplets(triplets, items), penalty=1.0, calibrate=False)
    teacher.save(tmp_path / "teacher")
    # inputs that the data set does not know are not scored, whether they were fitted to or not
    rows = np.vstack([plain.array(), np.ones((2, plain.array().shape[1]))])
    named = Features.from_array(
        rows, [*(spelling.format(label) for label in lab.labels), "other", "others"], name="net"
    )
    stored = apply_teacher(named, teacher, out=tmp_path / "stored")
    again = stored.transform(Transform(2 * np.eye(len(rows.T)), name="twice"))
    loaded = load_transform(tmp_path / "teacher")
    for features in (stored, open_features(tmp_path / "stored"), again, named.transform(loaded)):
        table = quick(features, lab)
        assert {row.split.startswith(how) for row in table.rows if row.role == "model"} == {True}
        assert f"judgements of {n_fitted} of these 24 items; that is not alignment." in " ".join(table.notes)
        assert "(in-sample)" in repr(table)
        assert "fitted_items" not in str(table.models)
    both = quick(named, lab, transform=loaded)
    assert both.value("net + teacher", "answers", "odd-one-out").split.startswith(how)
    assert not both.value("net", "answers", "odd-one-out").split.startswith(how)


def test_other_items_than_a_teacher_saw_are_not_in_sample(lab, make, quick):
    plain, items = make("net"), lab.labels[:12]
    triplets = np.array([np.random.default_rng(k).permutation(12)[:3] for k in range(60)])
    teacher = fit_transform(plain.select(items), Triplets(triplets, items), penalty=1.0, calibrate=False)
    table = quick(apply_teacher(plain.select(lab.labels[12:]), teacher), lab)
    assert table.rows[0].split.startswith("transform teacher of net fitted elsewhere")
    assert "in-sample)" not in repr(table)


def test_centred_features_have_their_mean_over_the_scored_items_taken_off(lab, make, quick):
    some = lab.labels[3:20]
    model = make().select([*some, lab.labels[22]])
    shifted = Features.from_array(model.array() + 100.0, model.labels, name="model")
    by_hand = model.select(some)
    by_hand = Features.from_array(by_hand.array() - by_hand.array().mean(axis=0), some, name="model")
    # the other model lacks the last item: the mean is over the items that are scored
    centred = quick([shifted, make("other", seed=1).select(some)], lab, centre=True)
    for part, measure in (("answers", "odd-one-out accuracy"), ("fMRI", "spearman")):
        found = centred.value("model", part, measure).value
        assert found == pytest.approx(quick(by_hand, lab).value("model", part, measure).value, abs=1e-9)
    assert centred.settings["centre"]
    assert "centred features" in centred.to_text().splitlines()[0]
    assert "Features were centred over the scored items" in centred.methods_text()
    assert "centred" not in quick(by_hand, lab).to_text()
    with pytest.raises(TypeError, match=r"^centre must be True or False; got 'no'\.$"):
        score(model, lab, centre="no")


def test_features_are_not_written_to(lab, quick, readonly):
    x = readonly(np.random.default_rng(0).normal(size=(24, 6)))
    before = x.copy()
    quick(Features.from_array(x, lab.labels), lab)
    np.testing.assert_array_equal(x, before)


def test_the_same_seed_gives_the_same_table(lab, make, quick):
    assert quick(make(), lab).to_dict() == quick(make(), lab).to_dict()
    assert lines(quick(make(), lab, seed=1)) != lines(quick(make(), lab))


@pytest.mark.parametrize(
    ("kernel", "metric", "method", "ties"),
    [
        ("cosine", "cosine", "pearson", "share"),
        ("dot", "euclidean", "cosine", "random"),
        ("euclidean", "sqeuclidean", "rho-a", "wrong"),
        ("dot", "correlation", "kendall-tau-a", "share"),
        ("euclidean", "correlation", "kendall-tau-b", "random"),
    ],
)
def test_every_option_scores_people_like_features_above_chance(lab, make, quick, kernel, metric, method, ties):
    table = quick(make(noise=0.2), lab, kernel=kernel, metric=metric, method=method, ties=ties)
    for part in ("repeats", "answers"):
        row = table.value("model", part, "odd-one-out accuracy")
        assert row.value > table.value("shuffled items", part, "odd-one-out accuracy").high
    fmri = table.value("model", "fMRI", f"{method} with people's RDMs")
    assert fmri.value > table.value("shuffled items", "fMRI", method).high
    assert fmri.value <= fmri.ceiling_high + 1e-9


# --- what is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel": "precomputed"}, r"kernel must be one of 'cosine', 'dot', 'euclidean'; got 'precomputed'\."),
        ({"metric": "crossnobis"}, "metric must be one of 'correlation', .*; got 'crossnobis'"),
        ({"method": "kendall"}, "method must be one of 'spearman', .*; got 'kendall'"),
        ({"ties": "half"}, "ties must be one of 'wrong', 'share', 'random'; got 'half'"),
        ({"relation": "narrow"}, "relation must be one of 'any', 'exact'; got 'narrow'"),
        ({"min_votes": -1}, "min_votes must be at least 0; got -1"),
        ({"n_bootstrap": -1}, "n_bootstrap must be at least 0; got -1"),
        ({"n_shuffles": 0}, "n_shuffles must be at least 1; got 0"),
        ({"confidence": 1.5}, r"confidence must lie between 0 and 1 \(exclusive\); got 1\.5"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
    ],
)
def test_bad_options_are_refused_whatever_the_data_set(lab, make, options, sentence):
    with pytest.raises(ValueError, match=rf"^{sentence}"):
        score(make(), lab, **options)
    with pytest.raises(ValueError, match=rf"^{sentence}"):
        score("nothing is read before", "rsa92", **options)


def test_a_count_that_is_no_whole_number_is_refused(lab, make):
    for name in ("n_bootstrap", "n_shuffles", "seed", "min_votes"):
        with pytest.raises(TypeError, match=rf"^{name} must be a whole number; got 2\.5\."):
            score(make(), lab, **{name: 2.5})


def test_features_that_cannot_be_scored_are_refused(lab, make, tmp_path):
    x = np.ones((24, 3))
    with pytest.raises(ValueError, match=r"^features is empty; give at least one"):
        score([], lab)
    with pytest.raises(ValueError, match=r"^the features 'bare' have no labels; open them with labels="):
        score(Features.from_array(x, name="bare"), lab)
    for wrong in (x, 3, None, iter([make()])):
        with pytest.raises(TypeError, match=r"^features must be a path or a Features object; got"):
            score(wrong, lab)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        score(tmp_path / "nowhere", lab)
    for value in (np.nan, np.inf):
        bad = x.copy()
        bad[[2, 5], 1] = value
        sentence = f"^the features of 'bad' hold NaN or infinity for '{lab.labels[2]}', '{lab.labels[5]}'; leave"
        with pytest.raises(ValueError, match=sentence):
            score(Features.from_array(bad, lab.labels, name="bad"), lab)


def test_one_channel_needs_another_metric(lab, quick):
    single = Features.from_array(np.arange(24.0)[:, None], lab.labels)
    with pytest.raises(ValueError, match="undefined for a single channel; use metric='euclidean'"):
        score(single, lab, kernel="euclidean")
    table = quick(single, lab, kernel="euclidean", metric="euclidean")
    assert np.isfinite(table.value("features", "fMRI", "spearman").value)


def test_an_unknown_data_set_or_a_missing_one_is_refused(make, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"^dataset must be one of 'things', .*; got 'imagenet'\.$"):
        score(make(), "imagenet")
    with pytest.raises(ValueError, match=r"^dataset must be one of"):
        score(make(), tmp_path)
    monkeypatch.delenv("ALIGNKIT_DATA", raising=False)
    for dataset in ("things", "rsa92", "algonauts78", "cifar10h", "material2afc"):
        with pytest.raises(FileNotFoundError, match=rf"{dataset}.*(fetch|import|put)") as caught:
            score(make(), dataset, root=tmp_path)
        assert "\n" not in str(caught.value)


# --- undefined scores


def test_undefined_items_are_named_in_one_warning(lab, quick):
    x = np.random.default_rng(0).normal(size=(24, 6))
    x[3] = 0.0
    with pytest.warns(RuntimeWarning) as caught:
        table = quick(Features.from_array(x, lab.labels, name="dead"), lab)
    assert [str(one.message) for one in caught] == [
        f"the features of 'dead' are constant or all zero for '{lab.labels[3]}': their similarities are undefined, "
        "and scores that depend on them are NaN. Leave these items out, or extract them again."
    ]
    assert np.isnan(table.value("dead", "answers", "odd-one-out accuracy").value)
    assert np.isnan(table.value("dead", "fMRI", "spearman").value)
    # under measures that are defined nothing is said
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        defined = quick(Features.from_array(x, lab.labels, name="dead"), lab, kernel="dot", metric="euclidean")
    assert all(np.isfinite(row.value) for row in defined.rows)


def test_a_model_that_tells_no_items_apart_is_no_crash(lab, quick):
    x = np.tile(np.arange(6.0), (24, 1))
    with pytest.warns(RuntimeWarning, match="RDMs whose values are all equal"):
        table = quick(Features.from_array(x, lab.labels, name="flat"), lab)
    assert table.value("flat", "answers", "odd-one-out accuracy").value == 0.0  # all ties, which are wrong
    with pytest.warns(RuntimeWarning, match="RDMs whose values are all equal"):
        shared = quick(Features.from_array(x, lab.labels, name="flat"), lab, ties="share")
    assert shared.value("flat", "answers", "odd-one-out accuracy").value == pytest.approx(1 / 3)


def test_without_resamples_there_are_no_intervals(lab, make):
    table = score([make("a"), make("b", seed=2)], lab, n_bootstrap=0, n_shuffles=2)
    for row in table.rows:
        if row.over != "shuffles":
            assert np.isnan([row.low, row.high, row.people_low, row.people_high]).all(), row
    assert all(np.isnan([d.low, d.high]).all() and np.isfinite(d.difference) for d in table.differences)


def test_settings_and_versions_are_kept(lab, make):
    table = score(make(), lab, n_bootstrap=10, n_shuffles=2, confidence=0.9, seed=4, ties="share", kernel="euclidean")
    assert table.settings == {
        "kernel": "euclidean",
        "centre": False,
        "metric": "correlation",
        "method": "spearman",
        "ties": "share",
        "layers": "",
        "n_splits": 20,
        "items": "",
        "relation": "any",
        "where": "",
        "many": "average",
        "min_votes": 0,
        "n_bootstrap": 10,
        "n_shuffles": 2,
        "confidence": 0.9,
        "seed": 4,
    }
    assert {"alignkit", "python", "numpy"} <= table.versions.keys()


def test_the_table_says_what_the_features_were_made_with(lab, make, quick, tmp_path):
    model = {"name": "toy", "weights_sha256": "ab", "preprocess": {"size": 32}}
    made = Features.from_array(
        make("m").array(), lab.labels, name="m", layer="fc", manifest={"model": model, "pool": {"fc": {"rule": "cls"}}}
    )
    swap = Transform(np.eye(made.array().shape[1]), name="same", sha256="cd")
    table = quick(made, lab, transform=swap)
    plain = {"layer": "fc", "model": model, "pool": {"rule": "cls"}}
    assert table.models == {"m": plain, "m + same": {**plain, "transform": {"name": "same", "sha256": "cd"}}}
    table.save(tmp_path / "t.json")
    assert ScoreTable.load(tmp_path / "t.json").models == table.models
