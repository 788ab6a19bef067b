"""Plain definitions of the similarity of features, in loops or by another road than the package's."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
from scipy import linalg

Matrix = np.ndarray


def centred(x: Matrix) -> Matrix:
    return np.array([[value - math.fsum(x[:, j]) / len(x) for j, value in enumerate(row)] for row in x])


# ---- kernels ---------------------------------------------------------------------------------------------------------


def linear_kernel(x: Matrix) -> Matrix:
    return np.array([[math.fsum(a * b for a, b in zip(row, other, strict=True)) for other in x] for row in x])


def rbf_kernel(x: Matrix, bandwidth: float = 1.0) -> Matrix:
    squared = np.array([[math.dist(row, other) ** 2 for other in x] for row in x])
    ordered = sorted(squared.ravel())
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return np.exp(-squared / (2 * bandwidth**2 * middle))


def biased_hsic(k: Matrix, l: Matrix) -> float:  # noqa: E741
    n = len(k)
    h = np.eye(n) - 1 / n
    return float(np.trace(k @ h @ l @ h))


def song_hsic(k: Matrix, l: Matrix) -> float:  # noqa: E741
    """Closed form on matrices without their diagonals."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    middle = k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(axis=0) @ l.sum(axis=0)) / (n - 2)
    return float(((k * l).sum() + middle) / (n * (n - 3)))


def u_statistic_hsic(k: Matrix, l: Matrix) -> float:  # noqa: E741
    """The mean over all ordered choices of four different items: what unbiased means."""
    terms = [
        k[i, j] * l[i, j] + k[i, j] * l[q, r] - 2 * k[i, j] * l[i, q] for i, j, q, r in permutations(range(len(k)), 4)
    ]
    return math.fsum(terms) / len(terms)


def cka(x: Matrix, y: Matrix, *, kernel: str = "linear", debiased: bool = True, bandwidth: float = 1.0) -> float:
    k, l = (linear_kernel(z) if kernel == "linear" else rbf_kernel(z, bandwidth) for z in (x, y))  # noqa: E741
    hsic = song_hsic if debiased else biased_hsic
    return hsic(k, l) / math.sqrt(hsic(k, k) * hsic(l, l))


# ---- rotations -------------------------------------------------------------------------------------------------------


def padded(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    width = max(x.shape[1], y.shape[1])
    first, second = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    return first, second


def partly_whitened(x: Matrix, alpha: float) -> Matrix:
    """Mix of centred features and their whitened version, with the variance of the features."""
    x = x - x.mean(axis=0)
    if alpha == 1:
        return x
    variances, axes = np.linalg.eigh(x.T @ x)
    seen = variances > 1e-9 * variances.max()
    whitened = x @ axes[:, seen] @ np.diag(variances[seen] ** -0.5) @ axes[:, seen].T
    mixed = alpha * x + (1 - alpha) * whitened
    return mixed * np.linalg.norm(x) / np.linalg.norm(mixed)


def shape(x: Matrix, y: Matrix, *, score: str = "nbs", alpha: float = 1.0) -> float:
    """Rotate one set of features onto the other, then measure what is left."""
    a, b = padded(partly_whitened(x, alpha), partly_whitened(y, alpha))
    rotation, _ = linalg.orthogonal_procrustes(a, b)
    if score == "euclidean":
        return float(np.linalg.norm(a @ rotation - b))
    cosine = float(np.sum((a @ rotation) * b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    return cosine if score == "nbs" else math.acos(min(cosine, 1.0))


# ---- canonical correlations ------------------------------------------------------------------------------------------


def canonical(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    """Return canonical correlations and the variates of x, for full rank: a generalised eigenvalue problem."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    p, q = x.shape[1], y.shape[1]
    between = np.zeros((p + q, p + q))
    between[:p, p:] = x.T @ y
    between[p:, :p] = y.T @ x
    within = linalg.block_diag(x.T @ x, y.T @ y)
    values, vectors = linalg.eigh(between, within)
    largest = np.argsort(values)[::-1][: min(p, q)]
    variates = x @ vectors[:p, largest]
    return values[largest], variates / np.linalg.norm(variates, axis=0)


def mean_cca(x: Matrix, y: Matrix, *, squared: bool = False) -> float:
    correlations, _ = canonical(x, y)
    return float(np.mean(correlations**2 if squared else correlations))


def leading(x: Matrix, variance: float) -> Matrix:
    """Principal components that hold a share of the variance."""
    x = x - x.mean(axis=0)
    values, axes = np.linalg.eigh(x.T @ x)
    values, axes = values[::-1], axes[:, ::-1]
    for n_kept in range(1, len(values) + 1):
        if values[:n_kept].sum() >= variance * values.sum():
            break
    return x @ axes[:, :n_kept]


def pwcca(x: Matrix, y: Matrix) -> float:
    if x.shape[1] > y.shape[1]:
        x, y = y, x
    correlations, variates = canonical(x, y)
    x = x - x.mean(axis=0)
    weights = [sum(abs(float(h @ channel)) for channel in x.T) for h in variates.T]
    return float(np.average(correlations, weights=weights))


# ---- neighbours ------------------------------------------------------------------------------------------------------


def neighbours(x: Matrix, k: int) -> list[set[int]]:
    def cosine(a: Matrix, b: Matrix) -> float:
        return round(float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)), 11)

    return [
        set(sorted((j for j in range(len(x)) if j != i), key=lambda j: (-cosine(x[i], x[j]), j))[:k])
        for i in range(len(x))
    ]


def mutual_knn(x: Matrix, y: Matrix, *, n_neighbours: int = 10) -> float:
    both = zip(neighbours(x, n_neighbours), neighbours(y, n_neighbours), strict=True)
    return sum(len(a & b) for a, b in both) / (len(x) * n_neighbours)
