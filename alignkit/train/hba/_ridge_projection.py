"""The projection of a pair of towers that starts at ridge regression from image embeddings to dimensions."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray
from alignkit.align._ridge import Ridge


def ridge_projection(
    ridge: Ridge, features: FloatArray, prompts: FloatArray, /, *, constant: float = 10.0
) -> tuple[FloatArray, FloatArray, float]:
    r"""Return a projection into the prompts' space whose scaled cosines with the prompts are a ridge's predictions.

    With the prompts' embeddings T (of length 1) the projection takes features x to :math:`T^+ (W x + b) + c l u`, where
    u is at right angles to all prompts and l is the root mean square length of :math:`T^+ (W x + b)`. The larger c, the
    less the length of the sum depends on x, and cosines times that length are :math:`W x + b`: to 0.5 % at 10. At 1
    strong predictions are damped. The sum is divided by that length, which cosines do not see, so that a learning rate
    means the same whatever the targets' units.

    Parameters
    ----------
    ridge : Ridge
        The map.
    features : ndarray, shape (objects, channels)
        What it was fitted on.
    prompts : ndarray, shape (dimensions, width)
        Embeddings of the prompts, of length 1.
    constant : float
        c, at least 0.

    Returns
    -------
    weight : ndarray, shape (width, channels)
    bias : ndarray, shape (width,)
    log_scale : float
        Logarithm of the factor on cosines.

    Raises
    ------
    ValueError
        Prompts that are not linearly independent, or as many as their space has dimensions.
    """
    n, width = prompts.shape
    if n >= width or np.linalg.matrix_rank(prompts) < n:
        msg = (
            f"head='ridge' needs prompts whose embeddings are linearly independent, and fewer than their {width} "
            f"channels; got {n} of rank {np.linalg.matrix_rank(prompts)}. Use head='prompts'."
        )
        raise ValueError(msg)
    inverse = np.linalg.pinv(prompts)  # (width, dimensions)
    embedded = ridge.predict(features) @ inverse.T
    length = float(np.sqrt((embedded**2).sum(axis=1).mean()))
    drawn = np.random.default_rng(0).normal(size=width)
    aside = drawn - inverse @ (prompts @ drawn)
    bias = inverse @ ridge.bias + constant * length * aside / np.linalg.norm(aside)
    whole = length * np.hypot(constant, 1.0)
    return inverse @ ridge.weight / whole, bias / whole, float(np.log(whole))
