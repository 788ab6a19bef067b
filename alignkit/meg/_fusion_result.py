"""M/EEG beside another modality: a time course for each of its regions, and how well each region is known."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit.meg._drawn import Drawn
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._matrix_methods import SENTENCES
from alignkit.rsa._pooling import describe_pooling

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

_UNITS = {
    "meg": "each M/EEG participant's RDMs with the mean RDM of the other modality's participants",
    "other": "each participant's RDM of the other modality with the mean RDMs of the M/EEG participants",
    "both": "each participant's M/EEG RDMs with their own RDM of the other modality",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fusion(Drawn):
    """When M/EEG has the geometry of each region of another modality.

    Attributes
    ----------
    course : TimeCourse
        One curve for each region and participant: what :func:`onset`, :func:`peak`, :func:`auc` and tests over time
        take. Its ``lower`` and ``upper`` are the noise ceiling of the M/EEG participants (NaN where the curves are the
        other modality's participants).
    regions : tuple of str
        Names, the ``models`` of ``course``.
    n_other : ndarray of int, shape (region,)
        Participants of the other modality; 1 where only their mean was given.
    other_lower, other_upper : ndarray, shape (region,)
        Noise ceiling of the other modality: how well its participants agree. A region of unreliable RDMs is alike to
        nothing.
    over : {"meg", "other", "both"}
        Whose participants the curves are.
    pooling : str
        How participants were averaged.
    """

    course: TimeCourse
    regions: tuple[str, ...]
    n_other: np.ndarray[Any, np.dtype[np.int64]]
    other_lower: np.ndarray[Any, np.dtype[np.float64]]
    other_upper: np.ndarray[Any, np.dtype[np.float64]]
    over: str
    pooling: str

    def __repr__(self) -> str:
        lines = [
            f"\n  {name}: ceiling of {counted(int(n), 'participant')} {low:.4f} (lower), {high:.4f} (upper)"
            for name, n, low, high in zip(self.regions, self.n_other, self.other_lower, self.other_upper, strict=True)
            if n > 1
        ]
        return f"<Fusion over {self.over}: {self.course!r}{''.join(lines)}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per value, as that of the time course, with the columns ``other_lower`` and ``other_upper``.

        The models are called regions.
        """
        table = self.course.to_dataframe().rename(columns={"model": "region"})
        for name in ("other_lower", "other_upper"):
            table[name] = table["region"].map(dict(zip(self.regions, getattr(self, name).tolist(), strict=True)))
        return table.assign(over=self.over)

    def to_xarray(self) -> xr.Dataset:
        """Return the time course's Dataset, with its models as regions and their ceilings."""
        found = self.course.to_xarray().rename(model="region")
        bounds = {name: (("region",), getattr(self, name)) for name in ("other_lower", "other_upper")}
        return found.assign(bounds).assign_attrs(over=self.over, pooling=self.pooling)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        course, low, high = self.course, int(self.n_other.min()), int(self.n_other.max())
        number = counted(high, "participant") if low == high else f"{low} to {high} participants"
        what = f"{counted(len(self.regions), 'region')} of another modality ({number})"
        averaged = f", {describe_pooling(course.method, self.pooling)}" if self.over != "both" else ""
        how = f"fusion compared {_UNITS[self.over]}{averaged} (Cichy et al., 2014)"
        if self.over != "other":
            return f"{course.methods_text()} The models were RDMs of {what}: {how}."
        return (
            f"M/EEG RDMs at {counted(len(course.times), 'sample')} from {course.times[0]:g} to {course.times[-1]:g} s "
            f"({course.n_items} items) and RDMs of {what} were compared by {SENTENCES[course.method]}: {how}."
        )

    def _title(self) -> str:
        return "Fusion"

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean curve of every region; ``options`` are those of the time course's figure."""
        return self.course.plot(ax, **options)
