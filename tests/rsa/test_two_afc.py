from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import triplets as reference

from alignkit.rsa import TwoAFC, TwoAFCAccuracy, two_afc_accuracy


def trials(seed, n=60):
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, 5, (n, 2))
    votes[votes.sum(axis=1) == 0] = [2, 1]
    return np.array([rng.permutation(8)[:3] for _ in range(n)]), votes


@given(
    seed=st.integers(0, 1000), kernel=st.sampled_from(["cosine", "dot", "euclidean"]), min_votes=st.sampled_from([0, 4])
)
def test_equals_the_loop_with_ties(seed, kernel, min_votes):
    items, votes = trials(seed)
    x = np.random.default_rng(seed).integers(0, 3, (8, 2)) + 0.5
    result = two_afc_accuracy(x, TwoAFC(items, votes), kernel=kernel, min_votes=min_votes, n_bootstrap=0)
    expected = reference.two_afc(x, items, votes, kernel, min_votes)
    found = (result.accuracy, result.vote_agreement, result.majority_share, result.leave_one_vote_out)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert result.n_tied_votes == (votes[:, 0] == votes[:, 1]).sum()
    assert result.n + result.n_tied_votes + result.n_few_votes == 60


def test_tied_votes_are_never_a_label(rng):
    items = np.array([[0, 1, 2], [0, 2, 1], [2, 0, 1]])
    result = two_afc_accuracy(rng.random((3, 2)), TwoAFC(items, [[2, 2], [3, 1], [1, 1]]), n_bootstrap=0)
    assert (result.n, result.n_tied_votes) == (1, 2)
    np.testing.assert_array_equal(np.isnan(result.per_trial), [True, False, True])
    with pytest.raises(ValueError, match="no trial is left: of 3, 3 have tied votes"):
        two_afc_accuracy(rng.random((3, 2)), TwoAFC(items, [[2, 2], [1, 1], [1, 1]]))


def test_real_votes_and_a_model_that_knows_them(shared_data):
    with np.load(shared_data("material2afc", "triplets.npz"), allow_pickle=False) as file:
        items, votes = file["test_triplets"].astype(int), file["test_votes"].astype(int)
    data = TwoAFC(items, votes)
    result = two_afc_accuracy(np.random.default_rng(0).random((100, 3)), data, n_bootstrap=300, rng=0)
    assert result.n_tied_votes / len(data) == pytest.approx(0.09, abs=0.005)
    assert result.accuracy == pytest.approx(0.5, abs=0.04)
    kept = votes[votes[:, 0] != votes[:, 1]]
    assert result.majority_share == pytest.approx((kept.max(axis=1) / kept.sum(axis=1)).mean(), abs=1e-12)
    assert result.vote_agreement < result.leave_one_vote_out < result.majority_share
    half = 1.96 * np.sqrt(result.accuracy * (1 - result.accuracy) / result.n)
    np.testing.assert_allclose(
        [result.accuracy_low, result.accuracy_high], result.accuracy + half * np.array([-1, 1]), atol=0.2 * half
    )


def test_a_perfect_model_reaches_the_majority_share():
    items = np.array([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    x = np.array([[0.0], [1.0], [3.0]])
    votes = [[4, 1], [3, 0], [2, 5]]
    result = two_afc_accuracy(x, TwoAFC(items, votes), kernel="euclidean", n_bootstrap=0)
    assert result.accuracy == 1.0
    assert result.vote_agreement == result.majority_share == pytest.approx((4 / 5 + 1 + 5 / 7) / 3)


def test_single_votes_have_no_leave_one_out(rng):
    result = two_afc_accuracy(rng.random((3, 2)), TwoAFC([[0, 1, 2]], [[1, 0]]), n_bootstrap=0)
    assert np.isnan(result.leave_one_vote_out)
    assert result.majority_share == 1.0


def test_undefined_trials_follow_the_policy(rng):
    x = rng.random((5, 2))
    x[4] = 0.0
    data = TwoAFC([[0, 1, 2], [0, 4, 1]], [[2, 1], [1, 2]], labels=["a", "b", "c", "d", "e"])
    with pytest.warns(RuntimeWarning, match="1 trials are undefined.*'e'"):
        result = two_afc_accuracy(x, data, n_bootstrap=0)
    assert np.isnan(result.accuracy)
    assert np.isfinite(result.majority_share)
    omitted = two_afc_accuracy(x, data, nan_policy="omit", n_bootstrap=0)
    assert (omitted.n, omitted.n_undefined) == (1, 1)
    assert omitted.accuracy in (0.0, 1.0)
    with pytest.raises(ValueError, match="'e'"):
        two_afc_accuracy(x, data, nan_policy="raise")


def test_all_undefined_is_nan_in_few_words():
    data = TwoAFC([[0, 1, 2], [0, 2, 1]], [[2, 1], [1, 3]])
    for policy in ("propagate", "omit"):
        with pytest.warns(RuntimeWarning, match="2 trials are undefined") as record:
            result = two_afc_accuracy(np.zeros((3, 2)), data, nan_policy=policy, n_bootstrap=20, rng=0)
        assert len(record) == 1
        assert np.isnan([result.accuracy, result.accuracy_low, result.accuracy_high]).all()
        assert result.n_undefined == 2
        assert np.isfinite(result.majority_share)


@pytest.mark.timeout(30)
def test_many_undefined_trials_do_not_take_for_ever(rng):
    trials = TwoAFC(np.array([rng.permutation(9)[:3] for _ in range(3000)]), rng.permuted([[3, 1]] * 3000, axis=1))
    x = rng.standard_normal((9, 4))
    x[2] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 2'"):
        result = two_afc_accuracy(x, trials, n_bootstrap=20, rng=0)
    assert np.isnan([result.accuracy, result.accuracy_low]).all()
    assert result.majority_share == 0.75


def test_rows_are_found_by_name(rng):
    x = rng.random((3, 4))
    data = TwoAFC([[0, 1, 2]], [[2, 1]], labels=["a", "b", "c"])
    moved = two_afc_accuracy(x[[2, 0, 1]], data, labels=["c", "a", "b"], n_bootstrap=0)
    assert moved.accuracy == two_afc_accuracy(x, data, n_bootstrap=0).accuracy


def test_saves_loads_and_speaks(rng, tmp_path):
    items, votes = trials(0)
    result = two_afc_accuracy(rng.random((8, 2)), TwoAFC(items, votes), n_bootstrap=20, min_votes=2, rng=0)
    result.save(tmp_path / "t.json")
    back = TwoAFCAccuracy.load(tmp_path / "t.json")
    assert (back.accuracy, back.per_trial) == (result.accuracy, None)
    assert result.to_dataframe()["measure"].tolist()[0] == "accuracy"
    assert "fewer than 2 votes" in result.methods_text()
    assert "tied votes dropped" in repr(result)


def test_refuses_other_containers(rng):
    with pytest.raises(TypeError, match="trials must be a TwoAFC"):
        two_afc_accuracy(rng.random((3, 2)), [[0, 1, 2]])
