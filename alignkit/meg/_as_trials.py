"""Epochs, averages, arrays and files of one participant as trials whose data is read when it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from alignkit._check import is_tensor, shown
from alignkit._typing import FloatArray
from alignkit.meg._flat_channels import warn_of_flat
from alignkit.meg._picks import pick
from alignkit.meg._rank_of_trials import rank_by_type
from alignkit.meg._reading import Reading
from alignkit.meg._recordings import Recording, check_sessions, recordings_of
from alignkit.meg._sources import JoinedSource, Source
from alignkit.meg._time_grid import TimeGrid, sample_interval, time_grid, warn_of_aliasing
from alignkit.meg._trial_labels import choose, design_of
from alignkit.meg._trials import Trials

#: MNE's names of the levels of messages.
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def as_trials(
    data: Any,
    /,
    *,
    by: str | Sequence[Any] | None = None,
    folds: str | Sequence[Any] | None = None,
    times: Any = None,
    picks: Any = None,
    tmin: float | None = None,
    tmax: float | None = None,
    baseline: Sequence[float | None] | None = None,
    decim: int = 1,
    query: str | None = None,
    ch_types: str | Sequence[str] | None = None,
    verbose: bool | str | int | None = None,
) -> Trials:
    """Return the trials of one participant, selected as in MNE and read a stretch of time at a time.

    ``data`` is never changed, not even loaded. What MNE still has to do to it (rejection, projection, a baseline) is
    done; dropped epochs stay dropped. A plain ``.fif`` file is read directly, a block of epochs at a time, and a
    stretch of time costs one pass over the file whatever its length; memory holds the stretch and one block. Epochs
    that cannot be read so (a compressed file, a raw file behind them) are read by MNE, one by one: once where they
    fit in a quarter of a GiB, else anew for each stretch.

    Parameters
    ----------
    data : mne.Epochs, list of mne.Epochs, list of mne.Evoked, array_like of shape (trials, channels, times), or path
        Epochs (a list holds sessions of the same participant); Evoked, each a trial of the condition that its comment
        names; numbers with ``times``; or the path (or paths: sessions) of ``-epo.fif`` or ``-ave.fif`` files. The first
        part of a split file brings the others.
    by : str or sequence, optional
        What each trial shows: a column of ``epochs.metadata``, or one label per trial. By default the names in
        ``event_id`` (all of ``a/b``), else the events' codes, or the comments of Evoked. Rows of RDMs are in natural
        order of the labels, whatever the order of the trials: numbers by size, ``image2`` before ``image10``. Whole
        numbers have no decimals (``3``, not ``3.0``).
    folds : str or sequence, optional
        The fold of each trial (a session, a run): a column, or one value per trial; ``"file"`` makes a fold of each
        element of a list of sessions.
    times : array_like of shape (times,), optional
        Seconds, for an array.
    picks : str, list, slice or array_like of ints, optional
        Channels as in MNE (types, names, positions); a regular expression that the names start with (``"M.O"``: the
        occipital sensors of a CTF); or a group of Vectorview sensors (``"Left-occipital"``). By default all good data
        channels. A channel that is bad in one session is bad in all.
    tmin, tmax : float, optional
        First and last time kept, in seconds, both included.
    baseline : (float or None, float or None), optional
        Subtract the mean of each trial and channel between two times (None: from the first, to the last sample), of
        the data before it is cropped. By default nothing is subtracted.
    decim : int
        Keep every ``decim``-th sample, time zero among them.
    query : str, optional
        Trials kept: a pandas query over the metadata (or names or tags of events), as in ``epochs["..."]``. Sequences
        in ``by`` and ``folds`` have one value for each trial before it.
    ch_types : str or sequence of str, optional
        Types of an array's channels, by default ``"misc"``.
    verbose : bool, str or int, optional
        MNE's level of messages while files are opened; by default only warnings.

    Returns
    -------
    Trials
        Conditions, folds, channels, times, and the function that reads.

    Raises
    ------
    TypeError
        Data of an unknown kind, or complex numbers.
    ValueError
        A column that is missing or has gaps, no channels, trials or samples left, sessions that do not fit, a file
        that is damaged, is a later part of a split file, or is named twice.
    FileNotFoundError
        A file that is not there, or whose other parts are not.

    Examples
    --------
    >>> import numpy as np
    >>> epochs = np.random.default_rng(0).standard_normal((6, 4, 50))
    >>> trials = as_trials(epochs, by=[10, 9, 10, 9, 10, 9], folds=[1, 1, 2, 2, 3, 3], times=np.arange(50) / 100)
    >>> trials.design.labels, trials.design.n_folds
    (('9', '10'), 3)
    >>> trials.read(0, 5).shape
    (5, 6, 4)
    """
    with _mne_level(verbose) as level:
        recordings = recordings_of(data, times=times, ch_types=ch_types, level=level)
        check_sessions(recordings)
        chosen = choose(recordings, query)
        design = design_of(recordings, by, folds, chosen)
        grid = time_grid(recordings[0].times, tmin=tmin, tmax=tmax, baseline=baseline, decim=decim)
        picked = pick(recordings, picks)
        _check_rate(recordings[0], decim)
        sources = [recording.open(rows) for recording, rows in zip(recordings, picked.positions, strict=True)]
        source: Source = sources[0] if len(sources) == 1 else JoinedSource(sources)
        reading = Reading(source, chosen, grid, picked.channels)
        warn_of_flat(reading)
        ranks = rank_by_type(reading, picked.types, picked.info)
    return Trials(
        design=design,
        times=grid.times,
        channels=picked.channels,
        channel_types=picked.types,
        read=reading,
        dtype=source.dtype,
        rank=sum(ranks.values()),
        rank_by_type=ranks,
        info=picked.info,
        source=", ".join(dict.fromkeys(recording.source for recording in recordings)),
        selection=_selection(recordings[0].times, grid, cropped=tmin is not None or tmax is not None),
        averages=recordings[0].averages,
        in_memory=source.in_memory,
    )


def _selection(times: FloatArray, grid: TimeGrid, *, cropped: bool) -> dict[str, Any]:
    """Return what of the data is kept, in seconds, and what was subtracted."""
    span = None if grid.baseline is None else [times[grid.baseline[0]], times[grid.baseline[1] - 1]]
    crop = {"crop": _seconds([grid.times[0], grid.times[-1]])} if cropped else {}
    return {"baseline": None if span is None else _seconds(span), "decim": grid.step, **crop}


def _seconds(times: Sequence[float]) -> list[float]:
    return [round(float(time), 9) for time in times]  # sums of steps


def _check_rate(recording: Recording, decim: int) -> None:
    if decim > 1 and recording.info is not None:
        rate = 1 / sample_interval(recording.times, "decim")
        warn_of_aliasing(rate, recording.info["lowpass"], decim)


@contextlib.contextmanager
def _mne_level(verbose: object) -> Iterator[Any]:
    """Check and give mne's level of messages."""
    if verbose is None:
        yield "warning"
        return
    known = isinstance(verbose, str) and verbose.upper() in _LEVELS
    if not known and (is_tensor(verbose) or not isinstance(verbose, bool | int)):
        msg = f"verbose must be True, False, or a level of MNE's such as 'info'; got {shown(verbose)}."
        raise ValueError(msg) if isinstance(verbose, str) else TypeError(msg)
    yield verbose
