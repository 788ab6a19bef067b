"""Sensors: what they are called, of which type they are, where they sit, and which of them are neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_array, check_count, check_not_negative, counted, join_names, require
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.meg._trials import Trials

if TYPE_CHECKING:
    import mne

#: Metres below which two sensors sit at one place, as the two gradiometers of a pair do.
_SAME_PLACE = 1e-4
_CODES = ("kind", "coil_type", "unit", "unit_mul", "coord_frame")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sensors:
    """Names and types of sensors, and what mne knows of their places, where the data came from mne.

    Attributes
    ----------
    names, types : tuple of str
        One for each sensor.
    locations : ndarray, shape (sensor, 12), or None
        Place (first three, in metres) and orientation, as in ``info["chs"]``.
    codes : ndarray of int, shape (sensor, 5), or None
        MNE's kind, coil type, unit, unit multiplier and coordinate frame.
    head : ndarray, shape (4, 4), or None
        Transform from the device to the head, where it is known.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    locations: np.ndarray[Any, np.dtype[np.float64]] | None
    codes: np.ndarray[Any, np.dtype[np.int64]] | None
    head: np.ndarray[Any, np.dtype[np.float64]] | None

    @classmethod
    def of(cls, trials: Trials) -> Self:
        """Return the sensors of trials."""
        if trials.info is None:
            return cls(trials.channels, trials.channel_types, None, None, None)
        chs = trials.info["chs"]
        locations = np.array([ch["loc"] for ch in chs], dtype=np.float64)
        codes = np.array([[int(ch[name]) for name in _CODES] for ch in chs], dtype=np.int64)
        head = trials.info["dev_head_t"]
        transform = None if head is None else np.asarray(head["trans"], dtype=np.float64)
        return cls(trials.channels, trials.channel_types, locations, codes, transform)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Types that occur, each once."""
        return tuple(dict.fromkeys(self.types))

    def of_type(self, kind: str) -> IntArray:
        """Return the positions of the sensors of a type."""
        return np.flatnonzero(np.array(self.types) == kind)

    def places(self) -> FloatArray:
        """Return where the sensors sit, shape (sensor, 3), in metres.

        Raises
        ------
        ValueError
            Sensors whose places are not known.
        """
        if self.locations is None:
            msg = "an array does not say where its channels are; pass adjacency=, or mne objects with positions."
            raise ValueError(msg)
        found = self.locations[:, :3]
        nowhere = ~np.isfinite(found).all(axis=1) | (found == 0).all(axis=1)
        if nowhere.any():
            names = join_names(np.array(self.names)[nowhere])
            msg = f"the positions of {names} are not known; set them with set_montage(), or pass adjacency=."
            raise ValueError(msg)
        return found

    def info(self, sampling_rate: float = 1.0) -> mne.Info:
        """Return mne's description of the sensors.

        Raises
        ------
        ValueError
            Sensors whose places are not known.
        """
        mne = require("mne", "meg")
        self.places()
        assert self.locations is not None
        assert self.codes is not None
        info = mne.create_info(list(self.names), sampling_rate, list(self.types))
        for ch, location, codes in zip(info["chs"], self.locations, self.codes, strict=True):
            ch["loc"] = location.copy()
            ch.update(dict(zip(_CODES, codes.tolist(), strict=True)))
        if self.head is not None:
            with info._unlock():
                info["dev_head_t"] = mne.transforms.Transform("meg", "head", self.head)
        return info

    def adjacency(self) -> BoolArray:
        """Return which sensors touch, by mne's layouts or triangulation, each type by itself; itself included.

        Raises
        ------
        ValueError
            Too few sensors of a type to triangulate, or unknown places.
        """
        mne = require("mne", "meg")
        info = self.info()
        found = np.eye(len(self), dtype=np.bool_)
        for kind in self.kinds:
            own = self.of_type(kind)
            try:
                with mne.use_log_level("error"):
                    matrix, names = mne.channels.find_ch_adjacency(mne.pick_info(info, own), kind)
            except (ValueError, RuntimeError) as error:  # scipy's QhullError is a RuntimeError
                msg = (
                    f"the {counted(len(own), 'sensor')} of type {kind!r} cannot be triangulated; pass adjacency=, "
                    "radius= or n_neighbors=."
                )
                raise ValueError(msg) from error
            order = [names.index(self.names[i]) for i in own]
            found[np.ix_(own, own)] |= matrix.toarray().astype(bool)[np.ix_(order, order)]
        return found

    def sites(self, kind: str) -> list[IntArray]:
        """Return the positions of the sensors of a type, those at one place together."""
        own = self.of_type(kind)
        where = self.places()[own]
        left, found = list(range(len(own))), []
        while left:
            near = np.linalg.norm(where[left] - where[left[0]], axis=1) < _SAME_PLACE
            found.append(own[np.array(left)[near]])
            left = [i for i, here in zip(left, near, strict=True) if not here]
        return found


def as_adjacency(adjacency: Any, n: int) -> BoolArray:
    """Return which of ``n`` sensors touch, each also itself, from an array or a sparse matrix.

    Raises
    ------
    ValueError
        Another shape, or one that is not symmetric.
    """
    dense = adjacency.toarray() if hasattr(adjacency, "toarray") else as_array("adjacency", adjacency)
    if dense.shape != (n, n) or dense.dtype.kind not in "biuf":
        msg = f"adjacency must have shape ({n}, {n}), one row for each channel; got {dense.dtype} {dense.shape}."
        raise ValueError(msg)
    found = (dense != 0) | np.eye(n, dtype=np.bool_)
    if (found != found.T).any():
        i, j = np.argwhere(found != found.T)[0]
        msg = f"adjacency must be symmetric; channel {i} touches {j}, but not the other way round."
        raise ValueError(msg)
    return np.asarray(found)


def patches_of(
    sensors: Sensors, adjacency: BoolArray | None, radius: float | None, n_neighbors: int | None
) -> list[IntArray]:
    """Return the sensors around each sensor, of its own type, itself among them, in ascending order.

    Raises
    ------
    ValueError
        More neighbours than there are sensors, or unknown places.
    """
    if radius is None and n_neighbors is None:
        assert adjacency is not None
        return [_same_type(np.flatnonzero(row), sensors.types, i) for i, row in enumerate(adjacency)]
    if n_neighbors is not None and check_count("n_neighbors", n_neighbors) == 0:
        return [np.array([i]) for i in range(len(sensors))]
    if radius is not None:
        check_not_negative("radius", radius)
    patches: list[IntArray] = [np.zeros(0, dtype=np.int64)] * len(sensors)
    where = sensors.places()
    for kind in sensors.kinds:
        own = sensors.of_type(kind)
        if n_neighbors is not None and n_neighbors >= len(own):
            msg = f"n_neighbors={n_neighbors} is more than the other sensors of type {kind!r} ({len(own) - 1})."
            raise ValueError(msg)
        for i in own:
            distance = np.linalg.norm(where[own] - where[i], axis=1)
            distance[own == i] = -1.0
            if radius is not None:
                patches[i] = own[distance <= radius + 1e-9]
            else:
                patches[i] = np.sort(own[np.argsort(distance, kind="stable")[: int(n_neighbors or 0) + 1]])
    return patches


def _same_type(patch: IntArray, types: Sequence[str], i: int) -> IntArray:
    return patch[[types[j] == types[i] for j in patch]]
