from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.nested import nested_credit

from alignkit.score._nested import choice_shares, choose, halvings, nested_answers, nested_mean, within_halves


def triplets(rng, n_items, n):
    return np.array([rng.choice(n_items, 3, replace=False) for _ in range(n)])


def test_halves_are_halves_and_those_of_the_seed():
    first = halvings(11, 30, 4)
    assert first.shape == (30, 11)
    assert set(first.sum(axis=1)) == {5}
    np.testing.assert_array_equal(first, halvings(11, 30, 4))
    assert not np.array_equal(first, halvings(11, 30, 5))
    assert len({tuple(row) for row in first}) > 25


def test_answers_count_where_all_their_items_are():
    items = np.array([[0, 1, 2], [3, 4, 5], [0, 1, 5], [2, 1, 0]])
    within = within_halves(items, np.array([[True, True, True, False, False, False]]))
    assert within.tolist() == [[[True, False, False, True], [False, True, False, False]]]


@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_nested_credit_equals_a_plain_loop(rng, n_layers):
    items = triplets(rng, 14, 200)
    credits = rng.integers(0, 2, (n_layers, 200)).astype(float)
    first = halvings(14, 6, 0)
    found, choices = nested_answers(credits, within_halves(items, first))
    expected = nested_credit(credits.tolist(), items.tolist(), [set(np.flatnonzero(row).tolist()) for row in first])
    assert {None, *expected} > {None}
    np.testing.assert_allclose(found, [np.nan if own is None else own for own in expected], atol=1e-12)
    assert choices.shape == (6, 2)


@given(st.integers(0, 10_000), st.integers(0, 13))
def test_no_answer_with_an_item_has_a_say_in_what_is_scored_on_that_item(seed, item):
    rng = np.random.default_rng(seed)
    items = triplets(rng, 14, 120)
    credits = rng.integers(0, 2, (4, 120)).astype(float)
    first = halvings(14, 8, seed)
    within = within_halves(items, first)
    _, choices = nested_answers(credits, within)
    # whatever the answers about one item were, the layers scored on it are the same
    touched = (items == item).any(axis=1)
    changed = credits.copy()
    changed[:, touched] = rng.integers(0, 2, (4, int(touched.sum())))
    _, after = nested_answers(changed, within)
    half = np.where(first[:, item], 0, 1)
    rows = np.arange(len(first))
    np.testing.assert_array_equal(after[rows, half], choices[rows, half])


def test_the_choice_is_the_best_of_the_other_half():
    values = np.array([[[0.1, 0.9, 0.9], [0.5, 0.2, np.nan]], [[np.nan, np.nan, np.nan], [0.1, 0.1, 0.2]]])
    assert choose(values).tolist() == [[0, 1], [2, -1]]


def test_shares_are_of_the_choices_that_were_made():
    assert choice_shares(np.array([[0, 2], [2, -1]]), 4).tolist() == pytest.approx([1 / 3, 0, 2 / 3, 0])
    assert np.isnan(choice_shares(np.full((2, 2), -1), 3)).all()


def test_the_mean_is_over_the_halves_with_a_choice():
    values = np.arange(2 * 2 * 3 * 2, dtype=float).reshape(2, 2, 3, 2)
    choices = np.array([[0, 2], [-1, 1]])
    expected = (values[0, 0, 0] + values[0, 1, 2] + values[1, 1, 1]) / 3
    np.testing.assert_allclose(nested_mean(values, choices), expected)
    assert np.isnan(nested_mean(values, np.full((2, 2), -1))).all()


def test_layers_that_are_undefined_are_not_chosen(rng):
    items = triplets(rng, 14, 150)
    credits = rng.integers(0, 2, (3, 150)).astype(float)
    credits[1] = np.nan
    _, choices = nested_answers(credits, within_halves(items, halvings(14, 10, 0)))
    assert 1 not in choices
    nothing, none = nested_answers(np.full((2, 150), np.nan), within_halves(items, halvings(14, 10, 0)))
    assert np.isnan(nothing).all()
    assert (none == -1).all()


def test_pure_noise_shows_no_optimism_but_its_maximum_does(rng):
    nested, highest = [], []
    for seed in range(60):
        items = triplets(rng, 40, 1500)
        credits = np.stack([noise_network(rng, items) for _ in range(12)])
        credit, _ = nested_answers(credits, within_halves(items, halvings(40, 10, seed)))
        nested.append(np.nanmean(credit))
        highest.append(credits.mean(axis=1).max())
    error = np.std(nested) / np.sqrt(len(nested))
    assert abs(np.mean(nested) - 1 / 3) < 3.5 * error
    assert error < 0.003
    assert np.mean(highest) - 1 / 3 > 6 * error


def noise_network(rng, items):
    """Credits of random features for answers at random: what the odd one out is depends on items, as in a network."""
    x = rng.normal(size=(40, 5))
    gram = x @ x.T
    a, b, c = items.T
    return (gram[a, b] > np.maximum(gram[a, c], gram[b, c])).astype(float)
