"""``alignkit rsa groups``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, GroupComparison, compare_groups


@pytest.fixture
def rdms(here) -> dict[str, RDM]:
    draw = np.random.default_rng(0)
    one, other = draw.random((2, 15))
    found = {
        "young": RDM(one + 0.3 * draw.random((4, 15)), list("abcdef"), dims=["subject"]),
        "old": RDM(other + 0.3 * draw.random((5, 15)), list("abcdef"), dims=["subject"]),
        "shape": RDM(one, list("abcdef")),
        "layers": RDM(draw.random((2, 15)), list("fedcba"), dims=["layer"], coords={"layer": ["x", "y"]}),
    }
    for name, rdm in found.items():
        rdm.save(here / f"{name}.npz")
    return found


def test_two_groups_and_models(run, rdms):
    words = ("--models", "shape.npz", "layers.npz", "--out", "r.json", "--figure", "r.png")
    code, out, err = run("rsa", "groups", "young.npz", "old.npz", *words)
    assert (code, err) == (0, "")
    found = GroupComparison.load("r.json")
    assert found.models == ("shape.npz", "layers.npz[0]", "layers.npz[1]")
    assert found.groups == ("young", "old")
    layers = rdms["layers"].select(list("abcdef"))
    models = {"a": rdms["shape"], "b": layers.isel(layer=0), "c": layers.isel(layer=1)}
    expected = compare_groups(rdms["young"], rdms["old"], models=models)
    assert found.p == expected.p
    assert np.array_equal(found.p_model, expected.p_model)
    assert f"{expected.p:.4g}" in out
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")


def test_layers_keep_their_names_and_groups_do_without_models(run, rdms):
    code, out, _ = run("rsa", "groups", "young.npz", "old.npz", "--models", "layers.npz", "--alternative", "greater")
    assert code == 0
    assert "  x: " in out
    code, out, err = run("rsa", "groups", "young.npz", "old.npz", "--statistic", "means", "--out", "r.csv")
    expected = compare_groups(rdms["young"], rdms["old"], groups=("young", "old"), statistic="means")
    assert repr(expected) in out
    assert "divisions: 100%" in err
    assert len(Path("r.csv").read_text().splitlines()) == 2


def test_refusals(fails, rdms, here, save_labelled):
    save_labelled(here / "other.npz", "abcdez")
    assert "old.npz has" not in fails("rsa", "groups", "young.npz", "shape.npz")
    assert fails("rsa", "groups", "young.npz", "shape.npz").startswith("shape.npz holds a single RDM")
    assert "n_permutations must be at least 1" in fails(
        "rsa", "groups", "young.npz", "old.npz", "--n-permutations", "0"
    )
    assert "would be overwritten" in fails("rsa", "groups", "young.npz", "old.npz", "--out", "old.npz")
    assert "--figure" in fails("rsa", "groups", "young.npz", "old.npz", "--figure", "r.txt")
