"""Choosing a layer on some items and scoring it on others: random halves of the items, both ways, many times.

An answer, trial or pair counts only where all of its items lie in one half, so that the layer that is scored on it was
chosen without any of its items. The price: of triplets a quarter is scored in each split (an eighth a half), of pairs
one half; over many splits nearly all are, each with the layers that were chosen without them.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray

#: Halves of fewer items hold too few pairs (45) to rank layers by.
MIN_ITEMS = 20


def halvings(n_items: int, n_splits: int, seed: int) -> BoolArray:
    """Return which items are in the first half, shape (n_splits, n_items)."""
    rng = np.random.default_rng(seed)
    first: BoolArray = np.zeros((n_splits, n_items), dtype=bool)
    for row in first:
        row[rng.permutation(n_items)[: n_items // 2]] = True
    return first


def choose(values: FloatArray) -> IntArray:
    """Return the layer to score on each half: the best on the other one, of equals the first; -1 where none is defined.

    Parameters
    ----------
    values : ndarray, shape (n_splits, 2, layers)
        Score of each layer on each half; NaN is never chosen.

    Returns
    -------
    ndarray of int, shape (n_splits, 2)
    """
    known = ~np.isnan(values)
    best = np.where(known, values, -np.inf).argmax(axis=-1)
    best[~known.any(axis=-1)] = -1
    return best[:, ::-1]


def choice_shares(choices: IntArray, n_layers: int) -> FloatArray:
    """Return how often each layer was chosen, as shares of all choices; NaN where there was none."""
    made = choices[choices >= 0]
    if not made.size:
        return np.full(n_layers, np.nan)
    return np.bincount(made, minlength=n_layers) / made.size


def within_halves(items: IntArray, first: BoolArray) -> BoolArray:
    """Return which answers lie within which half, shape (n_splits, 2, answers): those whose items all do.

    Parameters
    ----------
    items : ndarray of int, shape (answers, k)
        The items of each answer.
    first : ndarray of bool, shape (n_splits, items)
        From :func:`halvings`.
    """
    counts = [row[items].sum(axis=1) for row in first]
    return np.array([(count == items.shape[1], count == 0) for count in counts])


def scorable(within: BoolArray) -> BoolArray:
    """Return which answers lie within a half whose other half has answers to choose by, shape (answers,)."""
    filled: BoolArray = np.asarray(within.any(axis=-1))
    return np.asarray((within & filled[:, ::-1, None]).any(axis=(0, 1)))


def nested_answers(credits: FloatArray, within: BoolArray) -> tuple[FloatArray, IntArray]:
    """Return what each answer is worth when the layer was chosen without its items, and the choices.

    Parameters
    ----------
    credits : ndarray, shape (layers, answers)
        What each layer gets for each answer; a layer with NaN anywhere is never chosen.
    within : ndarray of bool, shape (n_splits, 2, answers)
        From :func:`within_halves`.

    Returns
    -------
    credit : ndarray, shape (answers,)
        Mean over the splits in which the answer lies within one half and others within the other; NaN where there is
        none.
    choices : ndarray of int, shape (n_splits, 2)
    """
    values: FloatArray = np.full((*within.shape[:2], len(credits)), np.nan)
    for where in zip(*np.nonzero(within.any(axis=-1)), strict=True):
        values[where] = credits[:, within[where]].mean(axis=1)
    # one that is undefined for some items might be chosen where it is defined and scored where it is not
    values[..., np.isnan(credits).any(axis=1)] = np.nan
    choices = choose(values)
    totals, counts = np.zeros(credits.shape[1]), np.zeros(credits.shape[1])
    for where in zip(*np.nonzero(choices >= 0), strict=True):
        mask = within[where]
        totals[mask] += credits[choices[where], mask]
        counts[mask] += 1
    with np.errstate(invalid="ignore"):
        return totals / counts, choices


def nested_mean(values: FloatArray, choices: IntArray) -> FloatArray:
    """Return, for every person, the mean over halves of the score of the layer that was chosen on the other half.

    Parameters
    ----------
    values : ndarray, shape (n_splits, 2, layers, people)
        Score of each layer for each person on each half.
    choices : ndarray of int, shape (n_splits, 2)
        From :func:`choose`; halves without a choice are left out.

    Returns
    -------
    ndarray, shape (people,)
        NaN where there was no choice at all.
    """
    splits, halves = np.nonzero(choices >= 0)
    if not splits.size:
        return np.full(values.shape[-1], np.nan)
    return np.asarray(values[splits, halves, choices[splits, halves]].mean(axis=0))
