"""Likert ratings of similarity in the layouts of their publication: a matrix, or ratings by pair."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import shown
from alignkit._io import check_file, load_mat
from alignkit._plain_pickle import read_plain_pickle
from alignkit._typing import FloatArray

#: The categories that were rated, each a folder.
CATEGORIES = ("animals", "automobiles", "fruits", "furniture", "various", "vegetables")
#: The rating of what is the same.
_MOST = 10.0
_RATINGS = 5_000_000


def read_likert(folder: Path) -> FloatArray:
    """Return 10 minus the mean rating of each pair, shape (items, items), from a category's folder.

    Raises
    ------
    FileNotFoundError
        Neither a ``.mat`` nor a ``.pickle`` of similarities is there.
    ValueError
        A damaged file or another layout.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    matrices = [path for path in files if path.suffix.lower() == ".mat" and "sim" in path.name.lower()]
    ratings = [path for path in files if path.suffix.lower() in (".pickle", ".pkl")]
    if not matrices and not ratings:
        msg = f"{folder} holds no similarities: a .mat with sim in its name, or ratings by pair in a .pickle."
        raise FileNotFoundError(msg)
    return _from_matrix(matrices[0]) if matrices else _from_ratings(ratings[0])


def _from_matrix(path: Path) -> FloatArray:
    content = {name: value for name, value in load_mat(path).items() if "sim" in name.lower()}
    square = next((value for value in content.values() if _is_square(value)), None)
    if square is None:
        msg = f"{path} holds no square matrix under a name with sim in it; it is another file."
        raise ValueError(msg)
    return _dissimilarities(path, square.astype(np.float64))


def _is_square(value: Any) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim != 2:
        return False
    return value.shape[0] == value.shape[1] >= 3 and value.dtype.kind in "fiu"


def _from_ratings(path: Path) -> FloatArray:
    """Return the means of ratings that are kept as ``"1.png,2.png" -> [4, 5, ...]``, items counted from 1."""
    with open(check_file(path), "rb") as file:
        try:
            content = read_plain_pickle(file, most=_RATINGS)
        except ValueError as error:
            msg = f"{path} cannot be read as a pickle of plain values: {error}."
            raise ValueError(msg) from error
    if not isinstance(content, dict) or not content:
        msg = f"{path} must map pairs of pictures to ratings; it holds {shown(content, 60)}."
        raise ValueError(msg)
    pairs = {key: _pair(path, key) for key in content}
    n = max(max(pair) for pair in pairs.values()) + 1
    if n > 10_000:
        msg = f"{path} numbers pictures up to {n:,}; it is another file."
        raise ValueError(msg)
    total, count = np.zeros((n, n)), np.zeros((n, n))
    for key, (i, j) in pairs.items():
        values = np.asarray(content[key], dtype=object).ravel()
        if not values.size or not all(isinstance(value, int | float) for value in values.tolist()):
            msg = f"{path}: the ratings of {shown(key)} are no numbers."
            raise ValueError(msg)
        total[i, j] += float(np.sum(values.astype(np.float64)))
        count[i, j] += values.size
    total, count = total + total.T, count + count.T
    with np.errstate(invalid="ignore"):
        return _dissimilarities(path, np.where(count > 0, total / count, np.nan))


def _pair(path: Path, key: Any) -> tuple[int, int]:
    numbers = [re.search(r"\d+", part) for part in str(key).split(",")]
    if len(numbers) != 2 or not all(numbers):
        msg = f"{path}: {shown(key)} names no pair of pictures (1.png,2.png)."
        raise ValueError(msg)
    i, j = (int(found[0]) - 1 for found in numbers if found)
    if i == j or min(i, j) < 0:
        msg = f"{path}: {shown(key)} is no pair of two pictures that are counted from 1."
        raise ValueError(msg)
    return i, j


def _dissimilarities(path: Path, similarity: FloatArray) -> FloatArray:
    off = ~np.eye(len(similarity), dtype=bool)
    known = similarity[off]
    known = known[np.isfinite(known)]
    if not known.size or known.min() < 0 or known.max() > _MOST + 1e-6:
        msg = f"{path} holds values outside 0 to {_MOST:g}; mean Likert ratings are expected."
        raise ValueError(msg)
    if not np.allclose(similarity[off], similarity.T[off], equal_nan=True):
        msg = f"{path} holds a matrix that is not symmetric; mean ratings of pairs are expected."
        raise ValueError(msg)
    result = _MOST - similarity
    np.fill_diagonal(result, 0.0)
    return result
