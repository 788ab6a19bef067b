from __future__ import annotations

import numpy as np
import pytest
from reference import power as plain
from scipy import stats

from alignkit.rsa._inference._simulated_power import Experiments, rejections


def pairs(items: list[int], n: int) -> list[int]:
    """Return where the pairs of some items stand among those of n."""
    rows, columns = np.triu_indices(n, k=1)
    return [k for k in range(len(rows)) if rows[k] in items and columns[k] in items]


@pytest.mark.parametrize("flips", [False, True])
def test_counts_equal_a_plain_loop(flips, rng):
    n_items = 7
    model = rng.random((2, 21))
    data = model[0] + 1.2 * rng.normal(size=(5, 21))
    contrasts = np.array([[1.0, 0], [0, 1], [1, -1]])
    two_sided = np.array([False, False, True])
    for items in (n_items, 5):
        study = Experiments(data, model, contrasts, two_sided, "spearman", 0.1, items, flips)
        ticks: list[int] = []
        found = rejections(study, (3, 6), 100, np.random.default_rng(4), ticks.append)
        count = np.zeros((3, 2))
        # experiments come in blocks of 64, each with a child of its own
        blocks = np.random.default_rng(4).spawn(3)
        for e in range(100):
            own = blocks[e // 64]
            keep = list(range(21))
            if items < n_items:
                keep = pairs(own.permutation(n_items)[:items].tolist(), n_items)
            scores = [[stats.spearmanr(m[keep], d[keep]).statistic for d in data] for m in model]
            tested = plain.widened(contrasts @ np.array(scores))
            for k, n in enumerate((3, 6)):
                drawn = own.integers(5, size=n)
                count[:, k] += [
                    (plain.flips_reject if flips else plain.rejects)(row[drawn], 0.1, two_sided=side)
                    for row, side in zip(tested, two_sided, strict=True)
                ]
        assert np.array_equal(found, count)
        assert ticks == [64, 36]


def test_random_flips_have_the_power_of_a_t_test(rng):
    data = rng.normal(size=(400, 15))
    model = rng.random(15)
    scores = np.array([stats.pearsonr(model, one).statistic for one in data])
    counts = []
    for flips in (False, True):
        study = Experiments(data + 0.25 * model, model[None], np.eye(1), np.array([False]), "pearson", 0.05, 6, flips)
        counts.append(rejections(study, (12, 16), 600, np.random.default_rng(1), lambda _: None)[0] / 600)
    assert scores.std() > 0
    assert np.allclose(*counts, atol=0.05)
    assert 0.05 < counts[0][0] < 0.95
