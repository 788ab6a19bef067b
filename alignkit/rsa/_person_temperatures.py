"""A softmax temperature for each person: people who answer less consistently are as if they answered hotter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count
from alignkit._random import as_rng
from alignkit._result import Result
from alignkit._typing import BoolArray, FloatArray, IntArray, RNGLike
from alignkit.rsa._choice_probabilities import log_softmax
from alignkit.rsa._grouping import group_codes, sum_groups, triplet_codes
from alignkit.rsa._similarity_matrix import Kernel, as_triplets, pair_similarities
from alignkit.rsa._temperature import REACH, answer_costs, assign_folds, best_temperature

if TYPE_CHECKING:
    import pandas as pd

#: Halvings of the logarithmic range of temperatures: to the ninth digit.
_HALVINGS = 40


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonTemperatures(Result):
    """Temperatures of single people, and what they are worth on answers left out.

    Attributes
    ----------
    people : tuple of str
        Names, sorted.
    temperature : ndarray, shape (people,)
        Fitted to all answers of each person; that of everybody where someone has fewer than ``min_answers``.
    n_answers : ndarray of int, shape (people,)
        Answers of each person.
    at_bound : ndarray of bool, shape (people,)
        Whether the optimum lies at the end of the range searched: a person at chance, or without error.
    pooled : float
        One temperature, fitted to everybody's answers.
    cross_entropy, cross_entropy_pooled : float
        Mean -log p of held-out answers in nats, at temperatures fitted to other triplets: each person's, everybody's.
    r_squared, r_squared_pooled : float
        McFadden's 1 - cross-entropy / ln 3: 0 for guessing, 1 for certainty that is always right.
    per_answer : ndarray, shape (n,), or None
        Held-out cost of each answer used, at the person's temperature. Not saved to files.
    n, n_undefined, n_folds, min_answers, kernel
        Answers used, answers left out as undefined, and what was asked.
    """

    people: tuple[str, ...]
    temperature: FloatArray
    n_answers: IntArray
    at_bound: BoolArray
    pooled: float
    cross_entropy: float
    cross_entropy_pooled: float
    r_squared: float
    r_squared_pooled: float
    n: int
    n_undefined: int
    n_folds: int
    min_answers: int
    kernel: str
    per_answer: FloatArray | None = None

    def __repr__(self) -> str:
        low, middle, high = np.quantile(self.temperature, [0.25, 0.5, 0.75])
        return (
            f"<PersonTemperatures {len(self.people):,} people, T {middle:.4g} (quartiles {low:.4g} to {high:.4g}), "
            f"held-out cross-entropy {self.cross_entropy:.4f} nats ({self.cross_entropy_pooled:.4f} with one T), "
            f"McFadden R2 {self.r_squared:.4f}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``per_answer`` in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_answer"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person."""
        import pandas as pd

        names = ("people", "temperature", "n_answers", "at_bound")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"A softmax temperature ({self.kernel} similarity) was fitted to each of {len(self.people):,} people (with "
            f"fewer than {self.min_answers} answers: everybody's) in {self.n_folds}-fold cross-validation over "
            f"triplets; McFadden's R2 is 1 minus the cross-entropy of the {self.n:,} held-out answers over ln 3."
        )


def fit_person_temperatures(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    n_folds: int = 5,
    min_answers: int = 20,
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    rng: RNGLike = None,
) -> PersonTemperatures:
    """Fit the temperature of :func:`choice_probabilities` to each person, and score it on that person's other answers.

    Each T minimises the mean of -log p(answer | T) of one person, which is convex in 1/T. Folds hold whole triplets:
    repeated answers to one, by whomever, never stand on both sides.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets
        Answers with participants.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    n_folds : int
        At least 2.
    min_answers : int
        People with fewer (in the training folds) take the temperature of everybody.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined answers make everything NaN with one warning, are left out and counted, or raise.
    rng : Generator, int or None
        Seed of the folds.

    Returns
    -------
    PersonTemperatures

    Raises
    ------
    ValueError
        Triplets without participants, fewer distinct triplets than folds, item numbers beyond ``x``.
    TypeError
        Counts that are not whole numbers.

    References
    ----------
    McFadden (1974), in Frontiers in Econometrics, 105-142; Guo et al. (2017), https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> from alignkit.rsa import Triplets
    >>> x = np.random.default_rng(0).random((20, 3))
    >>> items = np.random.default_rng(1).permuted(np.tile(np.arange(20), (200, 1)), axis=1)[:, :3]
    >>> found = fit_person_temperatures(x, Triplets(items, participant=np.arange(200) % 4), rng=0)
    >>> found.people, found.n_answers.tolist()
    (('0', '1', '2', '3'), [50, 50, 50, 50])
    """
    n_folds = check_count("n_folds", n_folds, 2)
    min_answers = check_count("min_answers", min_answers, 1)
    answers = as_triplets(triplets)
    if answers.participant is None:
        msg = "these triplets do not say who answered; build them with participant=... to fit people's temperatures."
        raise ValueError(msg)
    logits = pair_similarities(x, answers, kernel, labels, nan_policy)
    defined = ~np.isnan(logits).any(axis=0)
    use = defined if nan_policy == "omit" else np.ones_like(defined)
    logits, who = logits[:, use], answers.participant[use]
    n_people, person = group_codes(who)
    n_triplets, code = triplet_codes(answers.items[use]) if use.any() else (0, np.zeros(0, dtype=np.int64))
    fold = assign_folds(code, n_triplets, n_folds, as_rng(rng))
    temperature, at_bound = temperatures(logits, person, n_people, min_answers)
    personal, pooled = np.empty(len(who)), np.empty(len(who))
    for k in range(n_folds):
        rest, own = fold != k, fold == k
        fitted, _ = temperatures(logits[:, rest], person[rest], n_people, min_answers)
        personal[own] = fitted[person[own]]
        pooled[own] = best_temperature(logits[:, rest])[0]
    costs = answer_costs(logits, personal)
    with_one = float(answer_costs(logits, pooled).mean())
    return PersonTemperatures(
        people=tuple(str(name) for name in np.unique(who)),
        temperature=temperature,
        n_answers=np.bincount(person, minlength=n_people),
        at_bound=at_bound,
        pooled=best_temperature(logits)[0],
        cross_entropy=float(costs.mean()),
        cross_entropy_pooled=with_one,
        r_squared=1 - float(costs.mean()) / float(np.log(3)),
        r_squared_pooled=1 - with_one / float(np.log(3)),
        n=len(who),
        n_undefined=int((~defined).sum()),
        n_folds=n_folds,
        min_answers=min_answers,
        kernel=kernel,
        per_answer=costs,
    )


def temperatures(logits: FloatArray, person: IntArray, n_people: int, min_answers: int) -> tuple[FloatArray, BoolArray]:
    """Return each person's temperature and whether it lies at the end of the range searched.

    The derivative of the mean cost by 1/T grows with 1/T, so that halving the range of log T finds its zero.
    """
    common, _ = best_temperature(logits)
    gaps = logits[:2] - logits[2]
    scale = float(np.sqrt((gaps**2).mean()))
    if not scale > 0:
        return np.full(n_people, common), np.zeros(n_people, dtype=bool)
    low = np.full(n_people, np.log(scale / REACH))
    high = np.full(n_people, np.log(scale * REACH))
    ends = low.copy(), high.copy()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_cold = _slopes(logits, gaps, np.exp(middle), person, n_people) > 0
        low, high = np.where(too_cold, middle, low), np.where(too_cold, high, middle)
    found = (low + high) / 2
    few = np.bincount(person, minlength=n_people) < min_answers
    at_bound = (found - ends[0] < np.log(2.0)) | (ends[1] - found < np.log(2.0))
    return np.where(few, common, np.exp(found)), at_bound & ~few


def _slopes(
    logits: FloatArray, gaps: FloatArray, temperature: FloatArray, person: IntArray, n_people: int
) -> FloatArray:
    """Return, for each person, the sum of the derivatives of -log p by 1/T: positive where T is too low."""
    with np.errstate(under="ignore"):
        p = np.exp(log_softmax(logits / temperature[person]))
        return sum_groups((p[:2] * gaps).sum(axis=0), person, n_people)
