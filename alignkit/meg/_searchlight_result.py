"""Similarity of models around every sensor over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, counted, join_names
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.meg._evoked import as_evoked, sampling_rate
from alignkit.meg._sensors import Sensors
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._matrix_methods import DISTANCES

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DIMS = ("model", "subject", "sensor", "time")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Searchlight(Drawn):
    """Similarity of models to the RDMs of the sensors around each sensor, at every time.

    Attributes
    ----------
    similarity : ndarray, shape (model, subject, sensor, time)
        One map over sensors and times for each model and participant.
    mean : ndarray, shape (model, sensor, time)
        Mean over participants.
    interval : ndarray, shape (2, model, sensor, time)
        Interval of that mean (expanded percentiles), by bootstrap over participants; NaN where it was not computed.
    times : ndarray, shape (time,)
        Seconds.
    models, subjects : tuple of str
        Names.
    sensors : Sensors
        ``names``, ``types`` and ``locations``.
    adjacency : ndarray of bool, shape (sensor, sensor)
        Which sensors touch: for ``cluster_test(result.curves(), adjacency=result.adjacency)``.
    patch_sizes : ndarray of int, shape (sensor,)
        Sensors around each, itself included.
    method : str
        How RDMs are compared.
    metric : str
        What the dissimilarities are.
    n_items : int
        Conditions.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    methods : str
        The sentences of :meth:`methods_text`.
    """

    similarity: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    models: tuple[str, ...]
    subjects: tuple[str, ...]
    sensors: Sensors
    adjacency: np.ndarray[Any, np.dtype[np.bool_]]
    patch_sizes: np.ndarray[Any, np.dtype[np.int64]]
    method: str
    metric: str
    n_items: int
    confidence: float
    n_bootstrap: int
    methods: str

    @property
    def n_subjects(self) -> int:
        """Number of participants."""
        return len(self.subjects)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes of ``similarity``."""
        return _DIMS

    @property
    def quantity(self) -> str:
        """What the values are: ``"similarity"`` or, where smaller is more alike, ``"distance"``."""
        return "distance" if self.method in DISTANCES else "similarity"

    def position(self, model: str | None = None) -> int:
        """Return where a model stands in ``models``; the only one by default.

        Raises
        ------
        ValueError
            No such model, or several models and none named.
        """
        if model is None and len(self.models) > 1:
            msg = f"this searchlight holds {len(self.models)} models; name one of {join_names(self.models)}."
            raise ValueError(msg)
        if model is not None:
            check_choice("model", model, self.models)
        return 0 if model is None else self.models.index(model)

    def curves(self, model: str | None = None) -> FloatArray:
        """Return the maps of one model, shape (subject, sensor, time); of the only one by default.

        Raises
        ------
        ValueError
            No such model, or several models and none named.
        """
        return self.similarity[self.position(model)]

    def __repr__(self) -> str:
        kinds = ", ".join(f"{self.sensors.types.count(kind)} {kind}" for kind in self.sensors.kinds)
        low, high = self.patch_sizes.min(), self.patch_sizes.max()
        size = f"{low}" if low == high else f"{low} to {high}"
        head = (
            f"<Searchlight {self.method}, {counted(self.n_subjects, 'participant')}, {self.n_items} items, {kinds} "
            f"(patches of {size}), {counted(len(self.times), 'sample')} from {self.times[0]:g} to {self.times[-1]:g} s"
        )
        lines = [f"\n  {name}: {self._best(k)}" for k, name in enumerate(self.models[:6])]
        more = f"\n  and {len(self.models) - 6} more models" if len(self.models) > 6 else ""
        return f"{head}{''.join(lines)}{more}>"

    def _best(self, k: int) -> str:
        mean = self.mean[k]
        if not np.isfinite(mean).any():
            return "NaN"
        distance = self.quantity == "distance"
        where = np.unravel_index(np.nanargmin(mean) if distance else np.nanargmax(mean), mean.shape)
        place = f"around {self.sensors.names[where[0]]} at {self.times[where[1]]:g} s"
        return f"{'lowest' if distance else 'highest'} mean {mean[where]:.4f} {place}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per value: ``model``, ``participant``, ``sensor``, ``type``, ``time``, ``similarity``."""
        import pandas as pd

        sensors = dict(zip(self.sensors.names, self.sensors.types, strict=True))
        axes = {"model": self.models, "participant": self.subjects, "sensor": list(sensors), "time": self.times}
        table = pd.DataFrame(axis_columns(tuple(axes), axes, self.similarity.shape))
        table.insert(3, "type", table["sensor"].map(sensors))
        return table.assign(**{self.quantity: self.similarity.ravel()}, method=self.method)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of all maps, their means and intervals, with the names of sensors and times."""
        import xarray as xr

        over = _DIMS[2:]
        variables = {
            self.quantity: (_DIMS, self.similarity),
            "mean": (("model", *over), self.mean),
            "interval": (("bound", "model", *over), self.interval),
        }
        coords = {
            "model": list(self.models),
            "subject": list(self.subjects),
            "sensor": list(self.sensors.names),
            "type": ("sensor", list(self.sensors.types)),
            "time": self.times,
            "bound": ["low", "high"],
        }
        names = ("method", "metric", "n_items")
        return xr.Dataset(variables, coords, {name: getattr(self, name) for name in names})

    def to_evoked(self, model: str | None = None, *, subject: str | None = None) -> mne.EvokedArray:
        """Return the mean map of a model (or a participant's) as an Evoked with the sensors' own positions.

        MNE takes the values for fields and potentials: pass ``scalings=1, units="r"`` to ``plot_topomap`` (in
        ``topomap_args`` for ``plot_joint``). It shows pairs of gradiometers by their root mean square, which has no
        sign; :meth:`plot_topomap` averages them.

        Raises
        ------
        ValueError
            No such model or participant, sensors without positions, or samples that are not evenly spaced.
        """
        if subject is not None:
            check_choice("subject", subject, self.subjects)
        rate = sampling_rate(self.times)
        k = self.position(model)
        values = self.mean[k] if subject is None else self.similarity[k, self.subjects.index(subject)]
        info = self.sensors.info(rate)
        n = self.n_subjects if subject is None else 1
        comment = f"{self.models[k]} ({self.method})"
        return as_evoked(values, info, self.times, nave=n, comment=comment)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        if not self.n_bootstrap:
            return self.methods
        return (
            f"{self.methods} Similarities were averaged over {self.n_subjects} participants ({self.confidence:.0%} "
            f"expanded percentile intervals (Hesterberg, 2015) by bootstrap over participants, {self.n_bootstrap:,} "
            "resamples)."
        )

    def _title(self) -> str:
        return "Searchlight"

    def plot(self, ax: Axes | None = None, *, model: str | None = None) -> Axes:
        """Draw a model's mean at every sensor over time, one line each, the sensor of the highest value in colour."""
        from alignkit.meg._draw_topomap import plot_sensors

        return plot_sensors(self, ax, model=model)

    def plot_topomap(
        self,
        times: Any = None,
        *,
        model: str | None = None,
        subject: str | None = None,
        ch_type: str | None = None,
        significance: object = None,
        axes: Any = None,
    ) -> Figure:
        """Draw a model's mean (or a participant's) over the head at some times.

        Parameters
        ----------
        times : float or array_like, shape (n,), optional
            Seconds; the nearest samples are drawn. By default, five from the start (or time zero) to the end.
        model, subject : str, optional
            Which model (the only one by default), and which participant (by default, the mean of all).
        ch_type : str, optional
            Which type of sensor; by default, the first. Both gradiometers of a pair are averaged.
        significance : test over time or array_like of bool, shape (sensor, time), optional
            Sensors to be marked.
        axes : sequence of matplotlib Axes, optional
            One for each time.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ValueError
            No such model, participant, type or time, sensors without positions, or significance that does not fit.
        """
        from alignkit.meg._draw_topomap import plot_topomap

        return plot_topomap(
            self, times, model=model, subject=subject, ch_type=ch_type, significance=significance, axes=axes
        )

    def _figures(self) -> Iterator[tuple[str, Any]]:
        for name in self.models:
            yield "" if len(self.models) == 1 else name, self.plot_topomap(model=name)
