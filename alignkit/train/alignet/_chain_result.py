"""What a whole chain gives: how good its teacher is, and what its students gained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import join_names
from alignkit._result import Result
from alignkit.align import TeacherScores
from alignkit.train.alignet._scores import AligNetScores

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: What the teachers are called in the table of scores.
TEACHER, BEFORE = "teacher, aligned", "teacher, untransformed"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class AligNetChain(Result):
    """A teacher made of people's answers, and the students that learned from it.

    Attributes
    ----------
    path : Path
        The folder of all steps; ``alignkit.models.load(f"run:{path}/students/aligned")`` opens the aligned student.
    done : tuple of str
        The steps that are finished.
    seconds : dict of str to float
        How long each of these took.
    n_answers, n_items, n_held_out : int
        Answers and items that were learned from, and items that nothing learned from; 0 where triplets were given.
    teacher : TeacherScores or None
        What such a teacher predicts of answers about items that it did not see, beside controls.
    students : dict of str to dict
        By arm, the validation of the weights that were kept: agreement with the teacher, drift, neighbours kept.
    scores : AligNetScores or None
        People's answers about held-out items as predicted by the aligned student, by its controls, by the network
        before training and by the teachers, beside the ceiling; what is left of the network's knowledge.
    notes : tuple of str
        What a reader should know.
    """

    path: Path
    done: tuple[str, ...]
    seconds: dict[str, float]
    n_answers: int
    n_items: int
    n_held_out: int
    teacher: TeacherScores | None
    students: dict[str, dict[str, float]]
    scores: AligNetScores | None
    notes: tuple[str, ...] = ()

    def to_dataframe(self) -> pd.DataFrame:
        """Return the scores on held-out items, one row per model and measure; before these, the teacher's.

        Raises
        ------
        ValueError
            Neither is made yet.
        """
        found = self.scores or self.teacher
        if found is None:
            msg = f"{self.path} has no scores yet; run the steps teacher or scores."
            raise ValueError(msg)
        return found.to_dataframe()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw agreement with people on held-out items beside the ceiling; before students are scored, the teacher's.

        Raises
        ------
        ValueError
            Neither is made yet.
        """
        found = self.scores or self.teacher
        if found is None:
            msg = f"{self.path} has no scores yet; run the steps teacher or scores."
            raise ValueError(msg)
        return found.plot(ax)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        parts = []
        if self.n_answers:
            parts.append(
                f"A teacher was fitted to {self.n_answers:,} odd-one-out answers about {self.n_items:,} items; "
                f"{self.n_held_out:,} further items, their photos included, took part in nothing but the scores."
            )
        if self.teacher is not None:
            parts.append(self.teacher.methods_text())
        if self.students:
            parts.append(
                f"Students were trained on the similarities of triplets of images, one for each arm "
                f"({join_names(self.students)}), with the same settings and the same seed (Muttenthaler et al. 2025, "
                "doi:10.1038/s41586-025-09631-6)."
            )
        if self.scores is not None:
            parts.append(self.scores.methods_text())
        return " ".join(parts)

    def __repr__(self) -> str:
        lines = [f"<AligNetChain in {self.path}: {', '.join(self.done) or 'nothing'} done"]
        if self.n_answers:
            lines.append(
                f"  {self.n_answers:,} answers about {self.n_items:,} items to learn from, {self.n_held_out:,} items "
                "held out"
            )
        for arm, metrics in self.students.items():
            told = ", ".join(f"{name} {metrics[key]:.3f}" for key, name in _SHOWN.items() if key in metrics)
            lines.append(f"  {arm}: {told}")
        lines += [f"  {note}" for note in self.notes]
        parts = ["\n".join(lines) + ">"]
        parts += [f"{title}\n{one!r}" for title, one in (("Teacher", self.teacher), ("Students", self.scores)) if one]
        return "\n\n".join(parts)


#: Metrics of a student that are printed.
_SHOWN = {
    "val_loss": "loss",
    "val_accuracy": "agreement with its teacher",
    "drift_relative": "relative drift",
    "knn_overlap": "neighbours kept",
}
