"""Whether seeds, groups or methods find the same dimensions."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_float_array, check_finite, check_n_items, check_same_labels, shown
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.train.embedding._human_embedding import HumanEmbedding

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Correlations from which on a dimension counts as found again.
THRESHOLDS = (0.6, 0.8, 0.9)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reproducibility(Result):
    """How well each dimension of each embedding is found again in the others.

    Attributes
    ----------
    names : tuple of str, shape (embeddings,)
        What the embeddings are called.
    n_dims : tuple of int, shape (embeddings,)
        Dimensions of each.
    embedding, dimension : ndarray of int, shape (dimensions,)
        Which embedding, and which of its dimensions, a row is about; all embeddings' dimensions one after the other.
    r : ndarray, shape (dimensions,)
        Best match's Pearson correlation, averaged over the other embeddings by Fisher's z.
    similarity : ndarray, shape (embeddings, embeddings)
        Pearson correlation of two embeddings' dot products over pairs of items, which no rotation changes.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((30, 3))
    >>> found = reproducibility([x, x[:, ::-1]])
    >>> found.matched(0.9), found.median_embedding
    ((3, 3), 0)
    """

    names: tuple[str, ...]
    n_dims: tuple[int, ...]
    embedding: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    dimension: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    r: FloatArray
    similarity: FloatArray

    def matched(self, threshold: float = 0.8) -> tuple[int, ...]:
        """Return how many dimensions of each embedding reach a mean best-match correlation."""
        return tuple(int((self.r[self.embedding == e] >= threshold).sum()) for e in range(len(self.names)))

    @property
    def median_embedding(self) -> int:
        """Which embedding has the median number of dimensions; of several, the most reproducible one."""
        middle = np.abs(np.array(self.n_dims) - np.median(self.n_dims))
        means = [float(np.mean(self.r[self.embedding == e])) for e in range(len(self.names))]
        return min(range(len(self.names)), key=lambda e: (middle[e], -means[e]))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per dimension of each embedding: its name, number (from 1) and correlation."""
        import pandas as pd

        names = [self.names[e] for e in self.embedding]
        return pd.DataFrame({"embedding": names, "dimension": self.dimension + 1, "r": self.r})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Reproducibility of a dimension was its largest Pearson correlation with the dimensions of each of the "
            f"other {len(self.names) - 1} embeddings, averaged after Fisher's z-transformation (Hebart et al. 2020, "
            "doi:10.1038/s41562-020-00951-3)."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the correlations against the dimensions' numbers, one line per embedding."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        for e, name in enumerate(self.names):
            mine = self.embedding == e
            ax.plot(self.dimension[mine] + 1, self.r[mine], marker=".", label=name)
        ax.set_xlabel("dimension")
        ax.set_ylabel("best match's r")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        lines = [f"Reproducibility of {len(self.names)} embeddings (best-match r, mean Fisher z)"]
        counts = {threshold: self.matched(threshold) for threshold in THRESHOLDS}
        for e, name in enumerate(self.names):
            parts = ", ".join(f"{counts[t][e]} at r >= {t}" for t in THRESHOLDS)
            lines.append(f"  {name}: {self.n_dims[e]} dimensions; {parts}")
        return "\n".join(lines)


def reproducibility(
    embeddings: Sequence[HumanEmbedding | object], /, *, names: Sequence[str] | None = None
) -> Reproducibility:
    r"""Return how well the dimensions of each embedding are found again in the others.

    For dimension d of an embedding, :math:`r = \tanh \frac{1}{m-1} \sum_e \operatorname{artanh} \max_k r_{dk}`, over
    the other m - 1 embeddings e and their dimensions k, r being Pearson's over items.

    Parameters
    ----------
    embeddings : sequence of HumanEmbedding, or of array_like, each of shape (items, dims)
        At least two, of the same items; those of :class:`HumanEmbedding` are matched by label.
    names : sequence of str, optional
        What they are called; by default their seeds, or numbers.

    Returns
    -------
    Reproducibility

    Raises
    ------
    ValueError
        Fewer than two, or embeddings of different items.
    TypeError
        Anything but a sequence of embeddings.

    Notes
    -----
    A dimension that is the same everywhere has r = 1, whose z is infinite; so is its mean. A dimension without
    variance has no correlation, and r is NaN.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((50, 2))
    >>> reproducibility([x, x + 0.1 * rng.random((50, 2))]).r.round(2)
    array([0.99, 1.  , 0.99, 1.  ])
    """
    tables = _as_tables(embeddings)
    called = _as_names(embeddings, names, len(tables))
    blocks = {
        (a, b): _correlations(tables[a], tables[b]) for a, b in itertools.permutations(range(len(tables)), 2) if a != b
    }
    z = []
    with np.errstate(divide="ignore"):  # an exact copy has r = 1, and stays the best match
        for a in range(len(tables)):
            best = [blocks[a, b].max(axis=1) for b in range(len(tables)) if b != a]
            z.append(np.mean(np.arctanh(best), axis=0))
    sizes = [table.shape[1] for table in tables]
    return Reproducibility(
        called,
        tuple(sizes),
        np.repeat(np.arange(len(tables)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        np.tanh(np.concatenate(z)),
        _similarities(tables),
    )


def _as_tables(embeddings: object) -> list[FloatArray]:
    if isinstance(embeddings, str) or not isinstance(embeddings, Sequence):
        msg = f"embeddings must be a sequence of embeddings; got {shown(embeddings)}."
        raise TypeError(msg)
    if len(embeddings) < 2:
        msg = f"reproducibility needs at least 2 embeddings; got {len(embeddings)}."
        raise ValueError(msg)
    first = next((one for one in embeddings if isinstance(one, HumanEmbedding)), None)
    tables = []
    for number, one in enumerate(embeddings):
        name = f"embeddings[{number}]"
        if isinstance(one, HumanEmbedding) and first is not None:
            check_same_labels("embeddings[0]", first.labels, name, one.labels)
            place = {label: i for i, label in enumerate(one.labels)}
            tables.append(one.values[[place[label] for label in first.labels]])
        else:
            table = as_float_array(name, one, ndim=2)
            check_finite(name, table)
            tables.append(table)
    for number, table in enumerate(tables):
        if len(table) != len(tables[0]) or not table.shape[1]:
            msg = (
                f"embeddings[{number}] has the shape {table.shape}; {len(tables[0])} items with dimensions are needed."
            )
            raise ValueError(msg)
    check_n_items("embeddings", len(tables[0]))
    return tables


def _as_names(embeddings: Sequence[object], names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if names is not None:
        if len(names) != n:
            msg = f"names must name {n} embeddings; got {len(names)}."
            raise ValueError(msg)
        return tuple(str(name) for name in names)
    seeds = [one.settings.get("seed") if isinstance(one, HumanEmbedding) else None for one in embeddings]
    if None not in seeds and len(set(seeds)) == n:
        return tuple(f"seed {seed}" for seed in seeds)
    return tuple(f"embedding {number + 1}" for number in range(n))


def _correlations(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return Pearson correlations of columns, shape (dims of a, dims of b); NaN where one of ``a`` has no variance."""
    unit_a, unit_b = _unit(a), _unit(b)
    with np.errstate(invalid="ignore"):
        r = np.clip(unit_a.T @ unit_b, -1.0, 1.0)
    return np.where(np.isnan(unit_b).any(axis=0), -1.0, r) if not np.isnan(unit_b).all() else r


def _unit(x: FloatArray) -> FloatArray:
    centred = x - x.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / np.linalg.norm(centred, axis=0)


def _similarities(tables: Sequence[FloatArray]) -> FloatArray:
    upper = np.triu_indices(len(tables[0]), k=1)
    return np.atleast_2d(np.corrcoef([(table @ table.T)[upper] for table in tables]))
