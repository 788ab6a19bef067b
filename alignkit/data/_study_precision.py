"""Closed forms of what a study of odd-one-out answers will be able to tell."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

import numpy as np

from alignkit._check import check_fraction, check_not_negative, check_number, check_positive, shown
from alignkit._typing import FloatArray, IntArray

#: Answers per triplet at which an expected agreement is meant: those of the shared repeats of THINGS.
REFERENCE_PEOPLE = 20
#: Largest number of answers to one triplet whose outcomes are enumerated.
_MAX_PEOPLE = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudyAssumptions:
    """What is assumed of people, triplets and models before a study.

    The defaults were measured on the 20,000 answers of THINGS to 1,000 shared triplets (SPoSE as the model): accuracy
    .64, standard deviations (components of variance by moments) of .107 over people and .18 over triplets,
    leave-one-out agreement .644; the hits of two models correlate by .12 (ten of SPoSE's dimensions) to .80 (SPoSE-49).

    Raises
    ------
    ValueError
        Values outside 0 to 1, or standard deviations too large for the accuracy.
    TypeError
        Values that are no numbers.
    """

    accuracy: float = 0.64
    """Expected accuracy of a model."""
    person_sd: float = 0.10
    """Standard deviation over people of the true accuracy."""
    triplet_sd: float = 0.18
    """Standard deviation over triplets of the true accuracy; matters where people share triplets."""
    agreement: float = 0.64
    """Expected leave-one-out agreement of people, at 20 answers per triplet."""
    correlation: float = 0.5
    """Correlation of the hits of two models over the same answers."""
    confidence: float = 0.95
    """Coverage of intervals; tests have level 1 - confidence, two-sided."""
    power: float = 0.8
    """Probability with which a difference is to be detected."""

    def __post_init__(self) -> None:
        for name in ("accuracy", "confidence", "power"):
            check_fraction(name, getattr(self, name))
        check_not_negative("person_sd", self.person_sd)
        check_not_negative("triplet_sd", self.triplet_sd)
        if self.spare < 0:
            msg = (
                f"person_sd² + triplet_sd² must not exceed accuracy (1 - accuracy) = {self.variance:.4f}; got "
                f"{self.person_sd**2 + self.triplet_sd**2:.4f}."
            )
            raise ValueError(msg)
        if not -1.0 <= check_number("correlation", self.correlation) < 1.0:
            msg = f"correlation must be at least -1 and below 1; got {shown(self.correlation)}."
            raise ValueError(msg)
        check_positive("agreement", self.agreement)
        if not 0.34 <= self.agreement <= 0.99:
            msg = f"agreement must lie between .34 (chance) and .99; got {shown(self.agreement)}."
            raise ValueError(msg)

    @property
    def variance(self) -> float:
        """Variance of one answer's hit, p (1 - p)."""
        return self.accuracy * (1.0 - self.accuracy)

    @property
    def spare(self) -> float:
        """Variance of an answer's hit given person and triplet."""
        return self.variance - self.person_sd**2 - self.triplet_sd**2

    @property
    def z_interval(self) -> float:
        """Half width of an interval in standard errors."""
        return normal_quantile(0.5 + self.confidence / 2)

    @property
    def z_detect(self) -> float:
        """Standard errors that a difference must have to be detected with the power asked for."""
        return self.z_interval + normal_quantile(self.power)


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def accuracy_se(assumed: StudyAssumptions, n_per_person: IntArray, n_per_triplet: IntArray) -> float:
    """Return the standard error of accuracy over all answers, people and triplets being samples.

    With N answers, n_p of person p and n_t to triplet t,
    var = (p(1-p) - s_P² - s_T²) / N + s_P² sum (n_p/N)² + s_T² sum (n_t/N)².
    """
    n = float(n_per_person.sum())
    people, triplets = (float(np.sum((sizes / n) ** 2)) for sizes in (n_per_person, n_per_triplet))
    return math.sqrt(assumed.spare / n + assumed.person_sd**2 * people + assumed.triplet_sd**2 * triplets)


def difference_se(assumed: StudyAssumptions, se: float) -> float:
    """Return the standard error of the difference of two models' accuracies on the same answers.

    Both have the standard error ``se`` and their hits correlate by r, in every component:
    var = 2 (1 - r) se².
    """
    return se * math.sqrt(2.0 * (1.0 - assumed.correlation))


def pair_se(n_shown: float, probability: float = 1 / 3) -> float:
    """Return the standard error of the probability that a pair is kept together, shown ``n_shown`` times.

    sqrt(q (1 - q) / n); q is 1/3 for a pair of average similarity. NaN below one: most pairs are never shown.
    """
    return math.sqrt(probability * (1 - probability) / n_shown) if n_shown >= 1 else float("nan")


def ceiling_precision(agreement: float, n_triplets: int, n_people: int) -> tuple[float, float]:
    """Return the leave-one-out ceiling to expect and its standard error over triplets; NaN without shared triplets.

    The choice probabilities of a triplet follow a symmetric Dirichlet distribution, whose concentration is the one
    that gives ``agreement`` with 20 answers per triplet. The counts of the three answers are then
    Dirichlet-multinomial; mean m and variance v of a triplet's leave-one-out agreement a are sums over all counts:
    the standard error is sqrt(v / n_triplets).
    """
    if n_triplets < 1 or n_people < 2:
        return float("nan"), float("nan")
    mean, variance = _leave_one_out_moments(_concentration(agreement), min(n_people, _MAX_PEOPLE))
    return mean, math.sqrt(variance / n_triplets)


@lru_cache(maxsize=64)
def _concentration(agreement: float) -> float:
    """Return the Dirichlet concentration with this agreement at the reference number of people, by bisection."""
    low, high = math.log(1e-4), math.log(1e4)  # agreement falls from 1 to chance
    for _ in range(60):
        middle = (low + high) / 2
        above = _leave_one_out_moments(math.exp(middle), REFERENCE_PEOPLE)[0] > agreement
        low, high = (middle, high) if above else (low, middle)
    return math.exp(low)


def _leave_one_out_moments(concentration: float, n: int) -> tuple[float, float]:
    """Return mean and variance of the leave-one-out agreement of n answers to one triplet."""
    counts = np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)], dtype=np.int64)
    probability, value = _counts_probability(counts, concentration), leave_one_out(counts)
    mean = float(probability @ value)
    return mean, float(probability @ (value - mean) ** 2)


def leave_one_out(counts: IntArray) -> FloatArray:
    """Return the share of answers equal to the majority of the others, ties shared; counts have shape (k, 3)."""
    total = np.zeros(len(counts))
    for j in range(3):
        others = counts.copy()
        others[:, j] -= 1
        best = others.max(axis=1)
        right = (others[:, j] == best) / (others == best[:, None]).sum(axis=1)
        total += counts[:, j] * right  # nobody chose it: nothing is added
    return total / counts.sum(axis=1)


def _counts_probability(counts: IntArray, concentration: float) -> FloatArray:
    from scipy.special import gammaln

    n, whole = counts.sum(axis=1), 3.0 * concentration
    log = gammaln(n + 1) + gammaln(whole) - gammaln(n + whole)
    log += (gammaln(counts + concentration) - gammaln(counts + 1) - gammaln(concentration)).sum(axis=1)
    result: FloatArray = np.exp(log)
    return result
