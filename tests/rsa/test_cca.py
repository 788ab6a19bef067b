from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import feature_similarity as reference

from alignkit.rsa import similarity
from alignkit.rsa._cca import ranked_svd
from alignkit.rsa._feature_rows import centred_rows

METHODS = ["cca", "svcca", "pwcca"]


def value(x, y, method="cca", **options) -> float:
    return float(similarity(x, y, method=method, **options))


def two(rng, n=40, p=4, q=6) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.normal(size=(n, p)) + 3, rng.normal(size=(n, q)) @ np.diag(np.arange(1.0, q + 1))
    y[:, 0] += 2 * x[:, 1]
    return x, y


@pytest.mark.parametrize(("p", "q"), [(4, 6), (6, 4), (5, 5), (1, 6)])
def test_they_equal_the_eigenvalue_problem(rng, p, q):
    x, y = two(rng, 40, max(p, 2), q)
    x = x[:, :p] if p > 1 else x[:, 1:2]
    assert value(x, y) == pytest.approx(reference.mean_cca(x, y), rel=0, abs=1e-12)
    assert value(x, y, squared=True) == pytest.approx(reference.mean_cca(x, y, squared=True), rel=0, abs=1e-12)
    assert value(x, y, "pwcca") == pytest.approx(reference.pwcca(x, y), rel=0, abs=1e-12)


@pytest.mark.parametrize("variance", [0.3, 0.8, 0.99, 1.0])
@pytest.mark.parametrize("squared", [True, False])
def test_svcca_is_cca_of_the_leading_components(rng, variance, squared):
    x, y = two(rng)
    kept = reference.leading(x, min(variance, 1 - 1e-12)), reference.leading(y, min(variance, 1 - 1e-12))
    expected = reference.mean_cca(*kept, squared=squared)
    assert value(x, y, "svcca", variance=variance, squared=squared) == pytest.approx(expected, rel=0, abs=1e-12)


def test_r_squared_is_the_share_of_variance_that_a_regression_explains(rng):
    # for one channel the canonical correlation is the multiple correlation
    x, y = two(rng)
    target = y[:, :1] - y[:, :1].mean()
    design = np.column_stack([np.ones(len(x)), x])
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    assert value(x, y[:, :1], squared=True) == pytest.approx(1 - (residual**2).sum() / (target**2).sum(), abs=1e-12)


def test_pwcca_weights_by_the_side_of_lower_rank_and_x_on_a_tie(rng):
    x, y = two(rng, p=4, q=6)
    assert value(x, y, "pwcca") == pytest.approx(value(y, x, "pwcca"), rel=0, abs=1e-12)
    x, y = two(rng, p=5, q=5)
    assert value(x, y, "pwcca") == pytest.approx(reference.pwcca(x, y), rel=0, abs=1e-12)
    assert value(y, x, "pwcca") == pytest.approx(reference.pwcca(y, x), rel=0, abs=1e-12)
    assert value(x, y, "pwcca") != pytest.approx(value(y, x, "pwcca"), abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_any_invertible_linear_map_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    x, y = two(rng)
    mixed = x @ (np.eye(4) + 0.3 * rng.uniform(-1, 1, size=(4, 4))) + rng.normal(size=4)
    for squared in (True, False):
        assert value(mixed, y, squared=squared) == pytest.approx(value(x, y, squared=squared), rel=0, abs=1e-10)


def test_copies_and_mixtures_of_channels_add_no_direction(rng):
    x, y = two(rng)
    redundant = np.hstack([x, x[:, :2], x @ rng.normal(size=(4, 3)), np.full((40, 1), 9.0)])
    assert value(redundant, y) == pytest.approx(value(x, y), rel=0, abs=1e-10)
    assert value(redundant, y, squared=True) == pytest.approx(value(x, y, squared=True), rel=0, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_more_channels_than_items_give_one_with_a_warning(rng, method):
    x, y = rng.normal(size=(2, 10, 30))
    with pytest.warns(RuntimeWarning, match="9 of 9 for x and y") as caught:
        assert value(x, y, method, **({"variance": 1.0} if method == "svcca" else {})) == pytest.approx(1, abs=1e-12)
    assert len(caught) == 1
    assert "Use more items" in str(caught[0].message)


def test_ranks_that_overlap_are_counted_and_no_more_named_than_fit(rng):
    x, y = rng.normal(size=(10, 6)), rng.normal(size=(10, 5))
    with pytest.warns(RuntimeWarning, match="2 of 5 for x and y") as caught:
        similarity(x, y, method="cca")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        similarity(x, y[:, :3], method="cca")
        similarity(x, y, method="svcca", variance=0.5)
    correlations = 1 - np.linalg.svd(
        np.linalg.qr(x - x.mean(axis=0))[0].T @ np.linalg.qr(y - y.mean(axis=0))[0], compute_uv=False
    )
    assert (abs(correlations) < 1e-12).sum() == 2
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match="and 4 more"):
        similarity([x] * 3, [y] * 3, method="cca")


def test_directions_that_are_rounding_are_dropped(rng):
    """A matrix of 200 items rounds by more than one unit in the last place of its largest singular value."""
    u, v = np.linalg.qr(rng.normal(size=(200, 4)))[0], np.linalg.qr(rng.normal(size=(4, 4)))[0]
    u = np.linalg.qr(u - u.mean(axis=0))[0]
    eps = np.finfo(np.float64).eps
    for smallest, rank in ((20 * eps, 3), (2000 * eps, 4)):
        rows = centred_rows(u * [1.0, 0.5, 0.2, smallest] @ v.T, np.arange(200))
        assert len(ranked_svd(rows)[1]) == rank
