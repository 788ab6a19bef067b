"""Who could have been in which of two groups: all divisions of subjects, or random ones."""

from __future__ import annotations

import itertools
import math

import numpy as np

from alignkit._typing import BoolArray


def divisions(n_first: int, n_second: int, most: int, rng: np.random.Generator) -> tuple[BoolArray, bool]:
    """Return who is in the first group in each division, shape (m, subjects), and whether that is all of them.

    The subjects of the first group come first. All divisions, the observed one as the first, where they are no more
    than ``most``; else ``most`` random ones.
    """
    n = n_first + n_second
    exact = math.comb(n, n_first) <= most
    if exact:
        members = np.array(list(itertools.combinations(range(n), n_first)))
    else:
        members = np.stack([rng.permutation(n)[:n_first] for _ in range(most)])
    marked = np.zeros((len(members), n), dtype=bool)
    np.put_along_axis(marked, members, True, axis=1)
    return marked, exact


def smallest_p(n_first: int, n_second: int, n_divisions: int, *, exact: bool, symmetric: bool) -> float:
    """Return the smallest p-value that these divisions allow.

    ``symmetric`` statistics are the same when two groups of equal size change places.
    """
    if not exact:
        return 1 / (n_divisions + 1)
    return (2 if symmetric and n_first == n_second else 1) / n_divisions
