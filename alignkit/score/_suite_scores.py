"""What a suite of data sets gives back: one table, time courses by data set, and what was not at hand."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

from alignkit._check import check_choice, join_names
from alignkit._result import Result
from alignkit.meg import TimeCourse
from alignkit.score._table import ScoreTable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SuiteScores(Result):
    """Scores of one or more models on the data sets of a suite that are at hand.

    Attributes
    ----------
    suite : str
        Name of the suite.
    table : ScoreTable
        Every score beside its ceiling, a part for each data set.
    courses : dict of str to TimeCourse
        By part: every model's time course within each person, with the noise ceiling; for onsets, peaks and tests over
        time (:func:`alignkit.meg.onset`, :func:`alignkit.meg.peak`, :func:`alignkit.meg.cluster_test`).
    missing : dict of str to str
        By part: what is not at hand, and how to get it.
    """

    suite: str
    table: ScoreTable
    courses: dict[str, TimeCourse]
    missing: dict[str, str]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table, one row per model or baseline, part and measure."""
        return self.table.to_dataframe()

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        texts = [self.table.methods_text()]
        texts += [f"{part}: {course.methods_text()}" for part, course in self.courses.items()]
        if self.missing:
            texts.append(f"Not at hand, and not scored: {', '.join(self.missing)}.")
        return " ".join(texts)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = 100) -> str:
        """Return the table as plain text, and how to get what is missing."""
        lines = [self.table.to_text(width)]
        if self.missing:
            lines += ["", "Not at hand"]
        for part, sentence in self.missing.items():
            lines += textwrap.wrap(
                f"{part}: {sentence}",
                width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
                break_long_words=False,
            )
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None, *, part: str | None = None) -> Axes:
        """Draw the time courses of one part, by default the first, with their intervals and the noise ceiling.

        In a suite without data sets over time, the models' scores on that part are drawn instead.

        Raises
        ------
        ValueError
            No such part, or no data set at all.
        """
        if not self.courses and any(row.primary for row in self.table.rows):
            return self.table.plot(ax, part=part)
        if not self.courses:
            msg = f"no data set over time was scored; there are {join_names(self.missing)} to get."
            raise ValueError(msg)
        chosen = next(iter(self.courses)) if part is None else part
        check_choice("part", chosen, tuple(self.courses))
        axes = self.courses[chosen].plot(ax)
        axes.set_title(chosen)
        return axes
