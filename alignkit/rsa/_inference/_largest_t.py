"""p-values of t tests corrected for all of them by the largest t that chance gives."""

from __future__ import annotations

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray

#: Draws of the null distribution, and how many are held at once: part of what a seed means.
N_DRAWS, _BLOCK = 10_000, 1_000
#: With more degrees of freedom Student's t is as good as this.
_MOST_DOF = 200


@one_blas_thread()
def largest_t_p(
    extreme: FloatArray,
    contrasts: IntArray | None,
    covariance: FloatArray,
    dof: int,
    rng: np.random.Generator,
    *,
    two_sided: bool,
) -> FloatArray:
    r"""Return the share of draws in which the largest t of all tests reaches each of ``extreme``, shape (tests,).

    Estimates that are normal with a covariance :math:`\Sigma`, and ``dof`` further ones that tell each test its own
    standard error, give :math:`\max_j |c_j'z| / \sqrt{\sum_i (c_j'g_i)^2/\nu}`: the max-T of Westfall and Young with t
    tests whose denominators are estimated apart.

    Parameters
    ----------
    extreme : ndarray, shape (tests,)
        Statistics, large ones being extreme; NaN for what is not tested, and gives NaN.
    contrasts : ndarray of int, shape (tests, 2), or None
        Which two estimates each test takes the difference of; None: one test per estimate.
    covariance : ndarray, shape (estimates, estimates)
        Of the estimates; where it is not positive it is brought to the nearest one that is.
    dof : int
        Degrees of freedom of every test.
    rng : numpy.random.Generator
        Source of the draws.
    two_sided : bool
        Whether large negative values are extreme as well.
    """
    tested = np.flatnonzero(~np.isnan(extreme))
    corrected = np.full(extreme.shape, np.nan)
    if not tested.size:
        return corrected
    # estimates without a test are not drawn: they must not change what the others get
    used, codes = (tested, None) if contrasts is None else np.unique(contrasts[tested], return_inverse=True)
    root = _root(covariance[np.ix_(used, used)])
    pairs = None if codes is None else codes.reshape(-1, 2)
    largest = np.concatenate([_largest(root, pairs, dof, rng, two_sided) for _ in range(N_DRAWS // _BLOCK)])
    order = np.sort(largest)
    reached = len(order) - np.searchsorted(order, extreme[tested], side="left")
    corrected[tested] = (reached + 1) / (len(order) + 1)
    return corrected


def _largest(
    root: FloatArray, contrasts: IntArray | None, dof: int, rng: np.random.Generator, two_sided: bool
) -> FloatArray:
    def draw() -> FloatArray:
        values = rng.standard_normal((_BLOCK, len(root))) @ root.T
        return values if contrasts is None else values[:, contrasts[:, 0]] - values[:, contrasts[:, 1]]

    value, dof = draw(), min(dof, _MOST_DOF)
    squares = np.zeros_like(value)
    for _ in range(dof):
        squares += draw() ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        t = value / np.sqrt(squares / dof)
    # a covariance that was brought to a positive one can leave a contrast without variance
    t = np.where(np.isfinite(t), t, 0.0)
    return np.asarray((np.abs(t) if two_sided else t).max(axis=1))


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(np.nan_to_num(covariance))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
