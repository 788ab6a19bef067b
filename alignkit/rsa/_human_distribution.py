"""What many people answered to the same triplet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._grouping import group_triplets
from alignkit.rsa._similarity_matrix import as_triplets
from alignkit.rsa._triplets import Triplets

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class HumanDistribution(Result):
    """Counts of the answers to each distinct triplet, in canonical order.

    Attributes
    ----------
    items : ndarray of int, shape (m, 3)
        Item numbers, ascending within a triplet; triplets ascending too. No column is special.
    counts : ndarray of int, shape (m, 3)
        How many answers named the item in that column the odd one out.
    labels : tuple of str or None
        Names of the items.
    response_time : ndarray, shape (m,), or None
        Median seconds per triplet, where known.
    """

    items: IntArray
    counts: IntArray
    labels: tuple[str, ...] | None = None
    response_time: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of triplets."""
        return len(self.items)

    def __repr__(self) -> str:
        n = self.n_answers
        return f"<HumanDistribution {len(self):,} triplets, {n.min()}-{n.max()} answers each, {n.sum():,} in all>"

    @property
    def n_answers(self) -> IntArray:
        """Answers per triplet, shape (m,)."""
        return self.counts.sum(axis=1)

    @property
    def probabilities(self) -> FloatArray:
        """Share of the answers that named each item the odd one out, shape (m, 3)."""
        return self.counts / self.n_answers[:, None]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per triplet: its items, counts and response time."""
        import pandas as pd

        table = pd.DataFrame(
            np.hstack([self.items, self.counts]), columns=["item_0", "item_1", "item_2", "odd_0", "odd_1", "odd_2"]
        )
        if self.labels is not None:
            for k in range(3):
                table[f"label_{k}"] = [self.labels[i] for i in self.items[:, k]]
        if self.response_time is not None:
            table["response_time"] = self.response_time
        return table

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        n = self.n_answers
        return (
            f"Human answer distributions are the shares of {n.sum():,} answers that named each item of "
            f"{len(self):,} triplets the odd one out ({n.min()} to {n.max()} answers per triplet)."
        )


def human_distribution(repeats: Triplets | object, /, *, min_answers: int = 1) -> HumanDistribution:
    """Count, for every distinct triplet, how often each item was chosen.

    Parameters
    ----------
    repeats : Triplets or array_like of int, shape (n, 3)
        Answers, the last column being the odd one out; the same three items in any order are one triplet.
    min_answers : int
        Leave out triplets with fewer answers.

    Returns
    -------
    HumanDistribution

    Raises
    ------
    ValueError
        No triplet has ``min_answers`` answers.

    Examples
    --------
    >>> answers = human_distribution([[0, 1, 2], [2, 0, 1], [1, 0, 2], [3, 1, 0]])
    >>> answers.items.tolist(), answers.counts.tolist()
    ([[0, 1, 2], [0, 1, 3]], [[0, 1, 2], [1, 0, 0]])
    """
    answers = as_triplets(repeats)
    unique, code = group_triplets(answers.items)
    position = odd_position(answers.items, unique[code])
    counts = np.bincount(code * 3 + position, minlength=3 * len(unique)).reshape(-1, 3)
    kept = counts.sum(axis=1) >= check_count("min_answers", min_answers, 1)
    if not kept.any():
        msg = f"no triplet has {min_answers} answers; the most any has is {counts.sum(axis=1).max()}."
        raise ValueError(msg)
    times = None if answers.response_time is None else _medians(answers.response_time, code, len(unique))[kept]
    return HumanDistribution(items=unique[kept], counts=counts[kept], labels=answers.labels, response_time=times)


def odd_position(items: IntArray, canonical: IntArray) -> IntArray:
    """Return the column of ``canonical`` that holds each row's odd one out."""
    return (canonical == items[:, 2:]).argmax(axis=1)


def _medians(values: FloatArray, code: IntArray, n_groups: int) -> FloatArray:
    """Return the median of the finite values of each group; NaN where there is none."""
    finite = np.isfinite(values)
    values, code = values[finite], code[finite]
    order = np.lexsort((values, code))
    values = values[order]
    size = np.bincount(code, minlength=n_groups)
    start = np.cumsum(size) - size
    result = np.full(n_groups, np.nan)
    some = size > 0
    low, high = start[some] + (size[some] - 1) // 2, start[some] + size[some] // 2
    result[some] = (values[low] + values[high]) / 2
    return result
