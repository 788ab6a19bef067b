"""``alignkit ceiling``: what the functions return, and one sentence for each wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, noise_ceiling, split_half


@pytest.fixture
def people(here) -> RDM:
    values = np.random.default_rng(0).random((5, 2, 15))
    stack = RDM(values, list("abcdef"), dims=["subject", "time"], coords={"time": [0.1, 0.2]})
    stack.save(here / "people.npz")
    stack.isel(time=0).save(here / "early.npz")
    return stack


def test_the_noise_ceiling_of_a_file(run, people):
    code, out, _ = run("ceiling", "early.npz", "--method", "pearson", "--seed", "3", "--out", "r.json")
    assert code == 0
    expected = noise_ceiling(people.isel(time=0), method="pearson", rng=3)
    assert out == f"{expected!r}\nsaved to r.json\n"
    saved = json.loads(Path("r.json").read_text())
    assert saved["kind"] == "NoiseCeiling"
    assert saved["lower_interval"] == expected.lower_interval.tolist()


def test_a_ceiling_per_time_point(run, people):
    code, out, _ = run("ceiling", "people.npz", "--n-bootstrap", "0", "--out", "r.csv")
    assert code == 0
    expected = noise_ceiling(people, n_bootstrap=0)
    assert f"{expected.lower[1]:.4f}" in out
    assert "time" in out
    assert len(Path("r.csv").read_text().splitlines()) == 11


def test_split_halves(run, people):
    code, out, _ = run("ceiling", "people.npz", "--kind", "split-half", "--n-splits", "4", "--seed", "1")
    assert code == 0
    expected = split_half(people, n_splits=4, rng=1)
    assert repr(expected) in out
    assert f"{expected.reliability[0]:.4f}" in out
    code, out, _ = run("ceiling", "people.npz", "--kind", "split-half", "--dim", "time")
    assert repr(split_half(people, dim="time", rng=0)) in out


def test_one_file_per_person(run, here, save_labelled):
    rdms = [
        save_labelled(here / f"s{seed}.npz", labels, seed) for seed, labels in enumerate(["abcde", "edcba", "badce"])
    ]
    code, out, _ = run("ceiling", "s0.npz", "s1.npz", "s2.npz", "--n-bootstrap", "0")
    assert code == 0
    expected = noise_ceiling([rdm.select(list("abcde")).values for rdm in rdms], n_bootstrap=0)
    assert f"lower {expected.lower:.4f}, upper {expected.upper:.4f}" in out
    save_labelled(here / "s3.npz", "abcdf")
    assert "do not hold the same items" in run("ceiling", "s0.npz", "s3.npz")[2]
    assert run("ceiling", "s0.npz", "s3.npz", "--on-mismatch", "intersect", "--n-bootstrap", "0")[0] == 0


def test_whitened_with_the_errors_of_the_items(run, people):
    variances = np.arange(1.0, 7.0)
    np.save("variances.npy", variances)
    words = ("ceiling", "early.npz", "--method", "whitened-cosine", "--n-bootstrap", "0")
    code, out, _ = run(*words, "--sigma-k", "variances.npy")
    assert code == 0
    expected = noise_ceiling(people.isel(time=0), method="whitened-cosine", sigma_k=variances, n_bootstrap=0)
    assert f"upper {expected.upper:.4f}" in out


def test_refusals(fails, people, here, save_labelled):
    save_labelled(here / "one.npz", "abcde")
    assert fails("ceiling", "one.npz").startswith("one.npz holds a single RDM; give the RDMs of several people")
    assert "nowhere.npz" in fails("ceiling", "nowhere.npz")
    assert "at least one file" in fails("ceiling")
    assert "'bures'" in fails("ceiling", "early.npz", "--method", "bures")
    assert "--dim must be one of 'subject'" in fails("ceiling", "early.npz", "--dim", "session")
    assert "n_splits must be at least 1; got 0" in fails(
        "ceiling", "early.npz", "--kind", "split-half", "--n-splits", "0"
    )
    assert "would be overwritten" in fails("ceiling", "early.npz", "--out", "early.npz")


def test_options_of_the_other_kind_are_refused(fails, people):
    assert fails("ceiling", "early.npz", "--n-splits", "5") == (
        "--n-splits is for --kind split-half; got --kind leave-one-out."
    )
    assert fails("ceiling", "early.npz", "--kind", "split-half", "--n-bootstrap", "5") == (
        "--n-bootstrap is for --kind leave-one-out; got --kind split-half."
    )


def test_two_people_give_no_empty_progress_bar(run, people):
    people.isel(time=0).take([0, 1, 2, 3]).isel(subject=slice(0, 2)).save("two.npz")
    code, _, err = run("ceiling", "two.npz")
    assert (code, err) == (0, "")
