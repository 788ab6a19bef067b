"""The softmax temperature that fits human answers best, and how well it does on answers left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import NanPolicy, check_count
from alignkit._random import as_rng
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray, RNGLike
from alignkit.rsa._choice_probabilities import log_softmax
from alignkit.rsa._grouping import triplet_codes
from alignkit.rsa._similarity_matrix import Kernel, as_triplets, pair_similarities

if TYPE_CHECKING:
    import pandas as pd

#: Temperatures searched: this factor below and above the typical difference of similarities.
REACH = 1e3
#: The sum of two exponentials of this size is still finite.
_MAX_EXPONENT = 700.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TemperatureFit(Result):
    """A temperature and its cross-validated fit.

    Attributes
    ----------
    temperature : float
        Fitted to all answers: to be used on **other** data.
    fold_temperature : ndarray, shape (n_folds,)
        Fitted to all answers but those of the fold.
    fold_cross_entropy : ndarray, shape (n_folds,)
        Nats per answer of the fold, at the temperature fitted without it.
    cross_entropy : float
        Mean over all answers, each at the temperature fitted without it (held out).
    cross_entropy_at_1 : float
        Mean over all answers at temperature 1, where nothing is fitted.
    at_bound : bool
        True when some optimum lies at the end of the range searched (a factor 1,000 either side of the typical
        difference of similarities): the model is at chance, or without error.
    n, n_triplets, n_undefined, n_folds, kernel
        Answers and distinct triplets used, answers left out as undefined, and what was asked.
    """

    temperature: float
    fold_temperature: FloatArray
    fold_cross_entropy: FloatArray
    cross_entropy: float
    cross_entropy_at_1: float
    at_bound: bool
    n: int
    n_triplets: int
    n_undefined: int
    n_folds: int
    kernel: str

    def __repr__(self) -> str:
        bound = ", at the bound of the search" if self.at_bound else ""
        return (
            f"<TemperatureFit T = {self.temperature:.4g}, held-out cross-entropy {self.cross_entropy:.4f} nats "
            f"({self.cross_entropy_at_1:.4f} at T = 1), {self.n_folds} folds of {self.n_triplets:,} triplets{bound}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per fold."""
        import pandas as pd

        return pd.DataFrame(
            {
                "fold": np.arange(self.n_folds),
                "temperature": self.fold_temperature,
                "cross_entropy": self.fold_cross_entropy,
            }
        )

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"The softmax temperature ({self.kernel} similarity) minimised the cross-entropy of the answers in "
            f"{self.n_folds}-fold cross-validation over {self.n_triplets:,} distinct triplets; cross-entropies are "
            f"those of the {self.n:,} held-out answers."
        )


def fit_temperature(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    n_folds: int = 5,
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
    rng: RNGLike = None,
) -> TemperatureFit:
    """Fit the temperature of :func:`choice_probabilities` to human answers by cross-validation.

    T minimises the mean of -log p(answer | T), which is convex in 1/T. Folds hold whole triplets: repeated answers to
    one never stand on both sides.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets or array_like of int, shape (n, 3)
        Answers; the **last** column is the odd one out.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    n_folds : int
        At least 2.
    labels : sequence of str, optional
        Names of the rows of ``x``; labelled triplets then find their rows by name.
    nan_policy : {"propagate", "omit", "raise"}
        Undefined answers make everything NaN with one warning, are left out and counted, or raise.
    rng : Generator, int or None
        Seed of the folds.

    Returns
    -------
    TemperatureFit

    Raises
    ------
    ValueError
        Fewer distinct triplets than folds, item numbers beyond ``x``, an unknown option.

    References
    ----------
    Guo et al. (2017), ICML, PMLR 70, 1321-1330. https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> x = np.random.default_rng(0).random((20, 3))
    >>> triplets = np.random.default_rng(1).permuted(np.tile(np.arange(20), (200, 1)), axis=1)[:, :3]
    >>> fit = fit_temperature(x, triplets, rng=0)
    >>> fit.fold_temperature.shape, fit.n
    ((5,), 200)
    """
    n_folds = check_count("n_folds", n_folds, 2)
    answers = as_triplets(triplets)
    logits = pair_similarities(x, answers, kernel, labels, nan_policy)
    defined = ~np.isnan(logits).any(axis=0)
    use = defined if nan_policy == "omit" else np.ones_like(defined)
    logits = logits[:, use]
    n_triplets, code = triplet_codes(answers.items[use]) if use.any() else (0, np.zeros(0, dtype=np.int64))
    fold = assign_folds(code, n_triplets, n_folds, as_rng(rng))
    temperature, at_bound = best_temperature(logits)
    fits = [best_temperature(logits[:, fold != k]) for k in range(n_folds)]
    fold_temperature = np.array([fit[0] for fit in fits])
    costs = answer_costs(logits, fold_temperature[fold])
    return TemperatureFit(
        temperature=temperature,
        fold_temperature=fold_temperature,
        fold_cross_entropy=np.array([costs[fold == k].mean() for k in range(n_folds)]),
        cross_entropy=float(costs.mean()),
        cross_entropy_at_1=float(answer_costs(logits, 1.0).mean()),
        at_bound=at_bound or any(fit[1] for fit in fits),
        n=logits.shape[1],
        n_triplets=n_triplets,
        n_undefined=int((~defined).sum()),
        n_folds=n_folds,
        kernel=kernel,
    )


def assign_folds(code: IntArray, n_triplets: int, n_folds: int, rng: np.random.Generator) -> IntArray:
    """Return the fold of each answer: distinct triplets are dealt out evenly at random."""
    if n_triplets < n_folds:
        msg = f"n_folds={n_folds} needs at least as many distinct triplets; there are {n_triplets}."
        raise ValueError(msg)
    return rng.permutation(np.arange(n_triplets) % n_folds)[code]


def answer_costs(logits: FloatArray, temperature: FloatArray | float) -> FloatArray:
    """Return -log p of the last position for every answer, shape (n,), from logits of shape (3, n)."""
    return -log_softmax(logits / temperature)[2]


def best_temperature(logits: FloatArray) -> tuple[float, bool]:
    """Return the temperature of least mean cost, and whether it lies at the end of the range searched."""
    from scipy.optimize import minimize_scalar

    gaps = logits[:2] - logits[2]
    scale = float(np.sqrt((gaps**2).mean()))
    if np.isnan(scale):
        return float("nan"), False
    if scale == 0.0:  # every answer is a tie: all temperatures are equal
        return 1.0, True
    centre, reach = np.log(scale), np.log(REACH)
    gaps = gaps / scale
    found = minimize_scalar(
        _mean_cost(gaps),
        bounds=(-reach, reach),
        method="bounded",
        options={"xatol": 1e-7},
    )
    # a factor of 2: without error the cost is 0 to the last bit some way before the end
    return float(np.exp(centre + found.x)), bool(abs(found.x) > reach - np.log(2.0))


def _mean_cost(gaps: FloatArray) -> Callable[[float], float]:
    """Return the mean of log(1 + Σ exp(gaps/T)) as a function of log T, for ``gaps`` of shape (2, n)."""
    largest, scaled = float(gaps.max()), np.empty_like(gaps)

    def mean_cost(log_temperature: float) -> float:
        factor = float(np.exp(-log_temperature))
        np.multiply(gaps, factor, out=scaled)
        if largest * factor > _MAX_EXPONENT:
            return float(np.logaddexp(0.0, np.logaddexp(*scaled)).mean())
        with np.errstate(under="ignore"):
            np.exp(scaled, out=scaled)
        return float(np.log1p(scaled.sum(axis=0)).mean())

    return mean_cost
