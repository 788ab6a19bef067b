"""The two ways a teacher's numbers are fitted: L-BFGS on all triplets at once, and Adam on batches of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.align._map_objective import MapObjective

#: An L-BFGS step that lowers the value by a smaller share is the last; so is one at a flatter gradient.
_SMALLEST_SHARE, _FLAT = 1e-7, 1e-6
#: Adam's own constants.
_MEAN, _SQUARE, _GUARD = 0.9, 0.999, 1e-8
#: Epochs of Adam without an improvement of at least this much end it, after the first few.
_PATIENCE, _IMPROVEMENT, _BURN_IN = 10, 1e-4, 15


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Where a minimiser stopped, the value at the start and after each iteration, and whether it ended of itself."""

    vector: FloatArray
    history: FloatArray
    converged: bool


def minimise(
    objective: MapObjective,
    start: FloatArray,
    *,
    optimizer: str,
    max_iter: int,
    learning_rate: float,
    batch_size: int,
    rng: np.random.Generator,
    tick: Callable[[float], Any] | None = None,
) -> Found:
    """Return where the objective is least, as far as ``max_iter`` iterations (of Adam: epochs) come."""
    if optimizer == "lbfgs":
        return _lbfgs(objective, start, max_iter, tick)
    return _adam(objective, start, max_iter, learning_rate, batch_size, rng, tick)


def _lbfgs(
    objective: MapObjective, start: FloatArray, max_iter: int, tick: Callable[[float], Any] | None = None
) -> Found:
    from scipy.optimize import minimize

    history: list[float] = []
    last = [float("nan")]

    def evaluate(vector: FloatArray) -> tuple[float, FloatArray]:
        last[0], gradient = objective(vector)
        if not history:
            history.append(last[0])
        return last[0], gradient

    def note(_: FloatArray) -> None:  # the point that ends a line search is the last one evaluated
        history.append(last[0])
        if tick is not None:
            tick(last[0])

    options: dict[str, Any] = {"maxiter": max_iter, "ftol": _SMALLEST_SHARE, "gtol": _FLAT, "maxfun": 4 * max_iter}
    search: Any = minimize  # its stubs know no callback of arrays
    # a BLAS whose threads wait for the optimiser's next product takes the processors from the objective's own
    with one_blas_thread():
        result = search(evaluate, start, jac=True, method="L-BFGS-B", callback=note, options=options)
    return Found(np.asarray(result.x, dtype=np.float64), np.array(history), bool(result.success))


def _adam(
    objective: MapObjective,
    start: FloatArray,
    n_epochs: int,
    learning_rate: float,
    batch_size: int,
    rng: np.random.Generator,
    tick: Callable[[float], Any] | None = None,
) -> Found:
    """Adam as published (Kingma & Ba 2015), its rate falling linearly to a third; ends where nothing gains."""
    vector, history = start.copy(), [objective(start)[0]]
    mean, square = np.zeros_like(vector), np.zeros_like(vector)
    best, best_epoch, step = history[0], 0, 0
    for epoch in range(1, n_epochs + 1):
        rate = learning_rate * (1.0 - 2.0 / 3.0 * (epoch - 1) / max(1, n_epochs - 1))
        for rows in _batches(len(objective.answers), batch_size, rng):
            step += 1
            gradient = objective.of_batch(vector, rows)[1]
            mean += (1.0 - _MEAN) * (gradient - mean)
            square += (1.0 - _SQUARE) * (gradient**2 - square)
            size = np.sqrt(square / (1.0 - _SQUARE**step)) + _GUARD
            vector -= rate / (1.0 - _MEAN**step) * mean / size
        history.append(objective(vector)[0])
        if tick is not None:
            tick(history[-1])
        if history[-1] < best - _IMPROVEMENT:
            best, best_epoch = history[-1], epoch
        elif epoch >= _BURN_IN and epoch - best_epoch >= _PATIENCE:
            return Found(vector, np.array(history), converged=True)
    return Found(vector, np.array(history), converged=False)


def _batches(n: int, size: int, rng: np.random.Generator) -> list[IntArray]:
    order = rng.permutation(n)
    return [order[start : start + size] for start in range(0, n, size)]
