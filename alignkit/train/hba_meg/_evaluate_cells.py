"""Models of M/EEG, and baselines, against people's RDMs over time, on what they were trained on and on what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._check import as_float_array, as_labels, check_count, shown
from alignkit._typing import FloatArray
from alignkit.rsa._similarity_matrix import Kernel
from alignkit.score._steps import Steps
from alignkit.train.hba_meg._behaviour import Embedder, behaviour_curves
from alignkit.train.hba_meg._cells import MAX_ITEMS, cells_of
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._score_cell import Notes, Numbers, Predictor, score_cell
from alignkit.train.hba_meg._scores import HBAMEGScores

Weights = tuple[FloatArray, Sequence[str]]


def evaluate_cells(
    data: HBAMEGData,
    models: Mapping[str, Predictor],
    /,
    *,
    embedders: Mapping[str, Embedder] | None = None,
    kernels: Mapping[str, Kernel] | None = None,
    weights: Weights | None = None,
    factors: Weights | None = None,
    window_s: tuple[float, float] | None = None,
    n_bootstrap: int = 1000,
    n_permutations: int = 10_000,
    max_items: int = MAX_ITEMS,
    seed: int = 0,
    progress: bool = False,
) -> HBAMEGScores:
    """Score models in every cell of {trained, validation, held-out} items and {trained, held-out} people.

    Every model is compared with each person's RDMs at each time (Spearman's correlation) and averaged over people, so
    that it stands beside the noise ceiling; models that unfold over time are followed at their own time. Where there
    are RDMs of other sessions, scores are on these.

    Parameters
    ----------
    data : HBAMEGData
        Items, people, their splits and RDMs.
    models : mapping of str to Predictor
        What gives a model's RDM of items, by the rows that they have in the data: labelled, over ``("time",)`` with the
        data's times, or without axes for models that do not unfold over time. The first one's differences to the others
        are told first.
    embedders : mapping of str to Embedder, optional
        What gives a model's embedding of items, shape (items, times, dimensions) or (items, channels), by the rows that
        they have in the data: for odd-one-out answers.
    kernels : mapping of str to {"dot", "cosine", "euclidean"}, optional
        Similarity of embedded items, by model; by default dot products of embeddings over time and cosines of others.
    weights : (ndarray, shape (times, layers), sequence of str), optional
        How much each layer counts at each time, with the layers' names: kept for the figure.
    factors : (ndarray, shape (times, dimensions), sequence of str), optional
        How much each dimension counts at each time, with the dimensions' names: kept for the figure.
    window_s : tuple of float, optional
        First and last second of the stretch that scores are means over; by default all from 0 on.
    n_bootstrap : int
        Resamples for every interval.
    n_permutations : int
        Sign flips for every test, at most.
    max_items : int
        Most items of each side of the split that are scored; of more, so many are drawn, which a note says.
    seed : int
        Of all random draws.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    HBAMEGScores

    Raises
    ------
    ValueError
        No models, a window that holds no sample, or models with other items or times than the data.
    """
    _check(models, window_s)
    check_count("n_bootstrap", n_bootstrap)
    check_count("n_permutations", n_permutations, 1)
    check_count("max_items", max_items, 4)
    check_count("seed", seed)
    matrix, layers = _as_weights("weights", weights, len(data.times))
    factor, dimensions = _as_weights("factors", factors, len(data.times))
    numbers = Numbers(window_s, n_bootstrap, n_permutations, seed)
    notes = Notes()
    cells, known = cells_of(data, seed=seed, most=max_items)
    scored = []
    with Steps(progress) as steps:
        steps.expect(len(cells) + 1)
        for cell in cells:
            scored.append(score_cell(data, cell, models, numbers, notes))
            steps.done(cell.name)
        behaviour = tuple(behaviour_curves(data, models, embedders or {}, kernels or {}, window_s, notes))
        steps.done("behaviour")
    return HBAMEGScores(
        dataset=data.name,
        cells=tuple(one for one in scored if one is not None),
        behaviour=behaviour,
        times=np.array(data.times, dtype=np.float64),
        weights=matrix,
        layers=layers,
        n_permutations=n_permutations,
        seed=seed,
        notes=(*data.notes, *known, *notes),
        factors=factor,
        dimensions=dimensions,
    )


def _check(models: Mapping[str, Predictor], window_s: tuple[float, float] | None) -> None:
    if not models:
        msg = "models is empty; give at least one model."
        raise ValueError(msg)
    if window_s is None:
        return
    numbers = [float(one) for one in window_s]
    if len(numbers) != 2 or not np.isfinite(numbers).all() or not numbers[0] <= numbers[1]:
        msg = f"window_s must give the first and the last second, in this order; got {shown(window_s)}."
        raise ValueError(msg)


def _as_weights(name: str, weights: Weights | None, n_times: int) -> tuple[FloatArray | None, tuple[str, ...]]:
    if weights is None:
        return None, ()
    matrix = as_float_array(name, weights[0], ndim=2)
    if len(matrix) != n_times:
        msg = f"{name} must have a row per time, {n_times:,}; got shape {matrix.shape}."
        raise ValueError(msg)
    return matrix, as_labels("the layers" if name == "weights" else "the dimensions", weights[1], matrix.shape[1])
