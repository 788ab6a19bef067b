"""Plain-loop definitions of dissimilarities, rank correlations and noise ceilings: slow, exact where they can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

Vector = Sequence[float]


# ---- dissimilarities of two rows -------------------------------------------------------------------------------------


def exact_squared_distance(a: Vector, b: Vector) -> Fraction:
    return sum(((Fraction(float(x)) - Fraction(float(y))) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))


def euclidean(a: Vector, b: Vector) -> float:
    # math.hypot neither overflows nor underflows
    return math.hypot(*(float(x) - float(y) for x, y in zip(a, b, strict=True)))


def sqeuclidean(a: Vector, b: Vector) -> float:
    return float(exact_squared_distance(a, b))


def cosine_of(a: Vector, b: Vector) -> float:
    """Exact but for the last square root."""
    x, y = [Fraction(float(v)) for v in a], [Fraction(float(v)) for v in b]
    return _ratio(x, y)


def pearson(a: Vector, b: Vector) -> float:
    """Exact but for the last square root; NaN for a constant side."""
    x, y = [Fraction(float(v)) for v in a], [Fraction(float(v)) for v in b]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return _ratio([v - mean_x for v in x], [v - mean_y for v in y])


def _ratio(x: list[Fraction], y: list[Fraction]) -> float:
    xy = sum((u * v for u, v in zip(x, y, strict=True)), Fraction(0))
    xx, yy = sum(u * u for u in x), sum(v * v for v in y)
    if xx == 0 or yy == 0:
        return math.nan
    # the square of r is a fraction: only its root is rounded
    return math.copysign(math.sqrt(xy * xy / (xx * yy)), xy)


def pairwise(rows: np.ndarray, dissimilarity: Callable[[Vector, Vector], float]) -> np.ndarray:
    """Return the condensed dissimilarities of rows, shape (items, channels)."""
    return np.array([dissimilarity(rows[i], rows[j]) for i, j in combinations(range(len(rows)), 2)])


def correlation_distance(a: Vector, b: Vector) -> float:
    return 1 - pearson(a, b)


def cosine_distance(a: Vector, b: Vector) -> float:
    return 1 - cosine_of(a, b)


def crossnobis(
    x: np.ndarray, labels: Sequence[str], folds: Sequence[object], precision: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean over folds of (training difference)' P (test difference) / channels, condensed."""
    names, fold_names = list(dict.fromkeys(labels)), list(dict.fromkeys(folds))
    precision = np.eye(x.shape[1]) if precision is None else precision

    def mean_of(name: str, wanted: Callable[[object], bool]) -> np.ndarray:
        return np.mean([row for row, label, f in zip(x, labels, folds, strict=True) if label == name and wanted(f)], 0)

    result = []
    for a, b in combinations(names, 2):
        products = []
        for fold in fold_names:
            train = mean_of(a, lambda f, fold=fold: f != fold) - mean_of(b, lambda f, fold=fold: f != fold)
            test = mean_of(a, lambda f, fold=fold: f == fold) - mean_of(b, lambda f, fold=fold: f == fold)
            products.append(train @ precision @ test / x.shape[1])
        result.append(np.mean(products))
    return np.array(result)


# ---- comparisons of two RDM vectors ----------------------------------------------------------------------------------


def ranks(values: Vector) -> list[Fraction]:
    """Return ranks from 1; ties share their mean."""
    return [
        Fraction(sum(other < value for other in values)) + Fraction(sum(other == value for other in values) + 1, 2)
        for value in values
    ]


def spearman(a: Vector, b: Vector) -> float:
    return pearson(ranks(a), ranks(b))


def rho_a(a: Vector, b: Vector) -> Fraction:
    n, ra, rb = len(a), ranks(a), ranks(b)
    middle = Fraction(n + 1, 2)
    return 12 * sum((x - middle) * (y - middle) for x, y in zip(ra, rb, strict=True)) / (n**3 - n)


def balance(a: Vector, b: Vector) -> int:
    """Return concordant minus discordant pairs."""
    total = 0
    for i, j in combinations(range(len(a)), 2):
        total += _sign(a[i], a[j]) * _sign(b[i], b[j])
    return total


def _sign(x: float, y: float) -> int:
    return int(x > y) - int(x < y)


def tau_a(a: Vector, b: Vector) -> Fraction:
    return Fraction(balance(a, b), len(a) * (len(a) - 1) // 2)


def tau_b(a: Vector, b: Vector) -> float:
    untied_a = sum(a[i] != a[j] for i, j in combinations(range(len(a)), 2))
    untied_b = sum(b[i] != b[j] for i, j in combinations(range(len(b)), 2))
    if untied_a == 0 or untied_b == 0:
        return math.nan
    return balance(a, b) / math.sqrt(untied_a * untied_b)


METHODS: dict[str, Callable[[Vector, Vector], float]] = {
    "spearman": spearman,
    "pearson": pearson,
    "cosine": cosine_of,
    "rho-a": lambda a, b: float(rho_a(a, b)),
    "kendall-tau-a": lambda a, b: float(tau_a(a, b)),
    "kendall-tau-b": tau_b,
}


# ---- noise ceilings --------------------------------------------------------------------------------------------------


def pool(rows: Sequence[Vector], method: str, pooling: str) -> list[float]:
    """Return the mean RDM of rows, on the scale of the method or raw; rank sums stay exact."""
    if pooling == "raw":
        scaled: list[list[object]] = [list(row) for row in rows]
    elif method == "pearson":
        scaled = [list((np.array(row) - np.mean(row)) / np.std(row)) for row in rows]
    elif method == "cosine":
        scaled = [list(np.array(row) / np.sqrt(np.mean(np.square(row)))) for row in rows]
    else:
        scaled = [list(ranks(row)) for row in rows]
    return [sum(column) / len(rows) for column in zip(*scaled, strict=True)]


def noise_ceiling(rows: Sequence[Vector], method: str, pooling: str = "rank") -> tuple[list[float], list[float]]:
    """Return each subject's similarity to the mean of the others, and to the mean of all."""
    similarity = METHODS[method]
    everyone = pool(rows, method, pooling)
    upper = [similarity(everyone, row) for row in rows]
    lower = [
        similarity(pool([other for j, other in enumerate(rows) if j != i], method, pooling), row)
        for i, row in enumerate(rows)
    ]
    return lower, upper
