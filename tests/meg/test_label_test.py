import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import flip_tests as reference
from scipy.stats import binom, kendalltau, norm, pearsonr, spearmanr
from threadpoolctl import threadpool_limits

from alignkit.meg import LabelTest, RDMStore, label_test
from alignkit.rsa import RDM, permutation_test


def movies(rng, n_subjects=3, n_times=6, n_items=9, effect=1.0):
    n_pairs = n_items * (n_items - 1) // 2
    model = rng.random(n_pairs)
    values = rng.random((n_subjects, n_times, n_pairs))
    values[:, n_times // 2 :] += effect * model
    names = [f"item {i}" for i in range(n_items)]
    people = RDM(values, names, dims=["subject", "time"], coords={"time": np.arange(n_times) / 10})
    return RDM(model, names), people


def square(row, n):
    out = np.zeros((n, n))
    out[np.triu_indices(n, 1)] = row
    return out + out.T


def loop(model, rdms, orders, compare):
    """Return similarities under every permutation, shape (m, times), as a plain loop."""
    n = len(orders[0])
    matrix, upper = square(model, n), np.triu_indices(n, 1)
    return np.array([[compare(matrix[np.ix_(order, order)][upper], row)[0] for row in rdms] for order in orders])


@pytest.mark.parametrize(
    ("method", "compare"), [("spearman", spearmanr), ("pearson", pearsonr), ("kendall-tau-b", kendalltau)]
)
@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_equals_a_loop_over_permutations(rng, method, compare, tail):
    model, people = movies(rng, 2, 4, 6, 0.8)
    found = label_test(model, people, method=method, tail=tail, n_permutations=150, rng=3)
    for subject, child in enumerate(np.random.default_rng(3).spawn(2)):
        orders = [child.permutation(6) for _ in range(150)]
        rdms = people.values[subject]
        null, own = loop(model.values, rdms, orders, compare), loop(model.values, rdms, [np.arange(6)], compare)[0]
        assert_allclose(found.similarity[0, subject], own, atol=1e-12)
        spread = np.vstack([null, own]).std(axis=0)
        directed = np.vectorize(lambda v: reference.directed(v, tail))
        null, own = directed(null / spread), directed(own / spread)
        assert_allclose(found.p[0, subject], ((null >= own - 1e-9).sum(0) + 1) / 151)
        assert_allclose(found.p_corrected[0, subject], ((null.max(1)[:, None] >= own - 1e-9).sum(0) + 1) / 151)


def test_few_items_are_tested_exactly_as_mantels_test_is(rng):
    model, people = movies(rng, 2, 4, 5)
    found = label_test(model, people, rng=0)
    assert found.exact
    assert found.n_permutations == 120
    for subject in range(2):
        each = permutation_test(model, people.values[subject], alternative="greater", n_permutations=120)
        assert_allclose(found.p[0, subject], each.p)
        assert_allclose(found.p_corrected[0, subject], each.p_corrected)


def test_clusters_equal_a_loop(rng):
    model, people = movies(rng, 2, 12, 6, 0.4)
    for tail, threshold in (("greater", norm.isf(0.05)), ("two-sided", norm.isf(0.025))):
        found = label_test(model, people, correction="cluster", tail=tail, n_permutations=99, rng=5)
        for subject, child in enumerate(np.random.default_rng(5).spawn(2)):
            orders = [child.permutation(6) for _ in range(99)]
            rdms = people.values[subject]
            null = loop(model.values, rdms, orders, spearmanr)
            own = loop(model.values, rdms, [np.arange(6)], spearmanr)[0]
            spread = np.vstack([null, own]).std(axis=0)

            def masses(z, tail=tail, threshold=threshold):
                found = reference.clusters(z, threshold, tail)
                return found, [reference.directed(sum(z[c] for c in one), tail) for one in found]

            largest = np.array([max(masses(z)[1], default=0.0) for z in null / spread])
            expected = np.ones(12)
            for cluster, mass in zip(*masses(own / spread), strict=True):
                for cell in cluster:
                    expected[cell] = ((largest >= mass - 1e-9).sum() + 1) / 100
            assert_allclose(found.p_corrected[0, subject], expected)
    assert "onsets" in repr(found)
    assert "Sassenhagen" in found.methods_text()


def test_counts_participants_as_the_binomial_says(rng):
    model, people = movies(rng, 4, 6, 9, 1.5)
    found = label_test({"planted": model, "other": rng.random(36)}, people, rng=0)
    assert_array_equal(found.n_significant[0, 3:], 4)
    assert_array_equal(found.n_significant, found.significant.sum(axis=1))
    assert_allclose(found.p_count[0, 3:], 0.05**4)
    assert_allclose(found.p_count, 1 - binom.cdf(found.n_significant - 1, 4, 0.05), atol=1e-12)
    assert_allclose(found.p_count[found.n_significant == 0], 1.0)
    assert "4 of 4" in repr(found)
    table = found.counts()
    assert list(table) == ["model", "time", "n_significant", "n_subjects", "p_count"]
    assert table.query("model == 'planted' and time > .25")["n_significant"].eq(4).all()


def test_participants_without_an_effect_pass_as_often_as_said():
    rng = np.random.default_rng(17)
    passed = 0
    for correction in ("max", "cluster"):
        people = RDM(rng.random((200, 8, 28)), dims=["subject", "time"])
        found = label_test(rng.random(28), people, n_permutations=199, rng=rng, correction=correction)
        passed += int(found.significant.any(axis=-1).sum())
    assert binom.ppf(0.001, 400, 0.05) <= passed <= binom.ppf(0.999, 400, 0.05)


def test_memory_and_threads_change_nothing(rng):
    model, people = movies(rng, 2, 30, 40)
    whole = label_test(model, people, n_permutations=50, rng=1)
    with threadpool_limits(1):
        small = label_test(model, people, n_permutations=50, rng=1, memory="1 MB")
    assert_array_equal(small.similarity, whole.similarity)
    assert_array_equal(small.p_corrected, whole.p_corrected)
    with pytest.raises(ValueError, match="raise memory"):
        label_test(model, people, n_permutations=20_000, memory="1 MB")


def test_others_do_not_change_a_participants_p(rng):
    model, people = movies(rng, 3)
    both = label_test({"a": model, "b": rng.random(36)}, people, n_permutations=99, rng=2)
    first = label_test(model, people.isel(subject=[0]), n_permutations=99, rng=2)
    assert_array_equal(both.p_corrected[0, 0], first.p_corrected[0, 0])


def test_items_are_matched_by_label_and_stores_are_read(rng, tmp_path):
    model, people = movies(rng, 2)
    expected = label_test(model, people, n_permutations=99, rng=0)
    shuffled = model.take(rng.permutation(9))
    assert_allclose(label_test(shuffled, people, n_permutations=99, rng=0).p, expected.p)
    stores = []
    for i in range(2):
        with RDMStore.create(
            tmp_path / f"p{i}.zarr", labels=people.labels, times=people.coords["time"], dtype="float64"
        ) as store:
            store.write(0, people.values[i])
        stores.append(store.path)
    found = label_test(model, stores, n_permutations=99, rng=0)
    assert_array_equal(found.p_corrected, expected.p_corrected)
    assert found.subjects == ("p0", "p1")


def test_counts_of_decisions_are_compared_as_the_accuracies_they_are(rng, tmp_path):
    counts = rng.integers(0, 49, size=(4, 28))
    with RDMStore.create(
        tmp_path / "p.zarr", labels=[str(i) for i in range(8)], times=np.arange(4.0), metric="decoding", n_decisions=24
    ) as store:
        store.write(0, counts / 48)
    model = RDM(rng.random(28), [str(i) for i in range(8)])
    found = label_test(model, store.path, n_permutations=99, rng=0)
    same = label_test(model, RDM(counts / 48, model.labels, dims=["time"]), n_permutations=99, rng=0)
    assert_allclose(found.similarity, same.similarity)
    assert_array_equal(found.p, same.p)


def test_undefined_values_are_named(rng):
    model, people = movies(rng, 2)
    values = people.values.copy()
    values[1, 2, 4] = np.nan
    values[0, 0] = 1.0
    broken = RDM(values, people.labels, dims=["subject", "time"], coords={"time": people.coords["time"]})
    flat = {"good": model, "flat": RDM(np.ones(36), people.labels)}
    with pytest.warns(RuntimeWarning, match=r"models: 'flat'; .*'subject 1 at 0 s', 'subject 2 at 0.2 s'") as caught:
        found = label_test(flat, broken, n_permutations=99, rng=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    undefined = np.zeros((2, 2, 6), dtype=bool)
    undefined[1] = undefined[0, 0, 0] = undefined[0, 1, 2] = True
    assert_array_equal(np.isnan(found.p_corrected), undefined)
    assert_array_equal(np.isnan(found.p), undefined)
    assert np.isnan(found.p_count[1]).all()
    assert repr(found).endswith("\n  flat: NaN>")


def test_what_does_not_fit_is_refused(rng):
    model, people = movies(rng)
    with pytest.raises(ValueError, match="without a time axis"):
        label_test(RDM(rng.random((6, 36)), dims=["time"], coords={"time": people.coords["time"]}), people)
    for options, message in (
        ({"correction": "fdr"}, "correction must be one of"),
        ({"tail": "up"}, "tail must be one of"),
        ({"method": "x"}, "method must be one of"),
        ({"n_permutations": 0}, "at least 1"),
        ({"alpha": 0}, "alpha must lie"),
    ):
        with pytest.raises(ValueError, match=message):
            label_test(model, people, **options)


def test_result_comes_back(rng, tmp_path):
    from matplotlib import pyplot as plt

    model, people = movies(rng)
    found = label_test({"m": model}, people, n_permutations=99, rng=0)
    found.save(tmp_path / "a.json")
    back = LabelTest.load(tmp_path / "a.json")
    for name in ("similarity", "p", "p_corrected", "significant", "n_significant", "p_count", "times"):
        assert_array_equal(getattr(back, name), getattr(found, name))
    assert repr(back) == repr(found)
    assert len(found.to_dataframe()) == 18
    assert "binomial" in found.methods_text()
    assert found.plot().get_ylabel() == "significant participants (of 3)"
    plt.close("all")


def test_too_few_permutations_are_said_to_be_too_few(rng):
    model, people = movies(rng, 2, 4, 3)
    with pytest.warns(
        RuntimeWarning, match=r"below 0.1667 \(3 items have only 6 permutations\).* impossible"
    ) as caught:
        found = label_test(model, people)
    assert caught[0].filename == __file__
    assert not found.significant.any()
    assert "impossible" in repr(found)
    with pytest.warns(RuntimeWarning, match="n_permutations=10"):
        label_test(*movies(rng), n_permutations=10)


@pytest.mark.parametrize("n_permutations", [150, 720])
def test_similarities_that_are_high_for_any_labels_are_taken_from_their_own_mean(rng, n_permutations):
    # the cosine of two RDMs is far above 0, and differs between times for reasons that have nothing to do with labels
    model, people = movies(rng, 1, 5, 6, 0.6)
    lifted = RDM(people.values + np.arange(5)[:, None], people.labels, dims=people.dims, coords=people.coords)
    found = label_test(model, lifted, method="cosine", n_permutations=n_permutations, rng=3)
    child = np.random.default_rng(3).spawn(1)[0]
    exact = n_permutations == 720
    orders = itertools.permutations(range(6)) if exact else (child.permutation(6) for _ in range(150))

    def cosine(a, b):
        return (a @ b / np.linalg.norm(a) / np.linalg.norm(b),)

    null = loop(model.values, lifted.values[0], list(orders), cosine)
    own = loop(model.values, lifted.values[0], [np.arange(6)], cosine)
    everything = null if exact else np.vstack([null, own])
    null, own = ((one - everything.mean(axis=0)) / everything.std(axis=0) for one in (null, own[0]))
    count = (null.max(axis=1)[:, None] >= own - 1e-9).sum(axis=0)
    assert_allclose(found.p_corrected[0, 0], count / 720 if exact else (count + 1) / 151)
