"""``alignkit score`` and ``alignkit demo``: frozen flags, help, refusals before any work, and what is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from reference.meg_sets import movies, write_result_dsm

from alignkit._cli._registry import VERBS
from alignkit._cli._score import ScoreConfig, _open_all
from alignkit._config import options
from alignkit.models import Features
from alignkit.score import ScoreTable, SuiteScores, ZeroShotScores, score, score_suite, score_zero_shot

#: What users' scripts may contain. A change here is a change of the public interface: say so in the changelog.
FROZEN = {
    "score": {
        "features",
        "dataset",
        "suite",
        "models",
        "sets",
        "batch-size",
        "device",
        "clip-benchmark",
        "root",
        "layer",
        "layers",
        "n-splits",
        "labels",
        "transform",
        "items",
        "classes",
        "where",
        "many",
        "kernel",
        "centre",
        "metric",
        "method",
        "ties",
        "relation",
        "min-votes",
        "n-bootstrap",
        "confidence",
        "seed",
        "out",
        "progress",
    },
    "demo": {"out", "n-objects", "n-participants", "seed", "quick", "train", "n-training-objects", "training-steps"},
}


@pytest.fixture
def root(shared_data) -> Path:
    return shared_data("rsa92", "92_brainRDMs.mat").parents[1]


@pytest.fixture(scope="session")
def labels(shared_data) -> tuple[str, ...]:
    from alignkit.data import load_rsa92

    return load_rsa92(shared_data("rsa92", "92_brainRDMs.mat").parents[1]).labels


@pytest.fixture
def save(here, labels):
    """Return a function that saves random features of the 92 images."""

    def save(name: str, seed: int = 0, n_channels: int = 6) -> Features:
        x = np.random.default_rng(seed).normal(size=(92, n_channels))
        features = Features.from_array(x, labels, name=Path(name).stem)
        features.save(here / name)
        return features

    return save


@pytest.fixture
def scores(run, root):
    """Return a function that scores on the 92 images with few resamples."""

    def scores(*words: object) -> tuple[int, str, str]:
        # a slow machine would show a bar
        return run("score", *words, "--dataset", "rsa92", "--root", root, "--n-bootstrap", 20, "--no-progress")

    return scores


# --- the interface


@pytest.mark.parametrize("verb", list(FROZEN))
def test_the_flags_are_frozen(verb):
    found = {option.name for option in options(VERBS[verb].load().config).values()}
    assert found == FROZEN[verb]


@pytest.mark.parametrize("verb", list(FROZEN))
def test_help_names_every_flag_and_default(run, verb):
    code, out, err = run(verb, "--help")
    assert (code, err) == (0, "")
    for flag in FROZEN[verb]:
        assert f"--{flag}" in out
    assert "examples" in out


def test_every_option_is_one_of_the_function_with_the_same_default():
    import dataclasses
    import inspect

    from alignkit._cli._score import ScoreConfig

    known = {**inspect.signature(score_zero_shot).parameters, **inspect.signature(score).parameters}
    own = ("features", "dataset", "suite", "labels", "transform", "classes", "out", "progress")
    for field in dataclasses.fields(ScoreConfig):
        if field.name in (*own, "models", "sets", "clip_benchmark"):
            continue
        assert field.default == known[field.name].default, field.name


def test_the_choices_are_those_of_the_function():
    from typing import get_args, get_type_hints

    from alignkit._cli._score import ScoreConfig
    from alignkit.score._choices import CHOICES
    from alignkit.score._score import SUITES
    from alignkit.score._score_suite import DATA_SUITES

    hints = get_type_hints(ScoreConfig)
    (dataset, _), (suite, _) = get_args(hints["dataset"]), get_args(hints["suite"])
    assert set(get_args(dataset)) == set(SUITES)
    assert set(get_args(suite)) == {*DATA_SUITES, "zeroshot"}
    for name, allowed in CHOICES.items():
        assert get_args(hints[name]) == allowed


# --- what is written


def test_the_table_is_printed_and_is_that_of_the_function(scores, save, root):
    model = save("model.npz")
    code, out, err = scores("--features", "model.npz")
    assert (code, err) == (0, "")
    assert out == score(model, "rsa92", root=root, n_bootstrap=20).to_text() + "\n"


@pytest.mark.parametrize("suffix", [".json", ".csv", ".html"])
def test_results_are_saved_as_the_suffix_says(scores, save, here, suffix):
    save("a.npz")
    save("b.npz", seed=1)
    out = here / f"result{suffix}"
    code, printed, err = scores("--features", "a.npz", "b.npz", "--out", out)
    assert (code, err) == (0, "")
    assert printed.endswith(f"saved to {out}\n")
    assert {path.name for path in here.iterdir()} == {"a.npz", "b.npz", out.name}
    if suffix == ".json":
        table = ScoreTable.load(out)
        assert printed.startswith(table.to_text())
        assert {row.model for row in table.rows if row.role == "model"} == {"a", "b"}
        assert len(table.differences) == 4
    elif suffix == ".csv":
        with open(out, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert {row["model"] for row in rows} >= {"a", "b", "shuffled items"}
    else:
        text = out.read_text(encoding="utf-8")
        assert text.startswith("<!doctype html>")
        assert "Scores on rsa92" in text
        assert text.count("<script") == 1  # our own


def test_an_old_result_is_replaced(scores, save, here):
    save("a.npz")
    (here / "r.json").write_text("old")
    assert scores("--features", "a.npz", "--out", "r.json")[0] == 0
    assert json.loads((here / "r.json").read_text())["kind"] == "ScoreTable"


def test_bare_arrays_get_their_labels_from_a_file(scores, save, here, labels):
    model = save("stored.npz")
    np.save(here / "bare.npy", model.array())
    (here / "names.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    code, out, err = scores("--features", "bare.npy", "--labels", "names.txt", "--out", "r.json")
    assert (code, err) == (0, "")
    expected = scores("--features", "stored.npz")[1]
    assert out.replace("bare  ", "stored").startswith(expected.rstrip())


def test_a_transform_is_scored_before_and_after(scores, save, here):
    save("a.npz", n_channels=4)
    np.savez(here / "half.npz", weights=np.eye(4)[:, :2])
    code, out, err = scores("--features", "a.npz", "--transform", "half.npz")
    assert (code, err) == (0, "")
    assert "\n  a + half  " in out
    np.savez(here / "wide.npz", weights=np.eye(5))
    code, _, err = scores("--features", "a.npz", "--transform", "wide.npz")
    assert code == 2
    assert err == (
        "error: the transform 'wide' takes features of 5 channels; got shape (92, 4). It must come from the same model "
        "and layer as the features.\n"
    )


def test_options_may_come_from_a_file_and_later_ones_win(run, save, here, root):
    save("a.npz")
    lines = [
        "features = ['a.npz']",
        "dataset = 'rsa92'",
        f"root = '{root}'",
        "n-bootstrap = 20",
        "metric = 'euclidean'",
    ]
    (here / "my.toml").write_text("\n".join([*lines, "out = 'r.json'"]))
    assert run("score", "--config", "my.toml")[0] == 0
    assert ScoreTable.load(here / "r.json").settings["metric"] == "euclidean"
    assert run("score", "--config", "my.toml", "--metric", "cosine", "--confidence", "0.8")[0] == 0
    settings = ScoreTable.load(here / "r.json").settings
    assert (settings["metric"], settings["confidence"], settings["n_bootstrap"]) == ("cosine", 0.8, 20)


@pytest.mark.filterwarnings("default")
def test_undefined_items_are_one_line_of_warning(scores, here, labels):
    x = np.random.default_rng(0).normal(size=(92, 6))
    x[4] = 0.0
    Features.from_array(x, labels, name="dead").save(here / "dead.npz")
    code, out, err = scores("--features", "dead.npz")
    assert code == 0
    assert err.startswith(f"warning: the features of 'dead' are constant or all zero for '{labels[4]}'")
    assert err.count("\n") == 1
    assert "\n  dead                                  -" in out


@pytest.fixture
def network(here, labels, monkeypatch):
    """Stand in for a folder of features of three layers, which takes an encoder to write."""
    import alignkit.models

    x = {f"b{k}": np.random.default_rng(k).normal(size=(92, 5)) for k in range(3)}
    features = Features.from_arrays(x, labels, name="net")
    (here / "net").mkdir()
    monkeypatch.setattr(alignkit.models, "open_features", lambda *_, **__: features)
    return features


def test_layers_are_printed_and_saved(scores, network, here):
    code, out, err = scores("--features", "net", "--layers", "all", "--n-splits", 3, "--out", "r.json")
    assert (code, err) == (0, "")
    table = ScoreTable.load("r.json")
    assert (table.settings["layers"], table.settings["n_splits"]) == ("all", 3)
    assert "Layer curves of net" in out
    assert [row.layer for row in table.curve("net", "fMRI IT (Cichy 2014)")] == ["b0", "b1", "b2"]
    code, out, _ = scores("--features", "net", "--layers", "b2", "b0", "--out", "r.html")
    assert code == 0
    assert "Layer curve of spearman" in (here / "r.html").read_text(encoding="utf-8")
    assert scores("--features", "net", "--layers", "b2", "b7")[::2] == (
        2,
        "error: the features 'net' hold the layers 'b0', 'b1', 'b2', not 'b7'.\n",
    )
    assert "give either --layer b0" in scores("--features", "net", "--layers", "all", "--layer", "b0")[2]


def test_photos_are_what_a_table_says(scores, here, labels):
    photos = [f"p{k}.jpg" for k in range(184)]
    x = np.random.default_rng(0).normal(size=(184, 4))
    Features.from_array(x, photos, name="photos").save(here / "photos.npz")
    rows = [f"{photo},{labels[k % 92]},{('A', 'B')[k // 92]}" for k, photo in enumerate(photos)]
    (here / "items.csv").write_text("\n".join(["file,item,room", *rows]) + "\n")
    words = ("--features", "photos.npz", "--items", "items.csv", "--out", "r.json")
    assert scores(*words)[0] == 0
    assert ScoreTable.load("r.json").notes == ("photos: 184 inputs stand for 92 items.",)
    assert scores(*words, "--many", "best", "--where", "room=B")[0] == 0
    table = ScoreTable.load("r.json")
    assert table.notes[0].startswith("photos: 92 inputs stand for 92 items")
    assert (table.settings["items"], table.settings["where"], table.settings["many"]) == ("items.csv", "room=B", "best")
    code, _, err = scores(*words, "--where", "room=C")
    assert (code, err) == (2, "error: no row of items.csv has room 'C'; that column holds 'A', 'B'.\n")


@pytest.fixture
def suite_root(here) -> Path:
    """A root with one of the suite's data sets, as it was published, and features of its items."""
    times, names = np.linspace(-0.1, 0.6, 71), [f"o{k}.png" for k in range(12)]
    truth = np.random.default_rng(0).normal(size=(12, 5))
    write_result_dsm(here / "data", "meg_ds1", movies(4, times, truth), names)
    Features.from_array(truth, names, name="truth").save(here / "truth.npz")
    return here / "data"


def test_a_suite_is_printed_and_is_that_of_the_function(run, suite_root, here):
    words = ("score", "--features", "truth.npz", "--suite", "hba", "--root", suite_root, "--no-progress")
    code, out, err = run(*words, "--n-bootstrap", 20, "--out", "r.json")
    assert (code, err) == (0, "")
    scores = score_suite(here / "truth.npz", root=suite_root, n_bootstrap=20)
    assert out == f"{scores.to_text()}\nsaved to r.json\n"
    assert SuiteScores.load(here / "r.json").to_text() == scores.to_text()
    assert "run `alignkit data import meg_ds2 --from PATH`" in " ".join(out.split())


def test_a_suite_as_a_page(run, suite_root, here):
    words = ("score", "--features", "truth.npz", "--suite", "hba", "--root", suite_root, "--no-progress")
    assert run(*words, "--n-bootstrap", 20, "--out", "r.html")[0] == 0
    page = (here / "r.html").read_text(encoding="utf-8")
    assert "Over time" in page
    assert "Not at hand" in page


def test_a_suite_of_arms_and_classes_of_one_s_own(run, here):
    from reference.alignet_sets import people_rdms, write_cichy118_judgements

    rng = np.random.default_rng(0)
    names = [f"photo{k:02d}" for k in range(60)]
    truth = rng.normal(size=(60, 5))
    write_cichy118_judgements(here / "data", people_rdms(truth, 4), names)
    for name, noise in (("aligned", 0.1), ("base", 1.0)):
        x = truth + noise * rng.normal(size=truth.shape)
        Features.from_array(x, names, name=name).save(here / f"{name}.npz")
    rows = [f"{name}.jpg,{'left' if one[0] < 0 else 'right'}" for name, one in zip(names, truth, strict=True)]
    (here / "sides.csv").write_text("\n".join(["file,class", *rows]) + "\n")
    words = ("score", "--features", "base.npz", "aligned.npz", "--suite", "alignet", "--root", here / "data")
    words = (*words, "--classes", "sides.csv", "--kernel", "dot", "--n-bootstrap", 20, "--no-progress")
    code, out, err = run(*words, "--out", "r.json")
    assert (code, err) == (0, "")
    assert "Cichy-118 (multi-arrangement): spearman with people's RDMs" in out
    assert "sides: linear probe accuracy" in out
    assert "aligned - base:" in out
    expected = score_suite(
        [here / "base.npz", here / "aligned.npz"],
        "alignet",
        root=here / "data",
        classes=here / "sides.csv",
        kernel="dot",
        n_bootstrap=20,
    )
    assert out == f"{expected.to_text()}\nsaved to r.json\n"
    assert run(*words, "--out", "r.html")[0] == 0
    page = (here / "r.html").read_text(encoding="utf-8")
    assert "sides" in page
    assert "Not at hand" in page


# --- what is refused, before any work and without a trace


def test_a_suite_without_data_says_how_to_get_each_on_lines_of_its_own(run, here):
    Features.from_array(np.eye(4), ["a", "b", "c", "d"], name="a").save("a.npz")
    code, out, err = run("score", "--features", "a.npz", "--suite", "hba", "--root", ".")
    assert (code, out) == (2, "")
    first, *more = err.splitlines()
    assert first == "error: none of the data sets of the suite is at hand in .; one of them is enough."
    assert [line.split(":")[0] for line in more[:4:2]] == ["  RDM48", "  THINGS-MEG"]
    assert more[-1] == "  Where they are in another folder, name it with --root or ALIGNKIT_DATA."
    assert max(map(len, more)) < 250


def test_zero_shot_scores_are_printed_and_kept(run, here):
    pytest.importorskip("open_clip")
    from reference import toy_clip
    from reference.zero_shot_sets import write_captioned, write_wds

    from alignkit.models import Preprocess
    from alignkit.models._build_clip import build_clip
    from alignkit.models._clip_run_model import save_clip_model

    for seed, arm in enumerate(("pi", "web")):
        (here / arm).mkdir()
        save_clip_model(
            here / arm,
            build_clip(toy_clip.sizes(), seed=seed),
            architecture=toy_clip.sizes(),
            preprocess=Preprocess.clip(32),
            manifest={"method": "pi", "arm": arm},
        )
    write_wds(here / "sets" / "wds_colours", [range(9), range(9, 15)])
    write_captioned(here / "sets" / "flickr30k", range(5))
    words = ("score", "--suite", "zeroshot", "--models", "run:pi", "run:web", "--sets", "sets", "--n-bootstrap", "20")
    code, out, _ = run(*words, "--device", "cpu", "--no-progress", "--out", "z.json", "--clip-benchmark", "records")
    assert code == 0
    found = score_zero_shot(["run:pi", "run:web"], "sets", n_bootstrap=20, device="cpu", progress=False)
    assert out == f"{found.to_text()}\nsaved to z.json\n"
    assert ZeroShotScores.load(here / "z.json").to_text() == found.to_text()
    assert len(list((here / "records").iterdir())) == 4
    code, _, _ = run(*words, "--device", "cpu", "--no-progress", "--out", "z.html")
    assert code == 0
    page = (here / "z.html").read_text(encoding="utf-8")
    assert "2 models on 2 zero-shot sets" in page
    assert "run:pi over run:web" in page
    assert "Not scored" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--features is required"),
        (("--features", "a.npz", "--dataset", "rsa92", "--models", "run:x"), "--models is for --suite zeroshot"),
        (("--suite", "zeroshot", "--features", "a.npz"), "--suite zeroshot takes --models and --sets, no --features"),
        (
            ("--suite", "zeroshot", "--models", "run:x", "--sets", "s", "--kernel", "dot"),
            "no --features, and --kernel is",
        ),
        (("--suite", "zeroshot", "--models", "run:x"), "--suite zeroshot needs --models (run:PATH, open_clip:ARCH"),
        (("--suite", "zeroshot", "--models", "run:x", "--sets", "absent"), "absent does not exist; a zero-shot set"),
        (("--suite", "zeroshot", "--models", "run:x", "--sets", "folder"), "folder holds no zero-shot set"),
        (("--suite", "zeroshot", "--models", "r", "--sets", "s", "--batch-size", "0"), "batch_size must be at least 1"),
        (("--features", "a.npz"), "with --dataset NAME or --suite NAME; give one of them."),
        (("--features", "a.npz", "--dataset", "rsa92", "--suite", "hba"), "give one of them, not both."),
        (("--features", "a.npz", "--suite", "brain-score"), "--suite must be one of"),
        (("--features", "a.npz", "--suite", "hba", "--layers", "all"), "--layers is for --dataset; --suite hba has no"),
        (("--features", "a.npz", "--suite", "hba", "--items", "l.csv"), "--items is for --dataset; --suite hba has no"),
        (("--features", "a.npz", "--suite", "hba", "--kernel", "dot"), "--kernel is for --dataset; --suite hba has no"),
        (("--features", "a.npz", "--suite", "hba", "--classes", "c.csv"), "--classes is for --suite alignet; say what"),
        (("--features", "a.npz", "--suite", "alignet", "--layers", "all"), "--suite alignet has no use for it"),
        (("--features", "a.npz", "--suite", "hba", "--min-votes", "3"), "--min-votes is for --dataset; --suite hba"),
        (("--features", "--dataset", "rsa92"), "--features"),
        (("--features", "a.npz", "--dataset", "imagenet"), "--dataset must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--kernel", "rbf"), "--kernel must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--n-bootstrap", "-1"), "n_bootstrap must be at least 0"),
        (("--features", "a.npz", "--dataset", "rsa92", "--n-bootstrap", "1.5"), "--n-bootstrap must be a whole number"),
        (("--features", "a.npz", "--dataset", "rsa92", "--confidence", "1.5"), "confidence must lie between 0 and 1"),
        (("--features", "a.npz", "--dataset", "rsa92", "--seed", "-1"), "seed must be at least 0; got -1."),
        (("--features", "a.npz", "--dataset", "rsa92", "--min-votes", "-1"), "min_votes must be at least 0; got -1."),
        (("--features", "a.npz", "--dataset", "rsa92", "--feature", "b"), "did you mean --features?"),
        (("--features", "nowhere.npz", "--dataset", "rsa92"), "nowhere.npz does not exist."),
        (("--features", "a.npz", "--dataset", "rsa92", "--labels", "names.txt"), "stores its own labels"),
        (("--features", "bare.npy", "--dataset", "rsa92"), "the features 'bare' have no labels"),
        (("--features", "bare.npy", "--dataset", "rsa92", "--labels", "short.txt"), "expected 92, got 2"),
        (("--features", "a.npz", "--dataset", "rsa92", "--layer", "b10"), "hold the layers 'features', not 'b10'"),
        (("--features", "a.npz", "--dataset", "rsa92", "--layers", "all", "b10"), "--layers takes all, or different"),
        (("--features", "a.npz", "--dataset", "rsa92", "--layers", "b1", "b1"), "--layers takes all, or different"),
        (("--features", "a.npz", "--dataset", "rsa92", "--n-splits", "0"), "n_splits must be at least 1; got 0."),
        (("--features", "a.npz", "--dataset", "rsa92", "--metric", "crossnobis"), "--metric must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--method", "kendall"), "--method must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--many", "worst"), "--many must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--items", "nowhere.csv"), "nowhere.csv does not exist"),
        (("--features", "a.npz", "--dataset", "rsa92", "--items", "l.csv"), "l.csv lacks the column(s) 'file'"),
        (("--features", "a.npz", "--dataset", "rsa92", "--items", "l.csv", "--out", "l.csv"), "also an input"),
        (("--features", "a.npz", "--dataset", "rsa92", "--relation", "exact"), "give that table with --items."),
        (("--features", "a.npz", "--dataset", "rsa92", "--where", "a=b"), "give that table with --items."),
        (("--features", "a.npz", "--dataset", "rsa92", "--transform", "bare.npy"), "bare.npy"),
        (("--features", "broken.npz", "--dataset", "rsa92"), "broken.npz"),
        (("--features", "folder", "--dataset", "rsa92"), "folder"),
        (("--features", "a.npz", "--dataset", "things", "--root", "folder"), "things"),
        (("--features", "a.npz", "--dataset", "rsa92", "--out", "r.xlsx"), "the suffix of --out must be one of"),
        (("--features", "a.npz", "--dataset", "rsa92", "--out", "nowhere/r.json"), "the folder nowhere of --out"),
        (("--features", "a.npz", "--dataset", "rsa92", "--out", "folder.json"), "is a directory; give a file name"),
        (("--features", "a.npz", "--dataset", "rsa92", "--out", "a.npz"), "is also an input and would be overwritten"),
        (("--features", "bare.npy", "--dataset", "rsa92", "--labels", "l.csv", "--out", "l.csv"), "also an input"),
        (("--features", "store", "--dataset", "rsa92", "--out", "store/manifest.json"), "lies in the features store"),
        (("--features", "store", "--dataset", "rsa92", "--labels", "names.txt"), "store their own labels"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_no_trace(fails, save, here, words, sentence):
    save("a.npz")
    np.save(here / "bare.npy", np.ones((92, 3)))
    (here / "names.txt").write_text("one\ntwo\n")
    (here / "l.csv").write_text("one\ntwo\n")
    (here / "short.txt").write_text("one\ntwo\n")
    (here / "broken.npz").write_bytes((here / "a.npz").read_bytes()[:500])
    for folder in ("folder", "folder.json", "store"):
        (here / folder).mkdir()
    (here / "store" / "manifest.json").write_text("{}")
    assert sentence in fails("score", *words)


def test_labels_of_another_data_set_are_refused(fails, here, root):
    Features.from_array(np.eye(5), list("abcde"), name="letters").save(here / "letters.npz")
    sentence = fails("score", "--features", "letters.npz", "--dataset", "rsa92", "--root", root, "--out", "r.json")
    assert sentence.startswith("the labels of 'letters' ('a', 'b', 'c' and 2 more) are not those of rsa92 ('01_human")


def test_nothing_is_scored_when_the_output_is_impossible(fails, save, monkeypatch):
    import alignkit.score

    def fail(*_, **__):
        raise AssertionError("it scored")  # noqa: EM101

    save("a.npz")
    monkeypatch.setattr(alignkit.score, "score", fail)
    for out in ("r.xlsx", "nowhere/r.json", "a.npz"):
        fails("score", "--features", "a.npz", "--dataset", "rsa92", "--out", out)


def test_a_page_that_cannot_be_drawn_leaves_the_old_one(run, save, here, root, monkeypatch):
    save("a.npz")
    (here / "r.html").write_text("old")

    def fail(*_, **__):
        msg = "no picture today."
        raise ValueError(msg)

    monkeypatch.setattr("alignkit.report._score_report.bar_chart", fail)
    words = ("--dataset", "rsa92", "--root", root, "--n-bootstrap", 0, "--out", "r.html")
    code, _, err = run("score", "--features", "a.npz", *words)
    assert (code, err) == (2, "error: no picture today.\n")
    assert (here / "r.html").read_text() == "old"
    assert {path.name for path in here.iterdir()} == {"a.npz", "r.html"}


def test_labels_go_to_bare_arrays_only(run, here, save, labels, root, monkeypatch):
    import alignkit.models

    opened = []

    def open_features(path, labels=None):
        opened.append((path.name, None if labels is None else labels.name))
        return model

    model = save("bare.npz")
    (here / "store").mkdir()
    (here / "store" / "manifest.json").write_text("{}")
    monkeypatch.setattr(alignkit.models, "open_features", open_features)
    words = ("--features", "store", "bare.npz", "--labels", "names.txt")
    assert run("score", *words, "--dataset", "rsa92", "--root", root, "--n-bootstrap", 0)[0] == 0
    assert opened == [("store", None), ("bare.npz", "names.txt")]


def test_a_folder_of_another_program_takes_names(tmp_path, rng):
    folder = tmp_path / "thingsvision"
    folder.mkdir()
    np.save(folder / "features.npy", rng.random((3, 4)))
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    config = ScoreConfig(features=(folder,), dataset="things", labels=tmp_path / "names.txt")
    assert _open_all(config)[0].labels == ("ant", "bee", "cat")
