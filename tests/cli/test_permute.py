"""``alignkit permute``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, permutation_test


@pytest.fixture
def rdms(here) -> dict[str, RDM]:
    values = np.random.default_rng(0).random((3, 5, 15))
    found = {
        "model": RDM(values[0, 0], list("abcdef")),
        "layers": RDM(values[1], list("fedcba"), dims=["layer"], coords={"layer": list("vwxyz")}),
        "people": RDM(values[2], list("abcdef"), dims=["subject"]),
    }
    for name, rdm in found.items():
        rdm.save(here / f"{name}.npz")
    return found


def test_a_model_and_people(run, rdms):
    words = ("permute", "model.npz", "people.npz", "--n-permutations", "99", "--seed", "2", "--out", "r.json")
    code, out, _ = run(*words)
    assert code == 0
    expected = permutation_test(rdms["model"], rdms["people"], n_permutations=99, rng=2)
    assert out.startswith(f"{expected!r}\n")
    assert json.loads(Path("r.json").read_text())["p"] == expected.p.tolist()
    assert f"{expected.p_corrected[4]:.4g}" in out


def test_the_mean_over_people(run, rdms):
    words = ("--average", "subject", "--alternative", "greater", "--n-permutations", "50", "--no-progress")
    code, out, err = run("permute", "layers.npz", "people.npz", *words, "--out", "r.csv")
    assert (code, err) == (0, "")
    expected = permutation_test(
        rdms["layers"], rdms["people"], average="subject", alternative="greater", n_permutations=50, rng=0
    )
    assert repr(expected) in out
    assert len(Path("r.csv").read_text().splitlines()) == 6


def test_controls(run, rdms):
    words = ("--method", "pearson", "--controls", "layers.npz", "--n-permutations", "20", "--no-progress")
    code, out, _ = run("permute", "model.npz", "people.npz", *words)
    assert code == 0
    expected = permutation_test(
        rdms["model"], rdms["people"], method="pearson", controls=rdms["layers"], n_permutations=20, rng=0
    )
    assert repr(expected) in out


def test_progress_on_stderr(run, rdms):
    _, out, err = run("permute", "model.npz", "model.npz", "--n-permutations", "20")
    assert "permutations: 100%" in err
    assert "permutations: 100%" not in out


def test_refusals(fails, rdms, here, save_labelled):
    save_labelled(here / "other.npz", "abcdez")
    sentence = fails("permute", "model.npz", "other.npz")
    assert sentence.startswith("model.npz and other.npz do not hold the same items")
    assert "--average must be one of 'subject'" in fails("permute", "model.npz", "people.npz", "--average", "person")
    assert "n_permutations must be at least 1; got 0" in fails(
        "permute", "model.npz", "people.npz", "--n-permutations", "0"
    )
    assert "would be overwritten" in fails("permute", "model.npz", "people.npz", "--out", "people.npz")


def test_a_partial_test_says_so(run, rdms):
    words = ("permute", "model.npz", "people.npz", "--controls", "layers.npz", "--n-permutations", "20")
    assert "<PermutationTest partial spearman" in run(*words)[1]
    _, out, _ = run(*words, "--partial", "second", "--out", "r.csv")
    assert "<PermutationTest semi-partial spearman" in out
    assert "semi-partial spearman" in Path("r.csv").read_text()
