"""RDMs over time on disk: written slice by slice, continued after a kill, read without loading the whole."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, check_count, check_n_items, check_number, shown
from alignkit._io import MAX_BYTES
from alignkit._lock import FolderLock
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray, PathLike
from alignkit.meg._rdm_store_files import StoreFiles, create_files, open_files
from alignkit.rsa import RDM
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import condensed_rdm
from alignkit.rsa._counts import as_counts, dtype_of_counts, from_counts

#: Seconds: times are sums of steps, and not what is written for them.
_TINY = 1e-9


class RDMStore:
    """RDMs of one participant over time, in a Zarr folder that is written and read a stretch of time at a time.

    A movie of 1,854 items and 281 samples takes 1.9 GB in float32, and less than 0.5 GB as counts of right decisions,
    in place of 7.7 GB of squares. Slices count as done once they are on disk, so that a computation that was killed
    continues where it was; while one process writes, others are refused. A finished folder is what
    :meth:`alignkit.rsa.RDM.save` writes, and :meth:`alignkit.rsa.RDM.load` reads it.

    Stores are made by :meth:`create` and :meth:`open`.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp() + "/p1.zarr"
    >>> kwargs = {"labels": ["cat", "dog", "car"], "times": [0.0, 0.1], "metric": "decoding", "n_decisions": 24}
    >>> with RDMStore.create(folder, **kwargs) as store:
    ...     store.write(0, [[0.5, 0.75, 1.0]])
    ...     store.done
    array([ True, False])
    >>> with RDMStore.create(folder, **kwargs) as store:
    ...     store.write(1, [[0.5, 0.5, 0.5]])
    >>> RDMStore.open(folder).read_counts(0, 2)
    array([[24, 36, 48],
           [24, 24, 24]], dtype=uint8)
    """

    __slots__ = ("__weakref__", "_done", "_files", "_release")

    def __init__(self, files: StoreFiles, lock: FolderLock | None = None) -> None:
        self._files = files
        self._done = files.read_done()
        # a writer that is forgotten lets others in, too
        self._release = None if lock is None else weakref.finalize(self, lock.release)

    @classmethod
    def create(
        cls,
        path: PathLike,
        /,
        *,
        labels: Iterable[Any],
        times: object,
        metric: str | None = None,
        provenance: Mapping[str, Any] | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        n_decisions: int | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Make a store, or continue the one that the same computation left.

        Parameters
        ----------
        path : path
            A folder whose name ends in ``.zarr``.
        labels : sequence of str, shape (items,)
            Names of the items.
        times : array_like, shape (times,)
            Seconds, increasing.
        metric : str, optional
            What the dissimilarities are.
        provenance : mapping, optional
            The computation's options and data: whoever gives the same continues, whoever gives others is refused.
        dtype : {"float32", "float64"}
            How dissimilarities are stored; of no consequence for counts.
        n_decisions : int, optional
            The values are accuracies over this many decisions each, stored as whole numbers of half decisions.
        overwrite : bool
            Replace what is there.

        Returns
        -------
        RDMStore

        Raises
        ------
        FileExistsError
            The folder holds another computation, or something else.
        FileNotFoundError
            The folder that it shall lie in is not there.
        BlockingIOError
            Another process writes to it.
        ValueError
            Another suffix, times that do not increase, or fewer than two items.
        """
        names = as_labels("labels", labels)
        check_n_items("labels", len(names), 2)
        check_choice("dtype", dtype, ("float32", "float64"))
        stored = np.dtype(dtype) if n_decisions is None else dtype_of_counts(n_decisions)
        # an RDM of the first items holds the context to the same rules, and in the words that a file keeps
        context = condensed_rdm(np.zeros(3), metric=metric, provenance=provenance)
        meta = {"metric": context.metric, "provenance": context.provenance, "n_decisions": n_decisions}
        files, lock = create_files(Path(path), names, _as_times(times), stored, meta, overwrite=overwrite)
        return cls(files, lock)

    @classmethod
    def open(cls, path: PathLike, /) -> Self:
        """Open a store for reading, finished or not; also a movie that :meth:`alignkit.rsa.RDM.save` wrote as Zarr.

        Raises
        ------
        FileNotFoundError
            No such folder.
        ValueError
            A damaged folder, or one that holds something else.
        """
        return cls(open_files(Path(path)))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._files.path

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Names of the items; None for a movie that was saved without."""
        return self._files.labels

    @property
    def times(self) -> FloatArray:
        """Seconds, shape (times,)."""
        return self._files.times.copy()

    @property
    def n_pairs(self) -> int:
        """Number of pairs, n(n-1)/2."""
        return int(self._files.values.shape[1])

    @property
    def n_items(self) -> int:
        """Number of items."""
        return n_items_of(self.n_pairs)

    @property
    def shape(self) -> tuple[int]:
        """Number of times, as the shape of an RDM with that one axis."""
        return (len(self._files.times),)

    @property
    def dims(self) -> tuple[str, ...]:
        """Name of that axis."""
        return ("time",)

    @property
    def coords(self) -> dict[str, AnyArray]:
        """Times, as an RDM names them."""
        return {"time": self.times}

    @property
    def metric(self) -> str | None:
        """What the dissimilarities are."""
        metric: str | None = self._files.meta["metric"]
        return metric

    @property
    def provenance(self) -> dict[str, Any]:
        """Where they come from."""
        return dict(self._files.meta["provenance"])

    @property
    def n_decisions(self) -> int | None:
        """Decisions per pair where counts are stored, else None."""
        number: int | None = self._files.meta["n_decisions"]
        return number

    @property
    def dtype(self) -> np.dtype[Any]:
        """How values are stored."""
        dtype: np.dtype[Any] = self._files.values.dtype
        return dtype

    @property
    def done(self) -> BoolArray:
        """Which times are on disk, shape (times,); as far as this store knows, which reads it once."""
        return self._done.copy()

    @property
    def finished(self) -> bool:
        """Whether all times are on disk."""
        return bool(self._done.all())

    def __len__(self) -> int:
        """Return the number of times."""
        return len(self._done)

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let other processes write."""
        self.close()

    def __repr__(self) -> str:
        times, names = self._files.times, self.labels or ()
        first = ", ".join([*(label[:24] for label in names[:3]), "..."][: len(names)]) or "unlabelled"
        span = f"{len(times)}, {times[0]:g} to {times[-1]:g} s"
        form = self.dtype.name if self.n_decisions is None else f"{self.dtype.name} counts of {self.n_decisions}"
        size = self.dtype.itemsize * self.n_pairs * len(times)
        state = "" if self.finished else f", {np.count_nonzero(self._done):,} of {len(times):,} done"
        return (
            f"<RDMStore {self.n_items} items ({first}), time: {span}, metric: {self.metric}, "
            f"{form}, {in_bytes(size)}{state}, in {self.path}>"
        )

    def close(self) -> None:
        """Let other processes write; reading goes on."""
        if self._release is not None:
            self._release()

    def write(self, start: int, values: object, /) -> None:
        """Write slices from the time at position ``start`` on, and count them as done once they are on disk.

        Parameters
        ----------
        start : int
            Position of the first time.
        values : array_like, shape (n, pairs)
            Dissimilarities of ``n`` times in a row. Where counts are stored: accuracies, or whole numbers of half
            decisions.

        Raises
        ------
        ValueError
            Another shape, infinities, accuracies that are no multiple of half a decision, or a store that was opened
            for reading.
        TypeError
            Values that are not real numbers.
        OSError
            A full disk; what was written before is whole.
        """
        if self._release is None or not self._release.alive:
            msg = f"{self.path} is open for reading only; open it with RDMStore.create to write."
            raise ValueError(msg)
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if self.n_decisions is None or array.dtype.kind not in "iu":
            array = as_float_array("values", array) if array.dtype != np.float32 else array
        start, stop = self._stretch(start, check_count("start", start) + (len(array) if array.ndim else 0))
        if array.shape != (stop - start, self.n_pairs):
            msg = f"values must have the shape (times, {self.n_pairs} pairs); got {array.shape}."
            raise ValueError(msg)
        encoded = self._encoded(array)
        try:
            self._files.write(start, encoded)
            self._done[start:stop] = True
            self._files.write_done(self._done)
        except OSError as error:
            msg = f"{self.path} cannot be written ({error.strerror}); the times that are done are kept"
            raise OSError(error.errno, msg) from error

    def _encoded(self, array: AnyArray) -> AnyArray:
        if self.n_decisions is not None:
            return as_counts("values", array, self.n_decisions)
        with np.errstate(over="ignore"):
            stored = array.astype(self.dtype, copy=False)
        if np.isinf(stored).any():
            msg = f"values holds infinities or overflows {self.dtype.name}; a dissimilarity is finite, or NaN."
            raise ValueError(msg)
        return stored

    def read(self, start: int, stop: int, /) -> AnyArray:
        """Return the dissimilarities from position ``start`` up to ``stop``, shape (stop - start, pairs).

        Counts come as accuracies in float64, NaN where a pair has no decision; else in the precision that is stored.

        Raises
        ------
        ValueError
            Times that are not there or not written yet, or damaged data.
        """
        values = self._read(start, stop)
        return values if self.n_decisions is None else from_counts(values, self.n_decisions)

    def read_counts(self, start: int, stop: int, /) -> AnyArray:
        """Return half decisions that were right, shape (stop - start, pairs), of unsigned integers.

        An accuracy is its count divided by ``2 * n_decisions``; a pair without any decision holds the largest number
        of the type (255 or 65,535).

        Raises
        ------
        ValueError
            A store of dissimilarities, times that are not there or not written yet, or damaged data.
        """
        if self.n_decisions is None:
            msg = f"{self.path} holds {self.dtype.name} dissimilarities, not counts of decisions; use read."
            raise ValueError(msg)
        return self._read(start, stop)

    def _read(self, start: int, stop: int) -> AnyArray:
        start, stop = self._stretch(start, stop)
        if not self._done[start:stop].all():
            first = start + int(np.argmin(self._done[start:stop]))
            msg = f"{self.path}: the RDM at position {first} ({self._files.times[first]:g} s) is not computed yet."
            raise ValueError(msg)
        size = (stop - start) * self.n_pairs * (self.dtype.itemsize if self.n_decisions is None else 8)
        if size > MAX_BYTES:
            msg = (
                f"{self.path}: these {stop - start} times take {size / 2**30:.1f} GiB, more than the "
                f"{MAX_BYTES // 2**30} GiB allowed at once; read fewer."
            )
            raise ValueError(msg)
        return self._files.read(start, stop)

    def _stretch(self, start: object, stop: object) -> tuple[int, int]:
        first, last = check_count("start", start), check_count("stop", stop)
        if not first < last <= len(self._done):
            msg = f"times from {first} up to {last} are not among the {len(self._done):,} of {self.path}."
            raise ValueError(msg)
        return first, last

    def rdm(self, *, tmin: float | None = None, tmax: float | None = None) -> RDM:
        """Return the RDMs from ``tmin`` to ``tmax`` (seconds, both included) in memory, with the axis ``"time"``.

        Raises
        ------
        ValueError
            No time in that window, times that are not written yet, or more than fits.
        """
        times = self._files.times
        inside = positions_within(str(self.path), times, tmin, tmax)
        start, stop = int(inside[0]), int(inside[-1]) + 1
        values = self.read(start, stop)
        if inside.size < len(values):  # a movie that others saved may have its times in any order
            values = values[inside - start]
        return condensed_rdm(
            values,
            self.labels,
            dims=("time",),
            coords={"time": times[inside]},
            metric=self.metric,
            provenance=self.provenance,
        )


def positions_within(source: str, times: FloatArray, tmin: float | None, tmax: float | None) -> IntArray:
    """Return the positions of the times from ``tmin`` to ``tmax``, both included, or raise where there are none."""
    low = -np.inf if tmin is None else check_number("tmin", tmin)
    high = np.inf if tmax is None else check_number("tmax", tmax)
    inside = np.flatnonzero((times >= low - _TINY) & (times <= high + _TINY))
    if not inside.size:
        span = f"{times[0]:g} to {times[-1]:g} s"
        msg = f"{source} ({span}) has no time between tmin={shown(tmin)} and tmax={shown(tmax)}."
        raise ValueError(msg)
    return inside


def _as_times(times: object) -> FloatArray:
    array = as_float_array("times", times, ndim=1)
    if not array.size or not np.isfinite(array).all() or (np.diff(array) <= 0).any():
        msg = f"times must be seconds, finite and increasing; got {shown(times)}."
        raise ValueError(msg)
    return array
