from __future__ import annotations

import itertools
import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import rsa as reference
from threadpoolctl import threadpool_limits

from alignkit.rsa import RDM, SplitHalf, compare, split_half
from alignkit.rsa._pooling import POOLING_METHODS
from alignkit.rsa._split_half import corrected, splits

METHODS = tuple(reference.METHODS)


def people(rng, n: int = 6, n_pairs: int = 15, noise: float = 1.0) -> np.ndarray:
    return 4 + rng.normal(size=n_pairs) + noise * rng.normal(size=(n, n_pairs))


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pooling", ["rank", "raw"])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_all_splits_equal_the_plain_loop(method, pooling, n, rng):
    x = people(rng, n)
    expected = []
    for members in itertools.combinations(range(n), n // 2):
        if n % 2 == 0 and 0 in members:
            continue  # the other half comes by itself
        one, other = x[list(members)], x[[i for i in range(n) if i not in members]]
        pooled = [reference.pool(half, method, pooling) for half in (one, other)]
        expected.append(reference.METHODS[method](*pooled))
    result = split_half(x, method=method, pooling=pooling)
    assert result.exact
    assert result.n_splits == len(expected) == math.comb(n, n // 2) // (2 - n % 2)
    assert np.allclose(np.sort(result.similarities), np.sort(expected), rtol=0, atol=1e-13)
    assert result.similarity == pytest.approx(np.mean(expected), abs=1e-13)
    assert result.sizes == (n // 2, n - n // 2)


def test_two_subjects_by_hand():
    # r = 1 - 24/210; corrected 2r / (1 + r)
    result = split_half([[1.0, 2, 3, 4, 5, 6], [10.0, 30, 20, 40, 60, 50]])
    r = 1 - 24 / 210
    assert result.similarity == pytest.approx(r, abs=1e-15)
    assert result.reliability == pytest.approx(2 * r / (1 + r), abs=1e-15)
    assert result.interval.tolist() == [result.reliability] * 2
    assert result.n_splits == 1


def test_the_correction():
    r = np.array([0.0, 0.2, 0.5, 0.9, 1.0, -0.2])
    assert np.allclose(corrected(r, (4, 4)), 2 * r / (1 + r), rtol=0, atol=1e-15)
    assert np.isnan(corrected(np.array([-1.0]), (4, 4))).all()
    # parts of p and q of all parallel measurements with noise a per whole: r = √(pq / ((p + a)(q + a))), R = 1/(1 + a)
    for size, noise in itertools.product(range(1, 7), (0.01, 0.5, 3.0)):
        p, q = size / 7, 1 - size / 7
        alike = math.sqrt(p * q / ((p + noise) * (q + noise)))
        assert corrected(np.array(alike), (size, 7 - size)) == pytest.approx(1 / (1 + noise), abs=1e-14)


@pytest.mark.parametrize("n", [8, 9])
@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_the_correction_finds_the_planted_reliability(n, method):
    # many pairs and subjects with equal noise: the mean of n has the reliability 1 / (1 + noise^2 / n)
    x = people(np.random.default_rng(0), n, n_pairs=4950, noise=2.0)
    result = split_half(x, method=method, rng=0)
    assert result.reliability == pytest.approx(1 / (1 + 4 / n), abs=0.02 if method == "pearson" else 0.04)
    assert result.interval[0] < result.reliability < result.interval[1]


def test_random_splits(rng):
    x = people(rng, 12)
    every = split_half(x)
    some = split_half(x, n_splits=100, rng=0)
    assert (every.n_splits, every.exact) == (462, True)
    assert (some.n_splits, some.exact) == (100, False)
    assert some.similarity == pytest.approx(every.similarity, abs=0.05)
    assert np.isin(np.round(some.similarities, 10), np.round(every.similarities, 10)).all()
    assert np.array_equal(some.similarities, split_half(x, n_splits=100, rng=0).similarities)
    assert not np.array_equal(some.similarities, split_half(x, n_splits=100, rng=1).similarities)


def test_splits_are_fair():
    first, exact = splits(9, 20_000, np.random.default_rng(0))
    assert exact
    assert len(np.unique(first, axis=0)) == len(first) == 126
    first, exact = splits(9, 100, np.random.default_rng(0))
    assert not exact
    assert (first.sum(axis=1) == 4).all()
    drawn = splits(14, 1715, np.random.default_rng(0))[0].mean(axis=0)
    assert np.allclose(drawn, 0.5, atol=0.05)


def test_further_axes_share_their_splits(rng):
    values = rng.random((3, 7, 2, 10))
    stack = RDM(values, dims=["time", "subject", "roi"], coords={"time": [0.1, 0.2, 0.3], "roi": ["V1", "IT"]})
    for method in ("spearman", "pearson", "whitened-cosine"):
        result = split_half(stack, method=method, n_splits=20, rng=4)
        assert result.dims == ("split", "time", "roi")
        assert result.coords == {"time": [0.1, 0.2, 0.3], "roi": ["V1", "IT"]}
        assert result.reliability.shape == (3, 2)
        assert result.interval.shape == (2, 3, 2)
        for t, r in itertools.product(range(3), range(2)):
            alone = split_half(values[t, :, r], method=method, n_splits=20, rng=4)
            assert np.allclose(result.similarities[:, t, r], alone.similarities, rtol=0, atol=1e-15)
            assert result.reliability[t, r] == pytest.approx(alone.reliability, abs=1e-14)


def test_sessions_of_every_subject(rng):
    values = rng.random((2, 4, 15))
    stack = RDM(values, dims=["subject", "session"], coords={"subject": ["a", "b"], "session": [1, 2, 3, 4]})
    result = split_half(stack, dim="session", n_splits=5)
    assert (result.over, result.dims, result.coords) == ("session", ("split", "subject"), {"subject": ["a", "b"]})
    assert result.reliability[1] == pytest.approx(split_half(values[1]).reliability, abs=1e-14)
    assert "4 sessions into 2 and 2" in result.methods_text()
    with pytest.raises(ValueError, match="dim must be one of 'subject', 'session'"):
        split_half(stack, dim="run")
    with pytest.raises(ValueError, match="name that of the subjects with dim="):
        split_half(RDM(values, dims=["person", "session"]))
    with pytest.raises(ValueError, match="a single RDM; a split into halves needs a leading axis"):
        split_half([1.0, 2, 3])


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_the_number_of_threads_does_not_matter(method, rng):
    stack = RDM(people(rng, 24, 66).reshape(8, 3, 66), dims=["subject", "time"])
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append(split_half(stack, method=method, rng=0, n_splits=30).similarities)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_raw_halves_are_compared_as_they_are(rng):
    x = people(rng, 4)
    result = split_half(x, method="whitened-cosine", pooling="raw")
    means = [(x[[1, 2]], x[[0, 3]]), (x[[1, 3]], x[[0, 2]]), (x[[2, 3]], x[[0, 1]])]
    expected = [float(compare(a.mean(axis=0), b.mean(axis=0), method="whitened-cosine")) for a, b in means]
    assert np.allclose(result.similarities, expected, rtol=0, atol=1e-13)
    assert (result.sigma_k, split_half(x).sigma_k) == ("identity", "")


def test_a_progress_bar_on_request(rng, capsys):
    split_half(RDM(rng.random((6, 3, 10)), dims=["subject", "time"]), progress=True)
    assert re.search(r"splits: 100%.*30/30", capsys.readouterr().err)
    split_half(people(rng))
    assert capsys.readouterr().err == ""


# ---- what is not valid is said ---------------------------------------------------------------------------------------


def test_negative_halves_are_counted_and_noted():
    row = np.array([1.0, 2, 3, 4, 5, 7])
    result = split_half([row, -row[[1, 0, 2, 3, 4, 5]], row, -row[[0, 1, 2, 4, 3, 5]]])
    assert result.n_negative == int((result.similarities < 0).sum()) > 0
    assert f"Up to {result.n_negative} of 3 splits are negative" in result.note
    assert "negative" in repr(result)
    assert split_half([row, row, row]).note == ""


def test_opposite_halves_have_no_reliability():
    row = np.array([1.0, 2, 3, 4, 5, 7])
    result = split_half([row, -row], method="pearson")
    assert result.similarity == pytest.approx(-1)
    assert np.isnan(result.reliability) or result.reliability < -1e6


def test_ranks_are_a_convention():
    x = [[1.0, 2, 3], [1.0, 3, 2], [2.0, 1, 3]]
    stack = RDM(x, dims=["subject"])
    assert "a convention for ranks" in split_half(stack).methods_text()
    assert "convention" not in split_half(stack, method="pearson").methods_text()
    assert "Horst's (1951)" in split_half(stack).methods_text()
    assert "by the Spearman-Brown formula" in split_half(stack.isel(subject=[0, 1]), method="cosine").methods_text()
    assert "heuristic" in split_half(stack, method="kendall-tau-a").note


def test_one_subject_cannot_be_halved(recwarn):
    result = split_half([[1, 2, 3, 4, 5, 6]])
    assert np.isnan([result.reliability, result.similarity, *result.interval]).all()
    assert "nothing to halve" in repr(result)
    assert not recwarn.list


def test_nan_and_undefined(rng):
    x = people(rng)
    holes = x.copy()
    holes[2, 4] = np.nan
    with pytest.warns(RuntimeWarning, match="rdms holds NaN") as caught:
        assert np.isnan(split_half(holes).reliability)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="rdms holds NaN"):
        split_half(holes, nan_policy="raise")
    omitted = split_half(holes, nan_policy="omit")
    assert np.array_equal(omitted.similarities, split_half(RDM(holes), nan_policy="omit").similarities)
    rows = np.delete(x, 4, axis=1)
    expected = reference.METHODS["spearman"](
        *(reference.pool(half, "spearman", "rank") for half in (rows[[1, 2, 3]], rows[[0, 4, 5]]))
    )
    assert omitted.similarities[0] == pytest.approx(expected, abs=1e-14)
    assert omitted.n_pairs == 14
    x[3] = 1.0
    with pytest.warns(RuntimeWarning, match=r"undefined for RDMs whose values are all equal: 'subject 3'"):
        assert np.isnan(split_half(x, method="pearson").reliability)
    for method in ("spearman", "kendall-tau-b", "pearson", "cosine", "whitened-cosine", "whitened-pearson"):
        stack = np.stack([people(rng), people(rng)], axis=1)
        stack[3, 1] = 0.0
        for pooling in ("rank", "raw"):
            with pytest.warns(RuntimeWarning, match=r"values are all (equal|zero): 'subject 3, time 1'"):
                result = split_half(RDM(stack, dims=["subject", "time"]), method=method, pooling=pooling)
            assert np.isnan(result.similarities).all(axis=0).tolist() == [False, True]
            assert np.isnan(result.reliability).tolist() == [False, True]
    row = rng.normal(size=15)
    with pytest.warns(RuntimeWarning, match="subjects cancel out"):
        assert np.isnan(split_half([row, -row, row, -row], method="pearson").reliability)


BAD = {
    "method": ({"method": "mse"}, ValueError, "method must be one of 'spearman'"),
    "bures": ({"method": "bures"}, ValueError, "no mean RDM in closed form.*use 'whitened-cosine' or 'cosine'"),
    "pooling": ({"pooling": "mean"}, ValueError, "pooling must be one of"),
    "n_splits": ({"n_splits": 0}, ValueError, "n_splits must be at least 1"),
    "confidence": ({"confidence": 0}, ValueError, "confidence must lie between 0 and 1"),
    "sigma_k": ({"sigma_k": [1.0]}, ValueError, "sigma_k is for the methods"),
    "rng": ({"rng": 1.5}, TypeError, "rng must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case, rng):
    options, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        split_half(people(rng), **options)


# ---- the result ------------------------------------------------------------------------------------------------------


def test_json_round_trip(rng, tmp_path):
    stack = RDM(rng.random((4, 3, 10)), dims=["subject", "time"], coords={"time": [0.1, 0.2, 0.3]})
    for result in (split_half(people(rng)), split_half(stack), split_half([[1, 2, 3, 4, 5, 6]])):
        result.save(tmp_path / "a.json")
        back = SplitHalf.load(tmp_path / "a.json")
        assert repr(back) == repr(result)
        assert back.to_dataframe().equals(result.to_dataframe())
        assert type(back.reliability) is type(result.reliability)
        assert back.sizes == result.sizes


def test_to_dataframe(rng, tmp_path):
    stack = RDM(rng.random((4, 2, 10)), dims=["subject", "time"], coords={"time": [0.1, 0.2]})
    result = split_half(stack)
    table = result.to_dataframe()
    assert table.columns.tolist() == ["split", "time", "similarity", "corrected", "method", "pooling"]
    r = result.similarities[2, 1]
    assert table[(table.split == 2) & (table.time == 0.2)].similarity.item() == r
    assert table[(table.split == 2) & (table.time == 0.2)].corrected.item() == pytest.approx(2 * r / (1 + r))
    result.save(tmp_path / "a.csv")
    assert " to " in repr(result)
    assert "\n" not in repr(result)


def test_pictures(rng):
    plt = pytest.importorskip("matplotlib.pyplot")
    assert split_half(people(rng)).plot().get_ylabel() == "splits"
    stack = RDM(rng.random((4, 3, 10)), dims=["subject", "time"], coords={"time": [0.1, 0.2, 0.3]})
    ax = split_half(stack).plot()
    assert ax.get_xlabel() == "time"
    assert ax.lines[0].get_xdata().tolist() == [0.1, 0.2, 0.3]
    named = RDM(stack.values, dims=["subject", "roi"], coords={"roi": ["x", "y", "z"]})
    assert split_half(named).plot().lines[0].get_xdata().tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="no single curve"):
        split_half(RDM(rng.random((3, 2, 2, 10)), dims=["subject", "a", "b"])).plot()
    plt.close("all")


# ---- properties ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**16), st.permutations(range(5)), st.sampled_from(POOLING_METHODS))
def test_order_of_subjects(seed, order, method):
    x = people(np.random.default_rng(seed), 5, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found, expected = (np.sort(split_half(rows, method=method).similarities) for rows in (x[order], x))
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


@given(st.floats(-0.99, 1), st.integers(1, 9))
def test_the_correction_keeps_the_order_and_the_sign(r, size):
    low, high = corrected(np.array([r, min(1.0, r + 0.01)]), (size, 10 - size))
    assert low <= high + 1e-12
    assert np.sign(low) == np.sign(r) or abs(r) < 1e-12
    assert r < 0 or r - 1e-12 <= low <= 1 + 1e-12


def test_a_list_of_rdm_objects_is_sent_to_stack():
    one = RDM([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"put them into one stack with stack\("):
        split_half([one, one])
