"""The result of a similarity of features: one number, tables, files, sentences, pictures."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit.rsa import FeatureSimilarity, similarity


@pytest.fixture
def layers(rng) -> dict[str, np.ndarray]:
    x = rng.normal(size=(20, 3))
    return {"low": x, "high": np.hstack([x, rng.normal(size=(20, 4))])}


def test_a_single_pair_is_a_number(layers):
    result = similarity(*layers.values())
    assert float(result) == result.values[()]
    assert repr(result) == f"<FeatureSimilarity debiased linear CKA = {float(result):.4f}, 20 items>"
    result = similarity(*layers.values(), n_permutations=9, rng=0)
    assert f"(chance {float(result.baseline):.4f}, p = 0.1), 20 items>" in repr(result)
    assert list(result.to_dataframe().columns) == ["value", "baseline", "p_value", "n_items", "measure"]
    with pytest.raises(TypeError, match=r"this holds 2 values; index \.values"):
        float(similarity(layers, layers["low"]))


def test_tables_hold_one_row_per_pair(layers):
    result = similarity(layers, layers, method="procrustes", score="angular")
    assert repr(result).startswith("<FeatureSimilarity angular distance (Procrustes), layer_x: 2, layer_y: 2: ")
    table = result.to_dataframe()
    assert list(table.columns) == ["layer_x", "layer_y", "value", "n_items", "measure"]
    assert table.layer_x.tolist() == ["low", "low", "high", "high"]
    assert table.layer_y.tolist() == ["low", "high"] * 2
    np.testing.assert_array_equal(table.value, result.values.ravel())
    assert len(similarity(layers["low"], layers).to_dataframe()) == 2


@pytest.mark.parametrize("n_permutations", [0, 4])
def test_it_comes_back_from_json(layers, tmp_path, n_permutations):
    for first in (layers, layers["low"]):
        result = similarity(first, layers["high"], n_permutations=n_permutations, rng=0)
        result.save(tmp_path / "r.json")
        back = FeatureSimilarity.load(tmp_path / "r.json")
        for name in result.__dataclass_fields__:
            np.testing.assert_equal(getattr(back, name), getattr(result, name))
        assert back.values.shape == result.values.shape
    result.save(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text().splitlines()[0].startswith("value,")


def test_tensors_are_saved_as_numbers(layers, tmp_path):
    torch = pytest.importorskip("torch")
    x = torch.tensor(layers["low"], requires_grad=True)
    result = similarity([x, x * 2], layers["high"])
    result.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["values"] == pytest.approx(result.values.tolist())
    assert "layer_x: 2" in repr(result)
    assert result.to_dataframe().value.tolist() == pytest.approx(result.values.tolist())
    plt.close(result.plot().figure)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "debiased centred kernel alignment, linear kernel"),
        ({"debiased": False, "kernel": "rbf"}, r"biased .* rbf kernel \(bandwidth 1 times the median distance\)"),
        (
            {"method": "procrustes", "alpha": 0.5},
            r"Bures similarity after partial whitening \(alpha = 0.5\)",
        ),
        ({"method": "procrustes", "score": "euclidean"}, "Euclidean Procrustes distance"),
        ({"method": "cca", "squared": True}, "mean squared canonical correlation"),
        ({"method": "svcca", "variance": 0.9}, r"components that hold 90 % of the variance \(SVCCA\)"),
        ({"method": "pwcca"}, "projection-weighted canonical correlation"),
        ({"method": "mutual-knn", "n_neighbours": 3}, "share of the 3 nearest by cosine"),
    ],
)
def test_the_methods_text_names_the_measure_and_sizes(layers, options, words):
    result = similarity(layers, layers["high"], **options)
    with_sizes = f"Features of 20 items with 3 to 7 and 7 channels were compared by .*{words}"
    assert re.search(with_sizes, result.methods_text())
    assert result.methods_text().endswith("rows matched by position.")
    assert "permutations" not in result.methods_text()


def test_the_methods_text_says_what_was_left_out_and_what_chance_is(layers):
    x = layers["low"].copy()
    x[0] = np.nan
    result = similarity([x, layers["low"]], layers["high"], nan_policy="omit", n_permutations=9, rng=0)
    text = result.methods_text()
    assert text.startswith("Features of 19 to 20 items, those with NaN in either left out, with 3 and 7 channels")
    assert text.endswith("permutations of the items; p values are one-sided, (b + 1)/(m + 1).")


def test_pictures(layers):
    ax = similarity(layers, layers).plot()
    assert ax.images[0].get_array().shape == (2, 2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["low", "high"]
    assert ax.figure.axes[1].get_ylabel() == "debiased linear CKA"
    plt.close(ax.figure)
    ax = similarity(layers, layers["low"], method="mutual-knn", n_neighbours=3).plot()
    assert len(ax.patches) == 2
    assert ax.get_ylabel() == "mutual 3-NN"
    plt.close(ax.figure)
    ax = similarity(layers["low"], layers["low"]).plot()
    assert len(ax.patches) == 1
    plt.close(ax.figure)


def test_nan_is_not_called_0_items():
    x = np.random.default_rng(0).normal(size=(6, 3))
    y = x.copy()
    y[0] = np.nan
    with pytest.warns(RuntimeWarning, match="holds NaN"):
        result = similarity(x, y)
    assert repr(result).endswith("= nan, items with NaN>")
    assert "is undefined here" in result.methods_text()
    with pytest.warns(RuntimeWarning, match="holds NaN"):
        both = similarity(x, [x, y])
    assert repr(both).endswith(", 6 items>")
