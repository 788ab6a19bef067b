"""Which channels are kept: by MNE's words, by a pattern of their names, by a group of sensors."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._check import join_names, require, shown
from alignkit._typing import IntArray
from alignkit.meg._recordings import Recording

#: Groups of sensors of the Neuromag Vectorview that mne has a list of.
_REGIONS = ("temporal", "parietal", "occipital", "frontal")
_GROUPS = ("Vertex", *(f"{side}-{region}" for side in ("Left", "Right") for region in _REGIONS))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """Channels kept: their names and types, their positions in each session, and mne's info of them."""

    channels: tuple[str, ...]
    types: tuple[str, ...]
    positions: tuple[IntArray, ...]
    info: Any


def pick(recordings: Sequence[Recording], picks: Any) -> Picked:
    """Return the channels that ``picks`` chooses, or all good data channels; bad in one session is bad in all.

    Raises
    ------
    ValueError
        No channel is left, or one is not in every session.
    TypeError
        Picks of no kind that is known.
    """
    first = recordings[0]
    if first.info is None:
        chosen = _pick_array(first, picks)
        names = tuple(first.channels[i] for i in chosen)
        return Picked(names, tuple(first.types[i] for i in chosen), (chosen,), None)
    bads = {name for recording in recordings for name in recording.info["bads"]}
    probe = _pick_mne(first, picks, bads)
    names = tuple(probe.ch_names)
    places = [{name: i for i, name in enumerate(recording.channels)} for recording in recordings]
    positions = tuple(np.array([place[name] for name in names], dtype=np.int64) for place in places)
    return Picked(names, tuple(probe.get_channel_types()), positions, probe.info)


def _pick_array(recording: Recording, picks: Any) -> IntArray:
    n_channels = len(recording.channels)
    if picks is None:
        return np.arange(n_channels)
    if isinstance(picks, slice):
        chosen = np.arange(n_channels)[picks]
    elif isinstance(picks, str):
        chosen = np.flatnonzero(np.array(recording.types) == picks)
    else:
        chosen = _positions(picks, n_channels)
    if len(chosen) == 0 or len(np.unique(chosen)) < len(chosen):
        msg = f"picks={shown(picks)} must keep at least one of the {n_channels} channels, and none twice."
        raise ValueError(msg)
    return chosen


def _positions(picks: Any, n_channels: int) -> IntArray:
    values = np.atleast_1d(np.asarray(picks))
    if values.dtype == bool and values.shape == (n_channels,):
        return np.flatnonzero(values)
    if values.dtype.kind not in "iu" or values.ndim != 1:
        msg = f"picks of an array must be positions, a slice, a mask or a type of ch_types; got {shown(picks)}."
        raise TypeError(msg)
    if ((values < -n_channels) | (values >= n_channels)).any():
        msg = f"picks must be positions among {n_channels} channels; got {shown(picks)}."
        raise ValueError(msg)
    return values.astype(np.int64) % n_channels


def _pick_mne(recording: Recording, picks: Any, bads: set[str]) -> Any:
    """Return an Evoked without data that has the channels picked, and only the projectors that are active."""
    mne = require("mne", "meg")
    probe = mne.EvokedArray(np.zeros((len(recording.channels), 1)), recording.info.copy(), verbose="error")
    probe.info["bads"] = [name for name in recording.channels if name in bads]
    probe.del_proj([i for i, projector in enumerate(probe.info["projs"]) if not projector["active"]])
    try:
        if picks is None:
            # "data" would take a CTF's reference sensors, too
            kinds_of_data = dict.fromkeys(("meg", "eeg", "csd", "seeg", "ecog", "dbs", "fnirs"), True)
            return probe.pick(mne.pick_types(probe.info, **kinds_of_data, ref_meg=False, exclude="bads"))
        names = _matching(recording, picks, bads) if isinstance(picks, str) else None
        return probe.pick(picks if names is None else names, exclude="bads", verbose="error")
    except (ValueError, TypeError, IndexError, re.error) as error:
        kinds = join_names(dict.fromkeys(recording.types))
        bad = f", {len(bads)} marked bad" if bads else ""
        msg = f"{recording.source} has no good data channels, only {kinds}{bad}; name channels with picks=."
        if picks is not None:
            some = join_names(recording.channels, 3)
            msg = f"picks={shown(picks)} chooses none of the channels ({some}), or none of their types ({kinds})."
            if isinstance(picks, list | tuple | np.ndarray):  # some of several may be there
                msg = f"picks={shown(picks)} must name channels ({some}) or types ({kinds}) that are there, none twice."
        raise ValueError(msg) from error


def _matching(recording: Recording, picks: str, bads: set[str]) -> list[str] | None:
    """Return the good channels of a group of sensors, or that a pattern matches; None where mne knows the word."""
    mne = require("mne", "meg")
    if picks in _GROUPS:
        group = set(mne.read_vectorview_selection(picks, info=recording.info, verbose="error"))
        return [name for name in recording.channels if name in group - bads]
    if picks in recording.channels or re.fullmatch(r"[a-z_]+", picks):  # a name, or one of mne's words
        return None
    return [name for name in recording.channels if re.match(picks, name) and name not in bads]
