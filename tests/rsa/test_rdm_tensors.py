"""Tensors in, tensors out: the numbers of the arrays, with gradients; float32 states what it costs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit.rsa import rdm
from alignkit.rsa._metrics import METRICS

torch = pytest.importorskip("torch")

PLAIN = ("correlation", "cosine", "euclidean", "sqeuclidean", "mahalanobis", "sqmahalanobis", "poisson")
FOLDED = ("crossnobis", "sqeuclidean_cv", "correlation_cv", "cosine_cv", "poisson_cv")
LABELS, FOLDS = list("abcde") * 3, list(np.repeat(["r1", "r2", "r3"], 5))


def case(metric: str, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, object]]:
    options: dict[str, object] = {"metric": metric}
    base = rng.normal(size=(5, 6))
    x = np.abs(base + 0.2 * rng.normal(size=(2, 3, 5, 6))).reshape(2, 15, 6) + 0.1
    if METRICS[metric].crossvalidated:
        options |= {"labels": LABELS, "folds": FOLDS}
    if "noise" in METRICS[metric].takes:
        root = rng.normal(size=(6, 9))
        options["noise"] = root @ root.T
    return x, options


@pytest.mark.parametrize("metric", METRICS)
def test_float64_tensors_give_the_numbers_of_arrays(metric, rng):
    x, options = case(metric, rng)
    result = rdm(torch.from_numpy(x), dims=["subject"], **options)
    assert isinstance(result.values, torch.Tensor)
    assert result.values.dtype == torch.float64
    expected = rdm(x, dims=["subject"], **options)
    assert np.allclose(result.values.numpy(), expected.values, rtol=1e-12, atol=1e-13)
    assert (result.labels, result.dims, result.metric) == (expected.labels, expected.dims, expected.metric)
    assert result.provenance == expected.provenance


@pytest.mark.parametrize("cv", ["fold-pairs", "observation-pairs"])
@pytest.mark.parametrize("by_fold", [False, True])
def test_unbalanced_designs_with_noise_per_fold(cv, by_fold, rng):
    x, options = case("crossnobis", rng)
    x, keep = x[0], [k for k in range(15) if k not in (3, 4)]
    options |= {"labels": [LABELS[k] for k in keep], "folds": [FOLDS[k] for k in keep], "cv": cv}
    if by_fold:
        options["noise"] = [np.eye(6), 2 * np.eye(6) + 0.1, 3 * np.eye(6)]
    expected = rdm(x[keep], **options).values
    assert np.allclose(rdm(torch.from_numpy(x[keep]), **options).values.numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("metric", [name for name in PLAIN if METRICS[name].omit])
def test_missing_channels(metric, rng):
    x = rng.normal(size=(2, 7, 20))
    x[rng.random(x.shape) < 0.3] = np.nan
    expected = rdm(x, metric=metric, nan_policy="omit")
    result = rdm(torch.from_numpy(x), metric=metric, nan_policy="omit")
    assert np.allclose(result.values.numpy(), expected.values, rtol=1e-11, atol=1e-12)
    assert result.provenance == expected.provenance


@pytest.mark.parametrize("metric", [*PLAIN, *FOLDED])
def test_gradients_are_those_of_finite_differences(metric, rng):
    x, options = case(metric, rng)
    tensor = torch.from_numpy(x[0]).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: rdm(t, **options).values, (tensor,), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("metric", PLAIN[:6])
def test_gradients_of_copies_are_finite(metric, rng):
    x, options = case(metric, rng)
    tensor = torch.from_numpy(np.concatenate([x[0], x[0]])).requires_grad_()
    rdm(tensor, **options).values.sum().backward()
    assert torch.isfinite(tensor.grad).all()


def test_gradients_pass_the_items_that_have_none(rng):
    x = torch.from_numpy(rng.normal(size=(5, 6)))
    x[1] = 3.0
    x[2, 0] = torch.nan
    x.requires_grad_()
    with pytest.warns(RuntimeWarning, match="NaN or infinite values: 'item 2'; items with constant.*: 'item 1'"):
        values = rdm(x).values
    values[~values.isnan()].sum().backward()
    assert torch.isfinite(x.grad).all()


def test_gradients_through_missing_channels(rng):
    x = rng.normal(size=(5, 9))
    x[0, 1] = x[3, 4] = np.nan
    for metric in ("correlation", "cosine", "euclidean", "sqeuclidean"):
        tensor = torch.from_numpy(x).clone().requires_grad_()
        rdm(tensor, metric=metric, nan_policy="omit").values.sum().backward()
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("metric", [*PLAIN, *FOLDED])
def test_leaves_the_tensor_alone(metric, rng):
    x, options = case(metric, rng)
    tensor = torch.from_numpy(x)
    before = tensor.clone()
    rdm(tensor, **options)
    assert torch.equal(tensor, before)


@pytest.mark.parametrize("metric", [*PLAIN, *FOLDED])
def test_float32_tensors_stay_float32(metric, rng):
    x, options = case(metric, rng)
    result = rdm(torch.from_numpy(x).float(), **options)
    assert result.values.dtype == torch.float32
    expected = rdm(x.astype(np.float32).astype(np.float64), **options).values
    error = np.abs(result.values.numpy() - expected).max()
    assert error <= 1e-4 * max(1.0, np.abs(expected).max())
    assert result.provenance["float32_error"] == pytest.approx(error, rel=1e-3, abs=1e-9)
    wide = rdm(torch.from_numpy(x).float(), dtype="float64", **options).values
    assert np.allclose(wide.numpy(), expected, rtol=1e-11, atol=1e-12)


def test_other_kinds_of_tensors(rng):
    x = rng.integers(0, 9, size=(6, 8))
    assert rdm(torch.from_numpy(x)).values.dtype == torch.float64
    half = torch.from_numpy(rng.normal(size=(6, 8))).half()
    result = rdm(half)
    assert result.values.dtype == torch.float32
    assert np.allclose(result.values.numpy(), rdm(half.double().numpy()).values, rtol=0, atol=1e-6)
    assert rdm(half.bfloat16()).values.dtype == torch.float32
    with pytest.raises(TypeError, match="real numbers"):
        rdm(torch.ones(3, 4, dtype=torch.complex64))


@pytest.mark.parametrize("metric", PLAIN[:4])
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e150])
def test_any_unit(metric, scale, rng):
    x = rng.normal(size=(6, 8)) * scale
    if metric == "sqeuclidean" and scale < 1e-150:
        return
    expected = rdm(x, metric=metric).values
    assert np.allclose(rdm(torch.from_numpy(x), metric=metric).values.numpy(), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("metric", PLAIN[:4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ties_are_ties(metric, dtype, rng):
    whole = rng.integers(0, 4, size=(40, 5))
    whole[:, 0], whole[:, 1] = 0, 12
    # tenths are no float32 numbers: their differences differ
    given = torch.from_numpy(whole / 10) if dtype == torch.float64 else torch.from_numpy(whole).float()
    values = rdm(given, metric=metric).values.numpy()
    exact = rdm(whole, metric=metric).values
    assert (
        len(np.unique(values)) == len(np.unique(exact)) == len(set(zip(values.tolist(), exact.tolist(), strict=True)))
    )


# ---- float32 arrays --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize(("metric", "limit"), [("correlation", 8e-5), ("cosine", 5e-6), ("euclidean", 2e-5)])
@pytest.mark.parametrize("kind", ["float32", "float64", "tensor"])
def test_float32_is_as_good_as_the_features(kind, metric, limit, offset, rng):
    x = (rng.normal(size=(150, 64)) + offset).astype(np.float32)
    given = torch.from_numpy(x) if kind == "tensor" else x.astype(kind)
    result = rdm(given, metric=metric, dtype="float32")
    error = np.abs(np.asarray(result.values, dtype=np.float64) - pdist(x.astype(np.float64), metric)).max()
    assert error < limit
    stated = result.provenance
    assert (stated["dtype"], stated["float32_error_pairs"]) == ("float32", 1035)
    assert error / 5 < stated["float32_error"] <= error * 1.001


@pytest.mark.parametrize("metric", [*PLAIN, *FOLDED])
def test_float32_of_every_metric_is_float32_and_states_its_error(metric, rng):
    x, options = case(metric, rng)
    result = rdm(x, dtype="float32", **options)
    expected = rdm(x, **options)
    assert (result.values.dtype, expected.values.dtype) == (np.float32, np.float64)
    error = np.abs(result.values - expected.values).max()
    assert error <= 1e-4 * max(1.0, np.abs(expected.values).max())
    assert result.provenance["float32_error"] == pytest.approx(error, rel=1e-3, abs=1e-9)
    assert "dtype" not in expected.provenance


@pytest.mark.parametrize("cv", ["leave-one-fold-out", "fold-pairs", "observation-pairs"])
def test_float32_crossnobis_with_an_offset(cv, rng):
    x, options = case("crossnobis", rng)
    x, options = x[0] + 1000, options | {"cv": cv}
    result = rdm(x, dtype="float32", **options)
    expected = rdm(x, **options).values
    assert np.abs(result.values - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("metric", PLAIN[:4])
def test_discrete_patterns_keep_their_ties_in_float32(metric, rng):
    x = rng.integers(0, 4, size=(60, 6)).astype(np.float32)
    x[:, 0], x[:, 1] = 0, 12
    single, exact = rdm(x, metric=metric, dtype="float32").values, rdm(x, metric=metric).values
    assert np.array_equal(single, exact.astype(np.float32))
    assert len(np.unique(single)) == len(np.unique(exact))


def test_bad_items_have_no_part_in_the_error(rng):
    x = rng.normal(size=(6, 5))
    x[0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = rdm(x, dtype="float32")
        nothing = rdm(np.full((3, 4), np.nan), dtype="float32")
    assert 0 < result.provenance["float32_error"] < 1e-6
    assert nothing.provenance["float32_error"] == 0.0
