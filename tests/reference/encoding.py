"""Ridge regression with a nested choice of the penalty, channel by channel, by scikit-learn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge


def predicted(x: np.ndarray, y: np.ndarray, other: np.ndarray, penalty: float) -> np.ndarray:
    """Fit one channel, with the penalty in units of the features' mean squared length; return predictions."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / spread
    alpha = penalty * np.square(z).sum(axis=0).mean()
    return np.asarray(Ridge(alpha=alpha).fit(z, y).predict((other - mean) / spread))


def fixed_scale_error(z: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, alpha: float) -> float:
    model = Ridge(alpha=alpha).fit(z[train], y[train])
    return float(np.square(y[test] - model.predict(z[test])).mean())


def best_penalty(
    x: np.ndarray, y: np.ndarray, splits: list[tuple[np.ndarray, np.ndarray]], penalties: list[float]
) -> float:
    """Return the penalty with the smallest mean squared error over splits, of features scaled once."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    size = np.square(z).sum(axis=0).mean()
    errors = [np.mean([fixed_scale_error(z, y, *split, penalty * size) for split in splits]) for penalty in penalties]
    return penalties[int(np.argmin(errors))]


def reliability(repeats: np.ndarray) -> float:
    """Return the Spearman-Brown corrected mean correlation of all equal halves of one channel's repeats."""
    n = len(repeats)
    values = []
    for half in combinations(range(n), n // 2):
        rest = [k for k in range(n) if k not in half]
        values.append(pearsonr(repeats[list(half)].mean(axis=0), repeats[rest].mean(axis=0)).statistic)
    r = np.mean(values)
    return float(2 * r / (1 + r))
