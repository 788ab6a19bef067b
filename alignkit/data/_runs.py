"""Volumes and events put together run by run, so that every run can be analysed on its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from alignkit._check import as_labels, counted, join_names
from alignkit.data._events import MISSING, Events, EventsLike, VolumeLabels, events_of_volumes, read_events

REST = "rest"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its volumes among those of all images, and its events other than rest."""

    name: str
    volumes: slice
    events: Events

    @property
    def n_volumes(self) -> int:
        """Number of volumes."""
        return int(self.volumes.stop - self.volumes.start)


def find_runs(
    sizes: Sequence[int],
    *,
    events: EventsLike | Sequence[EventsLike] | None,
    labels: Iterable[Any] | None,
    runs: Iterable[Any] | None,
    tr: float,
    rest: str | Iterable[str],
) -> list[Run]:
    """Return the runs of images with these numbers of volumes, in order.

    Raises
    ------
    ValueError
        Neither or both of events and labels, numbers that do not fit the images, runs in pieces or across images,
        events beyond their run or without a trial_type, a name of rest that does not occur, or a run with nothing but
        rest.
    """
    if (events is None) == (labels is None):
        msg = "give either events= (one BIDS table per run, or an attributes file) or labels= (one per volume)."
        raise ValueError(msg)
    known = None if events is None else read_events(events)
    if isinstance(known, VolumeLabels):
        labels, runs = known.labels, known.runs if runs is None else runs
        known = None
    n_volumes = sum(sizes)
    if labels is not None:
        labels = as_labels("labels", labels, unique=False)
        _check_number("labels", labels, n_volumes)
    parts = _split(sizes, _run_names(sizes, runs))
    if labels is not None:
        known = [events_of_volumes(labels[volumes], tr) for volumes in parts.values()]
    assert known is not None
    if len(known) != len(parts):
        got = f"{counted(len(known), 'table')} for {counted(len(parts), 'run')}"
        msg = f"events must hold one table per run; got {got}: see runs=."
        raise ValueError(msg)
    found = [Run(name, volumes, table) for (name, volumes), table in zip(parts.items(), known, strict=True)]
    for run in found:
        _check_times(run, tr)
    return _without_rest(found, [rest] if isinstance(rest, str) else list(rest))


def _check_number(name: str, values: Sequence[Any], n_volumes: int) -> None:
    if len(values) != n_volumes:
        msg = f"{name} must name every volume: the images hold {n_volumes:,}, got {len(values):,}."
        raise ValueError(msg)


def _run_names(sizes: Sequence[int], runs: Iterable[Any] | None) -> tuple[str, ...]:
    """Return the run of every volume; by default every image is one."""
    if runs is None:
        if len(sizes) > 1 and max(sizes) == 1:
            msg = f"there are {len(sizes):,} images of one volume each; give runs=, the run of every volume."
            raise ValueError(msg)
        runs = range(1, len(sizes) + 1)
    names = as_labels("runs", runs, unique=False)
    if len(names) == len(sizes) and len(set(names)) == len(sizes):
        return tuple(name for name, size in zip(names, sizes, strict=True) for _ in range(size))
    _check_number("runs", names, sum(sizes))
    return names


def _split(sizes: Sequence[int], names: Sequence[str]) -> dict[str, slice]:
    """Return the volumes of each run, which must be successive ones of one image (or 3-D images in a row)."""
    images = [i if size > 1 else -1 for i, size in enumerate(sizes) for _ in range(size)]
    parts: dict[str, slice] = {}
    start = 0
    for (name, _), members in groupby(zip(names, images, strict=True)):
        stop = start + len(list(members))
        if name in parts:
            msg = f"runs: the volumes of run {name!r} are not successive ones of one image; name each run differently."
            raise ValueError(msg)
        parts[name] = slice(start, stop)
        start = stop
    return parts


def _check_times(run: Run, tr: float) -> None:
    end = run.n_volumes * tr
    late = [label for label, onset in zip(run.events.labels, run.events.onsets, strict=True) if onset >= end]
    if late:
        msg = (
            f"run {run.name!r} lasts {end:g} s ({run.n_volumes} volumes, one each {tr:g} s), but events start after "
            f"its end: {join_names(late)}. Onsets are seconds from the start of their own run; is tr right?"
        )
        raise ValueError(msg)
    early = run.events.onsets + run.events.durations < 0
    if early.any():
        msg = f"run {run.name!r} has {int(early.sum())} event(s) that end before it starts; drop them."
        raise ValueError(msg)


def _without_rest(runs: Sequence[Run], rest: Sequence[str]) -> list[Run]:
    conditions = {label for run in runs for label in run.events.labels}
    unknown = [name for name in rest if name not in conditions and name not in (REST, MISSING)]
    if unknown:
        msg = f"rest names {join_names(unknown)}, which no event is called; there are {join_names(sorted(conditions))}."
        raise ValueError(msg)
    kept = [Run(run.name, run.volumes, run.events.without(rest)) for run in runs]
    untold = [run.name for run in kept if MISSING in run.events.labels]
    if untold:
        msg = (
            f"run(s) {join_names(untold)} have events without a trial_type ({MISSING}); drop them, or name {MISSING!r} "
            "in rest= to leave them out."
        )
        raise ValueError(msg)
    bare = [run.name for run in kept if not run.events.labels]
    if bare:
        msg = f"nothing but rest in run(s) {join_names(bare)}; leave them out, or check rest=."
        raise ValueError(msg)
    return kept
