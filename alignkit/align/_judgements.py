"""Human judgements and what goes with each of their items, all numbered alike."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import as_array, counted, shown
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.align._item_rows import as_item_rows, rows_of
from alignkit.rsa import Triplets, TwoAFC
from alignkit.rsa._kernels._triplets_numpy import gather_pairs, gather_rows
from alignkit.rsa._similarity_matrix import MATRIX_LIMIT, as_triplets


@dataclasses.dataclass(frozen=True, slots=True)
class Judgements:
    """Answers, features and an embedding of the same items.

    Attributes
    ----------
    items : ndarray of int, shape (n, 3)
        Rows of the items; the pair kept is first. Of a 2AFC trial: reference, chosen, other.
    participant : ndarray or None
        Who answered.
    x, embedding : ndarray, shape (items, channels), (items, dims)
        One row per item.
    groups : ndarray or None
        Items with the same value stay on one side.
    n_options : int
        Answers to choose among: 3, or 2.
    n_given : int
        Answers before those about items without features, and ties of 2AFC votes, were left out.
    """

    items: IntArray
    participant: AnyArray | None
    x: FloatArray
    embedding: FloatArray | None
    groups: AnyArray | None
    n_options: int
    n_given: int

    @property
    def chance(self) -> float:
        """What guessing reaches."""
        return 1.0 / self.n_options

    def logits(self, values: FloatArray, rows: IntArray, /) -> FloatArray:
        """Return the dot products that speak for each answer, shape (n_options, rows); the last was given."""
        items = self.items[rows]
        if len(values) <= MATRIX_LIMIT:
            found = gather_pairs(values @ values.T, items)
        else:
            found = gather_rows(values, items, "dot")
        return found[3 - self.n_options :]  # the other two of a 2AFC trial were not compared


def match_judgements(features: object, triplets: object, embedding: object, groups: object, /) -> Judgements:
    """Return judgements about the items that have features.

    Raises
    ------
    ValueError
        No answer about items with features, or parts that do not fit together.
    TypeError
        Not real numbers.
    """
    x, labels = as_item_rows("features", features)
    y, names = (None, None) if embedding is None else as_item_rows("embedding", embedding)
    if y is not None:
        y = y[rows_of(labels, len(x), "embedding", names, len(y), "features")]
    group = None if groups is None else as_array("groups", groups)
    if group is not None and group.shape != (len(x),):
        msg = f"groups must hold one value per item, shape ({len(x)},); got {group.shape}."
        raise ValueError(msg)
    answers, n_given, n_options = _as_answers(triplets)
    if answers.labels is not None and labels is not None:
        known = set(labels)
        common = [label for label in answers.labels if label in known]
        answers = answers.restrict(common)
        number = {label: i for i, label in enumerate(labels)}
        rows = np.array([number[label] for label in common])
    else:
        _check_numbers(answers, len(x))
        rows = np.arange(len(x))
    return Judgements(
        items=answers.items,
        participant=answers.participant,
        x=x[rows],
        embedding=None if y is None else y[rows],
        groups=None if group is None else group[rows],
        n_options=n_options,
        n_given=n_given,
    )


def _as_answers(triplets: object) -> tuple[Triplets, int, int]:
    if not isinstance(triplets, TwoAFC):
        answers = as_triplets(triplets)
        return answers, len(answers), 3
    decided = triplets.choice >= 0
    if not decided.any():
        msg = f"the votes of all {counted(len(triplets), 'trial')} tie; there is nothing to learn from."
        raise ValueError(msg)
    reference, left, right = triplets.items[decided].T
    second = triplets.choice[decided] == 1
    items = np.column_stack([reference, np.where(second, right, left), np.where(second, left, right)])
    return Triplets(items, triplets.labels), len(triplets), 2


def _check_numbers(answers: Triplets, n_rows: int) -> None:
    if answers.labels is not None and len(answers.labels) != n_rows:
        msg = (
            f"features have {n_rows} rows where the answers name {len(answers.labels)} items; label the features "
            "(Features.from_array(x, labels)) to match them by name."
        )
        raise ValueError(msg)
    if answers.items.max() >= n_rows:
        msg = (
            f"the answers use the item number {shown(int(answers.items.max()))}, but features have {n_rows} rows "
            f"(0 to {n_rows - 1}); check whether they count from 0 or 1."
        )
        raise ValueError(msg)
