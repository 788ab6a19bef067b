"""``alignkit rsa power``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, PowerCurve, power

FEW = ("--n-simulations", "20", "--n-bootstrap", "30")


@pytest.fixture
def rdms(here) -> dict[str, RDM]:
    draw = np.random.default_rng(0)
    shape, colour = draw.random((2, 15))
    found = {
        "people": RDM(shape + draw.random((5, 15)), list("abcdef"), dims=["subject"]),
        "shape": RDM(shape, list("abcdef")),
        "colour": RDM(colour, list("abcdef")),
    }
    for name, rdm in found.items():
        rdm.save(here / f"{name}.npz")
    return found


def test_models_and_a_pilot(run, rdms):
    words = ("shape.npz", "colour.npz", "--pilot", "people.npz", "--n-subjects", "4", "9", *FEW, "--seed", "3")
    code, out, err = run("rsa", "power", *words, "--no-progress", "--out", "r.json", "--figure", "r.png")
    assert (code, err) == (0, "")
    models = {"shape.npz": rdms["shape"], "colour.npz": rdms["colour"]}
    expected = power(models, rdms["people"], n_subjects=[4, 9], n_simulations=20, n_bootstrap=30, rng=3)
    assert out.startswith(f"{expected!r}\n")
    assert PowerCurve.load("r.json").to_dict() == expected.to_dict()
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")


def test_items_and_progress(run, rdms):
    words = ("shape.npz", "--pilot", "people.npz", "--generalize", "both", "--n-items", "6", "12", *FEW)
    code, out, err = run("rsa", "power", *words, "--out", "r.csv")
    assert code == 0
    assert "100%" in err
    expected = power(
        {"shape.npz": rdms["shape"]}, rdms["people"], generalize="both", n_items=[6, 12], n_bootstrap=30, rng=0
    )
    assert f"{expected.power[0, 1, 0]:.3f}" in out
    assert len(Path("r.csv").read_text().splitlines()) == 1 + 2 * 7


def test_refusals(fails, rdms):
    assert "--n-subjects must be at least 2" in fails(
        "rsa", "power", "shape.npz", "--pilot", "people.npz", "--n-subjects", "1"
    )
    assert "a pilot needs" in fails("rsa", "power", "shape.npz", "--pilot", "colour.npz")
    assert "target must" in fails("rsa", "power", "shape.npz", "--pilot", "people.npz", "--target", "2")
    assert "would be overwritten" in fails("rsa", "power", "shape.npz", "--pilot", "people.npz", "--out", "people.npz")
