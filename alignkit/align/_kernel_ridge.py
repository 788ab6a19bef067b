"""Kernel ridge regression from features to dimensions, with a Gaussian kernel."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, FloatArray

#: Penalties to choose among; the kernel of an item with itself is 1.
PENALTIES = tuple(10.0**k for k in np.arange(-2.5, 1.0, 0.5))
#: Bandwidths to choose among, as factors on the median squared distance of two items.
BANDWIDTHS = (0.25, 0.5, 1.0)


def kernel_ridge_path(
    x: FloatArray, y: FloatArray, penalties: tuple[float, ...], /
) -> dict[tuple[float, ...], dict[str, AnyArray]]:
    r"""Return the arrays of the fit for each (penalty, bandwidth): :math:`k(x)'(K + \lambda I)^{-1}(Y - m) + m`.

    :math:`k(x, x') = \exp(-|x - x'|^2 / (b\,\mathrm{median}))` in channels of unit variance; m is Y's mean.

    References
    ----------
    Saunders, Gammerman & Vovk (1998), Ridge regression learning algorithm in dual variables, ICML.
    """
    spread = x.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    support = x * scale
    squared = squared_distances(support, support)
    off = squared[np.triu_indices(len(x), 1)]
    median = float(np.median(off)) or 1.0
    offset = y.mean(axis=0)
    found: dict[tuple[float, ...], dict[str, AnyArray]] = {}
    for bandwidth in BANDWIDTHS:
        width = bandwidth * median
        values, vectors = np.linalg.eigh(np.exp(-squared / width))
        rotated = vectors.T @ (y - offset)
        for penalty in penalties:
            dual = vectors @ (rotated / (values[:, None] + penalty))
            arrays = {"support": support, "scale": scale, "dual": dual, "offset": offset, "width": np.array(width)}
            found[penalty, bandwidth] = arrays
    return found


def predict_kernel_ridge(arrays: dict[str, AnyArray], x: FloatArray, /) -> FloatArray:
    """Return the dimensions of each row of features."""
    distances = squared_distances(x * arrays["scale"], arrays["support"])
    values: FloatArray = np.exp(-distances / arrays["width"]) @ arrays["dual"] + arrays["offset"]
    return values


def squared_distances(a: FloatArray, b: FloatArray, /) -> FloatArray:
    """Return the squared Euclidean distances of the rows of two arrays, shape (len(a), len(b))."""
    squared: FloatArray = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.maximum(squared, 0.0, out=squared)  # equal rows differ by rounding
