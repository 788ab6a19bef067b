"""``alignkit compare``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from alignkit._cli._compare import CompareConfig
from alignkit.rsa import RDM, Comparison, compare
from alignkit.rsa._matrix_methods import COMPARISON_METHODS


def test_compare_two_files(run, here, save_labelled):
    a, b = save_labelled(here / "a.npz", "abcde"), save_labelled(here / "b.npz", "edcba", seed=1)
    code, out, _ = run("compare", "a.npz", "b.npz", "--method", "pearson", "--out", "r.json")
    assert code == 0
    expected = float(compare(a, b, method="pearson"))
    assert json.loads(Path("r.json").read_text())["values"] == pytest.approx(expected, abs=1e-15)
    assert f"{expected:.4f}" in out


def test_compare_many_files_gives_all_pairs(run, here, save_labelled):
    rdms = [save_labelled(here / f"{name}.npz", "abcde", seed) for seed, name in enumerate("xyz")]
    code, out, _ = run("compare", "x.npz", "y.npz", "z.npz", "--out", "r.csv")
    assert code == 0
    pd = pytest.importorskip("pandas")
    table = pd.read_csv("r.csv").set_index(["rdm", "rdm_2"]).similarity
    for i, a in enumerate("xyz"):
        for j, b in enumerate("xyz"):
            assert table[f"{a}.npz", f"{b}.npz"] == pytest.approx(float(compare(rdms[i], rdms[j])), abs=1e-12)
    assert "x.npz" in out


def test_the_order_of_a_nameless_file_is_not_guessed(here, fails, save_labelled):
    np.save(here / "bare.npy", save_labelled(here / "a.npz", "abcde").values)
    save_labelled(here / "b.npz", "edcba", seed=1)
    assert fails("compare", "bare.npy", "a.npz", "b.npz") == (
        "a.npz and b.npz hold their items in different orders, and nothing says which of the two is that of bare.npy; "
        "give it labels."
    )


def test_compare_matches_rows_by_label_over_the_shared_items(run, here, fails, save_labelled):
    a, b = save_labelled(here / "a.npz", "abcde"), save_labelled(here / "b.npz", "fedcb", seed=1)
    assert fails("compare", "a.npz", "b.npz").startswith(
        "a.npz and b.npz do not hold the same items (only in a.npz: 'a'; only in b.npz: 'f')."
    )
    code, out, _ = run("compare", "a.npz", "b.npz", "--on-mismatch", "intersect")
    assert code == 0
    expected = float(compare(a.select(list("bcde")), b.select(list("bcde"))))
    assert f"{expected:.4f}" in out
    code, out, _ = run("compare", "a.npz", "b.npz", "a.npz", "--on-mismatch", "intersect")
    assert code == 0
    assert "a.npz (2)" in out


def test_arrays_that_are_no_rdms(fails, here, patterns):
    np.save("asymmetric.npy", patterns(8))
    sentence = fails("compare", "asymmetric.npy", "asymmetric.npy")
    assert sentence.startswith("asymmetric.npy: the array is not symmetric: entries (0, 1) and (1, 0) differ")
    np.save("oblong.npy", patterns(7))
    sentence = fails("compare", "oblong.npy", "oblong.npy")
    assert sentence.startswith("oblong.npy: ")
    assert sentence.endswith("Features (one row per item) become an RDM by `alignkit rdm`.")
    np.save("similar.npy", np.eye(4))
    assert "zero diagonal" in fails("compare", "similar.npy", "similar.npy")


def test_a_comparison_that_cannot_be_kept_is_not_shown_as_if_it_were(run, here, save_labelled, monkeypatch):
    save_labelled(here / "a.npz", "abcde")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for out in ("r.json", "r.csv"):
        told = f"error: {out}: no space left on device; free some, or choose another place.\n"
        assert run("compare", "a.npz", "a.npz", "--out", out) == (2, "", told)
    assert sorted(path.name for path in here.iterdir()) == ["a.npz"]


def test_compare_with_controls(run, here, fails, save_labelled):
    a, b, c, d = (save_labelled(here / f"{name}.npz", "abcdef", seed) for seed, name in enumerate("abcd"))
    words = ["compare", "a.npz", "b.npz", "--method", "pearson", "--controls", "c.npz", "d.npz"]
    code, out, _ = run(*words, "--out", "r.json")
    assert code == 0
    assert f"partial pearson = {float(compare(a, b, method='pearson', controls=[c, d])):.4f}" in out
    expected = float(compare(a, b, method="pearson", controls=[c, d], partial="second"))
    assert f"semi-partial pearson = {expected:.4f}" in run(*words, "--partial", "second")[1]
    sentence = fails("compare", "a.npz", "b.npz", "--method", "rho-a", "--controls", "c.npz")
    assert "are for the methods 'pearson' and 'spearman'" in sentence
    assert "is also an input" in fails(*words, "--out", "c.npz")


def test_compare_whitened_by_a_covariance(run, here, fails, save_labelled):
    a, b = save_labelled(here / "a.npz", "abcdef"), save_labelled(here / "b.npz", "fedcba", seed=1)
    root = np.random.default_rng(5).normal(size=(6, 9))
    np.save("s.npy", root @ root.T)
    words = ["compare", "a.npz", "b.npz", "--method", "whitened-cosine", "--sigma-k"]
    expected = float(compare(a, b, method="whitened-cosine", sigma_k=root @ root.T))
    assert f"{expected:.4f}" in run(*words, "s.npy")[1]
    save_labelled(here / "part.npz", "fdba", seed=2)
    words[2] = "part.npz"
    left = [0, 1, 3, 5]
    part, sigma_k = RDM.load("part.npz"), (root @ root.T)[np.ix_(left, left)]
    expected = float(compare(a.take(left), part, method="whitened-cosine", sigma_k=sigma_k))
    assert f"{expected:.4f}" in run(*words, "s.npy", "--on-mismatch", "intersect")[1]
    np.save("s.npy", np.ones(5))
    words[2] = "b.npz"
    assert fails(*words, "s.npy").startswith("s.npy: the array must hold one variance per item")


def test_compare_prints_distances_as_such(run, here, save_labelled):
    for seed, name in enumerate("abc"):
        save_labelled(here / f"{name}.npz", "abcdef", seed)
    code, out, _ = run("compare", "a.npz", "b.npz", "c.npz", "--method", "bures-metric", "--out", "r.csv")
    assert code == 0
    assert "b.npz" in out
    assert Path("r.csv").read_text().splitlines()[0] == "rdm,rdm_2,distance,n_pairs,method"


def test_the_methods_are_those_of_the_function():
    assert get_args(get_type_hints(CompareConfig)["method"]) == COMPARISON_METHODS


def test_a_partial_table_says_so(run, here, save_labelled):
    for seed, name in enumerate("abc"):
        save_labelled(here / f"{name}.npz", "abcdef", seed)
    words = ("compare", "a.npz", "b.npz", "--controls", "c.npz")
    run(*words, "--out", "r.csv")
    assert Path("r.csv").read_text().splitlines()[1].endswith(",partial spearman")
    run(*words, "--partial", "first", "--out", "r.csv")
    assert Path("r.csv").read_text().splitlines()[1].endswith(",semi-partial spearman")
    run(*words, "--out", "r.json")
    assert Comparison.load("r.json").method == "spearman"
