"""Which items and answers a teacher is fitted to, and which it is scored on: they share no item, person, or both."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from alignkit._typing import AnyArray, BoolArray, IntArray
from alignkit.align._fit_embedding_map import deal_items
from alignkit.align._too_few_answers import TooFewAnswersError

By = Literal["items", "participants", "both"]
#: Fewest answers that anything is fitted to or scored on.
_MIN_ANSWERS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerSplit:
    """One division of items and answers.

    Attributes
    ----------
    repeat, fold : int
        Which division, and which of its parts is held out.
    train_items, test_items : ndarray of int
        Items that are learned from, and those that predictions are made for; the same where people are held out.
    train, test : ndarray of int
        Rows of answers: all three items (and the person) are on the one side or on the other.
    """

    repeat: int
    fold: int
    train_items: IntArray
    test_items: IntArray
    train: IntArray
    test: IntArray


def split_answers(
    items: IntArray,
    n_items: int,
    participant: AnyArray | None,
    /,
    *,
    by: By,
    n_folds: int | None,
    test_share: float,
    repeats: int,
    pooled: bool,
    groups: object,
    rng: np.random.Generator,
) -> list[AnswerSplit]:
    """Return all divisions: ``repeats`` random ones, each into a share held out or into ``n_folds`` parts.

    ``pooled``: every answer is scored once, on predictions that each come from the part in which the item is held out;
    learned from are the answers among the items of the other parts.

    Raises
    ------
    ValueError
        Too few answers, items or people on one side of a division.
    """
    people = _numbered(participant) if by != "items" else None
    found: list[AnswerSplit] = []
    for repeat in range(repeats):
        item_sides = _sides(n_items, n_folds, test_share, rng, groups) if by != "participants" else None
        person_sides = None if people is None else _sides(int(people.max()) + 1, n_folds, test_share, rng, None)
        n_parts = 1 if n_folds is None else n_folds
        for fold in range(n_parts):
            out = np.zeros(n_items, dtype=bool) if item_sides is None else item_sides == fold
            absent = None if person_sides is None or people is None else (person_sides == fold)[people]
            found.append(_division(items, out, absent, repeat, fold, item_sides is not None, pooled))
    return found


def _division(
    items: IntArray, out: BoolArray, absent: BoolArray | None, repeat: int, fold: int, by_items: bool, pooled: bool
) -> AnswerSplit:
    held = out[items]
    train, test = ~held.any(axis=1), (held.all(axis=1) if by_items else np.ones(len(items), dtype=bool))
    if pooled:
        test = np.ones(len(items), dtype=bool)
    if absent is not None:
        train, test = train & ~absent, test & absent
    if min(train.sum(), test.sum()) < _MIN_ANSWERS:
        msg = (
            f"a division leaves {int(train.sum()):,} of {len(items):,} answers to learn from and {int(test.sum()):,} "
            f"to score, where at least {_MIN_ANSWERS} are needed: an answer counts only if all of its items (and its "
            "person) are on one side. Take fewer folds, another test_share, or pooled=True."
        )
        raise TooFewAnswersError(msg)
    known = np.flatnonzero(~out)
    return AnswerSplit(
        repeat, fold, known, np.flatnonzero(out) if by_items else known, np.flatnonzero(train), np.flatnonzero(test)
    )


def _sides(n: int, n_folds: int | None, test_share: float, rng: np.random.Generator, groups: object) -> IntArray:
    """Return the part of each item or person; without folds 0 is held out and 1 is not."""
    if n_folds is not None:
        return deal_items(n, n_folds, rng, groups)
    group = np.unique(np.arange(n) if groups is None else np.asarray(groups), return_inverse=True)[1]
    order = rng.permutation(int(group.max()) + 1)
    before = np.cumsum(np.bincount(group)[order]) - np.bincount(group)[order]
    chosen = order[before < round(test_share * n)]
    return np.where(np.isin(group, chosen), 0, 1)


def _numbered(participant: AnyArray | None) -> IntArray:
    if participant is None:
        msg = "these answers do not say who gave them; use by='items', or build them with participant=..."
        raise ValueError(msg)
    numbers: IntArray = np.unique(participant, return_inverse=True)[1]
    return numbers
