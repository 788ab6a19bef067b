"""False discovery rate: p-values adjusted for how many of the tests called significant are so by chance."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from alignkit._check import as_float_array, check_choice
from alignkit._typing import FloatArray

Method = Literal["bh", "by"]


def fdr(p: object, /, *, method: Method = "bh") -> FloatArray:
    r"""Adjust p-values of many tests so that, at p <= q, a share q of what is significant is expected to be false.

    Weaker than a family-wise correction (the largest statistic of all tests): some of the significant ones will be
    false.

    Parameters
    ----------
    p : array_like, shape (...)
        p-values, not corrected: of models, of pairs of models, of times. NaN stay NaN and are not counted.
    method : {"bh", "by"}
        Benjamini and Hochberg's, for p-values that are independent or positively dependent (as over time), or
        Benjamini and Yekutieli's, for any.

    Returns
    -------
    ndarray, shape (...)
        Adjusted p-values: ``scipy.stats.false_discovery_control`` of those that are defined.

    Raises
    ------
    ValueError
        Values outside 0 to 1, none at all, or an unknown method.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    .. math:: \tilde p_{(i)} = \min_{j \ge i} \min\left(\frac{n}{j}\, p_{(j)}, 1\right)

    for sorted p-values, times :math:`\sum_{k=1}^n 1/k` for "by".

    References
    ----------
    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Benjamini and Yekutieli (2001),
    doi:10.1214/aos/1013699998.

    Examples
    --------
    >>> fdr([0.01, 0.02, 0.03, 0.5])
    array([0.04, 0.04, 0.04, 0.5 ])
    """
    check_choice("method", method, get_args(Method))
    values = as_float_array("p", p)
    if values.ndim == 0 or not values.size:
        msg = f"p must hold one p-value per test; got shape {values.shape}."
        raise ValueError(msg)
    defined = ~np.isnan(values)
    if ((values[defined] < 0) | (values[defined] > 1)).any():
        msg = f"p must lie between 0 and 1; got {np.nanmin(values):g} to {np.nanmax(values):g}."
        raise ValueError(msg)
    from scipy.stats import false_discovery_control

    adjusted = np.full(values.shape, np.nan)
    if defined.any():
        adjusted[defined] = false_discovery_control(values[defined], method=method)
    return adjusted
