from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import compare as reference

from alignkit.rsa import RDM, compare, rdm

METHODS = {"bures": reference.bures, "bures-metric": reference.bures_metric}
each = pytest.mark.parametrize("method", METHODS)


def patterns(rng, n_items: int, n_channels: int) -> np.ndarray:
    return rng.normal(size=(n_items, n_channels))


def euclidean(*stacks: np.ndarray) -> RDM:
    return RDM([rdm(x, metric="sqeuclidean").values for x in stacks], dims=["rdm"])


def nuclear(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return the sum of singular values of X'Y and both sizes, columns centred."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(x.T @ y, "nuc"), np.linalg.norm(x) ** 2, np.linalg.norm(y) ** 2


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 4, 12, 30])
@pytest.mark.parametrize("channels", [(2, 2), (2, 40), (50, 9)])
def test_equals_procrustes_of_the_configurations(n, channels, rng):
    x, y = (patterns(rng, n, d) for d in channels)
    total, size_x, size_y = nuclear(x, y)
    a, b = euclidean(x), euclidean(y)
    assert compare(a, b, method="bures").values.item() == pytest.approx(
        total / np.sqrt(size_x * size_y), rel=0, abs=1e-12
    )
    distance = np.sqrt(size_x + size_y - 2 * total)
    assert compare(a, b, method="bures-metric").values.item() == pytest.approx(distance, rel=1e-9, abs=1e-9)


@each
def test_equals_the_square_roots_of_matrices(method, rng, readonly):
    a, b = (euclidean(*(patterns(rng, 9, 6) for _ in range(k))) for k in (2, 3))
    result = compare(readonly(a.values), readonly(b.values), method=method)
    expected = [[METHODS[method](x, y) for y in b.values] for x in a.values]
    assert np.allclose(result.values, expected, rtol=0, atol=1e-6)
    assert (result.n_pairs == 36).all()
    assert not result.note


def test_a_rotation_changes_nothing(rng):
    x = patterns(rng, 12, 5)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    a, b = euclidean(x), euclidean(3.0 * x @ rotation + 7)
    assert compare(a, b, method="bures").values.item() == pytest.approx(1, abs=1e-13)
    assert compare(a, euclidean(x @ rotation), method="bures-metric").values.item() == pytest.approx(0, abs=1e-6)


def test_triangle_inequality(rng):
    stack = euclidean(*(patterns(rng, 10, d) for d in (2, 3, 5, 8, 13)))
    distances = compare(stack, stack, method="bures-metric").values
    assert (distances[:, :, None] <= distances[:, None, :] + distances.T[None] + 1e-9).all()


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 0.5, 2.0, 1e12, 1e300])
def test_units(unit, rng):
    a, b = euclidean(patterns(rng, 7, 3)).values, euclidean(patterns(rng, 7, 4)).values
    expected = compare(a, b, method="bures").values
    assert np.allclose(compare(a * unit, b, method="bures").values, expected, rtol=0, atol=1e-12)
    distance = compare(a, b, method="bures-metric").values
    assert np.allclose(compare(a * unit, b * unit, method="bures-metric").values, distance * np.sqrt(unit), rtol=1e-10)


# ---- RDMs that are not Euclidean -------------------------------------------------------------------------------------


def test_the_largest_share_of_all_comparisons_is_told(rng):
    square, other = (euclidean(patterns(rng, 7, 4)).squareform()[0] for _ in range(2))
    square[0, 1:] = square[1:, 0] = 1e-3  # an item next to all others, which are far apart: no configuration has it
    part = other.copy()
    part[0] = part[:, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="first stack: the only RDM .up to") as caught:
        result = compare(square, RDM(np.stack([other, part]), dims=["rdm"]), method="bures", nan_policy="omit")
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match="first stack"):
        assert compare(square, other, method="bures").note == result.note
    assert not compare(square, part, method="bures", nan_policy="omit").note


def test_what_is_not_euclidean_is_said(rng):
    a, b = RDM(rng.random((2, 45)), dims=["rdm"]), euclidean(patterns(rng, 10, 3))
    with pytest.warns(
        RuntimeWarning, match="negative eigenvalues of these RDMs were set to zero: first stack"
    ) as caught:
        result = compare(a, b, method="bures")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    expected = [[reference.bures(x, y) for y in b.values] for x in a.values]
    assert np.allclose(result.values, expected, rtol=0, atol=1e-6)
    values = np.linalg.eigvalsh(-0.5 * centred(a.squareform()[1]))
    share = -values[values < 0].sum() / np.abs(values).sum()
    assert f"{share:.1%}" in result.note or "rdm 0" in result.note
    assert result.note in repr(result)


def centred(square: np.ndarray) -> np.ndarray:
    h = np.eye(len(square)) - 1 / len(square)
    return h @ square @ h


def test_its_own_similarity_is_one_all_the_same(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        own = compare(rng.random((3, 45)), rng.random((1, 45)), method="bures").values
        a = rng.random((1, 45))
        same = compare(a, a, method="bures").values
    assert (own <= 1).all()
    assert same == pytest.approx(1, abs=1e-13)


# ---- NaN and zeros ---------------------------------------------------------------------------------------------------


@each
def test_items_without_data_are_dropped(method, rng):
    squares = euclidean(patterns(rng, 9, 4), patterns(rng, 9, 5)).squareform()
    squares[0, 3] = squares[0, :, 3] = np.nan
    squares[1, 6] = squares[1, :, 6] = np.nan
    result = compare(squares[0], squares[1], method=method, nan_policy="omit")
    left = np.ix_([0, 1, 2, 4, 5, 7, 8], [0, 1, 2, 4, 5, 7, 8])
    expected = compare(squares[0][left], squares[1][left], method=method)
    assert float(result) == pytest.approx(float(expected), rel=1e-12)
    assert result.n_pairs == 21


@each
def test_single_missing_pairs_give_nan_and_the_reason(method, rng):
    a, b = euclidean(patterns(rng, 6, 3)).values, euclidean(patterns(rng, 6, 3), patterns(rng, 6, 2)).values.copy()
    b[1, 4] = np.nan
    with pytest.warns(
        RuntimeWarning, match=f"{method} needs every pair.*'rdm 0 of the first and rdm 1 of the"
    ) as caught:
        result = compare(RDM(a), RDM(b), method=method, nan_policy="omit")
    assert len(caught) == 1
    assert np.isnan(result.values).tolist() == [[False, True]]
    assert result.n_pairs.tolist() == [[15, 0]]
    with pytest.raises(ValueError, match="the second RDM holds NaN"):
        compare(RDM(a), RDM(b), method=method, nan_policy="raise")


def test_rdms_of_zeros(rng):
    a, b = np.zeros(15), euclidean(patterns(rng, 6, 3)).values[0]
    with pytest.warns(
        RuntimeWarning, match="bures is undefined for RDMs whose values are all zero; in the first stack"
    ):
        assert np.isnan(float(compare(a, b, method="bures")))
    size = np.trace(-0.5 * centred(RDM(b).squareform()))
    assert float(compare(a, b, method="bures-metric")) == pytest.approx(np.sqrt(size))


# ---- the result ------------------------------------------------------------------------------------------------------


def test_a_distance_is_called_one(rng):
    a = euclidean(patterns(rng, 6, 3), patterns(rng, 6, 3))
    result = compare(a, a, method="bures-metric")
    assert result.quantity == "distance"
    assert result.to_dataframe().columns.tolist() == ["rdm", "rdm_2", "distance", "n_pairs", "method"]
    assert compare(a, a, method="bures").quantity == "similarity"
    assert "the Bures distance of the centred second moments" in result.methods_text()


def test_tensors_are_refused_with_the_methods_that_take_them(rng):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"method 'bures' takes no tensors .*'whitened-cosine'.*pass numpy arrays"):
        compare(torch.rand(15), np.ones(15), method="bures")


@given(st.integers(3, 7), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99), st.sampled_from(list(METHODS)))
def test_order_of_items_and_symmetry(n, p, q, seed, method):
    rng = np.random.default_rng(seed)
    a, b = euclidean(patterns(rng, n, p)), euclidean(patterns(rng, n, q))
    expected = compare(a, b, method=method).values
    order = rng.permutation(n)
    assert np.allclose(compare(a.take(order), b.take(order), method=method).values, expected, rtol=0, atol=1e-7)
    assert np.allclose(compare(b, a, method=method).values.T, expected, rtol=0, atol=1e-7)
