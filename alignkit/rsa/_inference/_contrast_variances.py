"""Variances of scores, of their differences and of their distances from the ceiling, over resamples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._dual_variance import dual_variance
from alignkit.rsa._inference._resampled import Resampled

Generalize = Literal["subjects", "items", "both"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ContrastVariances:
    """Variances over new subjects, items or both.

    Attributes
    ----------
    models : ndarray, shape (model,)
        Of the scores.
    pairs : ndarray, shape (model, model)
        Of the difference of every two scores.
    ceiling : ndarray, shape (model,)
        Of every score less the lower bound of the ceiling of the same resample.
    bounds : ndarray, shape (2,)
        Of the lower and the upper bound.
    """

    models: FloatArray
    pairs: FloatArray
    ceiling: FloatArray
    bounds: FloatArray


def contrast_variances(
    resampled: Mapping[str, Sequence[Resampled]], generalize: Generalize, n_subjects: int, n_items: int
) -> ContrastVariances:
    r"""Return the variances of all contrasts, as rsatoolbox's ``extract_variances`` does.

    Parameters
    ----------
    resampled : mapping of str to sequence of Resampled
        Under ``"subjects"``, ``"items"`` and ``"both"``: one entry each for scores that resampling decides alone, and
        one for every repetition of a cross-validation, all of the same resamples.
    generalize : {"subjects", "items", "both"}
        What was resampled. A variance is multiplied by n / (n - 1), that of both is the corrected one of
        :func:`alignkit.rsa.dual_variance`.
    n_subjects, n_items : int
        What there is to draw from.

    Notes
    -----
    Resamples in which a contrast is undefined are left out of its variance; with half of them gone it is NaN.
    """

    def of(contrast: Callable[[Resampled], FloatArray]) -> FloatArray:
        return _over_new(
            {key: repeated_variance([contrast(one) for one in several], none) for key, several in resampled.items()},
            generalize,
            n_subjects,
            n_items,
        )

    # one of three parts may be nothing, a variance as a whole may not
    none = 0.0 if generalize == "both" else np.nan
    n_models = next(iter(resampled.values()))[0].scores.shape[1]
    pairs = np.zeros((n_models, n_models))
    for i in range(n_models):
        pairs[i] = of(lambda one, i=i: one.scores - one.scores[:, [i]])  # type: ignore[misc]
    return ContrastVariances(
        models=of(lambda one: one.scores),
        pairs=pairs,
        ceiling=of(lambda one: one.scores - one.lower[:, None]),
        bounds=of(lambda one: np.stack([one.lower, one.upper], axis=1)),
    )


def _over_new(variances: Mapping[str, FloatArray], generalize: Generalize, n_subjects: int, n_items: int) -> FloatArray:
    if generalize == "both":
        return dual_variance(
            variances["both"], variances["subjects"], variances["items"], n_subjects=n_subjects, n_items=n_items
        )
    n = n_subjects if generalize == "subjects" else n_items
    return variances[generalize] * (n / (n - 1))


def repeated_variance(repetitions: Sequence[FloatArray], none: float = 0.0) -> FloatArray:
    r"""Return the variance over resamples of values, shape (resample, k), free of what random folds add to it.

    With R repetitions of a cross-validation in every resample, :math:`(R\,V_{mean} - V_1)/(R - 1)`: the variance of the
    mean of R repetitions, and the mean of the variances of single ones, extended to endless repetitions (Schuett et
    al., 2023). For one repetition it is the plain variance. Where nothing is left, because resamples vary no more than
    random folds do, it is ``none``.
    """
    if len(repetitions) == 1:
        return resample_variance(repetitions[0])
    number = len(repetitions)
    of_mean = resample_variance(np.mean(repetitions, axis=0))
    of_one = np.mean([resample_variance(one) for one in repetitions], axis=0)
    left = (number * of_mean - of_one) / (number - 1)
    return np.where((left <= 0) & (of_mean > 0), none, np.maximum(left, 0.0))


def resample_variance(values: FloatArray) -> FloatArray:
    """Return the variance over resamples, shape (k,), of values, shape (resample, k); NaN where half are undefined."""
    defined = ~np.isnan(values)
    number = defined.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(defined, values, 0.0).sum(axis=0) / number
        squares = np.where(defined, (values - mean) ** 2, 0.0).sum(axis=0)
        variance = squares / (number - 1)
    return np.where(2 * number > len(values), variance, np.nan)
