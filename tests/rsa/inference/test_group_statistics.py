from __future__ import annotations

import numpy as np
from reference import groups as plain

from alignkit.rsa._inference._group_statistics import group_similarities, studentised, welch


def test_many_divisions_in_blocks_equal_loops(rng):
    n, n_first = 13, 5
    similarities = rng.normal(size=(n, n))
    similarities += similarities.T
    scores = rng.normal(size=(2, n))
    first = np.array([rng.permutation(n) < n_first for _ in range(1500)])
    found = group_similarities(similarities, first)
    difference, error, df = welch(scores, first)
    for k in (0, 1, 1023, 1024, 1499):
        who = np.flatnonzero(first[k]).tolist()
        rest = np.flatnonzero(~first[k]).tolist()
        upper = np.triu_indices(n_first, k=1)
        assert np.isclose(found[k, 0], similarities[np.ix_(who, who)][upper].mean())
        upper = np.triu_indices(n - n_first, k=1)
        assert np.isclose(found[k, 1], similarities[np.ix_(rest, rest)][upper].mean())
        assert np.isclose(found[k, 2], similarities[np.ix_(who, rest)].mean())
        for j, row in enumerate(scores):
            expected = plain.welch(row, who)
            got = difference[k, j], studentised(difference, error)[k, j], df[k, j]
            assert np.allclose(got, expected, rtol=1e-10)


def test_no_variance_is_none_although_rounding_leaves_some():
    scores = np.array([[0.1 + 0.2, 0.1 + 0.2, 0.3, 0.3, 0.7], [0.3, 0.3, 0.3, 0.7, 0.7]])
    first = np.array([[True, True, True, False, False]])
    difference, error, _ = welch(scores, first)
    assert error[0, 1] == 0
    assert np.isinf(studentised(difference, error)[0, 1])
    assert error[0, 0] > 0
