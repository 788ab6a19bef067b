"""``alignkit regress``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, Regression, regress


@pytest.fixture
def files(here, save_labelled) -> list[RDM]:
    """Three RDMs of the same twelve items, in files a.npz, b.npz and c.npz, in different orders."""
    orders = ("abcdefghijkl", "lkjihgfedcba", "bdfhjlacegik")
    return [
        save_labelled(here / f"{name}.npz", order, seed)
        for seed, (name, order) in enumerate(zip("abc", orders, strict=True))
    ]


def test_weights_are_printed_and_saved(run, files):
    code, out, err = run("regress", "a.npz", "b.npz", "c.npz", "--seed", "3", "--out", "r.json")
    assert (code, err) == (0, "")
    data, *models = files
    expected = regress(data, models, rng=3)
    saved = Regression.load("r.json")
    assert np.allclose(saved.weights, expected.weights, rtol=0, atol=1e-14)
    assert np.allclose(saved.r2_held_out, expected.r2_held_out, rtol=0, atol=1e-12)
    assert saved.models == ["b.npz", "c.npz"]
    assert f"{expected.weights[0]:.4f}" in out
    assert "held-out items" in out
    assert "saved to r.json" in out


def test_options_reach_the_function(run, files):
    run("regress", "a.npz", "b.npz", "--method", "nnls", "--no-intercept", "--split", "none", "--out", "r.json")
    saved = Regression.load("r.json")
    assert (saved.method, saved.fit_intercept, saved.split) == ("nnls", False, "none")
    expected = regress(files[0], files[1], method="nnls", intercept=False, split="none")
    assert np.allclose(saved.weights, expected.weights, rtol=0, atol=1e-14)


def test_a_stack_of_data_and_models(run, here):
    rng = np.random.default_rng(0)
    RDM(rng.random((12, 66)), dims=["subject"]).save("people.npz")
    np.save("models.npy", rng.random((3, 66)))
    code, out, _ = run("regress", "people.npz", "models.npy", "--split", "both", "--seed", "0", "--out", "r.csv")
    assert code == 0
    assert "models.npy[2]" in out
    assert "... and 16 more rows" in out
    assert len(Path("r.csv").read_text().splitlines()) == 37


def test_the_order_of_a_nameless_file_is_not_guessed(fails, files, here):
    np.save(here / "bare.npy", files[0].values)
    assert fails("regress", "bare.npy", "a.npz", "b.npz") == (
        "a.npz and b.npz hold their items in different orders, and nothing says which of the two is that of bare.npy; "
        "give it labels."
    )


def test_wrong_input_is_one_sentence(fails, files, here, save_labelled):
    assert fails("regress", "a.npz") == "models are required: at least one file after the data."
    assert fails("regress", "a.npz", "no.npz") == "no.npz does not exist."
    assert "the data need an axis of two or more" in fails("regress", "a.npz", "b.npz", "--split", "subjects")
    assert "9 folds of 12 items would hold fewer than 3" in fails("regress", "a.npz", "b.npz", "--n-folds", "9")
    save_labelled(here / "d.npz", "abcdefghijkz")
    assert "only in the models: 'z'" in fails("regress", "a.npz", "d.npz")
    assert "is also an input" in fails("regress", "a.npz", "b.npz", "--out", "b.npz")


def test_the_folds_are_the_same_each_time(run, files):
    first, again = (run("regress", "a.npz", "b.npz") for _ in range(2))
    assert first == again
    assert first == run("regress", "a.npz", "b.npz", "--seed", "0")


def test_a_dim_that_is_not_used_is_refused(fails, here):
    RDM(np.random.default_rng(0).random((3, 66)), dims=["subject"]).save("people.npz")
    words = ("regress", "people.npz", "people.npz", "--dim", "time")
    assert fails(*words) == "--dim is for --split subjects and --split both; got --split items."
    assert fails(*words, "--split", "both") == "--dim must be one of 'subject'; got 'time'."


def test_nothing_explained_is_printed_as_0(run, here):
    x = np.linspace(-1, 1, 66)
    RDM(x**2).save("data.npz")
    RDM(1 + x).save("odd.npz")
    _, out, _ = run("regress", "data.npz", "odd.npz", "--split", "none")
    assert "-0.0000" not in out
    assert "R² 0 in-sample" in out
