"""Whether a model is unsure where people disagree, and where they take long."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_float_array, check_count
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.rsa._choice_scores import as_probabilities, choice_entropy
from alignkit.rsa._human_distribution import HumanDistribution
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class EntropyAgreement(Result):
    """Rank correlations of a model's answer entropy over triplets.

    Attributes
    ----------
    spearman, low, high : float
        With human answer entropy, and the bootstrap interval over triplets.
    split_half : float
        Spearman correlation of the human entropies of two random halves of each triplet's answers; NaN where only
        probabilities, not counts, are known.
    reliability : float
        Spearman-Brown estimate for all answers, 2 r / (1 + r).
    corrected : float
        ``spearman`` / √reliability: the agreement if human entropy were measured without noise. A rough
        correction, some 5 % too large for a dozen answers per triplet; it may exceed 1.
    response_time, response_time_low, response_time_high : float
        Spearman correlation with response time; NaN where unknown.
    n, n_response_time : int
        Triplets behind the two correlations.
    n_splits, n_bootstrap, confidence
        As asked.
    """

    spearman: float
    low: float
    high: float
    split_half: float
    reliability: float
    corrected: float
    response_time: float
    response_time_low: float
    response_time_high: float
    n: int
    n_response_time: int
    n_splits: int
    n_bootstrap: int
    confidence: float

    def __repr__(self) -> str:
        time = f", with response time {self.response_time:.3f}" if self.n_response_time else ""
        return (
            f"<EntropyAgreement Spearman {self.spearman:.3f} [{self.low:.3f}, {self.high:.3f}], corrected for "
            f"attenuation {self.corrected:.3f}{time}, {self.n:,} triplets>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row with every field."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(self)])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        text = (
            f"Model uncertainty (entropy of the three choice probabilities) was compared with human uncertainty "
            f"(entropy of the answers) over {self.n:,} triplets by Spearman correlation with a "
            f"{self.confidence:.0%} bootstrap interval over triplets ({self.n_bootstrap:,} samples)"
        )
        if np.isfinite(self.corrected):
            text += (
                f"; the correction for attenuation divides by the square root of the Spearman-Brown reliability of "
                f"human entropy ({self.reliability:.3f}, from {self.n_splits} random half splits)"
            )
        if self.n_response_time:
            text += f"; the correlation with response time uses {self.n_response_time:,} triplets"
        return text + "."


def entropy_agreement(
    model: object,
    human: object = None,
    /,
    *,
    response_time: object = None,
    n_splits: int = 100,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> EntropyAgreement:
    """Correlate a model's uncertainty with people's, and with their response time where known.

    Parameters
    ----------
    model : array_like, shape (n, 3)
        Choice probabilities of the model.
    human : HumanDistribution or array_like, shape (n, 3), optional
        Answers to the same triplets, in the same order. From counts the split-half reliability is estimated too.
    response_time : array_like, shape (n,), optional
        Seconds per triplet; NaN where unknown. Default: that of ``human``.
    n_splits : int
        Random half splits behind the reliability.
    n_bootstrap : int
        Resamples of triplets; 0 for no intervals.
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of splits and resamples.

    Returns
    -------
    EntropyAgreement
        NaN where a side is constant, undefined or missing.

    Raises
    ------
    ValueError
        Rows that are not probabilities, different lengths, or neither ``human`` nor ``response_time``.

    References
    ----------
    Spearman (1904), American Journal of Psychology 15, 72-101. https://doi.org/10.2307/1412159

    Examples
    --------
    >>> model = [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.4, 0.3, 0.3]]
    >>> human = [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.4, 0.4, 0.2]]
    >>> round(entropy_agreement(model, human, n_bootstrap=0).spearman, 6)
    1.0
    """
    check_bootstrap(n_bootstrap, confidence)
    check_count("n_splits", n_splits, 1)
    entropy = choice_entropy(model)
    times = _as_times(response_time, human, len(entropy))
    if human is None and times is None:
        msg = "entropy_agreement needs human answers or response times to compare the model with."
        raise ValueError(msg)
    split_rng, human_rng, time_rng = spawn(rng, 3)
    nothing = (float("nan"),) * 3
    options = (n_bootstrap, confidence)
    spearman, low, high = nothing
    if human is not None:
        people = choice_entropy(as_probabilities("human", human, len(entropy)))
        spearman, low, high = _spearman_interval(entropy, people, *options, human_rng)
    half = _split_half(human.counts, n_splits, split_rng) if isinstance(human, HumanDistribution) else float("nan")
    reliability = 2 * half / (1 + half) if half > 0 else float("nan")
    known = np.zeros(len(entropy), dtype=bool) if times is None else np.isfinite(times)
    timed = nothing if times is None else _spearman_interval(entropy[known], times[known], *options, time_rng)
    return EntropyAgreement(
        spearman=spearman,
        low=low,
        high=high,
        split_half=half,
        reliability=reliability,
        corrected=float(spearman / np.sqrt(reliability)),
        response_time=timed[0],
        response_time_low=timed[1],
        response_time_high=timed[2],
        n=0 if human is None else len(entropy),
        n_response_time=int(known.sum()),
        n_splits=n_splits,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )


def _as_times(response_time: object, human: object, n: int) -> FloatArray | None:
    if response_time is None and isinstance(human, HumanDistribution):
        response_time = human.response_time
    if response_time is None:
        return None
    times = as_float_array("response_time", response_time, ndim=1)
    if len(times) != n:
        msg = f"response_time must hold one value per triplet: expected {n}, got {len(times)}."
        raise ValueError(msg)
    return times


def _spearman_interval(
    a: FloatArray, b: FloatArray, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    estimate = float(_row_spearman(a[None], b[None])[0])
    if n_bootstrap == 0 or len(a) < 3 or np.isnan(estimate):
        return estimate, float("nan"), float("nan")
    samples = np.empty((n_bootstrap, 1))
    step = max(1, (1 << 20) // len(a))
    for start in range(0, n_bootstrap, step):
        drawn = rng.integers(0, len(a), (min(step, n_bootstrap - start), len(a)))
        samples[start : start + step, 0] = _row_spearman(a[drawn], b[drawn])
    low, high = percentile_bounds(samples, confidence)
    return estimate, float(low[0]), float(high[0])


def _row_spearman(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the Spearman correlation of each pair of rows; NaN where one is constant, undefined or too short."""
    from scipy.stats import rankdata

    if a.shape[1] < 3:
        return np.full(len(a), np.nan)
    ranks = [rankdata(side, axis=1) for side in (a, b)]
    ranks = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.where(size > 0, (ranks[0] * ranks[1]).sum(axis=1) / size, np.nan)


def _split_half(counts: IntArray, n_splits: int, rng: np.random.Generator) -> float:
    """Return the mean over random splits of the Spearman correlation between the entropies of two halves."""
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) < 3:
        return float("nan")
    a, b, c = counts.T
    size = (a + b + c) // 2
    results = np.empty(n_splits)
    for split in range(n_splits):
        first = rng.hypergeometric(a, b + c, size)
        second = rng.hypergeometric(b, c, size - first)
        half = np.column_stack([first, second, size - first - second])
        rest = counts - half
        entropies = [choice_entropy(part / part.sum(axis=1, keepdims=True)) for part in (half, rest)]
        results[split] = _row_spearman(entropies[0][None], entropies[1][None])[0]
    return float(results.mean())
