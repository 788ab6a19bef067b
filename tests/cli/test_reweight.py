"""``alignkit rsa reweight``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, ReweightedRSA, reweighted_rsa
from alignkit.rsa import rdm as compute_rdm


@pytest.fixture
def files(here) -> tuple[np.ndarray, RDM]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(12, 3))
    truth = compute_rdm(x * [2, 1, 0], metric="sqeuclidean").values
    people = RDM(truth + draw.random((4, 66)), dims=["subject"])
    np.save("x.npy", x)
    people.save(here / "people.npz")
    return x, people


def test_features_and_people(run, files):
    words = ("x.npy", "--data", "people.npz", "--seed", "3", "--n-repeats", "2", "--no-progress")
    code, out, err = run("rsa", "reweight", *words, "--out", "r.json", "--figure", "r.png")
    assert (code, err) == (0, "")
    expected = reweighted_rsa(*files, n_repeats=2, rng=3)
    assert out.startswith(f"{expected!r}\n")
    assert ReweightedRSA.load("r.json").to_dict() == expected.to_dict()
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")


def test_options_are_handed_on(run, files):
    words = ("--method", "spearman", "--nonnegative", "--no-standardize", "--n-folds", "2", "--n-inner-folds", "2")
    run("rsa", "reweight", "x.npy", "--data", "people.npz", *words, "--out", "r.json", "--no-progress")
    expected = reweighted_rsa(
        *files, method="spearman", nonnegative=True, standardize=False, n_folds=2, n_inner_folds=2, rng=0
    )
    assert ReweightedRSA.load("r.json").to_dict() == expected.to_dict()


def test_wrong_input(fails, files):
    assert "no.npz does not exist" in fails("rsa", "reweight", "x.npy", "--data", "no.npz")
    assert "12 items are too few for 4 folds" in fails(
        "rsa", "reweight", "x.npy", "--data", "people.npz", "--n-folds", "4", "--n-inner-folds", "4", "--no-progress"
    )
    np.save("short.npy", files[0][:9])
    assert "9 and 12 items" in fails("rsa", "reweight", "short.npy", "--data", "people.npz", "--no-progress")
