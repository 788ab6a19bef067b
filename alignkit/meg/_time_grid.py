"""Which samples are kept, and which are the baseline: seconds become positions as in MNE."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._check import check_count, shown
from alignkit._typing import FloatArray
from alignkit.meg._caller import caller_level


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TimeGrid:
    """Samples kept, by their position among all there are: every ``step``-th from ``first``; and their times."""

    times: FloatArray
    first: int
    step: int
    baseline: tuple[int, int] | None

    @property
    def n_times(self) -> int:
        """Number of samples kept."""
        return len(self.times)


def time_grid(
    times: FloatArray,
    *,
    tmin: float | None,
    tmax: float | None,
    baseline: Sequence[float | None] | None,
    decim: int,
) -> TimeGrid:
    """Return the samples from ``tmin`` to ``tmax`` (both included, to the nearest sample), every ``decim``-th.

    Decimation keeps time zero, or the samples that would lie on its grid, as MNE does. The baseline is looked up among
    all samples, before any are left out; as in MNE it must lie within them, and what is kept may not reach further.

    Raises
    ------
    ValueError
        No sample is left, or a baseline outside the data.

    Warns
    -----
    RuntimeWarning
        ``tmin`` or ``tmax`` more than a sample beyond the data.
    """
    step = check_count("decim", decim, 1)
    kept = np.flatnonzero(_within(times, tmin, tmax))
    if step > 1:
        rate = 1 / sample_interval(times, "decim")
        kept = kept[(kept + round(float(times[0]) * rate)) % step == 0]
    if len(kept) == 0:
        msg = (
            f"tmin={tmin}, tmax={tmax} and decim={decim} keep no sample; the data goes from {times[0]:g} to "
            f"{times[-1]:g} s (times are in seconds)."
        )
        raise ValueError(msg)
    _warn_of_reach(times, tmin, tmax)
    return TimeGrid(times[kept], int(kept[0]), step, _baseline(times, baseline))


def sample_interval(times: FloatArray, needed_by: str) -> float:
    """Return the seconds between samples, or raise where they are not the same throughout."""
    gaps = np.diff(times)
    if len(gaps) == 0 or np.ptp(gaps) > 1e-3 * gaps.mean():
        msg = f"{needed_by} needs times at equal intervals; these are {shown(times[:4].tolist())} ..."
        raise ValueError(msg)
    return float(times[-1] - times[0]) / len(gaps)


def warn_of_aliasing(rate: float, lowpass: float | None, decim: int) -> None:
    """Warn where every ``decim``-th sample is too few for what the recording's low-pass filter lets through."""
    if decim > 1 and lowpass is not None and rate / decim < 2 * lowpass:
        warnings.warn(
            f"decim= ({decim}) leaves {rate / decim:g} Hz of data filtered below {lowpass:g} Hz: what lies above "
            f"{rate / decim / 2:g} Hz is aliased; filter first, or average with window=.",
            RuntimeWarning,
            stacklevel=caller_level(),
        )


def _warn_of_reach(times: FloatArray, tmin: float | None, tmax: float | None) -> None:
    """Warn, as MNE does, where less is kept than was asked for."""
    sample = _gap(times) * (1 + 1e-6)  # "to 0.5 s" of data that ends one sample before is no mistake
    beyond = {}
    if tmin is not None and tmin < times[0] - sample:
        beyond["tmin="] = tmin
    if tmax is not None and tmax > times[-1] + sample:
        beyond["tmax="] = tmax
    if beyond:
        asked = ", ".join(f"{value:g}" for value in beyond.values())
        lie = "lie" if len(beyond) > 1 else "lies"
        warnings.warn(
            f"{' and '.join(beyond)} ({asked} s) {lie} beyond the data, which goes from {times[0]:g} to {times[-1]:g} "
            "s and is kept up to there; times are in seconds (divide milliseconds by 1000).",
            RuntimeWarning,
            stacklevel=caller_level(),
        )


def _gap(times: FloatArray) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def _within(times: FloatArray, tmin: float | None, tmax: float | None) -> np.ndarray:
    gap = _gap(times)
    low = -np.inf if tmin is None else _second("tmin", tmin)
    high = np.inf if tmax is None else _second("tmax", tmax)
    if low > high:
        msg = f"tmin must not lie after tmax; got {tmin} and {tmax}."
        raise ValueError(msg)
    # half a sample beyond the nearest one
    low = low if np.isinf(low) else (np.round(low / gap) - 0.5) * gap
    high = high if np.isinf(high) else (np.round(high / gap) + 0.5) * gap
    return (times >= low) & (times <= high)


def _baseline(times: FloatArray, baseline: Any) -> tuple[int, int] | None:
    """Return the first and one past the last of the samples of the baseline; None is the first or the last."""
    if baseline is None:
        return None
    if isinstance(baseline, str) or not isinstance(baseline, Sequence) or len(baseline) != 2:
        msg = f"baseline must be two times in seconds, such as (None, 0); got {shown(baseline)}."
        raise TypeError(msg)
    low, high = (None if end is None else _second("baseline", end) for end in baseline)
    gap = _gap(times) * (1 + 1e-6)
    if (low is not None and low < times[0] - gap) or (high is not None and high > times[-1] + gap):
        msg = (
            f"baseline={tuple(baseline)} lies outside the data, which goes from {times[0]:g} to {times[-1]:g} s; times "
            "are in seconds."
        )
        raise ValueError(msg)
    tiny = 1e-6 * abs(float(times[-1] - times[0]))  # times are computed, not given
    inside = np.ones(len(times), dtype=bool)
    inside &= True if low is None else times >= low - tiny
    inside &= True if high is None else times <= high + tiny
    found = np.flatnonzero(inside)
    if len(found) == 0:
        msg = f"baseline={tuple(baseline)} holds no sample; the data goes from {times[0]:g} to {times[-1]:g} s."
        raise ValueError(msg)
    return int(found[0]), int(found[-1]) + 1


def _second(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        msg = f"{name} must be a number of seconds; got {shown(value)}."
        raise TypeError(msg)
    if not np.isfinite(value):
        msg = f"{name} must be a finite number of seconds; got {shown(value)}."
        raise ValueError(msg)
    return float(value)
