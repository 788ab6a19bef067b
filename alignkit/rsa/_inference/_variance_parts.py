"""How much subjects, items and single measurements each add to the variance of mean scores."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._inference._resampled import Resampled


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class VarianceParts:
    """Parts of the variance of mean scores of S subjects and N items, each of shape (tests,).

    It is a/S + b/N + c/(SN): ``subjects`` is a, ``items`` b and ``single`` c.
    """

    subjects: FloatArray
    items: FloatArray
    single: FloatArray

    def variance(self, n_subjects: AnyArray | int, n_items: AnyArray | int, *, new_items: bool) -> FloatArray:
        """Return the variance of the mean scores of as many subjects and items, over new subjects alone or both."""
        own = self.subjects / n_subjects + self.single / (np.asarray(n_subjects, dtype=np.float64) * n_items)
        return np.asarray(own + self.items / n_items if new_items else own)


def variance_parts(
    resampled: dict[str, Resampled], contrasts: FloatArray, n_subjects: int, n_items: int
) -> VarianceParts:
    """Return the parts that three bootstraps tell apart, none below 0.

    Parameters
    ----------
    resampled : dict
        Scores of resamples of ``"subjects"``, of ``"items"`` and of ``"both"``.
    contrasts : ndarray, shape (tests, models)
        What is tested: weights of the models' scores.
    n_subjects, n_items : int
        S and N of the data.

    Notes
    -----
    With V the bootstraps' variances, s = S/(S-1) and n = N/(N-1), the noise of single measurements enters V of both
    thrice: c/(SN) = sn(V_both - V_subjects - V_items), a/S = sV_subjects - c/(SN), b/N = nV_items - c/(SN), whose sum
    is :func:`alignkit.rsa.dual_variance`.
    """
    v = {name: np.nanvar(one.scores @ contrasts.T, axis=0, ddof=1) for name, one in resampled.items()}
    s, n = n_subjects / (n_subjects - 1), n_items / (n_items - 1)
    single = np.maximum(0.0, s * n * (v["both"] - v["subjects"] - v["items"]))
    subjects = np.maximum(0.0, s * v["subjects"] - single)
    items = np.maximum(0.0, n * v["items"] - single)
    return VarianceParts(subjects * n_subjects, items * n_items, single * n_subjects * n_items)
