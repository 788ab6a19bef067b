"""Mean differences over people, with intervals over people and sign-flip tests."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray
from alignkit.rsa._intervals import cluster_intervals

_N_FLIPS = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTest:
    """Mean over people of a difference, each person counting the same.

    Attributes
    ----------
    name : str
        Which difference.
    mean, low, high : float
        With a bootstrap interval over people; NaN for fewer than two.
    p : float
        Two-sided, by random flips of the signs of people's differences.
    n_people : int
    """

    name: str
    mean: float
    low: float
    high: float
    p: float
    n_people: int

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}], p = {self.p:.3g} "
            f"({people(self.n_people)})"
        )


def people_difference(
    name: str, values: FloatArray, /, *, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> PeopleTest:
    """Return the mean of people's differences, its interval and its test.

    Parameters
    ----------
    name : str
        Which difference.
    values : ndarray, shape (people,)
    n_bootstrap : int
        Resamples of people; 0 for no interval.
    confidence : float
        Coverage of the interval.
    rng : Generator
    """
    n = len(values)
    low, high = cluster_intervals(
        values[:, None], np.ones((n, 1)), n_bootstrap=n_bootstrap, confidence=confidence, rng=rng
    )
    p = flip_signs(values, rng) if n > 1 and not np.isnan(values).any() else math.nan
    return PeopleTest(name=name, mean=float(values.mean()), low=float(low[0]), high=float(high[0]), p=p, n_people=n)


def flip_signs(differences: FloatArray, rng: np.random.Generator) -> float:
    """Return the two-sided p of a mean of differences against random flips of their signs."""
    observed = abs(differences.sum())
    signs = rng.integers(0, 2, size=(_N_FLIPS, len(differences))) * 2.0 - 1.0
    # what rounding alone tells apart is a tie
    reached = np.abs(signs @ differences) >= observed - 1e-12 * np.abs(differences).sum()
    return float((reached.sum() + 1) / (_N_FLIPS + 1))


def people(n: int) -> str:
    """Return a number of people in words."""
    return counted(n, "person").replace("persons", "people")
