from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from reference.triplets import by_triplet

from alignkit.rsa import HumanDistribution, Triplets, human_distribution


def random_answers(rng, n=200):
    return np.array([rng.permutation(6)[:3] for _ in range(n)])


def test_equals_the_loop(rng, readonly):
    answers = readonly(random_answers(rng))
    human = human_distribution(answers)
    groups = by_triplet(answers)
    np.testing.assert_array_equal(human.items, list(groups))
    expected = [[Counter(v[0] for v in votes)[item] for item in items] for items, votes in groups.items()]
    np.testing.assert_array_equal(human.counts, expected)
    np.testing.assert_allclose(human.probabilities.sum(axis=1), 1)
    assert human.n_answers.sum() == 200


def test_known_counts_on_things(things_repeats):
    human = human_distribution(things_repeats)
    assert len(human) == 1000
    assert (human.n_answers.min(), human.n_answers.max(), human.n_answers.sum()) == (14, 25, 20000)


def test_response_times_are_medians_of_the_finite_ones(rng):
    answers = random_answers(rng)
    times = rng.random(200)
    times[::7] = np.nan
    times[(np.sort(answers, axis=1) == [0, 1, 2]).all(axis=1)] = np.inf
    human = human_distribution(Triplets(answers, response_time=times))
    for items, seconds in zip(human.items, human.response_time, strict=True):
        own = times[(np.sort(answers, axis=1) == items).all(axis=1)]
        own = own[np.isfinite(own)]
        np.testing.assert_allclose(seconds, np.median(own) if own.size else np.nan)


def test_min_answers_drops_rare_triplets():
    human = human_distribution([[0, 1, 2], [2, 1, 0], [0, 1, 3]], min_answers=2)
    np.testing.assert_array_equal(human.items, [[0, 1, 2]])
    with pytest.raises(ValueError, match="no triplet has 3 answers; the most any has is 2"):
        human_distribution([[0, 1, 2], [2, 1, 0], [0, 1, 3]], min_answers=3)


def test_saves_loads_and_speaks(tmp_path):
    answers = Triplets([[0, 1, 2], [2, 1, 0]], labels=["é", "b", "c"], response_time=[1.0, 3.0])
    human = human_distribution(answers)
    human.save(tmp_path / "human.json")
    back = HumanDistribution.load(tmp_path / "human.json")
    np.testing.assert_array_equal(back.counts, human.counts)
    assert back.labels == human.labels
    np.testing.assert_array_equal(back.response_time, [2.0])
    table = human.to_dataframe()
    assert table.loc[0, "label_0"] == "é"
    assert table.loc[0, ["odd_0", "odd_1", "odd_2"]].tolist() == [1, 0, 1]
    assert "2 answers" in human.methods_text()
    assert "1 triplets" in repr(human)
