"""Fewer times: means of RDMs over samples in a row."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._check import check_choice, check_count, shown
from alignkit._typing import AnyArray
from alignkit.rsa import RDM


def average_times(rdm: RDM, /, *, size: int, keep_first: bool = False, stamp: Literal["mean", "last"] = "mean") -> RDM:
    """Return the mean RDMs of each ``size`` times in a row.

    Parameters
    ----------
    rdm : RDM
        With an axis ``"time"`` that has coordinates.
    size : int
        Times in each mean.
    keep_first : bool
        Keep the first time as it is and average those after it. ``size=5, keep_first=True, stamp="last"`` makes 221
        times (-100 to 1000 ms in steps of 5) of the 1101 of Cichy's 118 images, as CLIP-HBA-MEG's targets have them.
    stamp : {"mean", "last"}
        The time of a mean: that of its samples on average, or of the last of them.

    Returns
    -------
    RDM
        Means are computed in float64 and kept in the precision that came; a pair that is NaN at one time is NaN in
        the mean.

    Raises
    ------
    TypeError
        No RDM, or a size that is no whole number.
    ValueError
        No axis of times, or a number of times that ``size`` does not divide.

    Examples
    --------
    >>> movie = RDM([[1.0, 2, 3], [3, 2, 1], [5, 2, 2]], dims=["time"], coords={"time": [0.0, 0.1, 0.2]})
    >>> halved = average_times(movie, size=2, keep_first=True, stamp="last")
    >>> halved.values
    array([[1. , 2. , 3. ],
           [4. , 2. , 1.5]])
    >>> halved.coords["time"]
    array([0. , 0.2])
    """
    rdm = _checked(rdm).numpy()
    check_count("size", size, 1)
    check_choice("stamp", stamp, ("mean", "last"))
    axis = rdm.dims.index("time")
    values, times = np.moveaxis(rdm.values, axis, 0), rdm.coords["time"].astype(np.float64)
    if (len(times) - keep_first) % size or len(times) <= keep_first:
        first = " after the first" if keep_first else ""
        msg = f"size={size} does not divide the {len(times) - keep_first:,} times{first}; leave some out with isel."
        raise ValueError(msg)
    blocks = times[int(keep_first) :].reshape(-1, size)
    stamps = blocks[:, -1] if stamp == "last" else blocks.mean(axis=1)
    means = np.moveaxis(_means(values, size, int(keep_first)), 0, axis)
    coords = {**rdm.coords, "time": np.concatenate([times[: int(keep_first)], stamps])}
    return rdm.replace(means, coords=coords)


def _checked(rdm: object) -> RDM:
    if not isinstance(rdm, RDM):
        msg = f"rdm must be an RDM; got {shown(rdm)}."
        raise TypeError(msg)
    if "time" not in rdm.coords or rdm.coords["time"].dtype.kind not in "fiu":
        msg = f"rdm needs an axis 'time' with its times as coordinates; it has the axes {rdm.dims}."
        raise ValueError(msg)
    return rdm


def _means(values: AnyArray, size: int, kept: int) -> AnyArray:
    out = np.empty((kept + (len(values) - kept) // size, *values.shape[1:]), values.dtype)
    out[:kept] = values[:kept]
    for i in range(kept, len(out)):
        start = kept + (i - kept) * size
        out[i] = values[start : start + size].mean(axis=0, dtype=np.float64)
    return out
