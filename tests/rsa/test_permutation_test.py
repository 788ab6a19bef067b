from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import permutation as plain
from reference import rsa as reference
from reference.permutation import distances
from scipy import stats
from threadpoolctl import threadpool_limits

from alignkit.rsa import RDM, compare, permutation_test
from alignkit.rsa._matrix_methods import COMPARISON_METHODS
from alignkit.rsa._permutations import p_values

METHODS = tuple(reference.METHODS)
ALTERNATIVES = ("two-sided", "greater", "less")
#: Bures sets the negative eigenvalues of random RDMs to zero, and says so.
quiet = pytest.mark.filterwarnings("ignore:bures:RuntimeWarning")


def orders_of(seed: int, n_items: int, number: int) -> list[np.ndarray]:
    """Return the permutations that a seed gives."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_items) for _ in range(number)]


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("levels", [None, 3])
def test_equals_the_plain_loop_with_the_same_permutations(method, levels, rng):
    a, b = rng.random((2, 15)) if levels is None else rng.integers(1, 1 + levels, (2, 15)).astype(float)
    result = permutation_test(a, b, method=method, n_permutations=50, rng=3)
    expected = plain.null(a, b, orders_of(3, 6, 50), reference.METHODS[method])
    assert np.allclose(result.null, expected, rtol=0, atol=1e-14)
    assert result.statistic == float(compare(a, b, method=method))
    if method == "cosine":
        return
    for alternative in ALTERNATIVES:
        p = permutation_test(a, b, method=method, n_permutations=50, alternative=alternative, rng=3).p
        assert p == plain.p_value(result.statistic, expected, alternative, exact=False)


@quiet
@pytest.mark.parametrize("method", COMPARISON_METHODS)
@pytest.mark.parametrize("rows", [(1, 3), (3, 2)])
def test_stacks_equal_comparisons_of_relabelled_rdms(method, rows, rng):
    # whichever side has fewer rows is the one that is reordered
    a, b = distances(rng, 8, rows[0]), distances(rng, 8, rows[1])
    result = permutation_test(a, b, method=method, n_permutations=30, rng=5)
    orders = orders_of(5, 8, 30)
    expected = np.stack([compare(RDM(a, dims=["model"]).take(order), b, method=method).values for order in orders])
    assert np.allclose(result.null, expected, rtol=0, atol=1e-12 if "bures" in method else 2e-15)
    assert np.array_equal(result.statistic, compare(a, b, method=method).values)
    assert np.allclose(result.null_mean, expected.mean(axis=0), rtol=0, atol=1e-12)
    assert np.allclose(result.z, (result.statistic - expected.mean(axis=0)) / expected.std(axis=0), atol=1e-9)
    assert np.allclose(result.null_quantiles[[0, 2]], np.quantile(expected, [0.025, 0.5], axis=0), atol=1e-12)


@pytest.mark.parametrize("n", [23, 200])
def test_many_items_in_several_tiles(n, rng):
    a, b = rng.random((3, n * (n - 1) // 2)), rng.random((2, n * (n - 1) // 2))
    for method in ("pearson", "spearman", "whitened-pearson"):
        result = permutation_test(a, b, method=method, n_permutations=70, rng=1)
        some = [0, 1, 36, 69]
        orders = orders_of(1, n, 70)
        expected = [compare(RDM(a).take(orders[k]), b, method=method).values for k in some]
        assert np.allclose(result.null[some], expected, rtol=0, atol=1e-14)


def test_the_known_case_of_three_items():
    # all orders of 1 2 3 against 1 2 3: r = 1, .5 (twice), -.5 (twice), -1
    result = permutation_test([1.0, 2, 3], [1.0, 2, 3])
    assert sorted(np.round(result.null, 12)) == [-1, -0.5, -0.5, 0.5, 0.5, 1]
    assert result.exact
    assert result.n_permutations == 6
    assert (result.p, result.p_corrected) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert permutation_test([1.0, 2, 3], [1.0, 2, 3], alternative="greater").p == pytest.approx(1 / 6)
    assert permutation_test([1.0, 2, 3], [1.0, 2, 3], alternative="less").p == 1


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_exact_p_values_equal_scipy(alternative, rng):
    a, b = distances(rng, 5, 2)

    def statistic(order, axis=-1):
        orders = np.atleast_2d(order).astype(int)
        return np.array([stats.pearsonr(plain.relabel(a, one), b).statistic for one in orders])

    expected = stats.permutation_test(
        (np.arange(5.0),),
        lambda order, axis=-1: np.apply_along_axis(lambda one: statistic(one)[0], axis, order),
        permutation_type="pairings",
        n_resamples=np.inf,
        alternative=alternative,
        vectorized=True,
    )
    result = permutation_test(a, b, method="pearson", alternative=alternative)
    assert result.exact
    assert np.allclose(np.sort(result.null), np.sort(expected.null_distribution), rtol=0, atol=1e-14)
    if alternative == "two-sided":  # scipy doubles the smaller tail, Mantel's tests look at both
        assert result.p == pytest.approx(np.mean(np.abs(expected.null_distribution) >= abs(result.statistic) - 1e-12))
    else:
        assert result.p == pytest.approx(expected.pvalue)


def test_random_permutations_approach_all_of_them(rng):
    a, b = distances(rng, 6, 2)
    exact = permutation_test(a, b, method="pearson")
    drawn = permutation_test(a, b, method="pearson", n_permutations=719, rng=2)
    assert exact.n_permutations == 720
    assert not drawn.exact
    assert drawn.p == pytest.approx(exact.p, abs=0.06)
    assert np.isin(np.round(drawn.null, 10), np.round(exact.null, 10)).all()


def test_ties_count_as_extreme(rng):
    # two clusters of three: swapping items within a cluster, or the clusters, changes nothing
    clusters = [float(i // 3 != j // 3) for i, j in itertools.combinations(range(6), 2)]
    for method in ("spearman", "pearson", "rho-a", "kendall-tau-a", "kendall-tau-b"):
        result = permutation_test(clusters, clusters, method=method, alternative="greater")
        assert result.p == pytest.approx(2 * math.factorial(3) ** 2 / 720), method


def test_the_mean_over_subjects(rng):
    a, b = rng.random((2, 28)), rng.random((5, 3, 28))
    people = RDM(b, dims=["subject", "time"], coords={"subject": list("vwxyz"), "time": [0.1, 0.2, 0.3]})
    for method in ("spearman", "pearson", "rho-a", "cosine", "whitened-cosine", "kendall-tau-b"):
        options = {"method": method, "n_permutations": 40, "rng": 8}
        each = permutation_test(RDM(a, dims=["model"]), people, **options)
        mean = permutation_test(RDM(a, dims=["model"]), people, average="subject", **options)
        assert mean.dims == ("model", "time")
        assert mean.coords == {"time": [0.1, 0.2, 0.3]}
        assert np.allclose(mean.statistic, each.statistic.mean(axis=1), rtol=0, atol=1e-15)
        assert np.allclose(mean.null, each.null.mean(axis=2), rtol=0, atol=1e-14)
    assert "averaged over subjects" in mean.methods_text()


def test_the_cosine_is_judged_from_its_own_middle(rng):
    # cosines of positive values are far from 0 whatever the labels: smaller ones must count as well
    a, b = 5 + rng.random((2, 45))
    result = permutation_test(a, b, method="cosine", n_permutations=300, rng=0)
    everything = np.append(result.null, result.statistic)
    deviation = np.abs(everything - everything.mean())
    assert result.p == pytest.approx(np.mean(deviation >= deviation[-1] - 1e-15))
    assert 0.3 < np.mean(result.null >= result.null.mean()) < 0.7


def test_labels_decide_which_rows_belong_together(rng):
    a, b = distances(rng, 6, 2)
    labelled = RDM(a, list("abcdef"))
    shuffled = labelled.take([3, 1, 0, 5, 4, 2])
    expected = permutation_test(labelled, RDM(b, list("abcdef")), n_permutations=20, rng=0)
    found = permutation_test(labelled, RDM(b, list("abcdef")).take([2, 0, 1, 4, 5, 3]), n_permutations=20, rng=0)
    assert np.array_equal(found.null, expected.null)
    other = permutation_test(shuffled, RDM(b, list("abcdef")), n_permutations=20, rng=0)
    assert other.statistic == pytest.approx(expected.statistic, abs=1e-15)
    with pytest.raises(ValueError, match="do not hold the same items"):
        permutation_test(labelled, RDM(b, list("abcdeg")))
    assert permutation_test(labelled, RDM(b, list("abcdeg")), on_mismatch="intersect").n_items == 5


# ---- the test as a test ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["spearman", "pearson"])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_p_values_are_uniform_when_nothing_is_shared(method, alternative):
    rng = np.random.default_rng(1)
    found = [
        permutation_test(*distances(rng, 12, 2), method=method, alternative=alternative, n_permutations=199, rng=rng).p
        for _ in range(300)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) < 0.09


def test_shuffled_entries_would_find_far_too_much():
    # the reason for permuting labels: entries that share an item depend on each other
    rng = np.random.default_rng(2)
    wrong = []
    for _ in range(200):
        a, b = (np.abs(x[:, None] - x)[np.triu_indices(12, k=1)] for x in rng.normal(size=(2, 12)) ** 3)
        null = np.array([np.corrcoef(rng.permutation(a), b)[0, 1] for _ in range(99)])
        wrong.append(np.mean(np.append(null, 9.0) >= np.corrcoef(a, b)[0, 1]))
    assert np.mean(np.array(wrong) <= 0.05) > 0.1


def test_planted_similarity_is_found(rng):
    shared = distances(rng, 15, 1)[0]
    a, b = shared + rng.normal(scale=3.0, size=(2, 105))
    result = permutation_test(a, b, n_permutations=999, rng=0, alternative="greater")
    assert result.p == pytest.approx(1 / 1000)
    assert result.z > 4
    assert permutation_test(a, -b, n_permutations=999, rng=0).p == pytest.approx(1 / 1000)
    assert permutation_test(a, -b, n_permutations=999, rng=0, alternative="greater").p > 0.99


def test_family_wise_p_values(rng):
    a, b = distances(rng, 9, 4), distances(rng, 9, 1)
    b = np.vstack([b, a[:1] + rng.normal(scale=1.5, size=36)])
    result = permutation_test(a, b, method="pearson", n_permutations=200, rng=4)
    expected = plain.corrected(result.statistic.ravel(), result.null.reshape(200, -1))
    assert np.allclose(result.p_corrected.ravel(), expected, rtol=0, atol=1e-12)
    assert (result.p_corrected >= result.p).all()
    assert result.p_corrected[0, 1] <= 0.05


def test_the_family_wise_error_is_kept():
    rng = np.random.default_rng(3)
    hits = [
        (permutation_test(distances(rng, 10, 8), distances(rng, 10, 1), n_permutations=99, rng=rng).p_corrected <= 0.05)
        for _ in range(150)
    ]
    assert 0.0 < np.mean([one.any() for one in hits]) < 0.12
    assert np.mean([one.sum() for one in hits]) < 0.2


def test_constant_null_distributions_do_not_spoil_the_family():
    # a cell whose statistic no permutation can change has no spread
    null = np.stack([np.zeros(9), np.linspace(-1, 1, 9)], axis=1)
    found = p_values(np.array([0.0, 2.0]), null, "two-sided", exact=False, centred=True, quantiles=(0.5,))
    assert found.p.tolist() == [1.0, 0.1]
    assert found.corrected.tolist() == [1.0, 0.1]


# ---- controls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("partial", ["both", "first", "second"])
@pytest.mark.parametrize("n_controls", [1, 2])
def test_controls_equal_a_plain_loop(method, partial, n_controls, rng):
    a, b = distances(rng, 7, 2), distances(rng, 7, 3)
    controls = distances(rng, 7, n_controls)
    result = permutation_test(a, b, method=method, controls=controls, partial=partial, n_permutations=25, rng=6)
    observed = compare(a, b, method=method, controls=controls, partial=partial).values
    assert np.array_equal(result.statistic, observed)
    ranked = [np.apply_along_axis(stats.rankdata, 1, x) if method == "spearman" else x for x in (a, b, controls)]
    design = np.column_stack([np.ones(21), ranked[2].T])
    left = ranked[0] - (design @ np.linalg.lstsq(design, ranked[0].T, rcond=None)[0]).T
    moved = ranked[0] if partial == "second" else left
    for order, values in zip(orders_of(6, 7, 25), result.null, strict=True):
        relabelled = np.stack([plain.relabel(row, order) for row in moved])
        expected = compare(relabelled, ranked[1], method="pearson", controls=ranked[2], partial=partial).values
        assert np.allclose(values, expected, rtol=0, atol=1e-12)
    assert result.n_controls == n_controls
    assert f"controlling for {n_controls} RDM(s)" in result.methods_text()


def test_what_a_shared_control_explains_is_not_found():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        control = distances(rng, 10, 1)
        a, b = (control[0] + distances(rng, 10, 1)[0] for _ in range(2))
        found.append(permutation_test(a, b, method="pearson", controls=control, n_permutations=99, rng=rng).p)
    assert np.mean(np.array(found) <= 0.05) < 0.1


def test_controls_and_means_over_subjects(rng):
    a, b, controls = distances(rng, 7, 2), distances(rng, 7, 4), distances(rng, 7, 1)
    people = RDM(b, dims=["subject"])
    for partial in ("both", "first", "second"):
        options = {"method": "pearson", "controls": controls, "partial": partial, "n_permutations": 20, "rng": 1}
        each = permutation_test(a, people, **options)
        mean = permutation_test(a, people, average="subject", **options)
        assert np.allclose(mean.null, each.null.mean(axis=2), rtol=0, atol=1e-14)


# ---- NaN and undefined values ----------------------------------------------------------------------------------------


def test_nan_is_propagated_to_the_rdms_that_hold_it(rng):
    a, b = distances(rng, 6, 2), distances(rng, 6, 2)
    holes = b.copy()
    holes[1, 0] = np.nan
    expected = permutation_test(a, b, n_permutations=20, rng=0)
    with pytest.warns(RuntimeWarning, match="the second RDM holds NaN") as caught:
        result = permutation_test(a, holes, n_permutations=20, rng=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.array_equal(result.null[..., 0], expected.null[..., 0])
    for name in ("statistic", "p", "p_corrected", "z", "null_mean"):
        assert np.isnan(getattr(result, name)[:, 1]).all()
        assert np.isfinite(getattr(result, name)[:, 0]).all()
    with pytest.raises(ValueError, match="the second RDM holds NaN"):
        permutation_test(a, holes, nan_policy="raise")


def test_items_without_values_are_dropped(rng):
    a, b = (RDM(row, list("abcdefg")) for row in distances(rng, 7, 2))
    square = a.squareform()
    square[2] = square[:, 2] = np.nan
    square[2, 2] = 0.0
    holes = RDM(square, list("abcdefg"))
    result = permutation_test(holes, b, nan_policy="omit", n_permutations=30, rng=0)
    kept = list("abdefg")
    expected = permutation_test(a.select(kept), b.select(kept), n_permutations=30, rng=0)
    assert np.array_equal(result.null, expected.null)
    assert (result.n_items, result.n_dropped) == (6, 1)
    assert np.array_equal(permutation_test(b, holes, nan_policy="omit", n_permutations=30, rng=0).n_items, 6)


@quiet
@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-tau-b", "whitened-cosine"])
def test_single_missing_pairs_move_with_their_items(method, rng):
    a, b = distances(rng, 7, 2), distances(rng, 7, 2)
    a[0, [3, 9]] = b[1, [0, 20]] = np.nan
    result = permutation_test(a, b, method=method, nan_policy="omit", n_permutations=20, rng=0)
    for order, values in zip(orders_of(0, 7, 20), result.null, strict=True):
        relabelled = np.stack([plain.relabel(row, order) for row in a])
        expected = compare(relabelled, b, method=method, nan_policy="omit").values
        assert np.allclose(values, expected, rtol=0, atol=1e-14)


def test_uniform_with_missing_pairs():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(120):
        a, b = distances(rng, 9, 2)
        a[rng.permutation(36)[:6]] = b[rng.permutation(36)[:6]] = np.nan
        found.append(permutation_test(a, b, nan_policy="omit", n_permutations=99, rng=rng).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_missing_pairs_and_controls_are_refused_in_a_sentence(rng):
    a, b, control = distances(rng, 6, 3)
    a[3] = np.nan
    with pytest.raises(ValueError, match="with controls, RDMs must not miss single pairs"):
        permutation_test(a, b, method="pearson", controls=control, nan_policy="omit")


def test_dropped_items_and_controls(rng):
    a, b, control = (RDM(row) for row in distances(rng, 7, 3))
    square = control.squareform()
    square[0] = square[:, 0] = np.nan
    square[0, 0] = 0
    options = {"method": "spearman", "n_permutations": 20, "rng": 0}
    result = permutation_test(a, b, controls=square, nan_policy="omit", **options)
    a, b, control = (x.take(range(1, 7)) for x in (a, b, control))
    assert np.array_equal(result.null, permutation_test(a, b, controls=control, **options).null)
    assert result.n_dropped == 1


def test_undefined_rdms(rng):
    a, b = distances(rng, 6, 2), distances(rng, 6, 2)
    a[1] = 1.0
    with pytest.warns(RuntimeWarning, match="undefined for RDMs whose values are all equal"):
        result = permutation_test(a, b, n_permutations=20, rng=0)
    assert np.isnan(result.p[1]).all()
    assert np.isfinite(result.p[0]).all()
    with pytest.warns(RuntimeWarning, match="undefined"):
        nothing = permutation_test(np.ones(15), b[0], rng=0)
    assert np.isnan([nothing.statistic, nothing.p, nothing.z]).all()
    assert nothing.n_permutations == 0
    assert permutation_test(np.ones(15), b[0], method="rho-a", n_permutations=10).p == 1


def test_an_undefined_subject_leaves_the_mean_undefined(rng):
    b = distances(rng, 6, 3)
    b[0] = 2.0
    for method in ("spearman", "pearson", "kendall-tau-b"):
        with pytest.warns(RuntimeWarning, match="undefined"):
            result = permutation_test(distances(rng, 6), RDM(b, dims=["subject"]), method=method, average="subject")
        assert np.isnan(result.p).all()


# ---- seeds, threads, memory ------------------------------------------------------------------------------------------


def test_seeds(rng):
    a, b = distances(rng, 9, 2)
    assert np.array_equal(permutation_test(a, b, rng=1).null, permutation_test(a, b, rng=1).null)
    assert not np.array_equal(permutation_test(a, b, rng=1).null, permutation_test(a, b, rng=2).null)
    generator = np.random.default_rng(1)
    assert np.array_equal(permutation_test(a, b, rng=generator).null, permutation_test(a, b, rng=1).null)
    # the first permutations do not depend on how many follow
    few = permutation_test(a, b, rng=1, n_permutations=30).null
    assert np.array_equal(few, permutation_test(a, b, rng=1).null[:30])


@quiet
@pytest.mark.parametrize("method", ["spearman", "pearson", "whitened-cosine", "kendall-tau-a", "bures"])
def test_the_number_of_threads_does_not_matter(method, rng):
    a, b = distances(rng, 40, 2), distances(rng, 40, 3)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append(permutation_test(a, b, method=method, n_permutations=60, rng=0).null)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_inputs_are_not_written_to(rng, readonly):
    a, b = (readonly(x) for x in distances(rng, 6, 2))
    for method in METHODS:
        permutation_test(a, b, method=method, n_permutations=5)
    permutation_test(a, b, method="pearson", controls=readonly(distances(rng, 6, 1)), n_permutations=5)


def test_a_progress_bar_on_request(capsys, rng):
    a, b = distances(rng, 6, 2)
    permutation_test(a, b, n_permutations=50, progress=True)
    assert re.search(r"permutations: 100%.*50/50", capsys.readouterr().err)
    permutation_test(a, b, n_permutations=50)
    assert capsys.readouterr().err == ""


# ---- bad input -------------------------------------------------------------------------------------------------------

BAD = {
    "method": ({"method": "mse"}, ValueError, "method must be one of 'spearman'"),
    "alternative": ({"alternative": "both"}, ValueError, "alternative must be one of 'two-sided', 'greater', 'less'"),
    "none": ({"n_permutations": 0}, ValueError, "n_permutations must be at least 1"),
    "fraction": ({"n_permutations": 1e4}, TypeError, "n_permutations must be a whole number"),
    "average": ({"average": "people"}, ValueError, "average must be one of 'rdm'; got 'people'"),
    "nan_policy": ({"nan_policy": "skip"}, ValueError, "nan_policy must be one of"),
    "partial": ({"partial": "first"}, ValueError, "give controls"),
    "rng": ({"rng": -1}, ValueError, "rng must be"),
    "controls": ({"controls": [1.0, 2, 3], "method": "cosine"}, ValueError, "3 items"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case, rng):
    options, kind, sentence = BAD[case]
    with pytest.raises(kind, match=sentence):
        permutation_test(distances(rng, 6)[0], distances(rng, 6, 2), **options)


def test_bad_rdms(rng):
    with pytest.raises(ValueError, match="no axis to average over"):
        permutation_test([1.0, 2, 3], [1.0, 2, 3], average="subject")
    with pytest.raises(ValueError, match="3 and 6 items"):
        permutation_test([1.0, 2, 3], distances(rng, 6)[0])
    empty = np.full((4, 4), np.nan)
    empty[0, 1] = empty[1, 0] = 1
    np.fill_diagonal(empty, 0)
    with pytest.raises(ValueError, match=r"the set of items with values on both sides has 2 item\(s\)"):
        permutation_test(empty, distances(rng, 4)[0], nan_policy="omit")


# ---- properties ------------------------------------------------------------------------------------------------------


@given(st.permutations(range(6)), st.integers(0, 2**16))
def test_exact_p_values_do_not_depend_on_the_order_of_items(order, seed):
    a, b = distances(np.random.default_rng(seed), 6, 2)
    expected = permutation_test(a, b, method="pearson")
    found = permutation_test(RDM(a).take(order), RDM(b).take(order), method="pearson")
    assert found.p == pytest.approx(expected.p, abs=1e-15)
    assert np.allclose(np.sort(found.null), np.sort(expected.null), rtol=0, atol=1e-13)


@given(st.integers(0, 2**16), st.sampled_from(["spearman", "pearson", "kendall-tau-b"]))
def test_both_sides_are_alike(seed, method):
    # relabelling one side one way is relabelling the other the other way
    a, b = distances(np.random.default_rng(seed), 5, 2)
    for alternative in ALTERNATIVES:
        there = permutation_test(a, b, method=method, alternative=alternative).p
        back = permutation_test(b, a, method=method, alternative=alternative).p
        assert there == pytest.approx(back, abs=1e-15)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_permutations_that_leave_nothing_to_compare_count_as_extreme(alternative):
    null = np.array([[0.1, 0.0], [np.nan, 0.1], [-0.1, np.nan], [0.0, -0.1]])
    observed = np.array([5.0, 5.0]) if alternative != "less" else np.array([-5.0, -5.0])
    found = p_values(observed, null, alternative, exact=False, centred=True, quantiles=(0.5,))
    np.testing.assert_allclose(found.p, 2 / 5)
    # in two permutations one of the two comparisons is undefined
    np.testing.assert_allclose(found.corrected, 3 / 5)
    np.testing.assert_allclose(found.mean, 0.0, atol=1e-15)


@pytest.mark.parametrize("method", COMPARISON_METHODS)
def test_an_undefined_comparison_has_no_null_distribution(method, rng):
    a, b = distances(rng, 5, rows=2)
    a = np.stack([a, np.where(np.arange(10) == 3, np.nan, a)])
    with pytest.warns(RuntimeWarning, match="NaN"):
        found = permutation_test(a, b, method=method, n_permutations=20, rng=0)
    assert np.isfinite(found.null[:, 0]).all()
    assert np.isnan(found.null[:, 1]).all()
    for name in ("p", "p_corrected", "z", "null_mean", "null_sd"):
        assert np.isnan(getattr(found, name)).tolist() == [False, True]


@pytest.mark.parametrize("method", COMPARISON_METHODS)
def test_two_sided_is_around_zero_or_around_the_mean_where_chance_is_far_from_it(method, rng):
    a, b = distances(rng, 5, rows=2)
    found = permutation_test(a, b, method=method)
    null = [
        compare(plain.relabel(a, order), b, method=method).values.item() for order in itertools.permutations(range(5))
    ]
    offset = method.startswith("bures") or method.endswith("cosine")
    middle = math.fsum(null) / len(null) if offset else 0.0
    own = abs(null[0] - middle)
    assert found.p == sum(abs(value - middle) >= own - 1e-12 for value in null) / 120
    assert offset == (min(null) > 0)


@pytest.mark.parametrize("partial", ["both", "first"])
def test_labels_under_which_the_controls_explain_all_leave_nothing(partial, rng):
    # a quarter turn of the first four items takes this control to an RDM that is orthogonal to it
    turn, pairs = [1, 2, 3, 0, 4], list(itertools.combinations(range(5), 2))
    control = np.zeros(10)
    for ends, (size, phase) in {4: rng.random(2) + 0.5, 1: rng.random(2) + 0.5}.items():
        for k in range(4):
            other = 4 if ends == 4 else (k + 1) % 4
            control[pairs.index((min(k, other), max(k, other)))] = size * math.cos(math.pi * k / 2 + phase)
    left = plain.relabel(control, turn)
    assert left @ control == pytest.approx(0.0, abs=1e-15)
    found = permutation_test(left + 0.7 * control, rng.random(10), method="pearson", controls=control, partial=partial)
    relabelled = [plain.relabel(left, order) for order in itertools.permutations(range(5))]
    nothing = [abs(np.corrcoef(row, control)[0, 1]) > 1 - 1e-9 for row in relabelled]
    assert np.isnan(found.null).tolist() == nothing
    assert sum(nothing) >= 2
