"""RDMs over time of several participants, read a stretch of time at a time from memory or from disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from alignkit._check import check_n_items, counted, join_names, shown
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._rdm_store import RDMStore
from alignkit.rsa._align import OnMismatch, as_rdm
from alignkit.rsa._align_all import align_all
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import RDM, condensed_rdm, pair_index
from alignkit.rsa._counts import from_counts, missing_count

Read = Callable[[int, int], AnyArray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Source:
    """RDMs over time of one or several participants.

    ``read(start, stop)`` returns floats of shape (subject, stop - start, pairs), ``read_counts``, where there is one,
    the whole numbers of half decisions behind them. ``times`` is None where samples have no times.
    """

    called: str
    subjects: tuple[str, ...]
    labels: tuple[str, ...] | None
    times: FloatArray | None
    n_times: int
    n_pairs: int
    metric: str | None
    read: Read
    read_counts: Read | None = None
    n_decisions: int = 0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """RDMs of all participants over the same items, in one order, and the same times.

    ``pairs`` holds, for every source, where its pairs lie among those it reads; None where they lie there already.
    """

    sources: tuple[Source, ...]
    pairs: tuple[IntArray | None, ...]
    subjects: tuple[str, ...]
    labels: tuple[str, ...] | None
    times: FloatArray
    timed: bool
    n_pairs: int
    metric: str | None

    @property
    def n_times(self) -> int:
        """Number of samples."""
        return len(self.times)

    @property
    def n_subjects(self) -> int:
        """Number of participants."""
        return len(self.subjects)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return n_items_of(self.n_pairs)

    def read(self, start: int, stop: int) -> AnyArray:
        """Return the RDMs from position ``start`` up to ``stop``, shape (subject, stop - start, pairs), floats."""
        return self._joined([source.read(start, stop) for source in self.sources])

    def read_ordered(self, start: int, stop: int) -> AnyArray:
        """Return numbers in the same order as the RDMs, of one participant: whole numbers where all hold counts.

        They are ranked in a tenth of the time. Where a pair has no decision, the accuracies themselves are returned.
        """
        if any(source.read_counts is None for source in self.sources):
            return self.read(start, stop)
        counts = [source.read_counts(start, stop) for source in self.sources if source.read_counts is not None]
        if any((part == missing_count(part.dtype)).any() for part in counts):
            pairs = zip(counts, self.sources, strict=True)
            return self._joined([from_counts(part, source.n_decisions) for part, source in pairs])
        return self._joined(counts)

    def take(self, items: IntArray) -> Slices:
        """Return the RDMs of the items at these positions, each at most once, in the order given."""
        rows, columns = np.triu_indices(len(items), k=1)
        chosen = pair_index(items[rows], items[columns], self.n_items)
        return dataclasses.replace(
            self,
            pairs=tuple(chosen if where is None else where[chosen] for where in self.pairs),
            labels=None if self.labels is None else tuple(self.labels[i] for i in items),
            n_pairs=len(chosen),
        )

    def one(self, subject: str) -> Slices:
        """Return one participant's RDMs, read without the others'."""
        position = self.subjects.index(subject)
        for source, where in zip(self.sources, self.pairs, strict=True):
            if position < len(source.subjects):
                return dataclasses.replace(
                    self, sources=(_row_of(source, position),), pairs=(where,), subjects=(subject,)
                )
            position -= len(source.subjects)
        raise AssertionError(subject)

    def _joined(self, parts: list[AnyArray]) -> AnyArray:
        ordered = [
            part if where is None else np.take(part, where, axis=-1)
            for part, where in zip(parts, self.pairs, strict=True)
        ]
        return ordered[0] if len(ordered) == 1 else np.concatenate(ordered)


def _row_of(source: Source, row: int) -> Source:
    def only(read: Read) -> Read:
        return lambda start, stop: read(start, stop)[row : row + 1]

    counts = None if source.read_counts is None else only(source.read_counts)
    return dataclasses.replace(source, subjects=(source.subjects[row],), read=only(source.read), read_counts=counts)


def as_sources(data: object) -> list[Source]:
    """Return the sources behind one stack of RDMs over time, a store, a path, or several of these.

    Raises
    ------
    ValueError
        Axes other than participants and time, stores that are not finished, the same twice, or nothing at all.
    TypeError
        Something else than RDMs.
    """
    if isinstance(data, Mapping):
        found = [_source(f"the data of {name!r}", one, str(name)) for name, one in data.items()]
    elif is_several(data):
        found = [_source(f"data[{i}]", one, None) for i, one in enumerate(data)]  # type: ignore[arg-type, var-annotated]
    else:
        found = [_source("the data", data, None)]
    if not found:
        msg = "data is empty; give the RDMs over time of at least one participant."
        raise ValueError(msg)
    given = data.values() if isinstance(data, Mapping) else data
    places = [_place(one) for one in given] if len(found) > 1 else []  # type: ignore[attr-defined]
    for position, place in enumerate(places):
        if place in places[:position]:
            first = found[places.index(place)].called
            msg = f"{found[position].called} and {first} are the same RDMs; a participant would count twice."
            raise ValueError(msg)
    return found


def _place(x: object) -> object:
    """Return what is the same for two that are the same: the place of a file or store, or the object itself."""
    path = x.path if isinstance(x, RDMStore) else x
    return Path(path).resolve() if isinstance(path, str | os.PathLike) else id(x)


def is_several(x: object) -> bool:
    """Return whether ``x`` is a sequence of RDMs, stores, paths or arrays rather than one of them."""
    return isinstance(x, list | tuple) and all(
        isinstance(one, RDM | RDMStore | str | os.PathLike) or hasattr(one, "shape") for one in x
    )


def opened(called: str, x: object) -> RDM | RDMStore:
    """Return an RDM or a store of three items at least, whether it came as one, as a path or as an array."""
    found = _opened(called, x)
    check_n_items(str(x) if isinstance(x, str | os.PathLike) else called, found.n_items)
    return found


def _opened(called: str, x: object) -> RDM | RDMStore:
    if isinstance(x, RDMStore):
        return x
    if not isinstance(x, str | os.PathLike):
        return as_rdm(called, x, keep=True).numpy()
    path = Path(x)
    if path.suffix != ".zarr" or not path.is_dir():
        return RDM.load(path)
    try:
        return RDMStore.open(path)
    except ValueError:  # it has other axes besides time, or is damaged: that is for RDM.load to say
        return RDM.load(path)


def _source(called: str, x: object, name: str | None) -> Source:
    one = opened(called, x)
    if isinstance(x, str | os.PathLike):
        called = str(x)
    name = name or (one.path.stem if isinstance(one, RDMStore) else None)
    name = name or (Path(x).stem if isinstance(x, str | os.PathLike) else None)
    return _from_store(called, one, str(name)) if isinstance(one, RDMStore) else _from_rdm(called, one, name)


def _from_store(called: str, store: RDMStore, name: str) -> Source:
    if not store.finished:
        msg = (
            f"{called} is not finished: {np.count_nonzero(store.done):,} of {len(store):,} times are computed; run the "
            "computation that makes it again, which continues it."
        )
        raise ValueError(msg)

    def read(start: int, stop: int) -> AnyArray:
        return store.read(start, stop)[None]

    def read_counts(start: int, stop: int) -> AnyArray:
        return store.read_counts(start, stop)[None]

    counts = None if store.n_decisions is None else read_counts
    n_decisions = store.n_decisions or 0
    times = store.times
    return Source(
        called, (name,), store.labels, times, len(times), store.n_pairs, store.metric, read, counts, n_decisions
    )


def _from_rdm(called: str, rdm: RDM, name: str | None) -> Source:
    values, subject = _subject_and_time(called, rdm)
    names = [f"{name or 'subject'} {i}" for i in range(1, len(values) + 1)]
    if subject in rdm.coords:
        names = [str(one) for one in rdm.coords[subject].tolist()]
    elif len(names) == 1 and name is not None:
        names = [name]
    elif len(names) == 1:
        names = ["subject"]
    times = times_of(called, rdm)

    def read(start: int, stop: int) -> AnyArray:
        return values[:, start:stop]

    return Source(called, tuple(names), rdm.labels, times, values.shape[1], rdm.n_pairs, rdm.metric, read)


def _subject_and_time(called: str, rdm: RDM) -> tuple[AnyArray, str]:
    """Return the values with the axes (subject, time, pairs), and the name of the first of them."""
    dims = rdm.dims
    if dims in (("rdm",), ("time",)):
        return rdm.values[None], ""
    if dims == ("axis_0", "axis_1"):
        return rdm.values, ""
    others = [name for name in dims if name != "time"]
    if "time" not in dims or len(others) != 1 or others[0] not in ("subject", "participant"):
        has = f"the axes {dims}" if dims else "no axis of time"
        msg = (
            f"{called} has {has}; a time course takes ('time',) or ('subject', 'time'). Name the axes with dims=, and "
            "choose or average further ones with isel() or mean()."
        )
        raise ValueError(msg)
    return np.moveaxis(rdm.values, dims.index("time"), 1), others[0]


def times_of(called: str, rdm: RDM) -> FloatArray | None:
    """Return the times of an RDM's axis ``"time"`` in seconds, or None where it has none.

    Raises
    ------
    ValueError
        Times that are no finite, increasing numbers.
    """
    if "time" not in rdm.coords:
        return None
    times = rdm.coords["time"]
    if times.dtype.kind not in "fiu" or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        msg = f"the times of {called} must be seconds, finite and increasing; got {shown(times)}."
        raise ValueError(msg)
    return np.asarray(times, dtype=np.float64)


def align_slices(
    sources: Sequence[Source],
    others: Sequence[tuple[str, RDM]],
    on_mismatch: OnMismatch,
    tolerance: float,
) -> tuple[Slices, list[RDM]]:
    """Return sources as one, and ``others``, RDMs with what to call them, over the same items in the same order.

    Raises
    ------
    ValueError
        Different items, times or kinds of dissimilarities.
    """
    times = _shared_times(sources, tolerance)
    _check_kinds_of_names([(one.called, one.labels) for one in sources] + [(name, one.labels) for name, one in others])
    aligned = align_all([*((one.called, _stand_in(one)) for one in sources), *others], on_mismatch)
    first = aligned[0]
    slices = Slices(
        sources=tuple(sources),
        pairs=tuple(_where(source, first) for source in sources),
        subjects=_names(sources),
        labels=first.labels,
        times=np.arange(sources[0].n_times, dtype=np.float64) if times is None else times,
        timed=times is not None,
        n_pairs=first.n_pairs,
        metric=_shared_metric(sources),
    )
    return slices, aligned[len(sources) :]


def _check_kinds_of_names(named: Sequence[tuple[str, tuple[str, ...] | None]]) -> None:
    """Raise where some call their items by number alone and others by name: no item would be shared."""
    labelled = [(called, labels) for called, labels in named if labels]
    numbers = [one for one in labelled if all(label.isdecimal() for label in one[1])]
    names = [one for one in labelled if not any(label.isdecimal() for label in one[1])]
    if numbers and names:
        (called_a, a), (called_b, b) = numbers[0], names[0]
        msg = (
            f"{called_a} calls its items by number ({join_names(a, 3)}) and {called_b} by name ({join_names(b, 3)}); "
            "label both alike (THINGS-MEG: by='concept' for epochs of read_things_meg, labels= for published RDMs)."
        )
        raise ValueError(msg)


def _stand_in(source: Source) -> RDM:
    """Return an RDM with the labels of a source, to be aligned in its place; its values take no memory."""
    return condensed_rdm(np.broadcast_to(np.zeros(1, dtype=np.float32), (source.n_pairs,)), source.labels)


def _where(source: Source, first: RDM) -> IntArray | None:
    if source.labels is None or first.labels is None or source.labels == first.labels:
        return None
    position = {label: i for i, label in enumerate(source.labels)}
    items = np.array([position[label] for label in first.labels])
    rows, columns = np.triu_indices(items.size, k=1)
    return pair_index(items[rows], items[columns], len(source.labels))


def _names(sources: Sequence[Source]) -> tuple[str, ...]:
    names = tuple(name for source in sources for name in source.subjects)
    return names if len(set(names)) == len(names) else tuple(f"subject {i}" for i in range(1, len(names) + 1))


def _shared_metric(sources: Sequence[Source]) -> str | None:
    metrics = {source.metric for source in sources} - {None}
    if len(metrics) > 1:
        msg = f"data holds different kinds of dissimilarities ({join_names(sorted(map(str, metrics)))}); give one kind."
        raise ValueError(msg)
    return metrics.pop() if metrics else None


def _shared_times(sources: Sequence[Source], tolerance: float) -> FloatArray | None:
    first = sources[0]
    for other in sources[1:]:
        check_same_times(
            (first.called, first.times, first.n_times), (other.called, other.times, other.n_times), tolerance
        )
    return first.times


def check_same_times(
    a: tuple[str, FloatArray | None, int], b: tuple[str, FloatArray | None, int], tolerance: float
) -> None:
    """Raise unless two axes of time, each (what to call it, times or None, number of samples), are the same."""
    (name_a, first, n_a), (name_b, second, n_b) = a, b
    if n_a != n_b:
        msg = (
            f"{name_a} has {counted(n_a, 'time')} and {name_b} {n_b:,}; choose those that both have with sel(time=...)."
        )
        raise ValueError(msg)
    if (first is None) != (second is None):
        without = name_a if first is None else name_b
        msg = f"{without} has no times and the other data has; give both the coordinate 'time' in seconds."
        raise ValueError(msg)
    if first is None or second is None:
        return
    off = np.abs(first - second)
    if off.max() > tolerance:
        k = int(off.argmax())
        msg = (
            f"{name_a} and {name_b} have different times: {first[k]:g} and {second[k]:g} s at position {k}. If they "
            f"are meant to be the same, pass tolerance={off.max() * 1.5:.1g} (seconds)."
        )
        raise ValueError(msg)
