from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from reference.score import clustered_bootstrap, entropy, hellinger
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from alignkit.data import load_cifar10h
from alignkit.models import Features
from alignkit.score import score
from alignkit.score._nested import halvings

RDM, CROSS_ENTROPY = "spearman with people's RDM", "cross-entropy with people's label distribution (nats)"
N = 150


@pytest.fixture(scope="module")
def cifar(root):
    return load_cifar10h(root)


@pytest.fixture(scope="module")
def some(cifar):
    """150 of the images, those that people disagree about among them."""
    disputed = np.argsort(cifar.probs.max(axis=1), kind="stable")[:50]
    rest = np.setdiff1d(np.arange(10_000), disputed)
    return np.concatenate([disputed, np.random.default_rng(0).choice(rest, N - 50, replace=False)])


@pytest.fixture(scope="module")
def knows(cifar, some):
    """Features that know people's labels, under some noise; named by file."""
    x = cifar.probs[some] + 0.3 * np.random.default_rng(1).normal(size=(N, 10))
    return Features.from_array(x, [f"images/{cifar.labels[i]}.png" for i in some], name="knows")


@pytest.fixture(scope="module")
def table(knows, some, root):
    guesses = Features.from_array(np.random.default_rng(2).normal(size=(N, 10)), knows.labels, name="guesses")
    return score([guesses, knows], "cifar10h", root=root, n_bootstrap=2000, n_shuffles=20)


def test_rdms_against_a_plain_loop(table, knows, cifar, some):
    counts = cifar.counts[some].tolist()
    human = [hellinger(counts[i], counts[j]) for i in range(N) for j in range(i + 1, N)]
    row = table.value("knows", "images", RDM)
    assert row.value == pytest.approx(spearmanr(pdist(knows.array(), "correlation"), human).statistic, abs=1e-9)
    assert (row.n, row.n_items) == (N * (N - 1) // 2, N)
    classes = np.array(counts).argmax(axis=1)
    other = [float(a != b) for i, a in enumerate(classes) for b in classes[i + 1 :]]
    majority = table.value("majority label alone", "images", RDM)
    assert majority.value == pytest.approx(spearmanr(other, human).statistic, abs=1e-9)
    assert majority.value < row.ceiling_low < 1
    assert row.percent_of_ceiling == pytest.approx(100 * row.value / row.ceiling_low)


def test_shuffled_items_are_at_chance(table):
    row = table.value("shuffled items", "images", RDM)
    assert row.value == pytest.approx(0, abs=0.02)
    assert row.low < row.value < row.high
    assert row.over == "shuffles"


def test_the_probe_is_held_out(table, cifar, some):
    counts = cifar.counts[some].tolist()
    floor = sum(map(entropy, counts)) / N
    chance = table.value("chance (uniform)", "images", CROSS_ENTROPY)
    assert chance.value == pytest.approx(math.log(10))
    assert chance.percent_of_ceiling == pytest.approx(0, abs=1e-9)
    knows, guesses = (table.value(name, "images", CROSS_ENTROPY) for name in ("knows", "guesses"))
    for row in (knows, guesses, chance):
        assert row.ceiling_low == pytest.approx(floor)
        assert not row.higher_is_better
    # features that know nothing cannot beat guessing on held-out images, however flexible the probe
    assert floor < knows.value < guesses.value
    assert guesses.value > math.log(10) - 0.05
    assert knows.percent_of_ceiling == pytest.approx(100 * (math.log(10) - knows.value) / (math.log(10) - floor))
    assert "probe fitted on other images' labels" in knows.split
    assert "scored on held-out images" in knows.split
    assert "probe" not in table.value("knows", "images", RDM).split


def test_paired_differences_are_over_images(table):
    (d,) = table.differences
    assert (d.better, d.other, d.measure, d.over) == ("knows", "guesses", CROSS_ENTROPY, "images")
    knows, guesses = (table.value(name, "images", CROSS_ENTROPY).value for name in ("knows", "guesses"))
    assert d.difference == pytest.approx(knows - guesses)
    assert d.low < d.difference < d.high < 0


def test_models_are_ranked_by_each_measure(table):
    for measure in (RDM, CROSS_ENTROPY):
        rows = [row for row in table.rows if row.measure == measure]
        assert [row.model for row in rows[:2]] == ["knows", "guesses"]


def test_the_probe_is_a_plain_one(knows, table, cifar, some):
    """Fitted again fold by fold with scikit-learn's own parts, on the majority label, tied votes left out."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    order = np.argsort(some)  # the data set's order, not that of the features
    x, counts = knows.array()[order], cifar.counts[some][order]
    costs = np.zeros(N)
    for train, test in KFold(5, shuffle=True, random_state=0).split(x):
        clear = [i for i in train if sorted(counts[i])[-1] > sorted(counts[i])[-2]]
        mean, spread = x[clear].mean(axis=0), x[clear].std(axis=0)
        z = (x - mean) / spread
        turn = PCA(10).fit(z[clear])
        fit = LogisticRegression(C=0.01, max_iter=1000).fit(turn.transform(z[clear]), counts[clear].argmax(axis=1))
        p = np.full((len(test), 10), 1e-6)
        p[:, fit.classes_] = np.maximum(fit.predict_proba(turn.transform(z[test])), 1e-6)
        p /= p.sum(axis=1, keepdims=True)
        costs[test] = [
            -sum(c / sum(own) * math.log(q) for c, q in zip(own, row, strict=True))
            for own, row in zip(counts[test].tolist(), p.tolist(), strict=True)
        ]
    row = table.value("knows", "images", CROSS_ENTROPY)
    assert row.value == pytest.approx(costs.mean(), abs=1e-4)
    assert (row.low, row.high) == pytest.approx(clustered_bootstrap(costs.tolist(), range(N), 2000, 0.95), abs=0.01)


def test_too_few_images_or_classes_have_no_probe(cifar, root):
    plane = np.flatnonzero(cifar.counts.argmax(axis=1) == 0)[:60]
    rng = np.random.default_rng(0)
    for rows in (np.arange(20), plane):
        features = Features.from_array(rng.normal(size=(len(rows), 5)), [cifar.labels[i] for i in rows])
        with pytest.warns(RuntimeWarning, match="all equal") if rows is plane else contextlib.nullcontext():
            table = score(features, "cifar10h", root=root, n_bootstrap=0, n_shuffles=1)
        assert {row.measure for row in table.rows} == {RDM}
        assert table.notes[-1] == "The probe was left out: it needs at least 50 images of more than one class."


@pytest.mark.slow
def test_all_images_use_a_sample_for_rdms(cifar, root):
    one_hot = Features.from_array(np.eye(10)[cifar.target], cifar.labels, name="CIFAR-10's own labels")
    table = score(one_hot, "cifar10h", root=root, metric="euclidean", n_bootstrap=50, n_shuffles=2)
    row = table.value("CIFAR-10", "images", RDM)
    assert row.n_items == 1000
    assert table.notes == ("RDMs use a seeded sample of 1,000 images.",)
    probed = table.value("CIFAR-10", "images", CROSS_ENTROPY)
    assert probed.n == 10_000
    assert probed.ceiling_low < probed.value < 0.6
    # people's majority and the official label agree on 99.2 % of the images (Peterson et al. 2019)
    majority = table.value("majority label alone", "images", RDM)
    assert row.value == pytest.approx(majority.value, abs=0.05)


def test_layers_and_their_ceiling_on_the_same_halves(knows, some, cifar, root):
    rng = np.random.default_rng(5)
    x = {"noise": rng.normal(size=(N, 10)), "knows": knows.array()}
    table = score(
        Features.from_arrays(x, knows.labels, name="net"),
        "cifar10h",
        root=root,
        layers="all",
        n_splits=4,
        n_bootstrap=0,
        n_shuffles=2,
    )
    assert [row.chosen for row in table.curve("net", "images")] == [0.0, 1.0]
    order = np.argsort(some)  # that of the data set
    counts = cifar.counts[some[order]].tolist()
    human = squareform([hellinger(counts[i], counts[j]) for i in range(N) for j in range(i + 1, N)])
    model = squareform(pdist(knows.array()[order], "correlation"))
    expected = []
    for first in halvings(N, 4, 0):
        for half in (first, ~first):
            upper = np.triu_indices(int(half.sum()), 1)
            expected.append(spearmanr(model[half][:, half][upper], human[half][:, half][upper]).statistic)
    row = table.value("net", "images", f"{RDM}, held-out items")
    assert row.value == pytest.approx(np.mean(expected), abs=1e-9)
    whole = table.value("net", "images", RDM, layer="knows")
    assert row.ceiling_low == pytest.approx(whole.ceiling_low, abs=0.03)
    assert row.ceiling_low != whole.ceiling_low
    # the probe is fitted to one set of features: a model of several layers has none
    assert not [r for r in table.rows if r.model == "net" and "cross-entropy" in r.measure]
