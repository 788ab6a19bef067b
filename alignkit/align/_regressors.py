"""The ways to regress dimensions on features, by name: how each is fitted for what there is to choose, and used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.align import _kernel_ridge, _mlp, _ridge

Method = Literal["ridge", "kernel-ridge", "mlp"]
#: What is chosen on held-out items: a penalty, and whatever stands beside it.
Setting = tuple[float, ...]
Arrays = dict[str, AnyArray]

PENALTIES: dict[str, tuple[float, ...]] = {
    "ridge": _ridge.PENALTIES,
    "kernel-ridge": _kernel_ridge.PENALTIES,
    "mlp": _mlp.PENALTIES,
}
#: Names of the numbers of a setting.
SETTINGS = {"ridge": ("penalty",), "kernel-ridge": ("penalty", "bandwidth"), "mlp": ("penalty",)}


def fit_path(
    method: str, x: FloatArray, y: FloatArray, penalties: tuple[float, ...], seed: int, /
) -> dict[Setting, Arrays]:
    """Return the arrays of a fit for every setting with these penalties."""
    if method == "ridge":
        fits = _ridge.ridge_path(x, y, penalties)
        return {(fit.penalty,): {"weight": fit.weight, "bias": fit.bias} for fit in fits}
    if method == "kernel-ridge":
        return _kernel_ridge.kernel_ridge_path(x, y, penalties)
    return _mlp.mlp_path(x, y, penalties, seed)


def predict(method: str, arrays: Arrays, x: FloatArray, /) -> FloatArray:
    """Return the dimensions of each row of features."""
    values: FloatArray = _PREDICT[method](arrays, x)
    return values


def at_least_zero(values: FloatArray, cut: bool, /) -> FloatArray:
    """Return predictions, those below 0 as 0 where they are to be cut."""
    return np.maximum(values, 0.0) if cut else values


def n_parameters(method: str, arrays: Arrays, /) -> int:
    """Return how many numbers were fitted."""
    names = {"ridge": ("weight", "bias"), "kernel-ridge": ("dual", "offset")}
    return int(sum(np.size(arrays[name]) for name in names.get(method, tuple(arrays))))


def _predict_ridge(arrays: Arrays, x: FloatArray) -> FloatArray:
    values: FloatArray = x @ arrays["weight"].T + arrays["bias"]
    return values


_PREDICT: dict[str, Callable[[Arrays, FloatArray], FloatArray]] = {
    "ridge": _predict_ridge,
    "kernel-ridge": _kernel_ridge.predict_kernel_ridge,
    "mlp": _mlp.predict_mlp,
}
