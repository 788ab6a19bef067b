"""``alignkit similarity``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit._cli._registry import VERBS
from alignkit._config import options
from alignkit.models import Features
from alignkit.rsa import FeatureSimilarity, similarity

#: What users' scripts may contain. A change here is a change of the public interface: say so in the changelog.
FLAGS = {
    *("(files)", "method", "kernel", "debiased", "bandwidth", "score", "alpha", "squared", "variance", "n-neighbours"),
    *("layers", "labels", "nan-policy", "on-mismatch", "n-permutations", "seed", "progress", "out"),
}
NAMES = [f"item{i}" for i in range(20)]


@pytest.fixture
def saved(here) -> dict[str, np.ndarray]:
    """Three files of features with labels, the second in another order, and their arrays in the first one's."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(20, p)) for name, p in (("a", 3), ("b", 5), ("c", 4))}
    arrays["b"][:, :3] += arrays["a"]
    for name, array in arrays.items():
        order = rng.permutation(20) if name == "b" else np.arange(20)
        Features.from_array(array[order], np.array(NAMES)[order], name=name).save(f"{name}.npz")
        np.save(f"{name}.npy", array)
    return arrays


def test_the_flags_are_frozen():
    found = options(VERBS["similarity"].load().config).values()
    assert {f"({option.name})" if option.kind == "positional" else option.name for option in found} == FLAGS


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["--no-debiased"], {"debiased": False}),
        (["--kernel", "rbf", "--bandwidth", "0.4"], {"kernel": "rbf", "bandwidth": 0.4}),
        (["--method", "procrustes", "--score", "angular", "--alpha", "0.5"], None),
        (["--method", "svcca", "--variance", "0.8", "--squared"], None),
        (["--method", "mutual-knn", "--n-neighbours", "3"], None),
    ],
)
def test_two_files_are_matched_by_label(run, saved, words, settings):
    code, out, err = run("similarity", "a.npz", "b.npz", *words, "--out", "r.json")
    assert (code, err) == (0, "")
    found = FeatureSimilarity.load("r.json")
    if settings is None:
        settings = {"method": found.method, **found.settings}
    expected = similarity(saved["a"], saved["b"], **settings)
    assert float(found) == pytest.approx(float(expected), rel=0, abs=1e-12)
    assert (found.settings, found.aligned_by) == (expected.settings, "label")
    assert f"= {float(expected):.4f}, 20 items>" in out
    assert "saved to r.json" in out


def test_many_files_give_all_pairs(run, saved):
    code, out, err = run("similarity", "a.npz", "b.npz", "c.npz", "--method", "procrustes", "--out", "r.csv")
    assert (code, err) == (0, "")
    table = pd.read_csv("r.csv").set_index(["layer_x", "layer_y"]).value
    for a in "abc":
        for b in "abc":
            expected = float(similarity(saved[a], saved[b], method="procrustes"))
            assert table[f"{a}.npz", f"{b}.npz"] == pytest.approx(expected, rel=0, abs=1e-12)
    assert len(out.splitlines()) == 6
    assert "b.npz" in out


def test_layers_of_folders(run, here, saved, monkeypatch):
    layers = {"low": saved["a"], "high": saved["b"]}
    features = Features.from_arrays(layers, NAMES, name="net")
    monkeypatch.setattr("alignkit.models.open_features", lambda path, labels=None: features)
    code, out, _ = run("similarity", "net", "other")
    assert code == 0
    expected = similarity(layers, layers).values
    for value in expected.ravel():
        assert f"{value:.4f}" in out
    _, out, _ = run("similarity", "net", "other", "--layers", "high")
    assert "= 1.0000, 20 items>" in out
    _, out, _ = run("similarity", "net", "other", "third", "--layers", "low", "high", "--method", "cca")
    assert "third high" in out


def test_chance_comes_with_permutations(run, saved):
    code, out, err = run("similarity", "a.npz", "b.npz", "--n-permutations", "99", "--seed", "3", "--no-progress")
    assert (code, err) == (0, "")
    expected = similarity(saved["a"], saved["b"], n_permutations=99, rng=3)
    assert f"p = {float(expected.p_values):.3g}" in out
    _, out, err = run("similarity", "a.npz", "b.npz", "c.npz", "--n-permutations", "20")
    assert "permutations: 100%" in err
    assert "baseline" in out


def test_labels_of_bare_arrays(run, here, saved):
    Path("labels.txt").write_text("\n".join(NAMES))
    expected = float(similarity(saved["a"], saved["b"]))
    for words in (["a.npy", "b.npy"], ["a.npy", "b.npy", "--labels", "labels.txt"]):
        code, out, _ = run("similarity", *words)
        assert code == 0
        assert f"{expected:.4f}" in out
    run("similarity", "a.npy", "b.npy", "--labels", "labels.txt", "--out", "r.json")
    assert json.loads(Path("r.json").read_text())["aligned_by"] == "label"


def test_other_items_are_refused_or_left_out(run, fails, saved):
    Features.from_array(saved["c"][:15], NAMES[1:16]).save("few.npz")
    assert fails("similarity", "a.npz", "few.npz").startswith(
        "a.npz and few.npz do not hold the same items (only in a.npz: 'item0'"
    )
    code, out, _ = run("similarity", "a.npz", "few.npz", "--on-mismatch", "intersect")
    assert code == 0
    assert f"{float(similarity(saved['a'][1:16], saved['c'][:15])):.4f}, 15 items" in out
    assert run("similarity", "b.npz", "a.npz", "few.npz", "--on-mismatch", "intersect")[0] == 0
    np.save("few.npy", saved["c"][:15])
    assert fails("similarity", "a.npy", "few.npy").startswith("a.npy and few.npy hold 20 and 15 items; label both")


@pytest.mark.filterwarnings("default")
def test_messages_speak_of_files(run, fails, saved):
    holed = saved["a"].copy()
    holed[3] = np.nan
    np.save("holed.npy", holed)
    _, out, err = run("similarity", "holed.npy", "b.npy")
    assert err == (
        "warning: holed.npy holds NaN or infinite values (--nan-policy omit leaves those items out) for: 'item 3'. "
        "The values that depend on them are NaN: mend them, or leave them out.\n"
    )
    assert "nan" in out
    assert fails("similarity", "b.npy", "holed.npy", "--nan-policy", "raise").startswith("holed.npy holds NaN")
    np.save("flat.npy", np.ones((20, 3)))
    _, _, err = run("similarity", "b.npy", "c.npy", "flat.npy")
    assert 'the same for every item: "flat.npy"' in err
    assert run("similarity", "b.npy", "holed.npy", "--nan-policy", "omit")[1].count("19 items") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a.npz"], "at least two files are compared; got 1."),
        (["a.npz", "gone.npz"], "gone.npz does not exist."),
        (["a.npz", "b.npz", "--method", "cosine"], "--method must be one of 'cka', 'procrustes'"),
        (["a.npz", "b.npz", "--alpha", "0.5"], "alpha is only for --method procrustes; got --method cka."),
        (["a.npz", "b.npz", "--out", "r.txt"], "the suffix of --out must be one of '.json', '.csv'"),
        (["a.npz", "b.npz", "--out", "a.npz"], "--out a.npz is also an input"),
        (["a.npz", "b.npz", "--labels", "none.txt"], "a.npz stores its own labels"),
        (["a.npz", "b.npz", "--method", "mutual-knn", "--n-neighbours", "19"], "mutual 19-NN needs at least 21 items"),
        (["a.npz", "b.npz", "--n-permutations", "-1"], "n_permutations must be at least 0; got -1."),
    ],
)
def test_refusals(fails, saved, words, sentence):
    assert fails("similarity", *words).startswith(sentence)


def test_a_layer_that_no_file_holds(fails, saved):
    error = fails("similarity", "a.npy", "b.npy", "--layers", "blocks.3", "features")
    assert "--layers names 'blocks.3', which no file holds; there are 'features'" in error


def test_rdms_are_sent_to_compare(fails, here, save_labelled):
    save_labelled(here / "rdm.npz", "abcde")
    np.save("features.npy", np.random.default_rng(0).random((5, 3)))
    assert fails("similarity", "features.npy", "rdm.npz") == (
        "rdm.npz holds RDMs, and features are compared here; `alignkit compare` takes RDMs."
    )
    np.savez("plain.npz", np.eye(3))
    assert "hold 5 and 3 items" in fails("similarity", "features.npy", "plain.npz")
