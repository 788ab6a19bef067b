"""How often an embedding picks the item that people picked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from alignkit._check import NanPolicy, check_choice
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import BoolArray, FloatArray, IntArray, RNGLike
from alignkit.rsa._grouping import count_triplets, group_codes, sum_groups, triplet_codes
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals
from alignkit.rsa._odd_one_out import winners
from alignkit.rsa._similarity_matrix import Kernel, as_triplets, pairs_of_any

if TYPE_CHECKING:
    import pandas as pd

Ties = Literal["wrong", "share", "random"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TripletAccuracy(Result):
    """Odd-one-out accuracy with its intervals.

    Attributes
    ----------
    accuracy : float
        Share of answers predicted, between 0 and 1; chance is 1/3.
    low, high : float
        Bootstrap interval over triplets (repeated answers to one triplet are drawn together).
    people_low, people_high : float
        Bootstrap interval over people; NaN when participants are unknown.
    n, n_triplets, n_people : int
        Answers scored, distinct triplets and people (0: unknown) among them.
    n_ties, n_undefined : int
        Answers with a tie for the most similar pair; answers without a defined similarity.
    kernel, ties, nan_policy, confidence, n_bootstrap
        As asked.
    per_triplet : ndarray, one value per answer given, or None
        Credit in the order given (NaN: undefined), for paired differences. Not saved to files.
    """

    accuracy: float
    low: float
    high: float
    people_low: float
    people_high: float
    n: int
    n_triplets: int
    n_people: int
    n_ties: int
    n_undefined: int
    kernel: str
    ties: str
    nan_policy: str
    confidence: float
    n_bootstrap: int
    per_triplet: FloatArray | None = None

    def __repr__(self) -> str:
        people = f", over people [{self.people_low:.4f}, {self.people_high:.4f}]" if self.n_people else ""
        return (
            f"<TripletAccuracy {self.accuracy:.4f} [{self.low:.4f}, {self.high:.4f}]{people}, {self.n:,} answers to "
            f"{self.n_triplets:,} triplets, {self.kernel}, {self.n_ties:,} ties ({self.ties})>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``per_triplet`` in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_triplet"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row with every field but ``per_triplet``."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(self) if field.name != "per_triplet"]
        return pd.DataFrame([{name: getattr(self, name) for name in names}])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        policy = {
            "wrong": "ties counted as errors",
            "share": "ties shared equally among the tied items",
            "random": "ties broken at random",
        }[self.ties]
        people = " and over people" if self.n_people else ""
        return (
            f"Odd-one-out accuracy is the share of {self.n:,} human answers to {self.n_triplets:,} triplets in which "
            f"the item left over by the most similar pair ({self.kernel} similarity) is the one chosen, {policy}; "
            f"{self.confidence:.0%} intervals are percentiles of {self.n_bootstrap:,} bootstrap samples over "
            f"triplets{people}."
        )


def triplet_accuracy(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    ties: Ties = "wrong",
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = None,
) -> TripletAccuracy:
    """Score an embedding against human odd-one-out answers.

    An answer is predicted when the pair that people kept is the most similar of the three. Intervals come from
    drawing distinct triplets (and, where participants are known, people) with replacement, each with all its answers.

    Parameters
    ----------
    x : array_like or tensor, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`). Pairs of a tensor are
        gathered and compared on its device.
    triplets : Triplets or array_like of int, shape (n, 3)
        Answers; the **last** column is the odd one out.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    ties : {"wrong", "share", "random"}
        Credit where the kept pair ties for the most similar: 0, 1 over the number of tied pairs, or 1 with that
        probability.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined answers make the accuracy NaN with one warning (under ``omit`` only if there is no other answer), are
        left out and counted, or raise.
    n_bootstrap : int
        Resamples; 0 for no intervals.
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of ties and resamples.

    Returns
    -------
    TripletAccuracy

    Raises
    ------
    ValueError
        Item numbers beyond ``x``, an unknown option, a matrix that is not square or symmetric.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> result = triplet_accuracy([[1, 0], [1, 1], [0, 3]], [[1, 2, 0], [0, 1, 2]], n_bootstrap=0)
    >>> result.accuracy, result.n_ties
    (0.5, 0)
    """
    check_choice("ties", ties, get_args(Ties))
    check_bootstrap(n_bootstrap, confidence)
    answers = as_triplets(triplets)
    tie_rng, triplet_rng, people_rng = spawn(rng, 3)
    credit, n_ties = _credit(pairs_of_any(x, answers, kernel, labels, nan_policy), kernel, ties, tie_rng)
    kept = ~np.isnan(credit)
    use = kept if nan_policy == "omit" else np.ones_like(kept)
    scored = credit[use]
    n_triplets, code = _group(answers.items, use, n_bootstrap)
    n_people, person = (0, None) if answers.participant is None else group_codes(answers.participant[use])
    low, high = _interval(scored, code, n_triplets, n_bootstrap, confidence, triplet_rng)
    people_low, people_high = _interval(scored, person, n_people, n_bootstrap, confidence, people_rng)
    return TripletAccuracy(
        accuracy=float(scored.mean()) if len(scored) else float("nan"),
        low=low,
        high=high,
        people_low=people_low,
        people_high=people_high,
        n=len(scored),
        n_triplets=n_triplets,
        n_people=n_people,
        n_ties=n_ties,
        n_undefined=int((~kept).sum()),
        kernel=kernel,
        ties=ties,
        nan_policy=nan_policy,
        confidence=confidence,
        n_bootstrap=n_bootstrap,
        per_triplet=credit,
    )


def _group(items: IntArray, use: BoolArray, n_bootstrap: int) -> tuple[int, IntArray | None]:
    """Return how many distinct triplets are used and, where they are to be drawn, the number of each answer's."""
    if not use.any():
        return 0, None
    used = items if use.all() else items[use]
    return triplet_codes(used) if n_bootstrap else (count_triplets(used), None)


def _credit(values: Any, kernel: Kernel, ties: Ties, rng: np.random.Generator) -> tuple[FloatArray, int]:
    tied, n_tied = winners(values, kernel)
    hit = tied[2]
    shared = hit & (n_tied > 1)
    credit = hit.astype(np.float64)
    if ties == "wrong":
        credit[shared] = 0.0
    elif ties == "share":
        credit[shared] = 1.0 / n_tied[shared]
    else:
        credit[shared] = rng.random(int(shared.sum())) * n_tied[shared] < 1.0
    credit[n_tied == 0] = np.nan
    return credit, int((n_tied > 1).sum())


def _interval(
    credit: FloatArray,
    code: IntArray | None,
    n_groups: int,
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    if code is None or np.isnan(credit).any():
        return float("nan"), float("nan")
    totals = sum_groups(credit, code, n_groups)[:, None]
    sizes = np.bincount(code, minlength=n_groups).astype(np.float64)[:, None]
    low, high = cluster_intervals(totals, sizes, n_bootstrap=n_bootstrap, confidence=confidence, rng=rng)
    return float(low[0]), float(high[0])
