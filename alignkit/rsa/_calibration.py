"""Beyond accuracy: whether a model's answer probabilities have the right size."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._calibration_measures import answer_measures, entropy_measures, kl_measures, score
from alignkit.rsa._human_distribution import HumanDistribution, human_distribution
from alignkit.rsa._intervals import check_bootstrap
from alignkit.rsa._similarity_matrix import Kernel, as_triplets
from alignkit.rsa._triplets import Triplets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_NAN = float("nan")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Calibration(Result):
    """Fit of choice probabilities to human answers. Arrays of two: at temperature 1, and at the cross-validated one.

    Attributes
    ----------
    cross_entropy, cross_entropy_low, cross_entropy_high : ndarray, shape (2,)
        Mean -log p of the answers in nats (ln 3 = guessing) and its bootstrap interval over triplets.
    calibration_error : ndarray, shape (2,)
        Expected calibration error, ``n_bins`` equal-width bins.
    kl, kl_low, kl_high : ndarray, shape (2,)
        Mean KL(human || model) in nats over the repeated triplets and its interval; NaN without repeats.
    bin_confidence, bin_accuracy, bin_share : ndarray, shape (2, n_bins)
        The reliability diagram.
    human_entropy : float
        Mean entropy of the human answers in nats: on the repeats no cross-entropy is lower on average.
    entropy_spearman, entropy_corrected, entropy_reliability : float
        See :class:`EntropyAgreement`; of the model at T = 1.
    response_time_spearman : float
        Spearman correlation of the model's entropy (T = 1) with response time; NaN where unknown.
    temperature : ndarray, shape (2,)
        1, and the geometric mean of ``fold_temperature``.
    fold_temperature : ndarray, shape (n_folds,)
        Each fitted without its fold; folds hold whole triplets, of answers and repeats alike.
    n, n_triplets, n_repeated, n_undefined : int
        Answers, distinct triplets among them, triplets behind ``kl``, answers without a defined similarity.
    kernel, n_folds, n_bins, n_bootstrap, confidence
        As asked.
    """

    cross_entropy: FloatArray
    cross_entropy_low: FloatArray
    cross_entropy_high: FloatArray
    calibration_error: FloatArray
    kl: FloatArray
    kl_low: FloatArray
    kl_high: FloatArray
    bin_confidence: FloatArray
    bin_accuracy: FloatArray
    bin_share: FloatArray
    human_entropy: float
    entropy_spearman: float
    entropy_corrected: float
    entropy_reliability: float
    response_time_spearman: float
    temperature: FloatArray
    fold_temperature: FloatArray
    n: int
    n_triplets: int
    n_repeated: int
    n_undefined: int
    kernel: str
    n_folds: int
    n_bins: int
    n_bootstrap: int
    confidence: float

    def __repr__(self) -> str:
        lines = [f"<Calibration {self.n:,} answers to {self.n_triplets:,} triplets, {self.kernel}"]
        lines += [
            f"  T = {self.temperature[k]:<7.4g} cross-entropy {self.cross_entropy[k]:.4f} "
            f"[{self.cross_entropy_low[k]:.4f}, {self.cross_entropy_high[k]:.4f}]  "
            f"calibration error {self.calibration_error[k]:.4f}  KL {self.kl[k]:.4f}"
            for k in range(2)
        ]
        lines.append(
            f"  entropy against people {self.entropy_spearman:.3f} (corrected {self.entropy_corrected:.3f}), "
            f"against response time {self.response_time_spearman:.3f}>"
        )
        return "\n".join(lines)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per measure and temperature: value, low, high."""
        import pandas as pd

        nothing = np.full(2, _NAN)
        paired = {
            "cross_entropy": (self.cross_entropy, self.cross_entropy_low, self.cross_entropy_high),
            "calibration_error": (self.calibration_error, nothing, nothing),
            "kl": (self.kl, self.kl_low, self.kl_high),
        }
        splits = ("nothing fitted", "held out")
        rows = [
            (name, splits[k], self.temperature[k], value[k], low[k], high[k])
            for name, (value, low, high) in paired.items()
            for k in range(2)
        ]
        single = ("human_entropy", "entropy_spearman", "entropy_corrected", "response_time_spearman")
        rows += [(name, splits[0], 1.0, getattr(self, name), _NAN, _NAN) for name in single]
        return pd.DataFrame(rows, columns=["measure", "split", "temperature", "value", "low", "high"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        repeats = (
            f"; KL divergences are from the answer distributions of {self.n_repeated:,} repeated triplets"
            if self.n_repeated
            else ""
        )
        return (
            f"Choice probabilities (softmax of the three {self.kernel} similarities) were scored on {self.n:,} answers "
            f"to {self.n_triplets:,} triplets at temperature 1 and at a temperature fitted in {self.n_folds}-fold "
            f"cross-validation over triplets, by cross-entropy and by expected calibration error with {self.n_bins} "
            f"equal-width bins{repeats}; {self.confidence:.0%} intervals are bootstrap percentiles over triplets "
            f"({self.n_bootstrap:,} samples)."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the reliability diagram: accuracy against confidence, at both temperatures."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        ax.plot([1 / 3, 1], [1 / 3, 1], color="0.7", linewidth=1, label="calibrated")
        for k, name in enumerate(("T = 1", f"T = {self.temperature[1]:.3g} (cross-validated)")):
            ax.plot(self.bin_confidence[k], self.bin_accuracy[k], marker="o", label=name)
        ax.set(xlabel="confidence (largest probability)", ylabel="accuracy")
        ax.legend(frameon=False)
        return ax


def calibration(
    x: object,
    triplets: object,
    /,
    *,
    repeats: Triplets | HumanDistribution | None = None,
    kernel: Kernel = "dot",
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    n_folds: int = 5,
    n_bins: int = 10,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> Calibration:
    """Score choice probabilities: cross-entropy, calibration error, KL and uncertainty against people.

    Everything is given at temperature 1, where nothing is fitted, and at a temperature fitted by cross-validation:
    a triplet (in ``triplets`` or ``repeats``) is always scored at the temperature fitted without it.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets or array_like of int, shape (n, 3)
        Answers; the **last** column is the odd one out.
    repeats : Triplets or HumanDistribution, optional
        Triplets answered by many people (may be ``triplets`` itself), for the measures against distributions.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined answers make the values NaN with one warning, are left out and counted, or raise.
    n_folds, n_bins, n_bootstrap : int
        Folds of the temperature, bins of the calibration error, resamples of triplets (0: no intervals).
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of folds, splits and resamples.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        Fewer distinct triplets than folds, item numbers beyond ``x``, an unknown option.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((20, 3))
    >>> triplets = np.random.default_rng(1).permuted(np.tile(np.arange(20), (200, 1)), axis=1)[:, :3]
    >>> result = calibration(x, triplets, n_bootstrap=0, rng=0)
    >>> result.cross_entropy.shape, result.n_repeated
    ((2,), 0)
    """
    check_bootstrap(n_bootstrap, confidence)
    check_count("n_bins", n_bins, 1)
    check_count("n_folds", n_folds, 2)
    fold_rng, answer_rng, kl_rng, agreement_rng = spawn(rng, 4)
    scored = score(x, as_triplets(triplets), _as_human(repeats), kernel, labels, nan_policy, n_folds, fold_rng)
    return Calibration(
        **answer_measures(scored, n_bins, n_bootstrap, confidence, answer_rng),
        **kl_measures(scored, n_bootstrap, confidence, kl_rng),
        **entropy_measures(scored, agreement_rng),
        temperature=np.array([1.0, np.exp(np.log(scored.fold_temperature).mean())]),
        fold_temperature=scored.fold_temperature,
        n=len(scored.answers),
        n_triplets=len(np.unique(scored.code)),
        n_repeated=0 if scored.human is None else len(scored.human),
        n_undefined=scored.n_undefined,
        kernel=kernel,
        n_folds=n_folds,
        n_bins=n_bins,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )


def _as_human(repeats: Triplets | HumanDistribution | None) -> HumanDistribution | None:
    if repeats is None or isinstance(repeats, HumanDistribution):
        return repeats
    return human_distribution(repeats, min_answers=2)
