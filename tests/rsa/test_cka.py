from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import feature_similarity as reference

from alignkit.rsa import _cka, _feature_rows, similarity

WIDTHS = [(3, 5), (3, 40), (40, 3), (40, 60), (14, 14), (5000, 3000)]


def two(rng, n: int = 14, p: int = 3, q: int = 5) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    y[:, 0] += x[:, 0]
    return x, y


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_it_equals_the_definition(rng, widths, kernel, debiased):
    x, y = two(rng, 14, *widths)
    expected = reference.cka(x, y, kernel=kernel, debiased=debiased)
    assert float(similarity(x, y, kernel=kernel, debiased=debiased)) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("n", [4, 5, 7])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_debiased_means_unbiased_over_all_choices_of_four_items(rng, n, kernel):
    x, y = two(rng, n)
    k, l = ((reference.linear_kernel if kernel == "linear" else reference.rbf_kernel)(z) for z in (x, y))  # noqa: E741
    hsic = reference.u_statistic_hsic
    expected = hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))
    assert float(similarity(x, y, kernel=kernel)) == pytest.approx(expected, rel=0, abs=1e-11)


@pytest.mark.parametrize("bandwidth", [0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("debiased", [True, False])
def test_every_bandwidth(rng, bandwidth, debiased):
    x, y = two(rng, 15, 8, 9)
    expected = reference.cka(x, y, kernel="rbf", debiased=debiased, bandwidth=bandwidth)
    result = similarity(x, y, kernel="rbf", debiased=debiased, bandwidth=bandwidth)
    # the plain definition loses digits where the kernel is 1 and little less
    assert float(result) == pytest.approx(expected, rel=0, abs=1e-11 if bandwidth < 10 else 1e-8)


def test_a_very_wide_gaussian_is_linear(rng):
    x, y = two(rng, 30)
    for debiased in (True, False):
        wide = similarity(x, y, kernel="rbf", bandwidth=1e6, debiased=debiased)
        assert float(wide) == pytest.approx(float(similarity(x, y, debiased=debiased)), rel=0, abs=1e-10)


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize(("p", "q"), [(6, 9), (6, 200), (300, 200)])
def test_both_forms_and_every_blocking_give_the_same_numbers(rng, monkeypatch, p, q, debiased):
    x, y = two(rng, 50, p, q)
    x, y = x + 1000, (y * 3).astype(np.float32)
    found = [float(similarity(x, y, debiased=debiased))]
    for always in (True, False):
        monkeypatch.setattr(_cka, "_prefers_gram", lambda rows, n_uses, always=always: always)
        for block in (1 << 22, 700, 60):
            monkeypatch.setattr(_feature_rows, "BLOCK", block)
            found.append(float(similarity(x, y, debiased=debiased)))
    mixed = iter([True, False] * 3)
    monkeypatch.setattr(_cka, "_prefers_gram", lambda rows, n_uses: next(mixed))
    found += [float(similarity(x, y, debiased=debiased)) for _ in range(3)]
    # centred first, or the plain kernel of features far from 0 loses six digits
    exact = reference.centred(x), reference.centred(y.astype(np.float64))
    np.testing.assert_allclose(found, reference.cka(*exact, debiased=debiased), rtol=0, atol=1e-10)


def test_biased_linear_is_the_whitened_cosine_of_squared_distances(rng):
    rsatoolbox = pytest.importorskip("rsatoolbox")
    x, y = two(rng, 30, 12, 20)
    rdms = [rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(z), method="euclidean") for z in (x, y)]
    expected = rsatoolbox.rdm.compare(*rdms, method="cosine_cov").item()
    assert float(similarity(x, y, debiased=False)) == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize(("p", "biased"), [(50, 0.489), (500, 0.915), (5000, 0.990)])
def test_noise_looks_alike_to_the_biased_measure_only(rng, p, biased):
    draws = [rng.normal(size=(2, 50, p)) for _ in range(4)]
    plain = [float(similarity(x, y, debiased=False)) for x, y in draws]
    assert np.mean(plain) == pytest.approx(biased, abs=0.03)
    assert np.mean([float(similarity(x, y)) for x, y in draws]) == pytest.approx(0, abs=0.06)


def test_the_mean_over_permutations_has_a_closed_form(rng):
    x, y = two(rng, 20, 7, 9)
    k, l = (reference.linear_kernel(reference.centred(z)) for z in (x, y))  # noqa: E741
    expected = np.trace(k) * np.trace(l) / (19 * np.linalg.norm(k) * np.linalg.norm(l))
    result = similarity(x, y, debiased=False, n_permutations=2000, rng=0)
    assert result.baseline == pytest.approx(expected, abs=0.01)
    assert similarity(x, y, n_permutations=2000, rng=0).baseline == pytest.approx(0, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["linear", "rbf"]))
def test_rotation_shift_and_unit_change_nothing(seed, debiased, kernel):
    rng = np.random.default_rng(seed)
    x, y = two(rng, 12, 4, 30)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = 10 ** rng.uniform(-3, 3) * (x @ rotation) + rng.normal(size=4)
    options = {"kernel": kernel, "debiased": debiased}
    value = float(similarity(x, y, **options))
    assert float(similarity(moved, y, **options)) == pytest.approx(value, rel=0, abs=1e-9)
    assert float(similarity(y, x, **options)) == pytest.approx(value, rel=0, abs=1e-13)
    assert float(similarity(x, moved, **options)) == pytest.approx(1, rel=0, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-170, 1e170])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_no_unit_is_too_small_or_too_large(rng, unit, kernel):
    x, y = two(rng)
    assert float(similarity(x * unit, y, kernel=kernel)) == pytest.approx(
        float(similarity(x, y, kernel=kernel)), abs=1e-12
    )


def test_items_equally_far_apart_have_no_debiased_variance(rng):
    x = rng.normal(size=(6, 3))
    for kernel in ("linear", "rbf"):
        with pytest.warns(RuntimeWarning, match="items all lie equally far apart: 'y'"):
            assert np.isnan(float(similarity(x, np.eye(6), kernel=kernel)))
        assert 0 < float(similarity(x, np.eye(6), kernel=kernel, debiased=False)) < 1


def test_half_of_all_distances_zero_leave_no_bandwidth(rng):
    x = np.zeros((9, 2))
    x[0] = 1.0
    with pytest.warns(RuntimeWarning, match="half of all distances are 0: 'x'"):
        assert np.isnan(float(similarity(x, rng.normal(size=(9, 3)), kernel="rbf")))


def test_three_items_are_too_few_for_an_unbiased_estimate(rng):
    x, y = two(rng, 3)
    with pytest.raises(ValueError, match="debiased linear CKA needs at least 4 items; got 3"):
        similarity(x, y)
    expected = reference.cka(x, y, debiased=False)
    assert float(similarity(x, y, debiased=False)) == pytest.approx(expected, rel=0, abs=1e-13)
