"""``alignkit rsa evaluate``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import (
    RDM,
    Evaluation,
    FixedModel,
    InterpolatedModel,
    SelectedModel,
    WeightedModel,
    evaluate,
    stack,
)


@pytest.fixture
def rdms(here) -> dict[str, RDM]:
    values = np.random.default_rng(0).random((3, 6, 15))
    found = {
        "shape": RDM(values[0, 0], list("abcdef")),
        "colour": RDM(values[0, 1], list("fedcba")),
        "layers": RDM(values[1, :3], list("fedcba"), dims=["layer"], coords={"layer": ["x", "y", "z"]}),
        "people": RDM(values[2], list("abcdef"), dims=["subject"]),
        "one": RDM(values[2, 0], list("abcdef")),
        "two": RDM(values[2, 1], list("abcdef")),
    }
    for name, rdm in found.items():
        rdm.save(here / f"{name}.npz")
    return found


FEW = ("--n-bootstrap", "30", "--n-permutations", "99", "--no-progress")
OPTIONS = {"n_bootstrap": 30, "n_permutations": 99}


def test_models_and_people(run, rdms):
    code, out, err = run(
        "rsa", "evaluate", "shape.npz", "colour.npz", "--data", "people.npz", *FEW, "--seed", "2", "--out", "r.json"
    )
    assert (code, err) == (0, "")
    models = {"shape.npz": rdms["shape"], "colour.npz": rdms["colour"]}
    expected = evaluate(models, rdms["people"], rng=2, **OPTIONS)
    assert out.startswith(f"{expected!r}\n")
    assert "noise ceiling: lower" in out
    assert out.rstrip().endswith("saved to r.json")
    found = Evaluation.load("r.json")
    assert found.models == ("shape.npz", "colour.npz")
    assert found.to_dict() == expected.to_dict()


def test_layers_and_a_figure(run, rdms):
    words = ("--generalize", "both", "--interval", "bca", "--method", "pearson", "--figure", "r.png", "--out", "r.csv")
    code, out, _ = run("rsa", "evaluate", "layers.npz", "--data", "people.npz", *FEW, *words)
    assert code == 0
    expected = evaluate(
        rdms["layers"], rdms["people"], generalize="both", interval="bca", method="pearson", rng=0, **OPTIONS
    )
    assert repr(expected) in out
    assert expected.models == ("x", "y", "z")
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")
    assert len(Path("r.csv").read_text().splitlines()) == 4


def test_one_file_per_person(run, rdms):
    code, out, _ = run("rsa", "evaluate", "shape.npz", "--data", "one.npz", "two.npz", *FEW, "--test", "t")
    assert code == 0
    people = stack([rdms["one"], rdms["two"]])
    expected = evaluate({"shape.npz": rdms["shape"]}, people.values, test="t", rng=0, **OPTIONS)
    assert f"{expected.score[0]:.4g}" in out
    code, out, _ = run("rsa", "evaluate", "shape.npz", "--data", "one.npz", *FEW, "--generalize", "items")
    assert code == 0
    assert "1 subject" in out


def test_refusals(run, rdms):
    for words, text in (
        (("--data", "people.npz"), "models"),
        (("shape.npz", "--data", "people.npz", "--test", "permutation"), "--test permutation does not speak of new"),
        (("shape.npz", "--data", "people.npz", "--dim", "session"), "--dim must be one of"),
        (("shape.npz", "--data", "people.npz", "--out", "people.txt"), "the suffix of --out must be one of"),
        (("shape.npz", "--data", "people.npz", "--figure", "r.txt"), "the suffix of --figure must be one of"),
        (("shape.npz", "--data", "people.npz", "--alpha", "2"), "alpha must lie between 0 and 1"),
        (("shape.npz", "--data", "none.npz"), "none.npz"),
        (("shape.npz", "--data", "people.npz", "--seed", "-3"), "error: --seed must be a whole number from 0; got -3."),
        (("shape.npz", "--data", "people.npz", "--select", "all"), "--select takes two or more different models; got"),
        (
            ("layers.npz", "--data", "people.npz", "--weighted", "x", "w"),
            "--weighted names 'w'; the models are 'x', 'y', 'z' (or all)",
        ),
        (
            ("layers.npz", "--data", "people.npz", "--interpolate", "x", "x"),
            "--interpolate takes two or more different",
        ),
    ):
        code, out, err = run("rsa", "evaluate", *words, "--no-progress")
        assert code == 2, words
        assert text in err, err
        assert out == ""


def test_torch_resamples_where_it_is_told_to(run, rdms):
    pytest.importorskip("torch")
    words = ("rsa", "evaluate", "layers.npz", "--data", "people.npz", "--generalize", "both", *FEW)
    assert run(*words, "--out", "numpy.json")[0] == 0
    assert run(*words, "--out", "torch.json", "--device", "cpu")[0] == 0
    found, expected = (Evaluation.load(name) for name in ("torch.json", "numpy.json"))
    np.testing.assert_allclose(found.se, expected.se, rtol=0, atol=1e-10)
    code, _, err = run(*words, "--device", "cuda:99")
    assert code == 2
    assert "device 'cuda:99' was asked for" in err


def test_models_that_are_fitted(run, rdms):
    words = ("--select", "all", "--weighted", "x", "z", "--interpolate", "y", "x", "--method", "pearson")
    code, out, _ = run("rsa", "evaluate", "layers.npz", "--data", "people.npz", *FEW, *words)
    assert code == 0
    layers = {name: rdms["layers"].sel(layer=name) for name in "xyz"}
    models = {
        **{name: FixedModel(one) for name, one in layers.items()},
        "select": SelectedModel(layers),
        "weighted": WeightedModel({name: layers[name] for name in "xz"}),
        "interpolate": InterpolatedModel({name: layers[name] for name in "yx"}),
    }
    assert repr(evaluate(models, rdms["people"], method="pearson", rng=0, **OPTIONS)) in out
