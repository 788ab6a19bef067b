"""Results of comparisons whose values are tensors, and the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from alignkit.rsa import Comparison, compare, regress


def test_tensors_become_tables_files_and_pictures(rng, tmp_path):
    torch = pytest.importorskip("torch")
    a, b = rng.random((2, 15)), rng.random((3, 15))
    expected = compare(a, b, method="pearson")
    result = compare(torch.tensor(a, requires_grad=True), b, method="pearson")
    assert result.values.requires_grad
    assert np.allclose(result.values.detach().numpy(), expected.values, rtol=0, atol=1e-14)
    assert np.allclose(result.to_dataframe().similarity, expected.values.ravel(), rtol=0, atol=1e-14)
    assert repr(result) == repr(expected)
    result.save(tmp_path / "a.json")
    assert np.allclose(Comparison.load(tmp_path / "a.json").values, expected.values, rtol=0, atol=1e-14)
    assert result.plot().get_images()
    assert float(compare(torch.tensor(a[0]), b[0])) == pytest.approx(float(compare(a[0], b[0])))


OPTIONS = {
    "whitened": {"method": "whitened-cosine"},
    "missing": {"method": "whitened-pearson", "nan_policy": "omit"},
    "variances": {"method": "whitened-cosine", "sigma_k": "variances"},
    "covariance": {"method": "whitened-cosine", "sigma_k": "covariance"},
    "bures": {"method": "bures-metric"},
    "partial": {"method": "spearman", "controls": "controls"},
}


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.filterwarnings("ignore:bures-metric takes squared Euclidean:RuntimeWarning")
def test_any_number_of_threads_gives_the_same_bits(case, rng):
    n = 130
    a, b, controls = (rng.random((k, n * (n - 1) // 2)) for k in (2, 3, 2))
    if case == "missing":
        b[:, rng.random(b.shape[1]) < 0.1] = np.nan
    root = rng.normal(size=(n, n + 9))
    arrays = {"variances": rng.random(n) + 0.5, "covariance": root @ root.T, "controls": controls}
    options = {name: arrays.get(value, value) for name, value in OPTIONS[case].items()}
    found = []
    for number in (1, 2, 3):
        with threadpool_limits(number):
            found.append(compare(a, b, **options).values)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_regressions_too(rng):
    data, models = rng.random((4, 8515)), rng.random((3, 8515))
    found = []
    for number in (1, 2, 3):
        with threadpool_limits(number):
            result = regress(data, models, rng=0)
        found.append(np.concatenate([result.weights.ravel(), result.r2_in_sample, result.r2_held_out]))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
