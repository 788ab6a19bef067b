"""``alignkit meg generalize``: what rdm_generalization returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.meg import TemporalGeneralization, rdm_generalization
from alignkit.rsa import RDM


@pytest.fixture
def people(here) -> RDM:
    values = np.random.default_rng(0).random((3, 6, 15))
    stack = RDM(values, list("abcdef"), dims=["subject", "time"], coords={"time": np.arange(6) / 10})
    for i in range(3):
        stack.isel(subject=i).save(here / f"p{i}.npz")
    return stack


def test_matrices_are_those_of_the_function(run, people):
    words = ("--method", "pearson", "--reference", "others", "--pooling", "raw", "--n-bootstrap", "20", "--seed", "2")
    words += ("--out", "g.json", "--figure", "g.png", "--no-progress")
    code, out, err = run("meg", "generalize", "--data", "p0.npz", "p1.npz", "p2.npz", *words)
    assert (code, err) == (0, "")
    data = {f"p{i}": people.isel(subject=i) for i in range(3)}
    options = {"method": "pearson", "reference": "others", "pooling": "raw", "n_bootstrap": 20, "rng": 2}
    expected = rdm_generalization(data, **options)
    saved = TemporalGeneralization.load("g.json")
    np.testing.assert_array_equal(saved.values, expected.values)
    np.testing.assert_array_equal(saved.interval, expected.interval)
    assert out == f"{expected!r}\nsaved to g.json, g.png\n"
    assert Path("g.png").read_bytes()[:4] == b"\x89PNG"


def test_a_name_gives_every_file(run, people):
    code, out, err = run("meg", "generalize", "--data", "p0.npz", "p1.npz", "--out", "gen", "--no-progress")
    assert (code, err) == (0, "")
    assert out.endswith("saved to gen.json, gen.csv, gen.png\n")
    assert sorted(path.name for path in Path().glob("gen*")) == ["gen.csv", "gen.json", "gen.png"]
    saved = TemporalGeneralization.load("gen.json")
    assert len(pd.read_csv("gen.csv")) == len(saved.to_dataframe())
    assert run("meg", "generalize", "--data", "p0.npz", "--out", "own", "--figure", "own.svg")[0] == 0
    assert sorted(path.name for path in Path().glob("own*")) == ["own.csv", "own.json", "own.svg"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--data", "no.npz"), "no.npz does not exist."),
        (("--data", "p0.npz", "p0.npz"), "--data must name each file once; p0.npz is there 2 times."),
        (("--data", "p0.npz", "--reference", "others"), "--reference others compares a participant with others"),
        (("--data", "p0.npz", "--out", "g.txt"), "--out ends in .json or .csv, or has no suffix"),
        (("--data", "p0.npz", "--figure", "g.bmp"), "the suffix of --figure must be one of"),
        (("--data", "p0.npz", "--out", "p0.npz"), "--out ends in .json or .csv, or has no suffix"),
        (("--data", "in.json", "--out", "in"), "--out in.json is also an input"),
        (("--data", "p0.npz", "--confidence", "2"), "--confidence must lie between 0 and 1"),
        ((), "--data PATH ... is required."),
    ],
)
def test_bad_input_is_said_in_one_sentence(fails, people, words, expected):
    Path("in.json").write_text("{}")
    assert expected in fails("meg", "generalize", *words)
