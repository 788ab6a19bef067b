"""Clusters of items, as k-means found them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_labels, check_finite, counted, join_names
from alignkit._io import load_npz, save_npz
from alignkit._result import Result
from alignkit._typing import AnyArray, FloatArray, IntArray, PathLike
from alignkit.align._feature_rows import as_feature_rows
from alignkit.align._lloyd import numpy_blocks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_ARRAYS = ("cluster_of", "centres", "labels")
_HEADER = {
    "inertia": float,
    "n_iterations": int,
    "converged": bool,
    "backend": str,
    "seed": int,
    "source": str,
    "fingerprint": str,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Clusters(Result):
    """Which cluster each item is in, and where the clusters' centres lie.

    Attributes
    ----------
    cluster_of : ndarray of int, shape (items,)
        0-based number of each item's cluster (scikit-learn's ``labels_``).
    centres : ndarray, shape (clusters, channels)
        Mean features of each cluster's items.
    labels : tuple of str or None
        Names of the items.
    inertia : float
        Sum of squared distances of all items to their centres.
    n_iterations : int
        Rounds that k-means took; 0 for items that were given to clusters of others.
    converged : bool
        Whether it came to rest before it was stopped.
    backend, seed
        What did the sums, and where the centres started from.
    source : str
        Name of the features.
    fingerprint : str
        Hash of the features' shape and of a thousand of their rows.
    """

    cluster_of: IntArray
    centres: FloatArray
    labels: tuple[str, ...] | None
    inertia: float
    n_iterations: int
    converged: bool
    backend: str
    seed: int
    source: str
    fingerprint: str

    def __post_init__(self) -> None:
        numbers = np.asarray(self.cluster_of, dtype=np.int64)
        centres = np.asarray(self.centres, dtype=np.float64)
        names = None if self.labels is None else as_labels("labels", self.labels)
        fits = (
            numbers.ndim == 1 and numbers.size and centres.ndim == 2 and (names is None or len(names) == len(numbers))
        )
        if not fits or numbers.min() < 0 or numbers.max() >= len(centres):
            msg = (
                f"cluster_of must hold one number below {len(centres)} per item, beside centres of shape (clusters, "
                f"channels); got shapes {numbers.shape} and {centres.shape}."
            )
            raise ValueError(msg)
        for name, value in (("cluster_of", numbers), ("centres", centres), ("labels", names)):
            object.__setattr__(self, name, value)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    @property
    def sizes(self) -> IntArray:
        """Number of items in each cluster."""
        return np.bincount(self.cluster_of, minlength=self.n_clusters)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.cluster_of)

    def __repr__(self) -> str:
        sizes = self.sizes
        rest = "" if self.converged else ", stopped before it came to rest"
        return (
            f"<Clusters of {self.source!r}: {counted(len(self), 'item')} in {counted(self.n_clusters, 'cluster')} of "
            f"{sizes.min():,} to {sizes.max():,} (median {np.median(sizes):,.0f}); inertia {self.inertia:.6g} after "
            f"{counted(self.n_iterations, 'round')}{rest}>"
        )

    def assign(self, features: object, /, *, layer: str | None = None) -> Self:
        """Return other items of the same model, such as validation images, each in the nearest of these clusters.

        Parameters
        ----------
        features : Features, path-like or array_like, shape (items, channels)
            Read a stretch at a time.
        layer : str, optional
            Of features with several.

        Returns
        -------
        Clusters
            Of the same centres, with the other items' names, numbers and inertia, after no rounds.

        Raises
        ------
        ValueError
            Another number of channels than the centres have.
        TypeError
            Something else than numbers.
        """
        rows = as_feature_rows(features, layer=layer)
        if rows.n_channels != self.centres.shape[1]:
            msg = f"features must have {self.centres.shape[1]} channels, as the centres do; got {rows.n_channels}."
            raise ValueError(msg)
        dtype = np.float64 if rows.dtype == np.float64 else np.float32
        shift = self.centres.mean(axis=0)

        def read(start: int, stop: int) -> AnyArray:
            block = rows.read(start, stop).astype(dtype) - shift.astype(dtype)
            check_finite(f"features (rows {start:,} to {stop:,})", block)
            return block

        parts = list(numpy_blocks(rows.n_items, read).assign((self.centres - shift).astype(dtype)))
        return dataclasses.replace(
            self,
            cluster_of=np.concatenate([part.nearest for part in parts]),
            labels=rows.labels,
            inertia=float(sum(part.distances.sum(dtype=np.float64) for part in parts)),
            n_iterations=0,
            source=rows.name,
            fingerprint=rows.fingerprint(),
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per item: its name, or its number, and its cluster."""
        import pandas as pd

        names = range(len(self)) if self.labels is None else self.labels
        return pd.DataFrame({"item": names, "cluster": self.cluster_of})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        if not self.n_iterations:
            return (
                f"Each of the {len(self):,} items of {self.source!r} was given to the nearest of {self.n_clusters:,} "
                "k-means clusters of other items."
            )
        return (
            f"The {len(self):,} items were divided into {self.n_clusters:,} clusters by k-means (Lloyd's algorithm "
            f"from k-means++ centres, seed {self.seed}) on the features {self.source!r}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how many items the clusters have, from the largest to the smallest."""
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.subplots(layout="constrained")[1]
        ax.plot(np.arange(1, self.n_clusters + 1), np.sort(self.sizes)[::-1])
        ax.set(xlabel="cluster, by size", ylabel="items", ylim=(0, None))
        return ax

    def save(self, path: PathLike) -> None:
        """Write the clusters to ``path``, atomically: ``.npz`` or ``.json`` (everything), or ``.csv`` (the table).

        Raises
        ------
        ValueError
            Another suffix.
        """
        if Path(path).suffix.lower() != ".npz":
            if Path(path).suffix.lower() not in (".json", ".csv"):
                msg = f"clusters are saved as .npz, .json or .csv; got {str(path)!r}."
                raise ValueError(msg)
            super(Clusters, self).save(path)
            return
        arrays: dict[str, AnyArray] = {"cluster_of": self.cluster_of.astype(np.int32), "centres": self.centres}
        if self.labels is not None:
            arrays["labels"] = np.array(self.labels)
        save_npz(path, arrays, {"kind": "Clusters", **{name: getattr(self, name) for name in _HEADER}})

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote as ``.npz`` or ``.json``.

        Raises
        ------
        ValueError
            A damaged file, or one of something else.
        """
        if Path(path).suffix.lower() != ".npz":
            return super(Clusters, cls).load(path)
        arrays, header = load_npz(path)
        if header.get("kind") != "Clusters" or not set(arrays) <= set(_ARRAYS):
            msg = f"{path} does not hold clusters: alignkit align clusters makes them; got {join_names(arrays)}."
            raise ValueError(msg)
        try:
            fields: dict[str, Any] = {name: kind(header[name]) for name, kind in _HEADER.items()}
            names = arrays["labels"].tolist() if "labels" in arrays else None
            return cls(cluster_of=arrays["cluster_of"], centres=arrays["centres"], labels=names, **fields)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path} does not hold clusters of this version of alignkit ({error})."
            raise ValueError(msg) from error
