"""Mean RDMs of participants, on the scale on which a method averages them: of all, or of all others."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._pooling import Pooling, pools
from alignkit.rsa._pools import GramPool, RowPool


def mean_rdms(rows: AnyArray, options: Options, pooling: Pooling, *, others: bool = False) -> FloatArray:
    """Return the mean RDM of all participants at every time, or of all others for each participant.

    Pairs that are missing in anybody are missing in the mean (``nan_policy="omit"``), or all of that time.

    Parameters
    ----------
    rows : ndarray, shape (subject, time, pairs)
    options : Options
        The method and its options.
    pooling : {"rank", "raw", "rsatoolbox"}
        As for :func:`alignkit.rsa.noise_ceiling`.
    others : bool
        Leave each participant out in turn.

    Returns
    -------
    ndarray, shape (time, pairs), or (subject, time, pairs) for others
        Up to a factor, and a shift where the method does not see one.
    """
    out = np.full(rows.shape if others else rows.shape[1:], np.nan)
    missing = np.asarray(np.isnan(rows).any(axis=0))
    for time, gaps in enumerate(missing):
        valid = ~gaps
        if valid.sum() < 2 or (gaps.any() and options.nan_policy != "omit"):
            continue
        part = rows[:, time : time + 1][..., valid]
        out[..., time, valid] = _sums(part, options, pooling, valid, others=others)
    return out


def _sums(rows: AnyArray, options: Options, pooling: Pooling, valid: BoolArray, *, others: bool) -> FloatArray:
    (pool,) = pools(rows, options.method, pooling, valid, options.sigma_k)
    own = pool.rows if isinstance(pool, GramPool) else pool
    assert isinstance(own, RowPool)
    scaled = own.scaled.astype(np.float64)
    total = np.zeros(scaled.shape[1])
    for row in scaled:  # one after the other: pairs that are tied in everybody stay tied
        total += row
    sums = total - scaled if others else total[None]
    limit = 4 * np.finfo(np.float64).eps * own.largest.sum()
    extent = np.abs(sums).max(axis=1) if own.directed else np.ptp(sums, axis=1)
    sums[extent <= limit] = 0.0  # what cancels out has no direction
    return np.asarray(sums if others else sums[0])
