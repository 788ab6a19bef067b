"""Two-alternative forced choices: which of two images an embedding finds more like the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count
from alignkit._random import as_rng
from alignkit._result import Result
from alignkit._typing import FloatArray, RNGLike
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals
from alignkit.rsa._odd_one_out import TIE_TOLERANCE
from alignkit.rsa._similarity_matrix import Kernel, pair_similarities
from alignkit.rsa._triplets import TwoAFC

if TYPE_CHECKING:
    import pandas as pd

_MEASURES = ("accuracy", "vote_agreement", "majority_share", "leave_one_vote_out")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TwoAFCAccuracy(Result):
    """Agreement with 2AFC choices beside what people reach; chance is 1/2. Each has ``_low`` and ``_high``.

    Attributes
    ----------
    accuracy : float
        Share of trials in which the model's choice is the majority's; a model tie counts 0.5.
    vote_agreement : float
        Mean over trials of the share of single votes for the model's choice: comparable with the two ceilings below.
    majority_share : float
        Mean over trials of the share of votes for the majority: no ``vote_agreement`` can be higher.
    leave_one_vote_out : float
        Mean over trials of how often a vote equals the majority of the others (ties 0.5): what a person reaches.
        Trials with one vote do not count; NaN when all have one.
    n, n_votes : int
        Trials scored and their votes.
    n_tied_votes, n_few_votes, n_undefined : int
        Trials dropped because their votes tie, because they have fewer than ``min_votes``, and trials without a
        defined similarity.
    n_model_ties : int
        Trials in which both images are equally similar to the reference.
    kernel, min_votes, n_bootstrap, confidence
        As asked; intervals are bootstrap percentiles over trials.
    per_trial : ndarray or None
        Credit (1, 0.5, 0) of every trial given, NaN where it was dropped, for paired differences. Not saved to files.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    vote_agreement: float
    vote_agreement_low: float
    vote_agreement_high: float
    majority_share: float
    majority_share_low: float
    majority_share_high: float
    leave_one_vote_out: float
    leave_one_vote_out_low: float
    leave_one_vote_out_high: float
    n: int
    n_votes: int
    n_tied_votes: int
    n_few_votes: int
    n_undefined: int
    n_model_ties: int
    kernel: str
    min_votes: int
    n_bootstrap: int
    confidence: float
    per_trial: FloatArray | None = None

    def __repr__(self) -> str:
        return (
            f"<TwoAFCAccuracy {self.accuracy:.4f} [{self.accuracy_low:.4f}, {self.accuracy_high:.4f}], single votes "
            f"{self.vote_agreement:.4f} (people {self.leave_one_vote_out:.4f}, at most {self.majority_share:.4f}), "
            f"{self.n:,} trials, {self.kernel}, {self.n_tied_votes:,} tied votes dropped>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``per_trial`` in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_trial"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per measure: value, low, high, number of trials."""
        import pandas as pd

        rows = [(name, *(getattr(self, name + end) for end in ("", "_low", "_high")), self.n) for name in _MEASURES]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "n"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        few = f", {self.n_few_votes:,} with fewer than {self.min_votes} votes" if self.min_votes else ""
        return (
            f"2AFC accuracy is the share of {self.n:,} trials in which the image more similar to the reference "
            f"({self.kernel} similarity, ties 0.5) is the one most people chose; dropped were {self.n_tied_votes:,} "
            f"trials with tied votes{few}. {self.confidence:.0%} intervals are percentiles of "
            f"{self.n_bootstrap:,} bootstrap samples over trials."
        )


def two_afc_accuracy(
    x: object,
    trials: object,
    /,
    *,
    kernel: Kernel = "cosine",
    min_votes: int = 0,
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> TwoAFCAccuracy:
    """Score an embedding against two-alternative forced choices.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    trials : TwoAFC
        Reference, left and right image with their votes. Trials whose votes tie are dropped and counted: a tie is
        never a label.
    kernel : {"cosine", "dot", "euclidean", "precomputed"}
        What makes an image similar to the reference.
    min_votes : int
        Drop (and count) trials with fewer votes; NIGHTS uses 6.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled trials then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined trials make the model's measures NaN with one warning (under ``omit`` only if there is no other
        trial), are left out and counted, or raise.
    n_bootstrap : int
        Resamples of trials; 0 for no intervals.
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of the resamples.

    Returns
    -------
    TwoAFCAccuracy

    Raises
    ------
    TypeError
        Trials that are not a ``TwoAFC``.
    ValueError
        No trial left, item numbers beyond ``x``, an unknown option.

    References
    ----------
    Fu et al. (2023), NeurIPS 36 (NIGHTS). https://arxiv.org/abs/2306.09344

    Examples
    --------
    >>> trials = TwoAFC([[0, 1, 2], [0, 2, 1], [1, 0, 2]], [[3, 0], [1, 2], [1, 1]])
    >>> result = two_afc_accuracy([[1, 0], [1, 0.1], [0, 1]], trials, n_bootstrap=0)
    >>> result.accuracy, result.n_tied_votes
    (1.0, 1)
    """
    if not isinstance(trials, TwoAFC):
        msg = f"trials must be a TwoAFC (reference, left, right and votes); got {type(trials).__name__}."
        raise TypeError(msg)
    check_bootstrap(n_bootstrap, confidence)
    enough = trials.votes.sum(axis=1) >= check_count("min_votes", min_votes)
    kept = np.flatnonzero(enough & ~trials.tied)
    if not kept.size:
        msg = f"no trial is left: of {len(trials):,}, {int(trials.tied.sum()):,} have tied votes and "
        msg += f"{int((~enough).sum()):,} fewer than {min_votes}."
        raise ValueError(msg)
    used = trials.take(kept)
    left = _left_choice(pair_similarities(x, used, kernel, labels, nan_policy), kernel)
    undefined = np.isnan(left)
    per_trial = np.full(len(trials), np.nan)
    per_trial[kept] = np.where(used.choice == 0, left, 1.0 - left)
    if nan_policy == "omit" and not undefined.all():
        used, left = used.take(~undefined), left[~undefined]
    totals, sizes = _sums(used, left)
    low, high = cluster_intervals(totals, sizes, n_bootstrap=n_bootstrap, confidence=confidence, rng=as_rng(rng))
    with np.errstate(invalid="ignore"):
        estimate = totals.sum(axis=0) / sizes.sum(axis=0)
    values = {
        f"{name}{end}": float(column[k])
        for k, name in enumerate(_MEASURES)
        for end, column in (("", estimate), ("_low", low), ("_high", high))
    }
    return TwoAFCAccuracy(
        **values,
        n=len(used),
        n_votes=int(used.votes.sum()),
        n_tied_votes=int(trials.tied.sum()),
        n_few_votes=int((~enough & ~trials.tied).sum()),
        n_undefined=int(undefined.sum()),
        n_model_ties=int((left == 0.5).sum()),
        kernel=kernel,
        min_votes=min_votes,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        per_trial=per_trial,
    )


def _left_choice(values: FloatArray, kernel: Kernel) -> FloatArray:
    """Return 1 where the left image is the more similar, 0 where the right is, 0.5 for a tie, NaN where undefined."""
    _, to_right, to_left = values
    size = np.maximum(np.abs(to_left), np.abs(to_right))
    if kernel == "cosine":
        size = np.maximum(size, 1.0)
    tie = np.abs(to_left - to_right) <= TIE_TOLERANCE * size
    choice = np.where(tie, 0.5, (to_left > to_right).astype(np.float64))
    return np.where(np.isnan(to_left) | np.isnan(to_right), np.nan, choice)


def _sums(trials: TwoAFC, left: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what every trial adds to numerator and denominator of the four measures, shape (n, 4)."""
    votes = trials.votes.astype(np.float64)
    n = votes.sum(axis=1)
    most = votes.max(axis=1)
    few = n - most
    # a majority voter sees most - 1 against few, a minority voter sees most against few - 1 and is always outvoted
    alone = np.where(most - 1 > few, 1.0, 0.5)
    several = n > 1
    totals = np.column_stack(
        [
            np.where(trials.choice == 0, left, 1.0 - left),
            (votes[:, 0] * left + votes[:, 1] * (1.0 - left)) / n,
            most / n,
            np.where(several, most * alone / n, 0.0),
        ]
    )
    ones = np.ones(len(n))
    return totals, np.column_stack([ones, ones, ones, several])
