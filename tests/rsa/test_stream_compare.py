from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from alignkit._threads import jobs
from alignkit.rsa import RDM, compare, rdm, similarity, stream_compare
from alignkit.rsa._stream_compare import STREAM_METHODS
from alignkit.rsa._tiles import _sides
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._write_tiles import write_tiles


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 16)


@pytest.fixture
def features(rng):
    x = rng.normal(size=(60, 7)).astype(np.float32)
    return x, x[:, :5] + rng.normal(size=(60, 5))


def single(x, metric="correlation", **kwargs):
    exact = rdm(x, metric=metric)
    return RDM(exact.values.astype(np.float32), **kwargs)


@pytest.mark.parametrize("method", STREAM_METHODS)
@pytest.mark.parametrize(("metric", "backend"), [("correlation", "numba"), ("sqeuclidean", "numpy")])
def test_it_is_compare_of_the_same_values(features, method, metric, backend, tmp_path):
    stored = [write_tiles(z, tmp_path / f"{k}.zarr", Recipe(metric), side=16) for k, z in enumerate(features)]
    inside = [one.load() for one in stored]
    expected = float(compare(*inside, method=method))
    for a, b in (features, stored, (tmp_path / "0.zarr", inside[1])):
        found = float(stream_compare(a, b, method=method, metric=metric, backend=backend))
        if method in ("spearman", "rho-a"):
            assert found == expected  # bit for bit
        else:
            assert found == pytest.approx(expected, rel=0, abs=1e-14)
    assert float(compare(*stored, method=method)) == pytest.approx(expected, rel=0, abs=1e-14)


def test_3000_items_bit_for_bit(rng, monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 1024)
    x = rng.normal(size=(3000, 16)).astype(np.float32)
    y = np.round(x + rng.normal(size=x.shape), 1)
    inside = [RDM(rdm(z).values.astype(np.float32)) for z in (x, y)]
    for method in ("spearman", "rho-a"):
        assert float(stream_compare(*inside, method=method)) == float(compare(*inside, method=method))


def test_scipy_says_the_same(features):
    a, b = (single(x).values for x in features)
    assert float(stream_compare(*features)) == pytest.approx(spearmanr(a, b).statistic, abs=1e-14)
    assert float(stream_compare(*features, method="pearson")) == pytest.approx(pearsonr(a, b).statistic, abs=1e-7)


def test_ties_and_negative_values(rng):
    a, b = (RDM(rng.integers(-3, 4, 60 * 59 // 2).astype(np.float32)) for _ in range(2))
    assert float(stream_compare(a, b)) == float(compare(a, b))
    assert float(stream_compare(a, a)) == 1.0


def test_whitened_cosine_is_linear_cka(features):
    found = float(stream_compare(*features, method="whitened-cosine", metric="sqeuclidean"))
    assert found == pytest.approx(float(similarity(*features, debiased=False).values), abs=1e-7)


@pytest.mark.parametrize("method", STREAM_METHODS)
def test_threads_and_memory_change_no_bit(features, method):
    found = set()
    for n in (1, 2):
        for memory in ("1 GB", "700 MB"):
            with jobs(n):
                found.add(float(stream_compare(*features, method=method, memory=memory)))
    assert len(found) == 1


def test_an_offset_costs_no_digits(rng):
    values = rng.normal(size=(2, 60 * 59 // 2))
    a, b = (RDM((row + 4096.0).astype(np.float32)) for row in values)
    exact = np.corrcoef(a.values.astype(np.longdouble) - 4096, b.values.astype(np.longdouble) - 4096)[0, 1]
    assert float(stream_compare(a, b, method="pearson")) == pytest.approx(float(exact), abs=1e-13)


def test_items_are_matched_by_name(features, rng, tmp_path):
    x, y = features
    names = [f"i{k}" for k in range(60)]
    order = rng.permutation(60)
    shuffled = [names[k] for k in order]
    expected = float(stream_compare(x, y))
    result = stream_compare(x, y[order], labels_a=names, labels_b=shuffled)
    assert float(result) == expected
    assert result.aligned_by == "label"
    one = write_tiles(x, tmp_path / "x.zarr", Recipe("correlation"), labels=names, side=16)
    other = write_tiles(y[order], tmp_path / "y.zarr", Recipe("correlation"), labels=shuffled, side=16)
    assert float(stream_compare(one, y[order], labels_b=shuffled)) == expected
    assert float(stream_compare(x, other, labels_a=names)) == expected
    assert float(stream_compare(one, other.load())) == expected
    with pytest.raises(ValueError, match="items in different orders; write one of them anew"):
        stream_compare(one, other)
    with pytest.raises(ValueError, match=r"do not hold the same items .*\. Leave the other items out of both first\."):
        stream_compare(one, y, labels_b=[*names[:-1], "else"])
    with pytest.raises(ValueError, match="a has 60 items and b 59"):
        stream_compare(x, y[:-1])


@pytest.mark.parametrize("method", ["spearman", "rho-a", "pearson", "cosine"])
def test_missing_pairs(method, features):
    a, b = (single(x).values.copy() for x in features)
    a[[3, 70]], b[70:75] = np.nan, np.nan
    a, b = RDM(a), RDM(b)
    omitted = stream_compare(a, b, method=method, nan_policy="omit")
    expected = compare(a, b, method=method, nan_policy="omit")
    assert float(omitted) == pytest.approx(float(expected), abs=1e-14)
    assert int(omitted.n_pairs) == int(expected.n_pairs) == 1770 - 6
    with pytest.warns(RuntimeWarning, match=r"a holds NaN .*'2 pairs'; b holds NaN .*'5 pairs'"):
        assert np.isnan(float(stream_compare(a, b, method=method)))
    with pytest.raises(ValueError, match="a holds NaN"):
        stream_compare(a, b, method=method, nan_policy="raise")


def test_whitened_methods_need_every_pair(features):
    a, b = (single(x).values.copy() for x in features)
    a[3] = np.nan
    with pytest.raises(ValueError, match="whitened-cosine in tiles needs every pair of items, and a holds NaN"):
        stream_compare(RDM(a), RDM(b), method="whitened-cosine", nan_policy="omit")


@pytest.mark.parametrize("method", ["spearman", "pearson", "whitened-pearson", "cosine"])
def test_constant_rdms_are_undefined(method, features):
    constant = RDM(np.full(1770, 0.0 if method == "cosine" else 0.1, dtype=np.float32))
    with pytest.warns(RuntimeWarning, match=f"{method} is undefined for RDMs"):
        assert np.isnan(float(stream_compare(constant, single(features[0]), method=method)))


def test_tables_that_do_not_fit_say_what_they_need(features, rng, monkeypatch):
    wide = RDM((10.0 ** rng.uniform(-30, 30, 1770)).astype(np.float32))
    monkeypatch.setattr("alignkit.rsa._stream_compare.as_bytes", lambda _: 8_000_000)
    with pytest.raises(ValueError, match=r"exact ranks of these 1,770 pairs need tables of .*; give memory='"):
        stream_compare(wide, wide)


def test_what_cannot_be_streamed(features, tmp_path):
    x, y = features
    stored = write_tiles(x, tmp_path / "x.zarr", Recipe("cosine"), side=16)
    for call, error, text in (
        (lambda: stream_compare(x, y, method="kendall-tau-a"), ValueError, "method must be one of"),
        (lambda: stream_compare(RDM(np.ones((2, 3)), dims=["s"]), x), ValueError, "one is streamed at a time"),
        (lambda: compare(stored, stored, method="bures"), ValueError, "method must be one of"),
        (lambda: compare(stored, single(x), sigma_k=np.ones(60), method="whitened-cosine"), ValueError, "no sigma_k"),
        (lambda: compare(stored, single(x).values), TypeError, "compared with another, or with an RDM"),
    ):
        with pytest.raises(error, match=text):
            call()
    stored._done[0] = False
    with pytest.raises(ValueError, match="is not finished"):
        stream_compare(stored, y)


def test_the_bar_counts_all_passes(features, capsys):
    stream_compare(*features, progress=True)
    assert "5.31k/5.31k" in capsys.readouterr().err
