"""Plain averages of detrended volumes: what was shown, a few seconds later."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray, IntArray
from alignkit.data._events import Events
from alignkit.data._glm import RunPatterns

Rows = Literal["blocks", "volumes"]


def average_blocks(
    values: FloatArray, events: Events, tr: float, *, lag: float, drift_order: int, rows: Rows, run: str
) -> RunPatterns:
    r"""Return the means of one run's volumes, shape (volumes, voxels), in each event, or those volumes themselves.

    Volume k stands for the time k tr; it belongs to the events with onset + lag <= k tr < onset + duration + lag. The
    run is detrended first by its own polynomial. Residuals are what the volumes have beyond the mean of their event
    (of their condition, for volumes).

    Raises
    ------
    ValueError
        An event that holds no volume, or more polynomials than volumes.
    """
    n_volumes = len(values)
    if drift_order + 1 >= n_volumes:
        msg = f"run {run!r} has {n_volumes} volumes, too few for a drift of order {drift_order}."
        raise ValueError(msg)
    members = _volumes_of(events, n_volumes, tr, lag, run)
    volumes = np.concatenate(members)
    labels = tuple(label for label, each in zip(events.labels, members, strict=True) for _ in each)
    groups = np.repeat(np.arange(len(members)), [len(each) for each in members])
    if rows == "volumes":
        groups = np.unique(labels, return_inverse=True)[1]
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, n_volumes), drift_order))
    detrend = np.eye(n_volumes)[volumes] - basis[volumes] @ basis.T
    average = (np.arange(groups.max() + 1)[:, None] == groups).astype(np.float64)
    average /= average.sum(axis=1, keepdims=True)
    leave = detrend - (average @ detrend)[groups]
    dof = round(float((leave**2).sum()))
    if rows == "volumes":
        return RunPatterns(detrend @ values, labels, leave @ values, dof)
    return RunPatterns(average @ detrend @ values, events.labels, leave @ values, dof)


def _volumes_of(events: Events, n_volumes: int, tr: float, lag: float, run: str) -> list[IntArray]:
    # a millionth of a volume: onsets are sums of decimal fractions
    edges = np.array([events.onsets, events.onsets + events.durations]) + lag
    starts, stops = np.ceil(edges / tr - 1e-6).clip(0, n_volumes).astype(np.int64)
    members = [np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)]
    lost = [
        f"{label} at {onset:g} s"
        for label, onset, each in zip(events.labels, events.onsets, members, strict=True)
        if not each.size
    ]
    if lost:
        msg = (
            f"run {run!r}: no volume lies {lag:g} s (lag=) into {join_names(lost)}; such events are for model='glm', "
            "or the run ends too early for this lag."
        )
        raise ValueError(msg)
    return members
