"""What a student gained in agreement with people, and what it lost of what it knew."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from alignkit._check import counted
from alignkit._result import Result
from alignkit.score import Difference, ScoreTable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Measure and model that say what was kept.
PROBE = "linear-probe accuracy"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class AligNetScores(Result):
    """A student beside what it was before training, and beside its controls.

    Attributes
    ----------
    model : str
        Name of the run.
    arm : str
        What it was taught.
    table : ScoreTable
        Odd-one-out answers of people about items that no triplet had, and classes of other images; models are the
        student's output (dot products), its embedding (cosine), the embedding before training, and the same of every
        control.
    metrics : dict of str to float
        Of the weights that were kept: agreement with the teacher, drift, neighbours kept.
    margin : float
        What the accuracy of a linear probe may lose for it to count as kept.
    """

    model: str
    arm: str
    table: ScoreTable
    metrics: dict[str, float]
    margin: float = 0.01

    @property
    def retention(self) -> float | None:
        """Accuracy of a linear probe of the embedding after training minus before; None without images to probe."""
        rows = {row.model: row.value for row in self.table.rows if row.measure == PROBE}
        after, before = rows.get(f"{self.model}, embedding"), rows.get("before training")
        return None if after is None or before is None else after - before

    @property
    def retained(self) -> bool | None:
        """Whether a linear probe lost no more than :attr:`margin`; None without images to probe."""
        return None if self.retention is None else self.retention >= -self.margin

    def to_dataframe(self) -> pd.DataFrame:
        """Return the score table, one row per model or baseline, part and measure."""
        return self.table.to_dataframe()

    def difference(self, other: str, part: str, measure: str) -> Difference:
        """Return the paired difference between the student's output and another model.

        Raises
        ------
        ValueError
            No such difference.
        """
        for one in self.table.differences:
            if (one.part, one.measure) == (part, measure) and {one.better, one.other} == {self.model, other}:
                return one
        msg = f"there is no difference of {self.model} and {other} in {measure} on {part}."
        raise ValueError(msg)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        sentences = [
            self.table.methods_text(),
            "Similarities of the student's output are dot products divided by its temperature, those of embeddings "
            "cosines. Intervals of answers resample items as well as triplets.",
        ]
        if self.retention is not None:
            sentences.append(
                f"Linear probes of the embedding changed by {100 * self.retention:+.1f} points through training "
                f"({100 * self.margin:g} may be lost)."
            )
        return " ".join(sentence for sentence in sentences if sentence)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the models' agreement with people, or (without answers) what probes tell, beside ceilings."""
        return self.table.plot(ax)

    def __repr__(self) -> str:
        rows = tuple(row for row in self.table.rows if row.primary)
        notes = self.table.notes
        more = (f"{counted(len(notes), 'note')} in table.notes",) if notes else ()
        lines = [dataclasses.replace(self.table, rows=rows, differences=(), notes=more).to_text()]
        if self.retention is not None:
            kept = "kept" if self.retained else "not kept"
            lines.append(f"Linear probe {100 * self.retention:+.1f} points through training: {kept}")
        return "\n".join(lines)
