"""What all tests over time share: a statistic and its p-values at every time, and how they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._result import Result
from alignkit.meg._drawn import Drawn
from alignkit.rsa._axes import axis_columns

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Larger null distributions are not written to JSON.
_MOST_SAVED = 100_000
TAILS = {"two-sided": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeTest(Drawn):
    """A sign-flip test at every time; see its kinds for the fields."""

    statistic: np.ndarray[Any, np.dtype[np.float64]]
    p: np.ndarray[Any, np.dtype[np.float64]]
    p_corrected: np.ndarray[Any, np.dtype[np.float64]]
    significant: np.ndarray[Any, np.dtype[np.bool_]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    test: str
    tail: str
    popmean: float
    alpha: float
    n_subjects: int
    n_permutations: int
    exact: bool
    null: np.ndarray[Any, np.dtype[np.float64]] | None
    note: str

    def __repr__(self) -> str:
        unit = "samples" if self.statistic.ndim == 1 else "cells"
        n, found = int(np.isfinite(self.statistic).sum()), int(self.significant.sum())
        count = counted(self.n_permutations, "sign flip")
        flips = f"{'all ' if self.exact else ''}{count} of {self.n_subjects} subjects"
        note = f"; {self.note}" if self.note else ""
        lowest = f", lowest corrected p {np.nanmin(self.p_corrected):.4g}" if n else ""
        return (
            f"<{type(self).__name__} of the {self._statistic()}: {found} of {n} {unit} with corrected p <= "
            f"{self.alpha:g}{lowest}{self._found()}; {self.tail}, {flips}{note}>"
        )

    def _statistic(self) -> str:
        return "t" if self.test == "t" else "mean"

    def _found(self) -> str:
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, without a null distribution of more than 100,000 values."""
        huge = self.null is not None and self.null.size > _MOST_SAVED
        return Result.to_dict(dataclasses.replace(self, null=None) if huge else self)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per time (or cell): where it is, the statistic, p, p_corrected, significant, and settings."""
        import pandas as pd

        columns = axis_columns(self.dims, {**self.coords, "time": self.times}, self.statistic.shape)
        values = {"statistic": self.statistic, **self._columns(), "p": self.p, "p_corrected": self.p_corrected}
        columns |= {name: value.ravel() for name, value in values.items()}
        columns["significant"] = self.significant.ravel()
        return pd.DataFrame(columns).assign(n_subjects=self.n_subjects, tail=self.tail)

    def _columns(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {}

    def _tested(self) -> str:
        """Return the sentence's start: who was tested, against what, and how."""
        what = "one-sample t statistic" if self.test == "t" else "mean"
        count = f"all {self.n_permutations:,}" if self.exact else f"{self.n_permutations:,} random"
        return (
            f"Values of {counted(self.n_subjects, 'subject')} were tested against {self.popmean:g} at "
            f"{counted(self.statistic.size, 'time' if self.statistic.ndim == 1 else 'cell')} with the {what} and "
            f"{count} sign flips of subjects (p = {'k/m' if self.exact else '(k + 1)/(m + 1)'}, {TAILS[self.tail]})"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the statistic over time with the significant times marked; a map where there are two axes."""
        from alignkit.meg._draw_time_test import plot_time_test

        return plot_time_test(self, ax)
