"""Win counts by hand, and their intervals against plain resampling."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.score import WinCounts, win_counts


def test_by_hand():
    first = {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.9}
    second = {"d": 0.8, "c": 0.3, "b": 0.6, "a": 0.4}  # another order of tasks
    result = win_counts(first, second, n_bootstrap=0)
    assert (result.tasks, result.wins, result.losses, result.ties) == (("a", "b", "c", "d"), 2, 1, 1)
    np.testing.assert_allclose(result.difference, [0.1, -0.2, 0, 0.1])
    assert result.mean_difference == pytest.approx(0)
    assert np.isnan([result.wins_low, result.mean_difference_high, result.wins_low_images]).all()
    assert win_counts(second, first, n_bootstrap=0).wins == 1
    assert win_counts({1: 0.5}, {"1": 0.4}, n_bootstrap=0).tasks == ("1",)


def test_intervals_over_tasks(rng):
    gaps = rng.normal(0.05, 0.1, 29)
    base = rng.random(29)
    names = [f"task {i}" for i in range(29)]
    arms = (dict(zip(names, scores, strict=True)) for scores in (base + gaps, base))
    result = win_counts(*arms, n_bootstrap=4000)
    drawn = gaps[np.random.default_rng(3).integers(0, 29, (4000, 29))]
    wins = np.quantile((drawn > 0).sum(axis=1), [0.025, 0.975])
    means = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    assert (result.wins_low, result.wins_high) == pytest.approx(wins, abs=1)
    assert (result.mean_difference_low, result.mean_difference_high) == pytest.approx(means, abs=0.004)
    assert result.wins_low == pytest.approx(round(result.wins_low))
    assert np.isnan([result.wins_low_images, result.mean_difference_low_images, *result.difference_low]).all()
    assert result.clear_wins == result.clear_losses == 0


@pytest.fixture
def images(rng):
    """Two arms that agree on most images, on three tasks."""
    first, second = {}, {}
    for name, n, gain in (("large", 800, 0.1), ("small", 40, 0.0), ("worse", 500, -0.1)):
        second[name] = (rng.random(n) < 0.5).astype(float)
        changed = rng.random(n) < abs(gain) + 0.02
        first[name] = np.where(changed, float(gain >= 0), second[name])
    return first, second


def test_intervals_over_images_are_paired(images):
    result = win_counts(*images, n_bootstrap=4000)
    rng, drawn = np.random.default_rng(8), []
    for task in result.tasks:
        gap = images[0][task] - images[1][task]
        drawn.append(gap[rng.integers(0, len(gap), (4000, len(gap)))].mean(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    np.testing.assert_allclose(result.difference_low, low, atol=0.012)
    np.testing.assert_allclose(result.difference_high, high, atol=0.012)
    assert (result.clear_wins, result.clear_losses) == (1, 1)
    means = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    within = result.mean_difference_low_images, result.mean_difference_high_images
    assert within == pytest.approx(means, abs=0.003)
    wins = np.quantile((np.array(drawn) > 0).sum(axis=0), [0.025, 0.975])
    assert (result.wins_low_images, result.wins_high_images) == pytest.approx(wins)


def test_one_arm_against_itself_wins_nothing(images):
    result = win_counts(images[0], images[0])
    assert (result.wins, result.losses, result.ties) == (0, 0, 3)
    assert (result.wins_low, result.wins_high, result.wins_low_images, result.wins_high_images) == (0, 0, 0, 0)
    assert not np.any([result.difference_low, result.difference_high])


def test_credits_that_cancel_are_a_tie():
    thirds = {"a": [1 / 3, 1 / 3, 1 / 3, 0.0]}, {"a": [0.0, 0.0, 0.0, 1.0]}
    result = win_counts(*thirds)
    assert (result.ties, result.difference[0]) == (1, 0)
    # shares that are exact in decimals and not in binary
    assert win_counts({"a": [0.1, 0.2, 0.0]}, {"a": [0.0, 0.0, 0.3]}, n_bootstrap=0).ties == 1


def test_tasks_with_and_without_images(images):
    first, second = ({**arm, "score alone": score} for arm, score in zip(images, (0.4, 0.3), strict=True))
    result = win_counts(first, second, n_bootstrap=100)
    assert np.isnan(result.difference_low).tolist() == [False, False, False, True]
    assert np.isnan([result.wins_low_images, result.mean_difference_low_images]).all()
    assert result.wins == win_counts(*images, n_bootstrap=0).wins + 1


def test_pictures_tables_and_files(images, tmp_path):
    result = win_counts(*images, n_bootstrap=50)
    result.save(tmp_path / "wins.json")
    again = WinCounts.load(tmp_path / "wins.json")
    assert again.tasks == result.tasks
    np.testing.assert_array_equal(again.difference_low, result.difference_low)
    assert result.to_dataframe()["task"].tolist() == list(result.tasks)
    ax = result.plot()
    assert ax.get_yticklabels()[0].get_text() == "worse"
    ax.figure.clear()
    assert "3 tasks" in result.methods_text()
    assert "of 3 tasks won" in repr(result)


@pytest.mark.parametrize(
    ("first", "second", "error", "text"),
    [
        ({"a": 1.0}, {"b": 1.0}, ValueError, "both arms must have the same tasks; only one has 'a', 'b'"),
        ({"a": [1, 0]}, {"a": [1, 0, 1]}, ValueError, r"got shapes \(2,\) and \(3,\)"),
        ({"a": [1, 0]}, {"a": 0.5}, ValueError, "'a' must have one score"),
        ({1: 0.5, "1": 0.5}, {"1": 0.5}, ValueError, "the tasks of first must be unique; repeated: '1'"),
        ({"a": np.nan}, {"a": 0.5}, ValueError, "NaN"),
        ({}, {}, ValueError, "at least one task"),
        ([0.5], [0.4], TypeError, "first must be a mapping of tasks to scores; got list"),
    ],
)
def test_what_cannot_be_paired_is_refused(first, second, error, text):
    with pytest.raises(error, match=text):
        win_counts(first, second)
