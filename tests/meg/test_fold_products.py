"""Products between training and test means, each weighed by the noise of its training folds."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._fold_products import fold_products
from alignkit.meg._whiten import Whitening


def setting(rng, n_folds=3, n=4, n_channels=3):
    roots = rng.normal(size=(n_folds + 1, 1, n_channels, n_channels))
    matrices = roots @ roots.swapaxes(-1, -2)
    whitening = Whitening(
        matrices, n_channels, np.full(n_folds + 1, n_channels), (np.arange(n_channels),), np.dtype(np.float64)
    )
    counts = rng.integers(1, 4, (n_folds, n))
    return rng.normal(size=(1, n_folds, n, n_channels)), counts, whitening, np.linalg.inv(matrices[:, 0])


def test_the_mean_over_folds_of_training_times_test(rng):
    means, counts, whitening, precisions = setting(rng)
    found = fold_products(means, counts, whitening, "leave-one-fold-out", centred=False, differences=False)
    for i in range(4):
        for j in range(4):
            terms = []
            for k in range(3):
                others = [fold for fold in range(3) if fold != k]
                training = np.average(means[0, others, i], axis=0, weights=counts[others, i])
                terms.append(training @ precisions[k] @ means[0, k, j])
            np.testing.assert_allclose(found.cross[0, i, j], np.mean(terms), rtol=1e-9)
            if i == j:
                np.testing.assert_allclose(found.own[0, i, 0], np.mean(terms), rtol=1e-9)
    plain = [np.mean([means[0, k, i] @ precisions[k] @ means[0, k, i] for k in range(3)]) for i in range(4)]
    np.testing.assert_allclose(found.plain[0], plain, rtol=1e-9)
    assert not found.missing.any()


@pytest.mark.parametrize("cv", ["fold-pairs", "observation-pairs"])
def test_pairs_that_never_meet_are_missing(rng, cv):
    means, counts, whitening, _ = setting(rng)
    counts[:, 1] = [2, 0, 0]
    counts[:, 2] = [1, 2, 0]
    counts[:, 3] = [0, 1, 2]
    means = means * (counts > 0)[..., None]
    missing = fold_products(means, counts, whitening, cv, centred=False, differences=True).missing
    alone = [True, False, False, True, True, False]  # pairs 01 02 03 12 13 23: condition 1 is in one fold
    # conditions 2 and 3 share one fold only
    assert missing.tolist() == (alone if cv == "observation-pairs" else [True, False, False, True, True, True])


def test_what_all_conditions_share_is_of_no_account(rng):
    means, counts, whitening, _ = setting(rng)
    counts[:] = 2
    for cv in ("leave-one-fold-out", "fold-pairs", "observation-pairs"):
        one, other = (
            fold_products(these, counts, whitening, cv, centred=False, differences=True)
            for these in (means, means + 1e4 * rng.normal(size=3))
        )
        np.testing.assert_allclose(
            other.own + other.own.swapaxes(-1, -2) - other.cross - other.cross.swapaxes(-1, -2),
            one.own + one.own.swapaxes(-1, -2) - one.cross - one.cross.swapaxes(-1, -2),
            atol=1e-8,
        )
