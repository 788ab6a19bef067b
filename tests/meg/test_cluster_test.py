import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import flip_tests as reference
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from alignkit.meg import ClusterTest, bayes_factors, cluster_test, max_test, tfce_test
from alignkit.meg._timecourse_result import TimeCourse

TAILS = ("two-sided", "greater", "less")
SIDES = {"two-sided": 0, "greater": 1, "less": -1}


def smooth(rng, n_subjects, n_times, effect=0.0):
    curves = gaussian_filter1d(rng.normal(size=(n_subjects, n_times)), 1.5, axis=1) * 2
    curves[:, n_times // 3 : n_times // 2] += effect
    return curves


def members(found):
    return [sorted(map(tuple, np.argwhere(found.labels == k + 1))) for k in range(len(found.mass))]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("shape", [(7, 25), (6, 5, 6)])
def test_equals_a_loop_over_all_patterns(rng, tail, shape):
    x = rng.normal(0.1, 1, size=shape)
    found = cluster_test(x, tail=tail, threshold=0.8)
    clusters, mass, p = reference.cluster_test(x, 0.8, tail)
    assert members(found) == clusters
    assert len(clusters) > 1
    assert_allclose(found.mass, mass, rtol=1e-12)
    assert_allclose(found.p_cluster, p, rtol=0, atol=1e-12)
    assert found.exact
    assert found.n_permutations == len(reference.flips(shape[0], tail))
    inside = found.labels > 0
    assert_array_equal(found.p_corrected[inside], found.p_cluster[found.labels[inside] - 1])
    assert (found.p_corrected[~inside] == 1).all()
    assert_allclose(found.statistic, reference.t_values(x), rtol=1e-12)


def mne_stats():
    mne = pytest.importorskip("mne")
    mne.set_log_level("error")
    return mne.stats


@pytest.mark.parametrize("shape", [(9, 80), (8, 9, 11), (7, 3, 4, 5)])
def test_equals_mne_where_the_test_is_exact(rng, shape):
    x = rng.normal(0.2, 1, size=shape)
    found = cluster_test(x, n_permutations=1000)
    t, clusters, p, null = mne_stats().permutation_cluster_1samp_test(x, n_permutations=1000, out_type="indices")
    order = sorted(range(len(clusters)), key=lambda k: tuple(min(zip(*clusters[k], strict=True))))
    assert members(found) == [sorted(zip(*(i.tolist() for i in clusters[k]), strict=True)) for k in order]
    assert_allclose(found.statistic, t, rtol=1e-12)
    assert_allclose(found.mass, [t[clusters[k]].sum() for k in order], rtol=1e-12)
    assert_array_equal(found.p_cluster, p[order])
    assert_allclose(np.sort(found.null), np.sort(np.abs(null)), rtol=1e-9)


def test_one_sided_mne_takes_the_observed_pattern_for_the_one_that_flips_everybody(rng):
    x = rng.normal(0.4, 1, size=(8, 60))
    found = cluster_test(x, tail="greater")
    *_, null = mne_stats().permutation_cluster_1samp_test(x, n_permutations=1000, tail=1)
    flipped = cluster_test(-x, tail="greater").null[0]
    assert_allclose(null[-1], null[0], rtol=1e-12)  # that of the data, once more
    assert_allclose(np.sort(found.null), np.sort(np.append(null[:-1], flipped)), rtol=1e-9)


def test_equals_mne_over_sensors_with_an_adjacency(rng):
    from scipy import sparse

    stats = mne_stats()
    x = rng.normal(0.2, 1, size=(8, 12, 15))
    touching = np.triu(rng.random((12, 12)) < 0.15, k=1)
    touching |= touching.T
    found = cluster_test(x, adjacency=touching)
    whole = stats.combine_adjacency(sparse.csr_array(touching.astype(float)), 15)
    t, clusters, p, _ = stats.permutation_cluster_1samp_test(x, n_permutations=1000, adjacency=whole)
    assert sorted(map(len, members(found))) == sorted(len(cluster[0]) for cluster in clusters)
    order = sorted(range(len(clusters)), key=lambda k: tuple(min(zip(*clusters[k], strict=True))))
    assert_allclose(found.mass, [t[clusters[k]].sum() for k in order], rtol=1e-12)
    assert_array_equal(found.p_cluster, p[order])
    for same in (cluster_test(x, adjacency=sparse.coo_array(touching)), cluster_test(x, adjacency=whole)):
        assert_array_equal(same.labels, found.labels)
        assert_array_equal(same.p_cluster, found.p_cluster)
    assert found.dims == ("channel", "time")


def test_random_flips_give_nearly_the_exact_p(rng):
    x = smooth(rng, 14, 60, 0.5)
    exact = cluster_test(x, n_permutations=2**13)
    random = cluster_test(x, n_permutations=8000, rng=1)
    assert exact.exact
    assert not random.exact
    assert_allclose(random.mass, exact.mass)
    assert_allclose(random.p_cluster, exact.p_cluster, atol=0.02)
    # (b + 1) / (m + 1)
    assert_allclose(random.p_cluster * 8001 % 1, 0, atol=1e-9)
    assert random.p_cluster.min() >= 1 / 8001


def test_a_paired_test_is_one_of_differences(rng):
    a, b = rng.normal(size=(2, 8, 30)) + 5
    found = cluster_test(a - b, threshold=1.0)
    assert_array_equal(cluster_test(b - a, threshold=1.0).p_cluster, found.p_cluster)
    assert_allclose(cluster_test(a - b + 3, threshold=1.0, popmean=3).mass, found.mass, rtol=1e-9)


def test_default_threshold_is_students(rng):
    x = rng.normal(size=(12, 20))
    assert_allclose(cluster_test(x).threshold, 2.200985, atol=1e-6)  # tables: t(11), .05 two-sided, and one-sided
    assert_allclose(cluster_test(x, tail="less").threshold, 1.795885, atol=1e-6)


def test_means_are_clustered_in_their_units(rng):
    x = smooth(rng, 10, 40, 1.0)
    found = cluster_test(x, statistic="mean", threshold=0.4, tail="greater")
    assert_allclose(found.statistic, x.mean(axis=0))
    assert [len(c) for c in members(found)] == [len(c) for c in reference.clusters(x.mean(axis=0), 0.4, "greater")]
    assert found.p_cluster.min() < 0.01
    with pytest.raises(ValueError, match="pass threshold="):
        cluster_test(x, statistic="mean")


@given(st.integers(0, 2**32), st.integers(6, 9), st.integers(1, 12))
def test_p_is_a_share_of_patterns_and_holds_the_observed_one(seed, n, n_times):
    x = np.random.default_rng(seed).normal(size=(n, n_times))
    found = cluster_test(x)
    m = 2 ** (n - 1)
    assert (found.p_cluster >= 1 / m).all()
    assert_allclose(found.p_cluster * m, np.round(found.p_cluster * m))
    mirrored = cluster_test(-x)
    assert_array_equal(mirrored.p_cluster, found.p_cluster)
    assert_allclose(mirrored.mass, -found.mass)
    reverse = cluster_test(x[:, ::-1])
    assert_allclose(np.sort(reverse.p_cluster), np.sort(found.p_cluster))


def test_whole_numbers_make_ties_that_count(rng):
    x = rng.integers(-2, 3, size=(8, 15)).astype(float) + 0.5
    for tail in TAILS:
        found = cluster_test(x, tail=tail, threshold=1.0)
        _, _, p = reference.cluster_test(x, 1.0, tail)
        assert_allclose(found.p_cluster, p, atol=1e-12)


def test_noise_is_called_significant_as_often_as_said():
    rng = np.random.default_rng(7)
    hits = sum(
        cluster_test(smooth(rng, 12, 40), n_permutations=199, rng=rng, tail=tail).significant.any()
        for tail in ("two-sided", "greater")
        for _ in range(200)
    )
    assert binom.ppf(0.001, 400, 0.05) <= hits <= binom.ppf(0.999, 400, 0.05)


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(rng):
    x = rng.normal(size=(16, 281))
    for maps in (x, x[:, :273].reshape(16, 13, 21)):
        found = []
        for threads in (1, 2):
            with threadpool_limits(threads):
                found.append(cluster_test(maps, n_permutations=3000, rng=5))
        assert_array_equal(found[0].null, found[1].null)
        assert_array_equal(found[0].p, found[1].p)
    assert (cluster_test(x, rng=6).null[:10] != found[0].null[:10]).any()


def test_is_several_times_as_fast_as_mne(rng):
    stats = mne_stats()
    x = smooth(rng, 16, 281, 0.3)
    with threadpool_limits(1):
        ours, theirs = [], []
        for _ in range(3):
            start = time.process_time()
            found = cluster_test(x, n_permutations=10_000, rng=0)
            ours.append(time.process_time() - start)
        start = time.process_time()
        t, clusters, p, _ = stats.permutation_cluster_1samp_test(x, n_permutations=10_001, rng=0)
        theirs.append(time.process_time() - start)
    assert_allclose(np.sort(found.mass), np.sort([t[cluster].sum() for cluster in clusters]), rtol=1e-12)
    assert_allclose(np.sort(found.p_cluster), np.sort(p), atol=0.02)
    assert min(ours) * 8 < min(theirs)


def test_times_without_variance_or_values_are_named_and_in_no_cluster(rng, readonly):
    x = rng.normal(1.0, 0.5, size=(9, 12))
    x[:, 3] = 2.0
    x[4, 7:9] = np.nan
    with pytest.warns(
        RuntimeWarning, match=r"NaN in the curves of 'subject 5' at: 'time 0.7', 'time 0.8'; all subj.*'time 0.3'"
    ):
        found = cluster_test(readonly(x), times=np.arange(12) / 10)
    bad = np.array([3, 7, 8])
    for values in (found.statistic, found.p, found.p_corrected):
        assert_array_equal(np.flatnonzero(np.isnan(values)), bad)
    assert (found.labels[bad] == 0).all()
    assert not found.significant[bad].any()
    parts = [cluster_test(x[:, part]).mass for part in (slice(0, 3), slice(4, 7), slice(9, 12))]
    assert_allclose(found.mass, np.concatenate(parts))


def test_too_few_subjects_are_said_to_be_too_few(rng):
    x = rng.normal(3, 0.1, size=(4, 10))
    for tail, p in (("two-sided", 0.125), ("greater", 0.0625)):
        with pytest.warns(RuntimeWarning, match=f"cannot be below {p} .* impossible. .*label_test") as caught:
            found = cluster_test(x, tail=tail)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert found.p_cluster.min() == p
        assert not found.significant.any()
        assert "impossible" in repr(found)
    with pytest.warns(RuntimeWarning, match="n_permutations=10 .* Take more"):
        cluster_test(rng.normal(size=(12, 10)), n_permutations=10)
    with pytest.raises(ValueError, match=r"at least two.*label_test"):
        cluster_test(x[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster_test(x, tail="greater", alpha=0.1)


def course(rng, n_models=2):
    curves = rng.normal(0.2, 0.3, size=(n_models, 8, 20))
    empty = np.full(20, np.nan)
    return TimeCourse(
        curves, curves.mean(1), np.full((2, n_models, 20), np.nan), empty, empty, np.full((8, 20), np.nan),
        np.full((8, 20), np.nan), np.arange(20) / 100, ("gist", "clip")[:n_models],
        tuple(f"P{i}" for i in range(8)), None, "spearman", "", 10, 45, (), "", "propagate", "label", None, 0.95, 0, "",
    )  # fmt: skip


def test_reads_time_courses(rng):
    time_course = course(rng)
    found = cluster_test(time_course, model="clip", threshold=1.0)
    assert_array_equal(found.statistic, cluster_test(time_course.similarity[1]).statistic)
    assert_array_equal(found.times, np.arange(20) / 100)
    with pytest.raises(ValueError, match="2 models; name one of 'gist', 'clip'"):
        cluster_test(time_course)
    with pytest.raises(ValueError, match="times come with"):
        cluster_test(time_course, model=0, times=np.arange(20))
    assert len(cluster_test(course(rng, 1)).statistic) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tail": "both"}, "tail must be one of"),
        ({"statistic": "z"}, "statistic must be one of"),
        ({"threshold": -1.0}, "above 0"),
        ({"n_permutations": 0}, "at least 1"),
        ({"alpha": 1.0}, "alpha must lie"),
        ({"adjacency": np.eye(3)}, r"adjacency must have shape \(20, 20\)"),
        ({"times": [1, 2]}, r"one finite number per sample \(20\)"),
        ({"model": "clip"}, "names a model of a time course"),
        ({"popmean": np.nan}, "popmean must be a finite number"),
        ({"rng": "x"}, "rng must be"),
    ],
)
def test_options_that_do_not_fit_are_refused(rng, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        cluster_test(rng.normal(size=(8, 20)), **options)


def test_curves_that_cannot_be_tested_are_refused(rng):
    x = rng.normal(size=(8, 20))
    for curves, message in (
        (np.where(np.arange(8)[:, None] == 2, np.nan, x), "no values for 'subject 3'"),
        (np.where(x > 1, np.inf, x), "infinite"),
        (x[0], r"shape \(subjects"),
        (np.zeros((3, 0)), "hold values"),
    ):
        with pytest.raises(ValueError, match=message):
            cluster_test(curves)


def test_result_tells_what_it_does_not_license(rng, tmp_path):
    found = cluster_test(smooth(rng, 10, 40, 1.5), times=np.linspace(-0.1, 0.29, 40), rng=0)
    assert "nothing about onsets or extents" in repr(found)
    assert "Sassenhagen" in found.methods_text()
    assert "10.1111/psyp.13335" in cluster_test.__doc__
    assert "10.1111/psyp.13335" in ClusterTest.__doc__
    assert "\n" not in repr(found)
    table = found.to_dataframe()
    assert list(table) == [
        "time", "statistic", "cluster", "p", "p_corrected", "significant", "n_subjects", "tail",
    ]  # fmt: skip
    assert len(table) == 40
    clusters = found.clusters()
    assert clusters["n_samples"].sum() == (found.labels > 0).sum()
    best = clusters.loc[clusters["p"].idxmin()]
    assert -0.1 <= best.first_time <= best.peak_time <= best.last_time
    found.save(tmp_path / "found.json")
    back = ClusterTest.load(tmp_path / "found.json")
    for name in ("statistic", "p", "p_corrected", "significant", "labels", "mass", "p_cluster", "null", "times"):
        assert_array_equal(getattr(back, name), getattr(found, name))
        assert getattr(back, name).dtype == getattr(found, name).dtype
    assert repr(back) == repr(found)
    nothing = cluster_test(np.tile([1.0, -1.0], (10, 10)) * rng.normal(size=(10, 1)), threshold=50.0)
    assert len(nothing.mass) == len(nothing.clusters()) == 0
    assert (nothing.p_corrected == 1).all()


def test_draws_curves_and_maps(rng):
    from matplotlib import pyplot as plt

    ax = cluster_test(smooth(rng, 10, 40, 1.5)).plot()
    assert ax.get_xlabel() == "sample"
    plt.close(ax.figure)
    cells = rng.normal(size=(10, 9, 11))
    cells[:, 3:6, 4:7] += 2
    ax = cluster_test(cells).plot()
    assert ax.collections
    plt.close("all")
    with pytest.raises(ValueError, match="only curves and maps"):
        cluster_test(rng.normal(size=(8, 2, 3, 4))).plot()


def test_animals_and_tools_differ_after_but_not_before_they_are_shown(shared_data):
    with np.load(shared_data("eeg_erp5", "things_eeg_erp5.npz"), allow_pickle=False) as file:
        erp, times, channels = file["erp"].astype(float), file["time"], file["channels"].tolist()
        animal, tool = (file["categories"].tolist().index(name) for name in ("animal", "tool"))
    erp = erp[~np.isnan(erp).any(axis=(1, 2, 3))]
    posterior = [i for i, name in enumerate(channels) if name.startswith(("O", "PO"))]
    curves = (erp[:, animal] - erp[:, tool])[:, posterior].mean(axis=1)
    for test in (cluster_test, max_test, tfce_test):
        found = test(curves, times=times, rng=0)
        assert found.n_subjects == 44
        assert not found.significant[times < 0.05].any()
        assert found.significant[(times > 0.15) & (times < 0.19)].all()
        assert found.p_corrected.min() < 0.01
    factors = bayes_factors(curves, times=times)
    assert (factors.bf10[times < 0] < 3).all()
    assert factors.bf10[(times > 0.15) & (times < 0.19)].min() > 10


def test_five_people_can_only_be_tested_on_one_side(shared_data):
    mne = pytest.importorskip("mne")
    paths = [shared_data("meg", "mne_misc", f"sub-0{i}_ses-P3_task-P3_ave.fif") for i in range(15, 20)]
    people = [mne.read_evokeds(path, condition=2, verbose="error") for path in paths]
    curves = np.stack([one.get_data(picks=["Pz"])[0] for one in people]) * 1e6
    times = people[0].times
    found = cluster_test(curves, tail="greater", times=times)
    assert found.n_permutations == 32
    assert found.p_cluster.min() == 1 / 32
    best = found.clusters().loc[found.p_cluster.argmin()]
    assert 0.2 < best.peak_time < 0.7
    with pytest.warns(
        RuntimeWarning, match=r"5 subjects have 32 sign patterns, so that two-sided p .* 0.0625 \(2/32\):"
    ):
        assert cluster_test(curves, times=times).p_cluster.min() == 1 / 16
