from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import compare as reference

from alignkit.rsa import RDM, compare, rdm
from alignkit.rsa._whitened_sums import whitened_similarities

CENTRED = {"whitened-cosine": False, "whitened-pearson": True}
both = pytest.mark.parametrize("method", CENTRED)


def rows(rng, n_rdms: int, n_items: int, offset: float = 1.0) -> np.ndarray:
    return rng.random((n_rdms, n_items * (n_items - 1) // 2)) + offset


def covariance(rng, n: int) -> np.ndarray:
    root = rng.normal(size=(n, n + 4))
    return root @ root.T / n


def sigmas(rng, n: int) -> dict[str, np.ndarray | None]:
    return {"identity": None, "variances": rng.random(n) + 0.2, "covariance": covariance(rng, n)}


# ---- numbers ---------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("n", range(3, 13))
@pytest.mark.parametrize("kind", ["identity", "variances", "covariance"])
def test_equals_the_dense_inverse(method, n, kind, rng, readonly):
    a, b, sigma_k = readonly(rows(rng, 2, n)), readonly(rows(rng, 3, n)), sigmas(rng, n)[kind]
    result = compare(a, RDM(b, dims=["rdm"]), method=method, sigma_k=sigma_k)
    expected = [[reference.whitened(x, y, sigma_k, centred=CENTRED[method]) for y in b] for x in a]
    assert np.allclose(result.values, expected, rtol=0, atol=1e-11)
    assert result.sigma_k == kind
    assert (result.n_pairs == a.shape[1]).all()


@both
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("kind", ["identity", "variances", "covariance"])
def test_any_pattern_of_missing_pairs_equals_the_dense_inverse(method, share, kind, rng):
    for n in (4, 5, 8, 11):
        a, b, sigma_k = rows(rng, 3, n), rows(rng, 2, n), sigmas(rng, n)[kind]
        a[rng.random(a.shape) < share] = np.nan
        b[rng.random(b.shape) < share] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # hardly any pair left
            result = compare(a, b, method=method, sigma_k=sigma_k, nan_policy="omit")
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                shared = int((~np.isnan(x) & ~np.isnan(y)).sum())
                assert result.n_pairs[i, j] == shared
                if shared >= 3:
                    expected = reference.whitened(x, y, sigma_k, centred=CENTRED[method])
                    assert result.values[i, j] == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize("kind", ["identity", "variances", "covariance"])
def test_items_without_any_pair_are_dropped(kind, rng):
    sigma_k, squares = sigmas(rng, 9)[kind], [RDM(row).squareform() for row in rows(rng, 2, 9)]
    for square in squares:
        square[4] = square[:, 4] = np.nan
        square[7] = square[:, 7] = np.nan
    left = [0, 1, 2, 3, 5, 6, 8]
    part = None if sigma_k is None else sigma_k[left] if sigma_k.ndim == 1 else sigma_k[np.ix_(left, left)]
    found = compare(*squares, method="whitened-cosine", sigma_k=sigma_k, nan_policy="omit")
    expected = compare(*(x[np.ix_(left, left)] for x in squares), method="whitened-cosine", sigma_k=part)
    assert float(found) == pytest.approx(float(expected), rel=0, abs=1e-13)
    assert found.n_pairs == 21


def test_a_hundred_and_fifty_items_with_missing_pairs(rng):
    # rsatoolbox 0.3.2 raises from 100 items on; here the other items' forms agree
    a, b = rows(rng, 2, 150), rows(rng, 1, 150)
    holes = rng.random(a.shape[1]) < 0.1
    a[:, holes] = np.nan
    eye = compare(a, b, method="whitened-cosine", nan_policy="omit")
    dense = compare(a, b, method="whitened-cosine", sigma_k=np.eye(150), nan_policy="omit")
    assert np.allclose(eye.values, dense.values, rtol=0, atol=1e-12)
    assert (eye.n_pairs == (~holes).sum()).all()


def test_without_sigma_k_it_is_linear_cka(rng):
    for n in (5, 40, 130):
        x, y = rng.normal(size=(n, 7)), rng.normal(size=(n, 12))
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
        found = compare(rdm(x, metric="sqeuclidean"), rdm(y, metric="sqeuclidean"), method="whitened-cosine")
        assert float(found) == pytest.approx(cka, rel=0, abs=1e-10)


@both
def test_variances_are_the_diagonal_covariance_that_they_stand_for(method, rng):
    a, b, variances = rows(rng, 2, 14), rows(rng, 3, 14), rng.random(14) + 0.1
    expected = compare(a, b, method=method, sigma_k=np.diag(variances)).values
    assert np.allclose(compare(a, b, method=method, sigma_k=variances).values, expected, rtol=0, atol=1e-12)
    equal = compare(a, b, method=method, sigma_k=np.full(14, 0.3)).values
    assert np.allclose(equal, compare(a, b, method=method).values, rtol=0, atol=1e-13)


@both
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_one_pass_over_complete_rdms_equals_whitened_vectors(method, backend, offset, rng):
    a, b = rows(rng, 3, 60, offset), rows(rng, 4, 60, offset)
    fast = whitened_similarities(a, b, backend, centred=CENTRED[method])
    slow = compare(a, b, method=method, sigma_k=np.ones(60)).values
    assert np.allclose(fast, slow, rtol=0, atol=1e-13)
    single = whitened_similarities(a.astype(np.float32), b.astype(np.float32), backend, centred=CENTRED[method])
    assert np.allclose(single, slow, rtol=0, atol=1e-6 if offset == 0 else 1e-2)


@both
@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_the_unit_does_not_matter(method, unit, rng):
    a, b = rows(rng, 2, 10), rows(rng, 3, 10)
    for sigma_k in sigmas(rng, 10).values():
        expected = compare(a, b, method=method, sigma_k=sigma_k).values
        found = compare(a * unit, b, method=method, sigma_k=sigma_k).values
        assert np.allclose(found, expected, rtol=0, atol=1e-13)


def test_rows_with_and_without_nan_side_by_side(rng):
    a, b = rows(rng, 3, 12), rows(rng, 2, 12)
    a[1, 5] = np.nan
    with pytest.warns(RuntimeWarning, match=r"the first RDM holds NaN.*'item 0', 'item 6'"):
        result = compare(a, b, method="whitened-cosine")
    assert np.isnan(result.values[1]).all()
    assert result.n_pairs[:, 0].tolist() == [66, 0, 66]
    expected = compare(a[[0, 2]], b, method="whitened-cosine").values
    assert np.allclose(result.values[[0, 2]], expected, rtol=0, atol=1e-14)


@both
@pytest.mark.parametrize("value", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("n", [3, 8, 40])
def test_undefined_rows_are_named(method, value, n, rng):
    a, b = rows(rng, 2, n), rows(rng, 3, n)
    b[1] = value
    b = RDM(b, dims=["rdm"])
    if value and method == "whitened-cosine":
        assert np.isfinite(compare(a, b, method=method).values).all()
        return
    with pytest.warns(RuntimeWarning, match=f"{method} is undefined.*in the second stack: 'rdm 1'") as caught:
        result = compare(a, b, method=method)
    assert len(caught) == 1
    assert np.isnan(result.values[:, 1]).all()
    assert np.isfinite(np.delete(result.values, 1, axis=1)).all()


@pytest.mark.parametrize("kind", ["identity", "variances", "covariance"])
@pytest.mark.parametrize("hole", [False, True])
def test_a_constant_rdm_has_a_whitened_cosine_and_no_correlation(kind, hole, rng):
    a, b, sigma_k = np.full(28, 0.1), rows(rng, 1, 8)[0], sigmas(rng, 8)[kind]
    b[4] = np.nan if hole else b[4]
    options = {"sigma_k": sigma_k, "nan_policy": "omit"}
    found = float(compare(a, b, method="whitened-cosine", **options))
    assert found == pytest.approx(reference.whitened(a, b, sigma_k), rel=0, abs=1e-12)
    with pytest.warns(RuntimeWarning, match="whitened-pearson is undefined for RDMs whose values are all equal"):
        assert np.isnan(compare(a, b, method="whitened-pearson", **options).values)
    with pytest.warns(RuntimeWarning, match="whitened-cosine is undefined for RDMs whose values are all zero"):
        assert np.isnan(compare(0 * a, b, method="whitened-cosine", **options).values)


# ---- options ---------------------------------------------------------------------------------------------------------


def test_sigma_k_follows_the_items_of_the_first_rdm(rng):
    labels = list("abcdef")
    a, b, sigma_k = RDM(rows(rng, 1, 6)[0], labels), RDM(rows(rng, 1, 6)[0], labels), covariance(rng, 6)
    expected = float(compare(a, b, method="whitened-cosine", sigma_k=sigma_k))
    order = [3, 0, 5, 1, 2, 4]
    moved = compare(a.take(order), b, method="whitened-cosine", sigma_k=sigma_k[np.ix_(order, order)])
    assert float(moved) == pytest.approx(expected, rel=0, abs=1e-12)
    part = compare(a, b.select(list("fbde")), method="whitened-cosine", sigma_k=sigma_k, on_mismatch="intersect")
    left = [1, 3, 4, 5]
    alone = compare(a.take(left), b.take(left), method="whitened-cosine", sigma_k=sigma_k[np.ix_(left, left)])
    assert float(part) == pytest.approx(float(alone), rel=0, abs=1e-13)


BAD_SIGMA = {
    "shape": (np.ones(3), r"one variance per item, shape \(4,\).*got shape \(3,\)"),
    "zero": ([1.0, 0.0, 1.0, 1.0], "must be above 0; the smallest is 0"),
    "nan": ([1.0, np.nan, 1.0, 1.0], "sigma_k holds 1 NaN"),
    "asymmetric": (np.triu(np.ones((4, 4))), "must be symmetric"),
    "singular": (np.ones((4, 4)), "not positive definite over differences of items"),
    "negative": (-np.eye(4), "not positive definite over differences of items"),
}


@pytest.mark.parametrize("case", BAD_SIGMA)
def test_bad_sigma_k(case):
    sigma_k, sentence = BAD_SIGMA[case]
    with pytest.raises(ValueError, match=sentence):
        compare(np.arange(6.0), np.arange(6.0) ** 2, method="whitened-cosine", sigma_k=sigma_k)


def test_sigma_k_is_for_whitened_methods():
    with pytest.raises(ValueError, match="sigma_k is for the methods 'whitened-cosine' and 'whitened-pearson'"):
        compare([1, 2, 3], [3, 2, 1], method="pearson", sigma_k=[1, 1, 1])


def test_methods_text(rng):
    text = compare(rows(rng, 1, 5), rows(rng, 1, 5), method="whitened-cosine", sigma_k=np.ones(5)).methods_text()
    assert "whitened cosine similarity" in text
    assert "assuming given error variances of the items" in text


# ---- tensors ---------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("kind", ["identity", "variances", "covariance"])
def test_tensors_give_the_same_numbers_and_gradients(method, hole, kind, rng):
    torch = pytest.importorskip("torch")
    a, b, sigma_k = rows(rng, 2, 6), rows(rng, 3, 6), sigmas(rng, 6)[kind]
    if hole:
        b[:, :5] = np.nan  # all pairs of the first item
    options = {"method": method, "sigma_k": sigma_k, "nan_policy": "omit"}
    expected = compare(a, b, **options).values
    x = torch.tensor(a, requires_grad=True)
    found = compare(x, torch.tensor(b), **options).values
    assert np.allclose(found.detach().numpy(), expected, rtol=0, atol=1e-13)
    found.sum().backward()
    for where in ((0, 7), (1, 12)):
        step = np.zeros_like(a)
        step[where] = 1e-6
        numeric = (compare(a + step, b, **options).values.sum() - compare(a - step, b, **options).values.sum()) / 2e-6
        assert float(x.grad[where]) == pytest.approx(numeric, rel=1e-5, abs=1e-8)
    mixed = compare(x, b.astype(np.float32), **options).values
    assert np.allclose(mixed.detach().numpy(), expected, rtol=0, atol=1e-6)


def test_single_missing_pairs_with_a_covariance_need_arrays(rng):
    torch = pytest.importorskip("torch")
    a, b = rows(rng, 1, 6), rows(rng, 1, 6)
    b[0, 3] = np.nan
    with pytest.raises(TypeError, match="takes numpy arrays, no tensors"):
        compare(torch.tensor(a), b, method="whitened-cosine", sigma_k=covariance(rng, 6), nan_policy="omit")


# ---- properties ------------------------------------------------------------------------------------------------------

vectors = hnp.arrays(np.float64, (2, 15), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]))
methods = st.sampled_from(list(CENTRED))


def quiet(*args: object, **options: object) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return compare(*args, **options).values


def close(x: np.ndarray, y: np.ndarray) -> bool:
    return np.allclose(x, y, rtol=0, atol=1e-12, equal_nan=True)


@given(vectors, vectors, methods, st.permutations(range(6)))
def test_order_of_items(a, b, method, order):
    assert close(quiet(RDM(a).take(order), RDM(b).take(order), method=method), quiet(a, b, method=method))


@given(vectors, vectors, methods, st.sampled_from([0.25, 3.0, 1e9]))
def test_scale_sign_and_symmetry(a, b, method, scale):
    expected = quiet(a, b, method=method)
    assert close(quiet(a * scale, -b, method=method), -expected)
    assert close(quiet(b, a, method=method).T, expected)
    assert np.all(np.isnan(expected) | (np.abs(expected) <= 1))


@given(vectors, methods)
def test_of_itself(a, method):
    own = np.diagonal(quiet(a, a, method=method))
    assert np.all(np.isnan(own) | (np.abs(own - 1) < 1e-13))


@given(vectors, vectors)
def test_offsets_do_not_matter_to_the_correlation(a, b):
    assert close(quiet(a + 7, b, method="whitened-pearson"), quiet(a, b, method="whitened-pearson"))
