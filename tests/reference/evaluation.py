"""Evaluations of models by plain loops over subjects, models, sign patterns, permutations and resamples."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import stats

from alignkit.rsa import Evaluation, evaluate


def lab(
    rng: np.random.Generator, n_subjects: int = 7, n_items: int = 9, n_models: int = 3, noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return RDMs of models, each worse than the one before, and of subjects."""
    truth = rng.random(n_items * (n_items - 1) // 2)
    models = truth + noise * np.arange(1, n_models + 1)[:, None] * rng.random((n_models, truth.size))
    return models, truth + noise * rng.random((n_subjects, truth.size))


def few(models: object, data: object, **options: object) -> Evaluation:
    """Return an evaluation with few resamples and permutations."""
    return evaluate(models, data, **{"n_bootstrap": 60, "n_permutations": 60, "rng": 0, **options})


def similarity(x: np.ndarray, y: np.ndarray, method: str) -> float:
    """Return one similarity of two condensed RDMs; pairs that are NaN in either are left out."""
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[known], y[known]
    if method == "spearman":
        return float(stats.spearmanr(x, y).statistic)
    if method == "pearson":
        return float(stats.pearsonr(x, y).statistic)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def scores(models: np.ndarray, data: np.ndarray, method: str) -> np.ndarray:
    """Return similarities, shape (model, subject)."""
    return np.array([[similarity(model, subject, method) for subject in data] for model in models])


def student(x: np.ndarray) -> np.ndarray:
    """Return t over the first axis; a spread of rounding alone is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return x.mean(axis=0) / (x.std(axis=0, ddof=1) / np.sqrt(len(x)))


def flip_test(x: np.ndarray, tail: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (p, family-wise p) of the means of ``x``, shape (subject, tests), over all sign patterns."""

    def extreme(t: np.ndarray) -> np.ndarray:
        return {"greater": t, "less": -t, "two-sided": np.abs(t)}[tail]

    observed = extreme(student(x))
    null = np.array([extreme(student(x * np.array(s)[:, None])) for s in itertools.product((1, -1), repeat=len(x))])
    slack = 1e-9 * np.abs(observed)
    p = (null >= observed - slack).mean(axis=0)
    corrected = (null.max(axis=1)[:, None] >= observed - slack).mean(axis=0)
    return p, corrected


def mantel(models: np.ndarray, data: np.ndarray, n_items: int, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (p, family-wise p), one-sided, of mean similarities over all permutations of the models' items."""
    rows, columns = np.triu_indices(n_items, k=1)
    squares = np.zeros((len(models), n_items, n_items))
    squares[:, rows, columns] = squares[:, columns, rows] = models
    null = []
    for order in itertools.permutations(range(n_items)):
        moved = squares[:, order][:, :, order][:, rows, columns]
        null.append(scores(moved, data, method).mean(axis=1))
    values = np.array(null)
    observed = values[0]
    p = (values >= observed - 1e-12).mean(axis=0)
    spread = values.std(axis=0)
    largest = (values / spread).max(axis=1)
    return p, np.array([(largest >= z - 1e-9).mean() for z in observed / spread])


def ceiling(data: np.ndarray, subjects: np.ndarray, method: str) -> tuple[float, float]:
    """Return (lower, upper) of subjects, each once; the mean weighs them by ``subjects``, how often each was drawn."""
    scaled = np.array([_scaled(row, method) for row in data])
    drawn = np.flatnonzero(subjects)
    lower, upper = [], []
    for s in drawn:
        others = subjects.copy()
        others[s] = 0
        lower.append(similarity(others @ scaled, data[s], method) if others.any() else np.nan)
        upper.append(similarity(subjects @ scaled, data[s], method))
    return float(np.mean(lower)), float(np.mean(upper))


def _scaled(row: np.ndarray, method: str) -> np.ndarray:
    if method == "spearman":
        return stats.rankdata(row)
    if method == "pearson":
        return stats.zscore(row)
    return row / np.sqrt(np.mean(row**2))


def item_copies(items: np.ndarray, n_items: int) -> np.ndarray:
    """Return positions of the pairs of a resample of items, without pairs of copies."""
    rows, columns = np.triu_indices(n_items, k=1)
    position = np.zeros((n_items, n_items), dtype=int)
    position[rows, columns] = position[columns, rows] = np.arange(len(rows))
    drawn = np.repeat(np.arange(n_items), items)
    return np.array([position[i, j] for i, j in itertools.combinations(drawn, 2) if i != j])
