"""Every other metric of ``scipy.spatial.distance``, by its name there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._arrays import Array
from alignkit.rsa._condensed import as_host
from alignkit.rsa._namespace import like
from alignkit.rsa._patterns import Patterns, Undefined

#: Those that read rows as presence (not zero) or absence, and those that take numbers.
SETS = ("dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule")
NUMBERS = ("braycurtis", "canberra", "chebyshev", "cityblock", "hamming", "jensenshannon", "minkowski", "seuclidean")


def scipy_metric(name: str) -> Callable[[Patterns], tuple[Array, list[Undefined]]]:
    """Return the function that computes one of scipy's metrics, always in float64 and without a gradient."""

    def compute(patterns: Patterns) -> tuple[Array, list[Undefined]]:
        from scipy.spatial import distance

        x = as_host(patterns.x)
        # scipy takes other numbers than 0 and 1 as degrees of presence, for some of its metrics only
        x = x != 0 if name in SETS else x.astype(np.float64, copy=False)
        stacked = x.reshape(-1, *x.shape[-2:])
        bad = as_host(patterns.bad).reshape(len(stacked), -1)
        pdist: Callable[..., FloatArray] = distance.pdist
        with np.errstate(all="ignore"):
            pairs = zip(stacked, bad, strict=True)
            rows = [pdist(one, name, **_options(name, patterns, one[~out])) for one, out in pairs]
        values = np.reshape(rows, (*x.shape[:-2], -1))
        values[np.isinf(values)] = np.nan
        nowhere = Undefined(f"items for which {name} is undefined", like(np.isnan(values), patterns.x), "pairs")
        return like(values, patterns.x), [nowhere]

    return compute


def _options(name: str, patterns: Patterns, good: FloatArray) -> dict[str, Any]:
    if name == "minkowski":
        return {"p": patterns.options.p}
    if name == "seuclidean":
        # rows that only stand in for rows with NaN have no part in it
        variance = good.var(axis=0, ddof=1) if len(good) > 1 else np.ones(good.shape[-1])
        return {"V": variance}
    return {}
