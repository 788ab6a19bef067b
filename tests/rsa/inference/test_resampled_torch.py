from __future__ import annotations

import numpy as np
import pytest

from alignkit._executor import Workers
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._resampled_scores import resampled_scores

torch = pytest.importorskip("torch")
S, K, B = 4, 3, 50


def study(rng, n, levels=None):
    pairs = n * (n - 1) // 2
    rows = 3 + rng.normal(size=pairs) + rng.normal(size=(S + K, pairs))
    if levels is not None:
        rows = np.round(rows * levels) / levels
    rows[-1] = rng.random(pairs) < 0.5
    return rows[:S], rows[S:]


def agree(found, wanted):
    assert set(found) == set(wanted)
    for name, own in wanted.items():
        for column in ("scores", "lower", "upper"):
            ours = getattr(found[name], column)
            assert isinstance(ours, np.ndarray)
            np.testing.assert_allclose(ours, getattr(own, column), rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["pearson", "cosine", "spearman", "rho-a", "whitened-cosine", "whitened-pearson"])
@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("n", [6, 30])
def test_equals_numpy(method, levels, n, rng):
    data, models = study(rng, n, levels)
    counts = {"item_counts": draw_counts(n, B, rng), "subject_counts": draw_counts(S, B, rng)}
    wanted = resampled_scores(data, models, method, **counts)
    agree(resampled_scores(torch.tensor(data), torch.tensor(models), method, **counts), wanted)
    agree(resampled_scores(data, models, method, **counts, backend="torch"), wanted)


@pytest.mark.parametrize("method", ["pearson", "spearman", "rho-a", "whitened-cosine"])
def test_equals_numpy_where_pairs_are_missing(method, rng):
    data, models = study(rng, 12)
    data[:, [0, 30]] = models[:, [0, 30]] = np.nan
    counts = {"item_counts": draw_counts(12, B, rng)}
    wanted = resampled_scores(data, models, method, **counts)
    agree(resampled_scores(data, models, method, **counts, backend="torch"), wanted)


@pytest.mark.parametrize("pooling", ["raw", "rsatoolbox"])
@pytest.mark.parametrize("method", ["pearson", "spearman", "whitened-pearson"])
def test_equals_numpy_for_every_pooling_and_without_ceilings(method, pooling, rng):
    data, models = study(rng, 10)
    counts = {"item_counts": draw_counts(10, B, rng), "subject_counts": draw_counts(S, B, rng)}
    for ceilings in (True, False):
        options = {"pooling": pooling, "ceilings": ceilings, **counts}
        wanted = resampled_scores(data, models, method, **options)
        agree(resampled_scores(data, models, method, **options, backend="torch"), wanted)


def test_small_blocks_of_pairs_and_variances(rng, monkeypatch):
    monkeypatch.setattr("alignkit.rsa._inference._pair_sums._TORCH_BLOCK", 1)
    monkeypatch.setattr("alignkit.rsa._inference._pair_sums._PRODUCTS", 5)
    data, models = study(rng, 50)
    options = {"item_counts": draw_counts(50, B, rng), "sigma_k": rng.uniform(0.5, 2, 50)}
    wanted = resampled_scores(data, models, "whitened-cosine", **options)
    agree(resampled_scores(data, models, "whitened-cosine", **options, backend="torch"), wanted)


def test_which_backend(rng):
    data, models = study(rng, 6)
    counts = {"item_counts": draw_counts(6, 5, rng)}
    numpy_alone = resampled_scores(torch.tensor(data), torch.tensor(models), "pearson", **counts, backend="numpy")
    np.testing.assert_array_equal(
        numpy_alone["items"].scores, resampled_scores(data, models, "pearson", **counts)["items"].scores
    )
    with pytest.raises(ValueError, match="backend must be one of"):
        resampled_scores(data, models, "pearson", **counts, backend="numba")
    with pytest.raises(ValueError, match="the workers of a cluster resample with numpy"):
        resampled_scores(data, models, "pearson", **counts, backend="torch", executor=Workers(None))
    with pytest.raises(ValueError, match="must lie on one device; got cpu and meta"):
        resampled_scores(torch.tensor(data), torch.tensor(models, device="meta"), "pearson", **counts)
