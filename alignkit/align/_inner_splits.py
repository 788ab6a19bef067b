"""Penalty and temperature from items that took no part in a fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._random import spawn
from alignkit._typing import FloatArray, IntArray
from alignkit.align._map_objective import Answers, MapObjective, transformed
from alignkit.align._too_few_answers import TooFewAnswersError
from alignkit.rsa._choice_probabilities import log_softmax
from alignkit.rsa._kernels._triplets_numpy import gather_rows
from alignkit.rsa._temperature import answer_costs, best_temperature

#: Penalties that are tried, strongest first; the first that is worse than the one before ends the search.
_PENALTIES = {"naive": 0.5 ** np.arange(1, 16), "global": 0.5 ** np.arange(-3, 15)}
#: Fewer held-out triplets say nothing about a temperature.
_FEWEST = 30
#: The 95 % point of χ² with one degree of freedom: likelihood ratios that chance reaches.
_NO_BETTER = 3.841
#: Temperatures searched for soft targets: as a factor either way.
_REACH = 1e3

Draw = Callable[[IntArray, int, np.random.Generator], Answers]


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Triplets of one part of the items, to fit to, and those of the others."""

    inner: Answers
    held_out: Answers
    share: float
    """Of the items that are fitted to."""


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """A penalty and its temperature, and what else was tried."""

    penalty: float
    temperature: float
    penalties: FloatArray
    cross_entropy: FloatArray
    n_held_out: int


def make_splits(
    answers: Answers,
    n_items: int,
    *,
    n_splits: int,
    held_out: float,
    n_drawn: int,
    draw: Draw | None,
    rng: np.random.Generator,
) -> list[Split]:
    """Return splits of the items at random; triplets that mix both parts are in neither.

    Parameters
    ----------
    answers : Answers
        Judged triplets; none where all are drawn.
    n_items : int
        Number of items.
    n_splits : int
        How many.
    held_out : float
        Share of the items held out.
    n_drawn : int
        Triplets to draw for each part where ``draw`` is given.
    draw : callable, optional
        Returns soft triplets among the items of the given rows, to fit to in place of the answers.
    rng : Generator
        Draws the splits.

    Returns
    -------
    list of Split

    Raises
    ------
    TooFewAnswersError
        Too few triplets of held-out items.
    """
    splits = []
    for own in spawn(rng, n_splits):
        order = own.permutation(n_items)
        n_out = min(n_items - 3, max(3, round(held_out * n_items)))
        out = np.zeros(n_items, dtype=bool)
        out[order[:n_out]] = True
        within, beyond = (np.all(mask[answers.items], axis=1) for mask in (~out, out))
        inner, held = answers.take(within), answers.take(beyond)
        if draw is not None:
            inner = draw(np.flatnonzero(~out), n_drawn, own)
            held = held if len(answers) else draw(np.flatnonzero(out), min(n_drawn, 20_000), own)
        splits.append(Split(inner, held, 1.0 - n_out / n_items))
    n_held = sum(len(split.held_out) for split in splits)
    if n_held < _FEWEST or any(len(split.inner) == 0 for split in splits):
        msg = (
            f"only {n_held} triplets lie among the {held_out:.0%} of the items that {n_splits} inner splits hold out, "
            f"and {_FEWEST} are needed to choose a penalty or a temperature; give penalty=, and calibrate=False."
        )
        raise TooFewAnswersError(msg)
    return splits


def choose(
    x: Any,
    splits: Sequence[Split],
    fit: Callable[[Answers, float, FloatArray | None], tuple[MapObjective, FloatArray]],
    *,
    regulariser: str,
    penalty: float | None,
    tick: Callable[[int], Any] | None = None,
) -> Chosen:
    """Return the penalty of least cross-entropy on held-out items, and the temperature there.

    Parameters
    ----------
    x : ndarray or Tensor, shape (items, channels)
        Standardised features.
    splits : sequence of Split
        As :func:`make_splits` makes them.
    fit : callable
        Fits to answers with a penalty, from a vector or from the start; returns the objective and the vector.
    regulariser : str
        Says which penalties are tried.
    penalty : float or None
        None: a choice is made.
    tick : callable, optional
        Called with the number of fits done.

    Returns
    -------
    Chosen
    """
    grid = _PENALTIES["naive" if regulariser == "naive" else "global"] if penalty is None else np.array([penalty])
    starts: list[FloatArray | None] = [None] * len(splits)
    tried: list[tuple[float, float]] = []  # cross-entropy and temperature
    for weight in grid:
        logits = []
        for k, split in enumerate(splits):
            # with fewer items as much is to be held down by less
            objective, starts[k] = fit(split.inner, weight / split.share, starts[k])
            logits.append(_held_out_logits(x, objective, starts[k], split.held_out))
            if tick is not None:
                tick(len(tried) * len(splits) + k + 1)
        tried.append(_best(np.concatenate(logits, axis=1), _targets(splits)))
        if len(tried) > 1 and tried[-1][0] > tried[-2][0]:
            break
    costs = np.array([cost for cost, _ in tried])
    best = int(costs.argmin())
    n_held = sum(len(split.held_out) for split in splits)
    temperature = tried[best][1]
    if 2.0 * n_held * (np.log(3.0) - costs[best]) < _NO_BETTER:
        # fits that found nothing may have shrunk to nothing, each to its own: no temperature of theirs is to make
        # certainties of what is left in the last one
        temperature = max(1.0, temperature)
    return Chosen(float(grid[best]), temperature, grid[: len(costs)].astype(np.float64), costs, n_held)


def _held_out_logits(x: Any, objective: MapObjective, vector: FloatArray | None, held_out: Answers) -> FloatArray:
    assert vector is not None
    rows, items = np.unique(held_out.items, return_inverse=True)
    if not len(rows):
        return np.empty((3, 0))
    y = transformed(x[rows], *objective.parts(vector))
    array = y.cpu().numpy() if is_tensor(y) else y
    return gather_rows(array.astype(np.float64), items.reshape(held_out.items.shape), "dot")


def _targets(splits: Sequence[Split]) -> FloatArray | None:
    found = [split.held_out.probabilities for split in splits]
    return None if any(p is None for p in found) else np.concatenate([p for p in found if p is not None]).T


def _best(logits: FloatArray, wanted: FloatArray | None) -> tuple[float, float]:
    """Return the least mean cross-entropy over temperatures, and the temperature."""
    if wanted is None:
        temperature = best_temperature(logits)[0]
        return float(answer_costs(logits, temperature).mean()), temperature
    from scipy.optimize import minimize_scalar

    scale = float(logits.std()) or 1.0

    def cost(log_temperature: float) -> float:
        return -float((wanted * log_softmax(logits / (scale * np.exp(log_temperature)))).sum(axis=0).mean())

    reach = float(np.log(_REACH))
    found = minimize_scalar(cost, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-7})
    return float(found.fun), float(scale * np.exp(found.x))
