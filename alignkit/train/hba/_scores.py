"""What training bought: scores on objects that nothing was fitted to, before and after."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.score import ScoreTable
from alignkit.train.hba._dimension_scores import DimensionScore

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SelectionCurves:
    """Validation by both criteria that an epoch may be chosen by."""

    steps: FloatArray
    """Optimiser steps taken before each validation; 0 is the untrained model."""
    rdm_spearman: FloatArray
    """Spearman's correlation of RDMs of outputs and targets, at each."""
    mse: FloatArray
    """Mean squared error of the dimensions, at each."""
    monitor: str
    """The metric that the kept weights were chosen by."""
    best_step: int
    """Steps that these had seen."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HBAScores(Result):
    """A trained model beside what it was before, and beside named baselines.

    Attributes
    ----------
    model : str
        Name of the run.
    table : ScoreTable
        The trained model and its baselines: RDM48, people's answers about held-out objects, agreement with the targets
        of held-out and of validation objects.
    dimensions : tuple of DimensionScore
        Each dimension's correlation with its target over held-out objects, before and after training.
    n_held_out : int
        Objects behind these.
    curves : SelectionCurves
        Validation by both criteria that an epoch may be chosen by.
    """

    model: str
    table: ScoreTable
    dimensions: tuple[DimensionScore, ...]
    n_held_out: int
    curves: SelectionCurves

    def to_dataframe(self) -> pd.DataFrame:
        """Return the score table, one row per model or baseline, part and measure."""
        return self.table.to_dataframe()

    def dimensions_to_dataframe(self) -> pd.DataFrame:
        """Return one row per dimension: correlations before and after, their difference, and intervals."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(DimensionScore)]
        return pd.DataFrame([dataclasses.asdict(row) for row in self.dimensions], columns=names)

    def curves_to_dataframe(self) -> pd.DataFrame:
        """Return one row per validation: step, and both criteria."""
        import pandas as pd

        curves = self.curves
        columns: dict[str, Any] = {"step": curves.steps.astype(np.int64)}
        return pd.DataFrame({**columns, "rdm_spearman": curves.rdm_spearman, "mse": curves.mse})

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        curves = self.curves
        sentences = [self.table.methods_text()]
        if any("odd-one-out" in row.measure for row in self.table.rows):
            sentences.append(
                "Similarities are dot products of dimensions in the targets' units, and cosines of image features and "
                "zero-shot logits."
            )
        if self.dimensions:
            sentences.append(
                f"Each of the {len(self.dimensions)} dimensions was correlated (Pearson) with its target over "
                f"{self.n_held_out} held-out objects, before and after training; intervals are over objects."
            )
        if len(curves.steps):
            sentences.append(
                f"The weights of step {curves.best_step:,} were chosen by {curves.monitor} of the validation objects, "
                "never by held-out ones."
            )
        return " ".join(sentences)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each dimension's correlation over held-out objects, before and after, best first."""
        from alignkit.train.hba._draw_scores import plot_dimensions

        return plot_dimensions(self, ax)

    def plot_curves(self, ax: Axes | None = None) -> Axes:
        """Draw both selection criteria against the step, the chosen step marked."""
        from alignkit.train.hba._draw_scores import plot_curves

        return plot_curves(self, ax)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, *, notes: str = "table.notes") -> str:
        """Return the main lines of the table and a line about dimensions, which say where the notes are."""
        rows = tuple(row for row in self.table.rows if row.primary)
        n = len(self.table.notes)
        more = (f"{counted(n, 'note')} in {notes}",) if n else ()
        lines = [dataclasses.replace(self.table, rows=rows, differences=(), notes=more).to_text()]
        if self.dimensions:
            lines += ["", self._summary()]
        return "\n".join(lines)

    def _summary(self) -> str:
        """Return in one line what became of the dimensions."""
        before, after, low = (
            np.array([getattr(row, name) for row in self.dimensions]) for name in ("before", "after", "difference_low")
        )
        better = int((low > 0).sum())
        return (
            f"Dimensions over {counted(self.n_held_out, 'held-out object')}: median r {_median(before)} before, "
            f"{_median(after)} after; {better} of {len(after)} better beyond their interval"
        )


def _median(values: FloatArray) -> str:
    defined = values[np.isfinite(values)]
    return f"{np.median(defined):.3f}" if defined.size else "-"
