"""Means over a few seeds, with the interval that so few allow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

#: Coverage of the intervals, and the fewest seeds that have one.
CONFIDENCE = 0.95
MIN_SEEDS = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeedMean:
    """A mean over seeds.

    Attributes
    ----------
    mean : float
    low, high : float
        Student's t interval over seeds; NaN for fewer than three.
    n_seeds : int
    """

    mean: float
    low: float
    high: float
    n_seeds: int

    def __str__(self) -> str:
        return self.tell("")

    def tell(self, sign: str = "") -> str:
        """Return the mean with its interval, where it has one; ``sign`` "+" writes one before every number."""
        if math.isnan(self.mean):
            return "-"
        form = f"{sign}.3f"
        return f"{self.mean:{form}}" + ("" if math.isnan(self.low) else f" [{self.low:{form}}, {self.high:{form}}]")


def seed_mean(values: Sequence[float], /) -> SeedMean:
    r"""Return the mean of one number per seed, with :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Parameters
    ----------
    values : sequence of float
        At least one.

    Examples
    --------
    >>> seed_mean([0.1, 0.2, 0.3]).tell()
    '0.200 [-0.048, 0.448]'
    >>> seed_mean([0.1, 0.2]).tell()
    '0.150'
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean, n = float(numbers.mean()), len(numbers)
    half = math.nan
    if n >= MIN_SEEDS:
        from scipy.stats import t

        half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return SeedMean(mean=mean, low=mean - half, high=mean + half, n_seeds=n)
