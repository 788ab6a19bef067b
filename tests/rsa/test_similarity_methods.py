from __future__ import annotations

import dataclasses
import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import rsa as reference
from scipy import stats

from alignkit.rsa._similarity_methods import (
    METHODS,
    RANK_METHODS,
    SENTENCE,
    constant_rows,
    similarity,
    standardise,
    undefined_rows,
)

BACKENDS = ("numpy", "numba")
SCIPY = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall-tau-b": stats.kendalltau}


def test_registry_equals_the_references():
    assert set(METHODS) == set(reference.METHODS) == set(SENTENCE)
    assert set(METHODS) >= RANK_METHODS


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize("levels", [2, 5, None])
def test_equals_scipy(method, levels, backend, rng):
    shape = (3, 66)
    a, b = (rng.normal(size=shape) if levels is None else rng.integers(levels, size=shape) * 0.1 for _ in "ab")
    a = a + 0.4 * b
    expected = [[SCIPY[method](x, y).statistic for y in b] for x in a]
    assert np.allclose(similarity(a, b, method, backend), expected, rtol=0, atol=1e-14)


two_rows = st.integers(2, 10).flatmap(
    lambda n: hnp.arrays(np.float64, (2, n), elements=st.sampled_from([-1.5, 0.0, 0.1, 0.25, 2.0, 3.0]))
)


@pytest.mark.parametrize("method", METHODS)
@given(rows=two_rows)
def test_equals_exact_arithmetic(method, rows):
    rows.flags.writeable = False
    expected = reference.METHODS[method](*rows)
    for backend in BACKENDS:
        value = similarity(rows[:1], rows[1:], method, backend)[0, 0]
        assert math.isnan(value) if math.isnan(expected) else value == pytest.approx(expected, rel=0, abs=2e-15)


@given(rows=two_rows)
def test_tau_a_and_rho_a_are_the_nearest_number_to_the_exact_fraction(rows):
    tau, rho = (similarity(rows[:1], rows[1:], method)[0, 0] for method in ("kendall-tau-a", "rho-a"))
    assert tau == float(reference.tau_a(*rows))
    assert abs(Fraction(rho) - reference.rho_a(*rows)) <= Fraction(1, 2**52)


def test_spearman_of_itself_is_one(rng):
    x = rng.integers(9, size=(3, 400)).astype(float)
    for method in ("spearman", "pearson", "cosine", "kendall-tau-b"):
        own = np.diagonal(similarity(x, x, method))
        assert np.all(own <= 1)
        assert np.allclose(own, 1, rtol=0, atol=0 if method in RANK_METHODS else 1e-14)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("method", METHODS)
def test_the_unit_does_not_matter(method, scale, rng):
    a, b = rng.integers(1, 9, size=(2, 3, 40)).astype(float)
    tolerance = 1e-3 if scale < 1e-310 else 1e-14  # subnormal numbers have three digits left here
    assert np.allclose(similarity(a * scale, b, method), similarity(a, b, method), rtol=0, atol=tolerance)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("levels", [2, 6, None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS)
def test_tensors_give_the_same_numbers(method, dtype, levels, native, rng, monkeypatch):
    torch = pytest.importorskip("torch")
    if native:  # as on a device, whose memory no array shares
        kind = METHODS[method]
        plain = {name: inspect.unwrap(getattr(kind, name)) for name in ("prepare", "product")}
        monkeypatch.setitem(METHODS, method, dataclasses.replace(kind, **plain))
    draw = rng.normal if levels is None else lambda size: rng.integers(levels, size=size) * 0.1
    a, b = (draw(size=(rows, 300)).astype(dtype) for rows in (3, 2))
    a[1] = 0.1
    expected = similarity(a, b, method)
    found = similarity(torch.tensor(a), torch.tensor(b), method)
    assert found.dtype == torch.float64
    # torch's square root on a CPU may be off by its last bit
    atol = 0 if method in RANK_METHODS and not native else 1e-14
    assert np.allclose(found.numpy(), expected, rtol=0, atol=atol, equal_nan=True)
    assert np.isnan(expected[1]).all() == undefined_rows(a, method)[1]
    own = torch.tensor(b)
    assert torch.equal(similarity(own, own, method), similarity(own, own.clone(), method))


@pytest.mark.parametrize("method", ["pearson", "cosine"])
def test_gradients(method, rng):
    torch = pytest.importorskip("torch")
    a = torch.tensor(rng.normal(size=(2, 10)), requires_grad=True)
    b = torch.tensor(rng.normal(size=(3, 10)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: similarity(x, y, method), (a, b))


@pytest.mark.parametrize("method", sorted(RANK_METHODS))
def test_ranks_have_no_gradient(method, rng):
    torch = pytest.importorskip("torch")
    a = torch.tensor(rng.normal(size=(2, 10)), requires_grad=True)
    assert not similarity(a, a, method).requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_float32_is_summed_in_float64(method, rng):
    a, b = (rng.normal(size=(2, 500)).astype(np.float32) for _ in "ab")
    assert np.array_equal(similarity(a, b, method), similarity(a.astype(float), b.astype(float), method))


def test_large_ranks_stay_exact():
    # 1,717,731 pairs (1,854 items): sums of products of ranks reach 1e18, beyond 32 bits and beyond float32
    n = 1854 * 1853 // 2
    x = np.arange(n, dtype=np.float64)[None]
    assert similarity(x, x, "rho-a")[0, 0] == pytest.approx(1, abs=1e-15)
    assert similarity(x, x[:, ::-1], "spearman")[0, 0] == -1
    assert similarity(x, x.copy(), "spearman")[0, 0] == 1


def test_constant_rows_are_told_exactly():
    x = np.array([[0.1] * 7, [0.1] * 6 + [np.nextafter(0.1, 1)], [0.0] * 7, [np.nan] * 7])
    assert constant_rows(x).tolist() == [True, False, True, False]
    assert undefined_rows(x, "cosine").tolist() == [False, False, True, False]
    assert undefined_rows(x, "rho-a").tolist() == [False] * 4
    assert undefined_rows(x, "pearson").tolist() == [True, False, True, False]


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_rows_that_differ_in_their_last_bits(method, rng):
    whole = rng.integers(5, size=(4, 45))
    nearly = 1 + whole * 2.0**-52
    expected = similarity(whole[:2].astype(float), whole[2:].astype(float), method)
    assert np.allclose(similarity(nearly[:2], nearly[2:], method), expected, rtol=0, atol=1e-14)


def test_long_rows_are_standardised_one_by_one(rng):
    x = rng.normal(size=(5, 50_000)).astype(np.float32)
    x[3] = 0.25
    for centred in (True, False):
        together = standardise(x, centred=centred)
        alone = [standardise(row[None], centred=centred)[0] for row in x]
        assert together.dtype == np.float64
        assert np.array_equal(together, alone, equal_nan=True)


def test_standardise(rng):
    x = rng.normal(size=(4, 30)) + 5
    x[2] = 3
    rows = standardise(x)
    assert np.isnan(rows[2]).all()
    assert np.allclose(np.linalg.norm(rows[[0, 1, 3]], axis=1), 1)
    assert np.allclose(rows[[0, 1, 3]].sum(axis=1), 0, atol=1e-14)
    assert np.allclose(standardise(x, centred=False), x / np.linalg.norm(x, axis=1, keepdims=True), rtol=1e-15)
