"""Our numbers are rsatoolbox's wherever both define the same thing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit.rsa import RDM, compare, noise_ceiling, rdm
from alignkit.rsa._pooling import pools

NAMES = {
    "spearman": "spearman",
    "pearson": "corr",
    "cosine": "cosine",
    "rho-a": "rho-a",
    "kendall-tau-a": "tau-a",
    "kendall-tau-b": "tau-b",
}
pytestmark = [
    # rsatoolbox 0.3.2 casts NaN to an integer, and warns of its own definition
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Noise ceiling for tau based on averaged ranks:UserWarning"),
]


@pytest.fixture(scope="module")
def theirs() -> SimpleNamespace:
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.data import Dataset
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, calc_rdm
    from rsatoolbox.rdm import compare as compare_rdms

    return SimpleNamespace(
        Dataset=Dataset, RDMs=RDMs, calc_rdm=calc_rdm, compare=compare_rdms, ceiling=boot_noise_ceiling
    )


def vectors(rng: np.random.Generator, n: int, n_pairs: int, levels: int | None) -> np.ndarray:
    x = rng.normal(size=n_pairs) + rng.normal(size=(n, n_pairs)) + 4
    return x if levels is None else np.digitize(x, np.linspace(2, 6, levels - 1)).astype(float) + 1


# ---- dissimilarities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_squared_euclidean_per_channel(offset, theirs, rng):
    x = rng.normal(size=(20, 30)) + offset
    expected = theirs.calc_rdm(theirs.Dataset(x), "euclidean").get_vectors()[0]
    ours = rdm(x, metric="sqeuclidean", normalize=True).values
    # with an offset it is they who lose digits: scipy's plain differences say so
    assert np.allclose(ours, expected, rtol=0, atol=1e-12 if offset == 0 else 1e-9)
    assert np.allclose(ours, pdist(x, "sqeuclidean") / 30, rtol=1e-12)


def test_correlation(theirs, rng):
    x = rng.normal(size=(20, 30)) + 3
    expected = theirs.calc_rdm(theirs.Dataset(x), "correlation").get_vectors()[0]
    assert np.allclose(rdm(x).values, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", ["sqeuclidean", "correlation"])
def test_repeats(metric, theirs, rng):
    x = rng.normal(size=(24, 10))
    labels = [f"c{i}" for i in rng.permutation(np.repeat(np.arange(6), 4))]
    data = theirs.Dataset(x, obs_descriptors={"condition": labels})
    name = "euclidean" if metric == "sqeuclidean" else metric
    result = theirs.calc_rdm(data, name, descriptor="condition")
    ours = rdm(x, metric=metric, labels=labels, normalize=metric == "sqeuclidean")
    # they sort conditions by name, we keep the order of first appearance
    assert ours.labels == tuple(dict.fromkeys(labels))
    ordered = ours.select(result.pattern_descriptors["condition"])
    assert np.allclose(ordered.values, result.get_vectors()[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("n_folds", [2, 3, 6])
@pytest.mark.parametrize("with_precision", [False, True])
def test_crossnobis(unequal, n_folds, with_precision, theirs, rng):
    cells = [
        (f"c{i}", f) for i in range(5) for f in range(n_folds) for _ in range(rng.integers(1, 5) if unequal else 2)
    ]
    labels, folds = zip(*[cells[i] for i in rng.permutation(len(cells))], strict=True)
    x = rng.normal(size=(len(labels), 8))
    root = rng.normal(size=(8, 8))
    precision = root @ root.T / 8 if with_precision else None
    data = theirs.Dataset(x, obs_descriptors={"condition": list(labels), "run": list(folds)})
    result = theirs.calc_rdm(data, "crossnobis", descriptor="condition", cv_descriptor="run", noise=precision)
    ours = rdm(x, metric="crossnobis", labels=labels, folds=folds, noise=precision)
    ordered = ours.select(result.pattern_descriptors["condition"])
    assert np.allclose(ordered.values, result.get_vectors()[0], rtol=0, atol=1e-12)
    assert (ours.values < 0).any() or not unequal


# ---- comparisons -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("levels", [None, 2, 6])
def test_compare(method, levels, theirs, rng):
    a, b = vectors(rng, 4, 66, levels), vectors(rng, 3, 66, levels)
    expected = theirs.compare(theirs.RDMs(a), theirs.RDMs(b), method=NAMES[method])
    assert np.allclose(compare(a, b, method=method).values, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["spearman", "rho-a", "cosine"])
def test_compare_of_converted_rdms(method, theirs, rng):
    labels = [f"i{k}" for k in range(12)]
    a, b = RDM(vectors(rng, 4, 66, None), labels), RDM(vectors(rng, 3, 66, 9), labels)
    expected = theirs.compare(a.to_rsatoolbox(), b.to_rsatoolbox(), method=NAMES[method])
    back = RDM.from_rsatoolbox(a.to_rsatoolbox())
    assert np.allclose(compare(back, b, method=method).values, expected, rtol=0, atol=1e-12)


# ---- noise ceilings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("levels", [None, 2, 6])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_noise_ceiling(method, levels, n, theirs, rng):
    x = vectors(rng, n, 66, levels)
    lower, upper = theirs.ceiling(theirs.RDMs(x), NAMES[method])
    ours = noise_ceiling(x, method=method, n_bootstrap=0)
    assert ours.lower == pytest.approx(lower, rel=0, abs=1e-12)
    assert ours.upper == pytest.approx(upper, rel=0, abs=1e-12)


@pytest.mark.parametrize(("method", "name"), [("whitened-cosine", "cosine_cov"), ("whitened-pearson", "corr_cov")])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_whitened_noise_ceiling(method, name, n, theirs, rng):
    x = vectors(rng, n, 66, None)
    lower, upper = theirs.ceiling(theirs.RDMs(x), name)
    ours = noise_ceiling(x, method=method, pooling="rsatoolbox", n_bootstrap=0)
    assert ours.lower == pytest.approx(lower, rel=0, abs=1e-12)
    assert ours.upper == pytest.approx(upper, rel=0, abs=1e-12)
    # they average without whitening: the best upper bound is a little higher
    assert noise_ceiling(x, method=method, n_bootstrap=0).upper > upper


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("drawn", [[0, 0, 1, 2, 3, 4], [5, 5, 5, 2, 2, 0], [1, 1, 1, 1, 1, 4]])
def test_noise_ceiling_of_a_bootstrap_sample(method, drawn, theirs, rng):
    x = vectors(rng, 6, 66, 9)
    sample = theirs.RDMs(x, rdm_descriptors={"subject": list(range(6))}).subsample("subject", drawn)
    expected = theirs.ceiling(sample, NAMES[method], rdm_descriptor="subject")
    subjects, multiplicity = np.unique(drawn, return_counts=True)
    (pool,) = pools(x[subjects][:, None], method, "rank", np.ones(66, dtype=bool))
    bounds = pool.bounds(multiplicity[None].astype(float))[0]
    assert np.allclose(bounds.mean(axis=1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_bootstrap_interval_is_made_of_such_samples(method, theirs, rng):
    x = vectors(rng, 5, 66, None)
    ours = noise_ceiling(x, method=method, n_bootstrap=25, rng=11, confidence=0.8)
    generator = np.random.default_rng(11).spawn(1)[0]
    draws = []
    for _ in range(25):
        drawn = np.sort(generator.integers(5, size=5))
        assert len(set(drawn)) > 1
        sample = theirs.RDMs(x, rdm_descriptors={"subject": list(range(5))}).subsample("subject", drawn.tolist())
        draws.append(theirs.ceiling(sample, NAMES[method], rdm_descriptor="subject"))
    shift = np.array([ours.lower, ours.upper]) - np.mean(draws, axis=0)
    expected = np.quantile(draws, [0.1, 0.9], axis=0) + shift
    assert np.allclose(ours.lower_interval, expected[:, 0], rtol=0, atol=1e-12)
    assert np.allclose(ours.upper_interval, expected[:, 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine", "rho-a"])
@pytest.mark.parametrize("levels", [None, 4])
def test_ceilings_and_comparisons_of_resampled_items(method, levels, theirs, rng):
    people, model = vectors(rng, 5, 66, levels), vectors(rng, 1, 66, levels)
    drawn = np.sort(rng.integers(12, size=12))
    # a pair of copies of one item is no pair
    apart = drawn[:, None] != drawn
    upper = np.triu_indices(12, k=1)

    def resampled(rows: np.ndarray) -> np.ndarray:
        return np.where(apart, RDM(rows, dims=["subject"]).squareform()[:, drawn][..., drawn], np.nan)[:, *upper]

    sample = theirs.RDMs(people).subsample_pattern("index", drawn)
    assert np.allclose(sample.get_vectors(), resampled(people), equal_nan=True)
    expected = theirs.ceiling(sample, method=NAMES[method])
    ours = noise_ceiling(RDM(resampled(people), dims=["subject"]), method=method, nan_policy="omit", n_bootstrap=0)
    assert np.allclose([ours.lower, ours.upper], expected, rtol=0, atol=1e-12)
    expected = theirs.compare(theirs.RDMs(model).subsample_pattern("index", drawn), sample, NAMES[method])
    ours = compare(resampled(model), RDM(resampled(people), dims=["subject"]), method=method, nan_policy="omit")
    assert np.allclose(ours.values, expected, rtol=0, atol=1e-12)
