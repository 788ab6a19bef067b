from __future__ import annotations

import dataclasses
import itertools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import rsa as reference
from scipy import stats
from threadpoolctl import threadpool_limits

from alignkit.rsa import RDM, NoiseCeiling, compare, noise_ceiling
from alignkit.rsa._pooling import POOLING_METHODS, pools
from alignkit.rsa._similarity_methods import METHODS as KINDS

METHODS = tuple(reference.METHODS)
POOLINGS = ("rank", "raw")


def people(rng, n: int = 5, n_pairs: int = 10, levels: int | None = None) -> np.ndarray:
    shared = rng.normal(size=n_pairs)
    x = shared + rng.normal(size=(n, n_pairs))
    return x if levels is None else np.digitize(x, np.linspace(-1.5, 1.5, levels - 1)).astype(float)


@pytest.fixture
def subjects(rng) -> np.ndarray:
    return people(rng)


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_equals_the_plain_loop(method, pooling, levels, n, rng):
    x = people(rng, n=n, levels=levels) + 3 * (method == "cosine")
    lower, upper = reference.noise_ceiling(x, method, pooling)
    result = noise_ceiling(x, method=method, pooling=pooling, n_bootstrap=0)
    assert np.allclose(result.lower_per_subject, lower, rtol=0, atol=1e-13)
    assert np.allclose(result.upper_per_subject, upper, rtol=0, atol=1e-13)
    assert result.lower == pytest.approx(np.mean(lower), abs=1e-14)
    assert result.upper == pytest.approx(np.mean(upper), abs=1e-14)


def test_two_subjects_by_hand():
    # ranks 1 2 3 4 5 6 and 1 3 2 4 6 5: r = 1 - 6 * 4 / 210; their mean rank has ties (2.5 and 5.5 twice)
    x = [[1.0, 2, 3, 4, 5, 6], [10.0, 30, 20, 40, 60, 50]]
    result = noise_ceiling(x)
    assert result.lower == pytest.approx(1 - 24 / 210, abs=1e-15)
    assert result.upper == pytest.approx(16.5 / np.sqrt(17.5 * 16.5), abs=1e-15)
    assert np.isnan(result.lower_interval).all()
    assert result.n_bootstrap == 0
    assert "Two subjects" in result.note
    assert "Two subjects" in repr(result)


def test_one_subject_has_no_ceiling(recwarn):
    for x in ([[1, 2, 3]], RDM(np.ones((1, 2, 6)) * np.arange(6), dims=["subject", "time"])):
        result = noise_ceiling(x)
        assert np.isnan(result.lower).all()
        assert np.isnan(result.upper).all()
        assert "nobody to compare with" in repr(result)
        assert result.to_dataframe().lower.isna().all()
    assert not recwarn.list


def test_identical_subjects_reach_one(subjects):
    for method in ("spearman", "pearson", "cosine", "kendall-tau-a", "kendall-tau-b", "rho-a"):
        result = noise_ceiling(np.stack([subjects[0]] * 4), method=method, rng=0, n_bootstrap=20)
        assert result.lower == pytest.approx(1, abs=1e-14)
        assert result.upper == pytest.approx(1, abs=1e-14)
        assert np.allclose([result.lower_interval, result.upper_interval], 1, atol=1e-14)


def test_three_items():
    x = [[1.0, 2, 3], [1.0, 3, 2], [2.0, 1, 3]]
    lower, upper = reference.noise_ceiling(x, "spearman")
    result = noise_ceiling(RDM(x, dims=["subject"]), n_bootstrap=0)
    assert result.lower == pytest.approx(np.mean(lower), abs=1e-15)
    assert result.upper == pytest.approx(np.mean(upper), abs=1e-15)
    with pytest.raises(ValueError, match=r"If these are 3 condensed RDMs of 3 items, name the leading axes"):
        noise_ceiling(x)


def test_every_further_axis_by_itself(rng):
    values = rng.random((3, 5, 2, 15))
    stack = RDM(values, dims=["time", "subject", "roi"], coords={"time": [0.1, 0.2, 0.3], "roi": ["V1", "IT"]})
    result = noise_ceiling(stack, rng=1, n_bootstrap=30)
    assert result.dims == ("subject", "time", "roi")
    assert result.coords == {"time": [0.1, 0.2, 0.3], "roi": ["V1", "IT"]}
    assert result.lower.shape == result.upper.shape == (3, 2)
    assert result.lower_per_subject.shape == (5, 3, 2)
    assert result.lower_interval.shape == (2, 3, 2)
    for t in range(3):
        for r in range(2):
            alone = noise_ceiling(values[t, :, r], n_bootstrap=0)
            assert result.lower[t, r] == pytest.approx(alone.lower, abs=1e-15)
            assert np.allclose(result.upper_per_subject[:, t, r], alone.upper_per_subject, rtol=0, atol=1e-15)
            assert result.lower_interval[0, t, r] < alone.lower < result.upper_interval[1, t, r] + 1


def test_which_axis_holds_the_subjects(rng):
    values = rng.random((4, 3, 10))
    expected = noise_ceiling(np.moveaxis(values, 1, 0), dim="axis_0", n_bootstrap=0).lower
    assert np.array_equal(noise_ceiling(values, dim="axis_1", n_bootstrap=0).lower, expected)
    named = RDM(values, dims=["session", "person"])
    assert np.array_equal(noise_ceiling(named, dim="person", n_bootstrap=0).lower, expected)
    with pytest.raises(ValueError, match=r"has the leading axes \('session', 'person'\); name that of the subjects"):
        noise_ceiling(named)
    with pytest.raises(ValueError, match="dim must be one of 'session', 'person'; got 'subject'"):
        noise_ceiling(named, dim="subject")
    with pytest.raises(ValueError, match="rdms holds a single RDM"):
        noise_ceiling([1, 2, 3])


def test_labels_and_squares_do_not_matter(subjects):
    expected = noise_ceiling(subjects, n_bootstrap=0)
    stack = RDM(subjects, ["a", "b", "c", "d", "e"])
    assert noise_ceiling(stack.squareform(), n_bootstrap=0).lower == expected.lower
    assert noise_ceiling(stack.take([4, 2, 0, 1, 3]), n_bootstrap=0).lower == pytest.approx(expected.lower, abs=1e-15)


def test_inputs_are_not_written_to(subjects, readonly):
    for method in METHODS:
        noise_ceiling(readonly(subjects), method=method, n_bootstrap=3, rng=0)


# ---- bootstrap -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_resample_equals_the_plain_loop(method, pooling, rng):
    x = people(rng, n=4, levels=5) + 3.0
    multiplicity = np.array([2, 1, 3])
    drawn = x[:3]
    copies = np.repeat(drawn, multiplicity, axis=0)
    pooled = reference.pool(copies, method, pooling)
    similarity = reference.METHODS[method]
    upper = [similarity(pooled, row) for row in drawn]
    owner = np.repeat(np.arange(3), multiplicity)
    lower = [similarity(reference.pool(copies[owner != s], method, pooling), drawn[s]) for s in range(3)]
    (pool,) = pools(drawn[:, None], method, pooling, np.ones(10, dtype=bool))
    bounds = pool.bounds(multiplicity[None].astype(float))[0]
    assert np.allclose(bounds, [lower, upper], rtol=0, atol=1e-13)


def resampled_bounds(x, method):
    """Return the (lower, upper) of all 27 resamples of three subjects but the three that hold one alone."""
    similarity, values = reference.METHODS[method], []
    for owners in itertools.product(range(3), repeat=3):
        if len(set(owners)) > 1:
            pooled = reference.pool(x[list(owners)], method, "raw")
            rest = {s: reference.pool(x[[o for o in owners if o != s]], method, "raw") for s in set(owners)}
            lower = np.mean([similarity(rest[s], x[s]) for s in rest])
            values.append([lower, np.mean([similarity(pooled, x[s]) for s in rest])])
    return np.array(values)


def test_intervals_are_those_of_all_resamples_of_more_than_one_subject(rng):
    x = rng.random((3, 28))
    exact = resampled_bounds(x, "pearson")
    result = noise_ceiling(x, method="pearson", pooling="raw", n_bootstrap=4000, confidence=0.9, rng=0)
    centre = np.array([result.lower, result.upper])
    # each of the seven different resamples has an eighth or a quarter of the mass: these quantiles fall within one
    low, high = np.quantile(exact, [0.05, 0.95], axis=0) + centre - exact.mean(axis=0)
    found = np.stack([result.lower_interval, result.upper_interval])
    assert np.allclose(found, np.stack([low, high], axis=1), rtol=0, atol=0.01)


def test_seeds(subjects):
    def interval(rng):
        result = noise_ceiling(subjects, rng=rng, n_bootstrap=50)
        return np.stack([result.lower_interval, result.upper_interval])

    assert np.array_equal(interval(7), interval(7))
    assert np.array_equal(interval(7), interval(np.random.default_rng(7)))
    assert not np.array_equal(interval(7), interval(8))
    generator = np.random.default_rng(7)
    assert not np.array_equal(interval(generator), interval(generator))


def test_a_seed_gives_each_time_point_its_own_stream(rng):
    stack = RDM(np.repeat(people(rng)[:, None], 2, axis=1), dims=["subject", "time"])
    both = noise_ceiling(stack, rng=3, n_bootstrap=50)
    first = noise_ceiling(stack.isel(time=[0]), rng=3, n_bootstrap=50)
    assert np.array_equal(both.lower_interval[:, 0], first.lower_interval[:, 0])
    assert not np.array_equal(both.lower_interval[:, 0], both.lower_interval[:, 1])


def test_intervals_bracket_and_widen(rng):
    x = people(rng, n=12, n_pairs=190)
    wide = noise_ceiling(x, rng=0, n_bootstrap=300, confidence=0.99)
    narrow = noise_ceiling(x, rng=0, n_bootstrap=300, confidence=0.5)
    for bound in ("lower", "upper"):
        outer, inner = getattr(wide, f"{bound}_interval"), getattr(narrow, f"{bound}_interval")
        assert outer[0] < inner[0] < inner[1] < outer[1]
        assert outer[0] < getattr(wide, bound) < outer[1]


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "rho-a"])
def test_the_bounds_lie_in_their_intervals_however_noisy_the_subjects(method, rng):
    # resamples hold some 63 % different subjects: uncorrected, the lower bound would lie above its whole interval
    x = rng.uniform(size=(12, 66)) + 0.4 * rng.uniform(size=66)
    result = noise_ceiling(x, method=method, rng=0, n_bootstrap=400)
    for bound in ("lower", "upper"):
        low, high = getattr(result, f"{bound}_interval")
        assert low < getattr(result, bound) < high


def test_the_global_seed_is_left_alone(subjects):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    noise_ceiling(subjects, n_bootstrap=5)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_resamples_of_one_subject_alone_are_left_out():
    x = [[1.0, 2, 3, 4, 5, 6], [2.0, 1, 3, 4, 6, 5], [1.0, 2, 4, 3, 5, 6]]
    for seed in range(20):
        result = noise_ceiling(x, n_bootstrap=1, rng=seed)
        assert np.isnan(result.lower_interval).all() or result.lower_interval[0] == result.lower_interval[1]


# ---- NaN -------------------------------------------------------------------------------------------------------------


def test_omit_drops_the_pairs_of_everybody(subjects):
    x = subjects.copy()
    x[0, 3] = x[2, 7] = np.nan
    result = noise_ceiling(x, nan_policy="omit", n_bootstrap=10, rng=0)
    kept = np.delete(subjects, [3, 7], axis=1)
    lower, upper = reference.noise_ceiling(kept, "spearman")
    assert result.n_pairs == 8
    assert np.allclose(result.lower_per_subject, lower, atol=1e-14)
    assert np.allclose(result.upper_per_subject, upper, atol=1e-14)


def test_propagate_and_raise(subjects):
    x = subjects.copy()
    x[0, 0] = np.nan
    stack = RDM(x, list("abcde"))
    with pytest.warns(RuntimeWarning, match="rdms holds NaN.*for: 'a', 'b'. The values") as caught:
        result = noise_ceiling(stack)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isnan([result.lower, result.upper]).all()
    with pytest.raises(ValueError, match=r"rdms holds NaN.*for: 'a', 'b'\."):
        noise_ceiling(stack, nan_policy="raise")


def test_nan_at_one_time_point_stays_there(rng):
    values = rng.random((4, 3, 10))
    values[1, 2, 5] = np.nan
    stack = RDM(values, dims=["subject", "time"])
    with pytest.warns(RuntimeWarning, match="rdms holds NaN"):
        result = noise_ceiling(stack, n_bootstrap=5, rng=0)
    assert np.isnan(result.upper).tolist() == [False, False, True]
    assert np.isnan(result.upper_interval[0]).tolist() == [False, False, True]
    assert noise_ceiling(stack, nan_policy="omit", n_bootstrap=0).n_pairs == 9


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_subject(method, subjects):
    x = subjects.copy()
    x[3] = 0.0
    stack = RDM(x, dims=["subject"], coords={"subject": list("abcde")})
    if method in ("rho-a", "kendall-tau-a"):
        assert np.isfinite(noise_ceiling(stack, method=method, n_bootstrap=0).lower)
        return
    with pytest.warns(RuntimeWarning, match=f"{method} is undefined for RDMs whose.*: 'subject d'") as caught:
        result = noise_ceiling(stack, method=method, n_bootstrap=5)
    assert len(caught) == 1
    assert np.isnan(result.lower)
    assert np.isnan(result.lower_interval).all()
    with pytest.raises(ValueError, match="'subject d'"):
        noise_ceiling(stack, method=method, nan_policy="raise")


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-tau-b"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_subjects_who_cancel_out(method, pooling, rng):
    # their mean is constant but for rounding, which must not be correlated with anything
    row = rng.normal(size=10)
    opposite = -row if method == "cosine" else 0.3 - row
    with pytest.warns(RuntimeWarning, match="subjects cancel out, so that their mean is constant") as caught:
        result = noise_ceiling([row, opposite], method=method, pooling=pooling)
    assert len(caught) == 1
    assert np.isnan(result.upper)
    assert result.lower == pytest.approx(-1, abs=1e-13)


def test_too_few_pairs_left():
    x = np.array([[1, 2, np.nan], [1, np.nan, 3], [3, 2, 1]])
    with pytest.warns(RuntimeWarning, match="fewer than two item pairs are free of NaN in all subjects") as caught:
        result = noise_ceiling(RDM(x, dims=["subject"]), nan_policy="omit")
    assert len(caught) == 1
    assert result.n_pairs == 1
    assert np.isnan(result.upper)


def test_a_subject_without_data(subjects):
    x = np.vstack([subjects, np.full(10, np.nan)])
    with pytest.warns(RuntimeWarning, match="fewer than two item pairs are free of NaN"):
        assert noise_ceiling(x, nan_policy="omit").n_pairs == 0


# ---- whitened methods and poolings by name ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["whitened-cosine", "whitened-pearson"])
def test_whitened_ceilings(method, rng):
    x = people(rng, n=5, n_pairs=21) + 5
    result = noise_ceiling(x, method=method, rng=0, n_bootstrap=50)
    theirs = noise_ceiling(x, method=method, pooling="rsatoolbox", n_bootstrap=0)
    pooled = (x / np.sqrt(np.square(x).mean(axis=1, keepdims=True))).sum(axis=0)
    if method == "whitened-pearson":
        pooled = stats.zscore(x, axis=1).sum(axis=0)
    assert np.allclose(theirs.upper_per_subject, compare(pooled, x, method=method).values, rtol=0, atol=1e-13)
    assert result.upper > theirs.upper
    assert "rsatoolbox" in repr(theirs)
    assert "not quite the RDM that is most like all" in theirs.note
    assert "averaged unwhitened" in theirs.methods_text()
    assert "unit length after whitening" in result.methods_text()
    assert result.lower_interval[0] < result.lower < result.lower_interval[1]
    assert (result.sigma_k, result.note) == ("identity", "")


def test_a_covariance_of_items(rng):
    x = people(rng, n=4, n_pairs=21) + 5
    plain = noise_ceiling(x, method="whitened-cosine", n_bootstrap=0)
    same = noise_ceiling(x, method="whitened-cosine", n_bootstrap=0, sigma_k=np.full(7, 3.0))
    full = noise_ceiling(x, method="whitened-cosine", n_bootstrap=0, sigma_k=np.eye(7) + 0.2)
    other = noise_ceiling(x, method="whitened-cosine", n_bootstrap=0, sigma_k=np.arange(1.0, 8.0))
    assert same.upper == pytest.approx(plain.upper, abs=1e-12)
    assert full.upper == pytest.approx(plain.upper, abs=1e-12)  # what all items share is in no difference of theirs
    assert abs(other.upper - plain.upper) > 1e-3
    assert [r.sigma_k for r in (plain, same, full)] == ["identity", "variances", "covariance"]


def test_poolings_of_the_other_methods(subjects):
    for method in METHODS:
        ours, theirs = (
            noise_ceiling(subjects, method=method, pooling=p, n_bootstrap=0) for p in ("rank", "rsatoolbox")
        )
        assert np.array_equal(ours.upper_per_subject, theirs.upper_per_subject)
    for method in ("kendall-tau-a", "kendall-tau-b"):
        assert "heuristic" in noise_ceiling(subjects, method=method, n_bootstrap=0).note
    assert noise_ceiling(subjects, n_bootstrap=0).note == ""


@pytest.mark.parametrize("method", ["bures", "bures-metric"])
def test_methods_without_a_mean_are_refused(method, subjects):
    with pytest.raises(ValueError, match=f"'{method}' has no mean RDM in closed form.*use 'whitened-cosine'"):
        noise_ceiling(subjects, method=method)


# ---- work ------------------------------------------------------------------------------------------------------------


def test_every_row_is_ranked_once(rng, monkeypatch):
    stack = RDM(rng.random((4, 6, 10)), dims=["subject", "time"])
    kind, ranked = KINDS["spearman"], []

    def counted(rows, backend):
        ranked.append(len(rows))
        return kind.prepare(rows, backend)

    monkeypatch.setitem(KINDS, "spearman", dataclasses.replace(kind, prepare=counted))
    noise_ceiling(stack, n_bootstrap=0)
    # all rows of all time points at once, then one mean of all and four of the others per time point
    assert ranked[0] == 24
    assert sum(ranked) == 24 + 6 * 5


def test_equal_resamples_are_computed_once(rng, monkeypatch):
    kind, ranked = KINDS["spearman"], []

    def counted(rows, backend):
        ranked.append(len(rows))
        return kind.prepare(rows, backend)

    monkeypatch.setitem(KINDS, "spearman", dataclasses.replace(kind, prepare=counted))
    noise_ceiling(people(rng, n=3), n_bootstrap=5000, rng=0)
    assert sum(ranked) < 100  # of 10 different resamples of three, 7 hold more than one subject


@pytest.mark.parametrize("method", POOLING_METHODS)
def test_the_number_of_threads_does_not_matter(method, rng):
    stack = RDM(rng.random((6, 2, 190)), dims=["subject", "time"])
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            result = noise_ceiling(stack, method=method, rng=0, n_bootstrap=20)
        found.append(np.concatenate([result.lower_per_subject.ravel(), result.upper_interval.ravel()]))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_a_progress_bar_on_request(rng, capsys):
    stack = RDM(rng.random((4, 3, 10)), dims=["subject", "time"])
    for method in ("spearman", "pearson"):
        noise_ceiling(stack, method=method, n_bootstrap=40, progress=True, rng=0)
        assert re.search(r"resamples: 100%.*120/120", capsys.readouterr().err)
    noise_ceiling(stack, n_bootstrap=40)
    assert capsys.readouterr().err == ""


# ---- bad input -------------------------------------------------------------------------------------------------------

BAD = {
    "method": ({"method": "mse"}, ValueError, "method must be one of 'spearman'"),
    "sigma_k": ({"sigma_k": np.ones(5)}, ValueError, "sigma_k is for the methods 'whitened-cosine'"),
    "pooling": ({"pooling": "mean"}, ValueError, "pooling must be one of 'rank', 'raw', 'rsatoolbox'; got 'mean'"),
    "nan_policy": ({"nan_policy": "skip"}, ValueError, "nan_policy must be one of"),
    "negative": ({"n_bootstrap": -1}, ValueError, "n_bootstrap must be at least 0; got -1"),
    "fraction": ({"n_bootstrap": 1.5}, TypeError, "n_bootstrap must be a whole number"),
    "confidence": ({"confidence": 95}, ValueError, "confidence must lie between 0 and 1"),
    "rng": ({"rng": True}, TypeError, "rng must be a numpy Generator"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case, subjects):
    options, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        noise_ceiling(subjects, **options)


def test_bad_rdms():
    with pytest.raises(ValueError, match="rdms is empty"):
        noise_ceiling(np.zeros((0, 10)))
    with pytest.raises(ValueError, match="rdms has 4 values in its last axis"):
        noise_ceiling(np.zeros((9, 4)))
    with pytest.raises(TypeError, match="rdms must hold real numbers"):
        noise_ceiling([["a", "b", "c"]] * 2)


# ---- the result ------------------------------------------------------------------------------------------------------


def assert_same(a: NoiseCeiling, b: NoiseCeiling) -> None:
    for name in ("lower", "upper"):
        assert type(getattr(a, name)) is type(getattr(b, name))
        for part in (name, f"{name}_per_subject", f"{name}_interval"):
            assert np.array_equal(getattr(a, part), getattr(b, part), equal_nan=True)
    for name in ("dims", "coords", "method", "pooling", "n_subjects", "n_items", "n_pairs", "n_bootstrap", "note"):
        assert getattr(a, name) == getattr(b, name)


def test_json_round_trip(rng, tmp_path):
    values = rng.random((4, 3, 10))
    holes = values.copy()
    holes[0, 1, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        results = [
            noise_ceiling(values[:, 0], n_bootstrap=10),
            noise_ceiling(values[:1, 0]),
            noise_ceiling(RDM(holes, dims=["subject", "time"], coords={"time": [0.1, 0.2, 0.3]}), n_bootstrap=10),
        ]
    for result in results:
        result.save(tmp_path / "a.json")
        back = NoiseCeiling.load(tmp_path / "a.json")
        assert_same(back, result)
        assert repr(back) == repr(result)
        assert back.to_dataframe().equals(result.to_dataframe())


def test_to_dataframe(rng, tmp_path):
    coords = {"subject": ["s1", "s2", "s3"], "time": [0.1, 0.2]}
    result = noise_ceiling(RDM(rng.random((3, 2, 10)), dims=["subject", "time"], coords=coords), n_bootstrap=0)
    table = result.to_dataframe()
    assert table.columns.tolist() == ["subject", "time", "lower", "upper", "method", "pooling"]
    assert table[(table.subject == "s2") & (table.time == 0.2)].upper.item() == result.upper_per_subject[1, 1]
    result.save(tmp_path / "a.csv")
    assert len(pd.read_csv(tmp_path / "a.csv")) == 6
    assert noise_ceiling(rng.random((3, 10)), n_bootstrap=0).to_dataframe().columns[0] == "subject"


def test_repr_is_one_line(rng, subjects):
    text = repr(noise_ceiling(subjects, n_bootstrap=20, rng=0))
    assert text.startswith("<NoiseCeiling lower ")
    assert text.endswith("; spearman, rank pooling, 5 subject(s)>")
    assert text.count("[") == 2
    assert repr(noise_ceiling(subjects, n_bootstrap=0)).count("[") == 0
    moving = noise_ceiling(RDM(rng.random((3, 4, 10)), dims=["subject", "time"]), n_bootstrap=0)
    assert "\n" not in repr(moving)
    assert " to " in repr(moving)


def test_methods_text(subjects):
    text = noise_ceiling(subjects, n_bootstrap=1200, rng=0, confidence=0.9).methods_text()
    assert "(5 subjects, Spearman's rank correlation" in text
    assert "averaged on the scale of the comparison (ranks)" in text
    assert "90% intervals by bootstrap over subjects (1,200 resamples)." in text
    text = noise_ceiling(subjects, n_bootstrap=0, pooling="raw", method="pearson").methods_text()
    assert "averaged as they are" in text
    assert "bootstrap" not in text


# ---- properties ------------------------------------------------------------------------------------------------------

stacks = hnp.arrays(np.float64, (4, 10), elements=st.floats(0.5, 4, width=16))
methods = st.sampled_from(METHODS)
poolings = st.sampled_from(POOLINGS)


def bounds(x: object, **options: object) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant subjects are welcome here
        result = noise_ceiling(x, n_bootstrap=0, **options)
    return np.stack([result.lower_per_subject, result.upper_per_subject])


@given(stacks, methods, poolings, st.permutations(range(4)))
def test_order_of_subjects(x, method, pooling, order):
    options = {"method": method, "pooling": pooling}
    # sums in another order may round ties of raw means apart: ranks of means are exact
    if pooling == "raw" or method in ("pearson", "cosine"):
        x = np.round(x * 8) / 8
    if method in ("pearson", "cosine", "spearman", "rho-a") or pooling == "rank":
        expected = bounds(x, **options)[:, order]
        assert np.allclose(bounds(x[order], **options), expected, rtol=0, atol=1e-12, equal_nan=True)


@given(stacks, methods, poolings, st.permutations(range(5)))
def test_order_of_items(x, method, pooling, order):
    options = {"method": method, "pooling": pooling}
    expected = bounds(x, **options)
    assert np.allclose(bounds(RDM(x).take(order), **options), expected, rtol=0, atol=1e-12, equal_nan=True)


@given(stacks, methods, st.lists(st.sampled_from([0.25, 1.0, 8.0]), min_size=4, max_size=4))
def test_everybody_may_use_another_unit(x, method, units):
    scaled = x * np.array(units)[:, None]
    expected = bounds(x, method=method)
    assert np.allclose(bounds(scaled, method=method), expected, rtol=0, atol=1e-12, equal_nan=True)


@given(stacks, st.sampled_from(["pearson", "spearman", "rho-a", "kendall-tau-a"]))
def test_shifts_leave_all_but_cosine_alone(x, method):
    shifted = x + np.array([0.0, 1.0, -4.0, 16.0])[:, None]
    assert np.allclose(bounds(shifted, method=method), bounds(x, method=method), rtol=0, atol=1e-9, equal_nan=True)


@given(stacks, st.sampled_from(["pearson", "cosine", "spearman", "rho-a"]))
def test_nobody_beats_the_pooled_rdm(x, method):
    # the pooled RDM is optimal for cosine and pearson, and (before its ties are ranked) for the others
    lower, upper = bounds(x, method=method).mean(axis=1)
    if method in ("pearson", "cosine"):
        assert np.isnan(upper) or upper >= lower - 1e-12
        candidates = np.vstack([x, x.mean(axis=0)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            scores = compare(candidates, x, method=method).values.mean(axis=1)
        assert np.isnan(upper) or np.nanmax(scores) <= upper + 1e-12


@pytest.mark.parametrize("method", sorted(KINDS))
@pytest.mark.parametrize("unit", [2.0**-1060, 2.0**1010])
def test_the_unit_of_all_does_not_matter_however_small_or_large(method, unit, rng):
    people = rng.integers(1, 2**12, (4, 15)).astype(float)
    expected = bounds(people, method=method, pooling="raw")
    assert np.allclose(bounds(unit * people, method=method, pooling="raw"), expected, rtol=0, atol=1e-12)


def test_a_list_of_rdm_objects_is_sent_to_stack():
    one = RDM([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"rdms is a list of RDM objects; put them into one stack with stack\("):
        noise_ceiling([one, one])
    with pytest.raises(TypeError, match="rdms is a dict of RDM objects"):
        noise_ceiling({"s1": one, "s2": one})


def test_no_progress_bar_without_resamples(capsys):
    noise_ceiling(np.arange(12.0).reshape(2, 6) ** 2 % 7, progress=True)
    assert capsys.readouterr().err == ""
