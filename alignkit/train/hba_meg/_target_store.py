"""What a dynamic model is trained on: people's mean RDMs over time, on disk, read a batch of items at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from tqdm import tqdm

from alignkit._check import join_names
from alignkit._io import read_json, sha256, write_json
from alignkit._lock import FolderLock
from alignkit._memory import as_bytes
from alignkit._typing import AnyArray, FloatArray, IntArray, PathLike
from alignkit.meg._slices import Slices
from alignkit.rsa._container import pair_index
from alignkit.train.hba_meg._curves import Curves, mean_curves, person_curves
from alignkit.train.hba_meg.config import Scale

Dtype = Literal["float32", "float16"]
_SCHEMA = "alignkit.targets/1"
_VALUES, _PART, _MANIFEST, _PROGRESS = "targets.npy", "part.npy", "targets.json", "part.json"
#: Of which pairs somebody has no number at some time, while stretches of time are read.
_GAPS = "gaps.npy"
#: Times of which a computation's input is known: whoever computes RDMs anew changes all.
_N_PROBES = 8


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TargetStore:
    """Mean RDMs of some people over time, of the items that are trained on and chosen on.

    They lie on disk as (pairs, times), so that a batch's few pairs are read at all times without the others, and are
    mapped into memory. Made by :meth:`build`.

    Parameters
    ----------
    path : pathlib.Path
        The folder of this store.
    items : ndarray of int, shape (items,)
        Their rows in the data.
    times : ndarray, shape (times,)
        Seconds.
    people : tuple of str
        Whose mean it is.
    low, high : float
        What becomes 0 and 1, in the RDMs' own units: the smallest and the largest dissimilarity; with
        ``scale="published"`` a diagonal of zeros counts among them.
    curves : Curves
        Of the training items.
    missing : mapping of str to int
        Pairs of which a person has no number at some time, by person.
    """

    path: Path
    items: IntArray
    times: FloatArray
    people: tuple[str, ...]
    low: float
    high: float
    curves: Curves
    missing: Mapping[str, int]
    _unit: float
    _values: AnyArray
    _position: IntArray

    def __repr__(self) -> str:
        return (
            f"<TargetStore {len(self.items):,} items, {len(self.times):,} times, mean of {join_names(self.people)}, "
            f"{self._values.dtype.name}, in {self.path}>"
        )

    @property
    def n_times(self) -> int:
        """Number of times."""
        return len(self.times)

    @property
    def n_pairs(self) -> int:
        """Number of pairs of items."""
        return len(self.items) * (len(self.items) - 1) // 2

    def batch(self, items: IntArray, /) -> AnyArray:
        """Return the targets of a batch, on the scale from 0 to 1.

        Parameters
        ----------
        items : ndarray of int, shape (batch,)
            Rows of the data, in any order.

        Returns
        -------
        ndarray of float32, shape (times, pairs)
            All pairs of the batch, row by row of its upper triangle. NaN where nobody has a number, and where a row
            comes twice.

        Raises
        ------
        ValueError
            Rows that are not among those that are trained or chosen on.
        """
        where = self._positions(np.asarray(items))
        rows, columns = np.triu_indices(len(where), k=1)
        i, j = where[rows], where[columns]
        same = i == j
        pairs = pair_index(np.minimum(i, j), np.maximum(i, j), len(self.items))
        values = self._values[np.where(same, 0, pairs)].astype(np.float32)
        values = (values * np.float32(self._unit) - np.float32(self.low)) / np.float32(self.high - self.low)
        values[same] = np.nan
        return np.ascontiguousarray(values.T)

    def _positions(self, items: IntArray) -> IntArray:
        n = len(self._position)
        inside = (items >= 0) & (items < n)
        where: IntArray = np.where(inside, self._position[np.where(inside, items, 0)], -1)
        if (where < 0).any():
            unknown = items[where < 0].tolist()
            msg = f"the targets in {self.path} hold no item of row {join_names(unknown)}."
            raise ValueError(msg)
        return where

    @classmethod
    def build(
        cls,
        slices: Slices,
        people: Sequence[str],
        items: IntArray,
        folder: PathLike,
        /,
        *,
        train: IntArray | None = None,
        scale: Scale = "minmax",
        dtype: Dtype = "float32",
        memory: int | str = "1 GB",
        progress: bool = True,
    ) -> Self:
        """Make the targets of some people and items, or open them where they are made already.

        RDMs are read a stretch of time at a time, one person after the other, so that no more than ``memory`` is
        taken, whatever their size. A killed run continues; other people, items or RDMs get a folder of their own.

        Parameters
        ----------
        slices : Slices
            RDMs of all people over all items of the data.
        people : sequence of str
            Whose mean is taken, over those who have a number at each pair and time.
        items : ndarray of int
            Rows of the items that are trained and chosen on.
        folder : path
            Where such stores lie.
        train : ndarray of int, optional
            Rows of the items that the curves are computed from; by default all ``items``.
        scale : {"minmax", "published"}
            Bring the mean's smallest and largest dissimilarity to 0 and 1; or, as published, take NaN as 0 and a
            diagonal of zeros into account, and set both curves to 0 up to time 0.
        dtype : {"float32", "float16"}
            Of the file.
        memory : int or str
            What may be held at a time.
        progress : bool
            Show a progress bar.

        Raises
        ------
        ValueError
            People who are not there or have no number, a mean that does not vary, or a damaged file, which is set
            aside: asked again, it is made anew.
        BlockingIOError
            Another process makes the same store.
        """
        rows = np.unique(np.asarray(items, dtype=np.int64))
        fitted = rows if train is None else np.unique(np.asarray(train, dtype=np.int64))
        missing = [name for name in people if name not in slices.subjects]
        if missing or not people:
            msg = f"there are no RDMs of {join_names(missing) or 'nobody'}; there are those of "
            msg += f"{join_names(slices.subjects)}."
            raise ValueError(msg)
        plan = _Plan(slices, tuple(people), rows, fitted, scale, dtype, as_bytes(memory))
        path = Path(folder) / f"targets-{plan.digest()}"
        path.mkdir(parents=True, exist_ok=True)
        if not (path / _MANIFEST).is_file():
            with _held(path):
                _write(plan, path, progress)
        return cls._open(plan, path)

    @classmethod
    def _open(cls, plan: _Plan, path: Path) -> Self:
        manifest, values = _read_checked(plan, path)
        position = np.full(plan.slices.n_items, -1, dtype=np.int64)
        position[plan.items] = np.arange(len(plan.items))
        curves = Curves(*(np.array(manifest["curves"][name]) for name in ("richness", "generalization")))
        return cls(
            path=path,
            items=plan.items,
            times=plan.slices.times,
            people=plan.people,
            low=manifest["low"],
            high=manifest["high"],
            curves=curves,
            missing=manifest["missing"],
            _unit=manifest["unit"],
            _values=values,
            _position=position,
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What a store is made of."""

    slices: Slices
    people: tuple[str, ...]
    items: IntArray
    train: IntArray
    scale: Scale
    dtype: Dtype
    n_bytes: int

    @property
    def n_pairs(self) -> int:
        return len(self.items) * (len(self.items) - 1) // 2

    @property
    def n_read(self) -> int:
        """Pairs that are read at once to have those of the items."""
        return max(source.n_pairs for source in self.slices.sources)

    def digest(self) -> str:
        """Return what tells stores apart: who, what, when and how, and the numbers themselves at some times."""
        labels = self.slices.labels
        what = {
            "schema": _SCHEMA,
            "people": self.people,
            "items": self.items.tolist() if labels is None else [labels[i] for i in self.items],
            "rows": self.items.tolist(),
            "train": self.train.tolist(),
            "times": self.slices.times.tolist(),
            "scale": self.scale,
            "dtype": self.dtype,
        }
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
        for person in self.of_people(self.items):
            for time in self.probes():
                digest.update(np.ascontiguousarray(person.read(time, time + 1)).tobytes())
        return digest.hexdigest()[:16]

    def probes(self) -> list[int]:
        n = self.slices.n_times
        return sorted({round(i * (n - 1) / (_N_PROBES - 1)) for i in range(_N_PROBES)})

    def of_people(self, items: IntArray) -> Iterator[Slices]:
        part = self.slices.take(items)
        yield from (part.one(name) for name in self.people)

    def mean(self, start: int, stop: int, gaps: AnyArray | None = None) -> FloatArray:
        """Return the mean over people at some times, shape (times, pairs), and mark whose pairs have no number."""
        total = np.zeros((stop - start, self.n_pairs))
        count = np.zeros(total.shape, dtype=np.uint16)
        for place, person in enumerate(self.of_people(self.items)):
            values = person.read(start, stop)[0]
            there = ~np.isnan(values)
            if gaps is not None:
                gaps[place] |= ~there.all(axis=0)
            np.add(total, values, out=total, where=there)
            count += there
        published = self.scale == "published"
        number = len(self.people) if published else np.maximum(count, 1)  # as published, NaN is a zero
        total /= number
        if not published:
            total[count == 0] = np.nan
        return total


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = FolderLock(path)
    try:
        yield
    finally:
        lock.release()


def _write(plan: _Plan, path: Path, progress: bool) -> None:
    """Write the values, stretch by stretch of time, and the manifest when all are there."""
    if (path / _MANIFEST).is_file():  # another process was faster
        return
    state = _state(plan, path)
    shape = (plan.n_pairs, plan.slices.n_times)
    mode: Literal["r+", "w+"] = "r+" if state["done"] else "w+"
    values = np.lib.format.open_memmap(path / _PART, mode=mode, dtype=plan.dtype, shape=shape)
    gaps = np.lib.format.open_memmap(path / _GAPS, mode=mode, dtype=bool, shape=(len(plan.people), plan.n_pairs))
    few, many = _stretches(plan)
    with tqdm(total=shape[1], initial=state["done"], desc="targets", unit="time", disable=not progress) as bar:
        for start in range(state["done"], shape[1], many):
            stop = min(start + many, shape[1])
            _write_stretch(plan, path, (values, gaps), state, (start, stop, few))
            bar.update(stop - start)
    missing = {name: int(own.sum()) for name, own in zip(plan.people, gaps, strict=True)}
    del values, gaps
    manifest = {
        "schema": _SCHEMA,
        "people": list(plan.people),
        "items": len(plan.items),
        "times": plan.slices.times.tolist(),
        "metric": plan.slices.metric,
        "scale": plan.scale,
        "unit": state["unit"],
        **_bounds(plan, state),
        "curves": _curves(plan, progress),
        "missing": missing,
        "sha256": sha256(path / _PART),
    }
    (path / _PART).replace(path / _VALUES)
    write_json(path / _MANIFEST, manifest)
    for left in (_PROGRESS, _GAPS):
        (path / left).unlink(missing_ok=True)


def _stretches(plan: _Plan) -> tuple[int, int]:
    """Return how many times are averaged at once, and how many are written: every write touches the whole file."""
    # the mean, its count, and one person's values beside what they are read from
    few = max(1, plan.n_bytes // 2 // (24 * plan.n_pairs + 8 * plan.n_read))
    return few, max(few, plan.n_bytes // 2 // (4 * plan.n_pairs))


def _state(plan: _Plan, path: Path) -> dict[str, Any]:
    """Return how far an earlier process came; nowhere where its files are damaged."""
    expected = plan.n_pairs * plan.slices.n_times * np.dtype(plan.dtype).itemsize
    try:
        state = read_json(path / _PROGRESS)
        whole = (path / _PART).stat().st_size >= expected
        whole &= (path / _GAPS).stat().st_size >= len(plan.people) * plan.n_pairs
        if whole and 0 < state["done"] <= plan.slices.n_times and {"unit", "low", "high"} <= set(state):
            return dict(state)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return {"done": 0, "unit": _unit(plan), "low": None, "high": None}


def _unit(plan: _Plan) -> float:
    """Return the power of two that values are divided by, so that half precision neither overflows nor loses any."""
    if plan.dtype == "float32":
        return 1.0
    largest = max(float(np.nanmax(np.abs(plan.mean(time, time + 1)), initial=0.0)) for time in plan.probes())
    return float(2.0 ** np.ceil(np.log2(largest))) if largest > 0 else 1.0


def _write_stretch(
    plan: _Plan, path: Path, files: tuple[Any, Any], state: dict[str, Any], stretch: tuple[int, int, int]
) -> None:
    (values, gaps), (start, stop, few) = files, stretch
    stored = np.empty((stop - start, plan.n_pairs), dtype=plan.dtype)
    for first in range(start, stop, few):
        last = min(first + few, stop)
        stored[first - start : last - start] = plan.mean(first, last, gaps) / state["unit"]
    if np.isinf(stored).any():
        msg = f"RDMs between {plan.slices.times[start]:g} and {plan.slices.times[stop - 1]:g} s are too large for "
        msg += f"{plan.dtype}; set cache_dtype to float32."
        raise ValueError(msg)
    values[:, start:stop] = stored.T
    values.flush()
    gaps.flush()
    low, high = np.fmin.reduce(stored, axis=None), np.fmax.reduce(stored, axis=None)  # NaN does not count
    if not np.isnan(low):
        low, high = float(low) * state["unit"], float(high) * state["unit"]
        state["low"] = low if state["low"] is None else min(low, state["low"])
        state["high"] = high if state["high"] is None else max(high, state["high"])
    state["done"] = stop
    write_json(path / _PROGRESS, state)


def _bounds(plan: _Plan, state: Mapping[str, Any]) -> dict[str, float]:
    low, high = state["low"], state["high"]
    if low is None:
        msg = f"the RDMs of {join_names(plan.people)} are NaN everywhere; there is nothing to train on."
        raise ValueError(msg)
    if plan.scale == "published":
        low, high = min(0.0, low), max(0.0, high)
    if not high > low:
        msg = f"all dissimilarities in the mean of {join_names(plan.people)} are {low:g}; there is nothing to train on."
        raise ValueError(msg)
    return {"low": low, "high": high}


def _curves(plan: _Plan, progress: bool) -> dict[str, list[float]]:
    slices = plan.slices
    found = []
    for person in tqdm(plan.of_people(plan.train), total=len(plan.people), desc="curves", disable=not progress):

        def read(start: int, stop: int, person: Slices = person) -> AnyArray:
            return person.read(start, stop)[0]

        richness, alike = person_curves(read, slices.n_times, plan.n_read, n_bytes=plan.n_bytes)
        if np.isnan(richness).all():
            msg = f"the RDMs of {person.subjects[0]} are NaN everywhere; leave that person out of people."
            raise ValueError(msg)
        found.append((richness, alike))
    rich, alike = (np.stack(one) for one in zip(*found, strict=True))
    curves = mean_curves(rich, alike, slices.times, published=plan.scale == "published")
    return {"richness": curves.richness.tolist(), "generalization": curves.generalization.tolist()}


def _read_checked(plan: _Plan, path: Path) -> tuple[dict[str, Any], AnyArray]:
    """Return the manifest and the values, mapped into memory, or set a damaged store aside and say so."""
    try:
        manifest = read_json(path / _MANIFEST)
        if manifest["schema"] != _SCHEMA or manifest["sha256"] != sha256(path / _VALUES):
            raise KeyError
        values = np.load(path / _VALUES, mmap_mode="r", allow_pickle=False)
        if values.shape != (plan.n_pairs, plan.slices.n_times) or values.dtype != plan.dtype:
            raise KeyError
        curves = [np.array(manifest["curves"][name], dtype=np.float64) for name in ("richness", "generalization")]
        if (
            any(one.shape != (plan.slices.n_times,) or not np.isfinite(one).all() for one in curves)
            or not manifest["high"] > manifest["low"]
            or not manifest["unit"] > 0
            or [type(manifest["missing"][name]) for name in plan.people] != [int] * len(plan.people)
        ):
            raise KeyError
    except PermissionError:  # which says nothing about what is in there
        raise
    except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
        aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(3)}")
        path.rename(aside)
        msg = (
            f"the targets in {path} are damaged; they were set aside as {aside.name}: run again, which makes them anew."
        )
        raise ValueError(msg) from error
    return manifest, values
