"""How well anyone could do: agreement among people who answered the same triplets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_float_array
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._agreement import DEFINITIONS, NEEDS_PEOPLE, Answers, agreement_sums, code_answers, random_halves
from alignkit.rsa._grouping import group_triplets
from alignkit.rsa._human_distribution import odd_position
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals, percentile_bounds
from alignkit.rsa._similarity_matrix import as_triplets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Random splits shared by the people resamples, and how many each averages: more changes no digit shown.
_N_SPLITS = 64
_SPLITS_PER_SAMPLE = 2
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TripletCeiling(Result):
    """Human ceilings of odd-one-out accuracy by every definition in use: a band, not one number.

    Attributes
    ----------
    definition : tuple of str
        ``plug-in``, ``leave-one-out``, ``leave-one-person-out``, ``half-split``, ``answer-pairs``,
        ``between-person``, ``within-person``; :meth:`describe` says what each is.
    estimate : ndarray, shape (7,)
        Agreement between 0 and 1; chance is 1/3. NaN where ``reason`` says why.
    low, high : ndarray, shape (7,)
        Percentile bootstrap interval over triplets.
    people_low, people_high : ndarray, shape (7,)
        Bootstrap interval over people: the percentiles of the resamples around their mean, moved to the estimate
        (a resample holds fewer different people than the data, which shifts every majority and makes the intervals of
        the majority-based definitions wide: cautious, never too narrow).
    reason : tuple of str
        Why a value is NaN; empty where it is not.
    n, n_triplets, n_people, n_single, n_cells : int
        Answers and triplets used, people (0: unknown), triplets left out for having a single answer, and
        person-and-triplet cells with more than one answer.
    n_bootstrap, confidence
        As asked.
    """

    definition: tuple[str, ...]
    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    people_low: FloatArray
    people_high: FloatArray
    reason: tuple[str, ...]
    n: int
    n_triplets: int
    n_people: int
    n_single: int
    n_cells: int
    n_bootstrap: int
    confidence: float

    def __getitem__(self, definition: str) -> float:
        """Return the estimate under one definition."""
        return float(self.estimate[self._place(definition)])

    @property
    def plug_in(self) -> float:
        """The published definition: the share of the most frequent answer, an upper bound."""
        return self["plug-in"]

    @property
    def leave_one_out(self) -> float:
        """Agreement of an answer with the majority of the others: what a person reaches."""
        return self["leave-one-out"]

    def interval(self, definition: str, *, over: str = "triplets") -> tuple[float, float]:
        """Return the interval under one definition, over ``"triplets"`` or ``"people"``."""
        k = self._place(definition)
        if over not in ("triplets", "people"):
            msg = f"over must be 'triplets' or 'people'; got {over!r}."
            raise ValueError(msg)
        low, high = (self.low, self.high) if over == "triplets" else (self.people_low, self.people_high)
        return float(low[k]), float(high[k])

    def describe(self, definition: str) -> str:
        """Return what a definition means, in words."""
        return DEFINITIONS[self.definition[self._place(definition)]]

    def _place(self, definition: str) -> int:
        if definition not in self.definition:
            msg = f"definition must be one of {', '.join(map(repr, self.definition))}; got {definition!r}."
            raise ValueError(msg)
        return self.definition.index(definition)

    def __repr__(self) -> str:
        lines = [
            f"<TripletCeiling {self.n:,} answers to {self.n_triplets:,} triplets, people: {self.n_people or 'unknown'};"
            f" {self.confidence:.0%} intervals over triplets, over people"
        ]
        for k, name in enumerate(self.definition):
            people = f"[{self.people_low[k]:.4f}, {self.people_high[k]:.4f}]"
            row = f"{self.estimate[k]:.4f} [{self.low[k]:.4f}, {self.high[k]:.4f}] {people}"
            lines.append(f"  {name:<21} {self.reason[k] or row}")
        return "\n".join(lines) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per definition."""
        import pandas as pd

        names = ("definition", "estimate", "low", "high", "people_low", "people_high", "reason")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        known = [k for k, reason in enumerate(self.reason) if not reason]
        values = "; ".join(
            f"{self.definition[k]} {self.estimate[k]:.2%} [{self.low[k]:.2%}, {self.high[k]:.2%}]" for k in known
        )
        people = f" by {self.n_people:,} people" if self.n_people else ""
        return (
            f"Human ceilings were estimated from {self.n:,} answers{people} to {self.n_triplets:,} repeated triplets: "
            f"{values} ({self.confidence:.0%} bootstrap intervals over triplets, {self.n_bootstrap:,} samples)."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every defined ceiling with its intervals over triplets (thick) and over people (thin)."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        known = [k for k, reason in enumerate(self.reason) if not reason]
        for row, k in enumerate(known):
            ax.plot([self.people_low[k], self.people_high[k]], [row, row], color="0.6", linewidth=1)
            ax.plot([self.low[k], self.high[k]], [row, row], color="0.3", linewidth=3)
            ax.plot(self.estimate[k], row, "o", color="black")
        ax.set_yticks(range(len(known)), [self.definition[k] for k in known])
        ax.invert_yaxis()
        ax.set_xlabel("human agreement (chance 1/3)")
        return ax


def triplet_ceiling(
    repeats: object, /, *, n_bootstrap: int = 1000, confidence: float = 0.95, rng: RNGLike = None
) -> TripletCeiling:
    """Estimate the human ceiling of odd-one-out accuracy by seven definitions.

    Parameters
    ----------
    repeats : Triplets or array_like of int, shape (n, 3)
        Answers, the **last** column being the odd one out; the same three items in any order are one triplet.
        Triplets answered once are left out and counted. Participants are needed for the person-wise definitions.
    n_bootstrap : int
        Resamples of triplets and of people; 0 for no intervals.
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of the resamples; the estimates need none.

    Returns
    -------
    TripletCeiling
        What a definition needs and the data lack is NaN with the reason.

    Raises
    ------
    ValueError
        No triplet was answered twice.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185 (plug-in).
    https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> answers = [[0, 1, 2], [1, 0, 2], [0, 1, 2], [0, 2, 1]]
    >>> ceiling = triplet_ceiling(answers, n_bootstrap=0)
    >>> ceiling["plug-in"], ceiling["leave-one-out"], ceiling["answer-pairs"]
    (0.75, 0.75, 0.5)
    """
    check_bootstrap(n_bootstrap, confidence)
    triplet_rng, people_rng = spawn(rng, 2)
    answers, n_single = _as_answers(repeats)
    ones = np.ones(len(answers.triplet))
    totals, sizes = agreement_sums(answers, ones)
    estimate = _ratio_of_sums(totals, sizes)
    low, high = cluster_intervals(totals, sizes, n_bootstrap=n_bootstrap, confidence=confidence, rng=triplet_rng)
    people_low, people_high = _people_interval(answers, estimate, n_bootstrap, confidence, people_rng)
    return TripletCeiling(
        definition=tuple(DEFINITIONS),
        estimate=estimate,
        low=low,
        high=high,
        people_low=people_low,
        people_high=people_high,
        reason=tuple(_reason(name, value, answers) for name, value in zip(DEFINITIONS, estimate, strict=True)),
        n=len(ones),
        n_triplets=answers.n_triplets,
        n_people=answers.n_people,
        n_single=n_single,
        n_cells=len(answers.cell_triplet),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )


def percent_of_ceiling(accuracy: float, ceiling: float, /, *, chance: float = 1 / 3) -> float:
    """Return 100 · (accuracy - chance) / (ceiling - chance): how much of what is possible above chance is reached.

    Parameters
    ----------
    accuracy, ceiling : float
        Between 0 and 1 (a correlation may be negative), by the same measure. Above the ceiling the result exceeds
        100: a leave-one-out ceiling is what a person reaches, not what is possible.
    chance : float
        What guessing reaches: 1/3 for triplets, 1/2 for 2AFC.

    Returns
    -------
    float
        Per cent; NaN when the ceiling is not above chance.

    Raises
    ------
    TypeError
        Not real numbers.
    ValueError
        Arrays in place of single numbers, or shares above 1 (per cent, say).

    Examples
    --------
    >>> round(percent_of_ceiling(0.6460, 0.6722), 1)
    92.3
    """
    accuracy, ceiling, chance = (
        float(as_float_array(name, value, ndim=0))
        for name, value in (("accuracy", accuracy), ("ceiling", ceiling), ("chance", chance))
    )
    for name, value in (("accuracy", accuracy), ("ceiling", ceiling), ("chance", chance)):
        if abs(value) > 1.0 + _ROUNDING:
            msg = f"{name} must be a share between 0 and 1 (or a correlation); got {value:g}; divide per cent by 100."
            raise ValueError(msg)
    if not ceiling > chance:
        return float("nan")
    return 100.0 * (accuracy - chance) / (ceiling - chance)


def _as_answers(repeats: object) -> tuple[Answers, int]:
    triplets = as_triplets(repeats)
    unique, code = group_triplets(triplets.items)
    size = np.bincount(code)
    kept = size[code] > 1
    if not kept.any():
        msg = f"none of the {len(unique):,} triplets was answered twice; a human ceiling needs repeated triplets."
        raise ValueError(msg)
    option = odd_position(triplets.items, unique[code])[kept]
    participant = None if triplets.participant is None else triplets.participant[kept]
    return code_answers(code[kept], option, participant), int((size == 1).sum())


def _ratio_of_sums(totals: FloatArray, sizes: FloatArray) -> FloatArray:
    total, size = totals.sum(axis=0), sizes.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, total / size, np.nan)


def _people_interval(
    answers: Answers, estimate: FloatArray, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    if answers.person is None or answers.n_people < 2 or n_bootstrap == 0:
        return np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    splits = [random_halves(answers, rng) for _ in range(_N_SPLITS)]
    drawn = rng.multinomial(answers.n_people, np.full(answers.n_people, 1 / answers.n_people), size=n_bootstrap)
    samples = np.empty((n_bootstrap, len(estimate)))
    for b, weight in enumerate(drawn.astype(np.float64)):
        first = b * _SPLITS_PER_SAMPLE % _N_SPLITS
        halves = tuple(splits[first : first + _SPLITS_PER_SAMPLE])
        samples[b] = _ratio_of_sums(*agreement_sums(answers, weight[answers.person], halves))
    low, high = percentile_bounds(samples, confidence)
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(samples)
        centre = np.where(known, samples, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return low - centre + estimate, high - centre + estimate


def _reason(definition: str, value: float, answers: Answers) -> str:
    if not np.isnan(value):
        return ""
    if answers.person is None and definition in NEEDS_PEOPLE:
        return "participants are unknown"
    if definition == "within-person":
        return "nobody answered the same triplet twice"
    return "no triplet was answered by two people"
