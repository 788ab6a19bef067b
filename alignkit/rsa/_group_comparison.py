"""What a comparison of two groups of people gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit.rsa._matrix_methods import SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TAILS = {"two-sided": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}
_STATISTICS = {
    "pairs": "the mean similarity of two subjects of one group less that of two subjects of different groups",
    "means": "the dissimilarity (one less the similarity) of the mean RDMs of the two groups",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class GroupComparison(Result):
    """Whether two groups of people differ in their RDMs, and in how well models fit them.

    Attributes
    ----------
    difference : float
        How much the groups' RDMs differ, by ``statistic``; around 0 for ``"pairs"`` where they do not.
    p : float
        Share of the divisions of all subjects into two groups of these sizes whose difference is at least as large;
        NaN where no division could reach ``alpha``.
    within : ndarray, shape (2,)
        Mean similarity of two subjects of the same group (for a distance: mean distance).
    between : float
        The same of subjects of different groups.
    shared : float
        ``between`` over the geometric mean of ``within``: the similarity of the two groups' RDMs less the noise of
        single subjects, 1 where they only differ in noise. NaN for distances and where a group does not agree.
    models : tuple of str
        Models; empty where none were given, as is all that follows per model.
    scores : ndarray, shape (models, subjects)
        Similarity of every model to every subject, the first group first.
    model_difference : ndarray, shape (models,)
        Mean score of the first group less that of the second.
    interval : ndarray, shape (2, models)
        Welch's t interval of that difference.
    t, df : ndarray, shape (models,)
        Welch's t and its degrees of freedom.
    p_welch : ndarray, shape (models,)
        Of Welch's t test, which takes scores to be normal.
    p_model : ndarray, shape (models,)
        Share of divisions whose t is at least as extreme.
    p_model_corrected : ndarray, shape (models,)
        The same for the most extreme t of any model (max-T): corrected for all models.
    null : ndarray, shape (divisions,), or None
        Differences of the divisions; None where they were too many for the file that this was read from.
    n_divisions : int
        Divisions taken.
    exact : bool
        Whether these are all that there are.
    smallest_p : tuple of float
        Smallest p-values that the divisions allow: of the RDMs, and of the models.
    groups : tuple of str
        What the groups are called.
    n_subjects : tuple of int
        Their sizes.
    n_items : int
        Items of the RDMs.
    method, statistic, alternative : str
        As asked for; ``alternative`` is that of the models.
    alpha, confidence : float
        Level that tests must be able to reach, and that of the intervals.
    note : str
        Why p-values are missing, and what else to know; otherwise empty.
    """

    difference: float
    p: float
    within: np.ndarray[Any, np.dtype[np.float64]]
    between: float
    shared: float
    models: tuple[str, ...]
    scores: np.ndarray[Any, np.dtype[np.float64]]
    model_difference: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    t: np.ndarray[Any, np.dtype[np.float64]]
    df: np.ndarray[Any, np.dtype[np.float64]]
    p_welch: np.ndarray[Any, np.dtype[np.float64]]
    p_model: np.ndarray[Any, np.dtype[np.float64]]
    p_model_corrected: np.ndarray[Any, np.dtype[np.float64]]
    null: np.ndarray[Any, np.dtype[np.float64]] | None
    n_divisions: int
    exact: bool
    smallest_p: tuple[float, float]
    groups: tuple[str, str]
    n_subjects: tuple[int, int]
    n_items: int
    method: str
    statistic: str
    alternative: str
    alpha: float
    confidence: float
    note: str

    def __repr__(self) -> str:
        sizes = " and ".join(f"{n} ({name})" for name, n in zip(self.groups, self.n_subjects, strict=True))
        lines = [
            f"<GroupComparison {self.method}, {sizes} subjects, {self.n_items} items: difference "
            f"{self.difference:.4f}, p = {self.p:.4g}; {self._divisions()}"
        ]
        for j, name in enumerate(self.models[:10]):
            lines.append(
                f"  {name}: {self.model_difference[j]:+.4f} [{self.interval[0, j]:.4f}, {self.interval[1, j]:.4f}], "
                f"p = {self.p_model[j]:.4g}, corrected {self.p_model_corrected[j]:.4g}"
            )
        lines += [f"  and {len(self.models) - 10} more models"] if len(self.models) > 10 else []
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])]) + ">"

    def _divisions(self) -> str:
        return f"{'all ' if self.exact else ''}{self.n_divisions:,} divisions"

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, without a null distribution of more than 100,000 values."""
        huge = self.null is not None and self.null.size > 100_000
        return Result.to_dict(dataclasses.replace(self, null=None) if huge else self)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for the RDMs and one per model: difference, interval, t, df, p, p_corrected, p_welch."""
        import pandas as pd

        nothing = np.nan
        first = {"what": "RDMs", "difference": self.difference, "low": nothing, "high": nothing, "t": nothing}
        rows: list[dict[str, Any]] = [
            {**first, "df": nothing, "p": self.p, "p_corrected": self.p, "p_welch": nothing},
        ]
        for j, name in enumerate(self.models):
            low, high = self.interval[:, j]
            values = {"difference": self.model_difference[j], "low": low, "high": high, "t": self.t[j]}
            ps = {"p": self.p_model[j], "p_corrected": self.p_model_corrected[j], "p_welch": self.p_welch[j]}
            rows.append({"what": name, **values, "df": self.df[j], **ps})
        return pd.DataFrame(rows).assign(method=self.method, n_first=self.n_subjects[0], n_second=self.n_subjects[1])

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        count = f"all {self.n_divisions:,}" if self.exact else f"{self.n_divisions:,} random"
        formula = "k/m" if self.exact else "(k + 1)/(m + 1)"
        text = (
            f"RDMs of {self.n_subjects[0]} ({self.groups[0]}) and {self.n_subjects[1]} ({self.groups[1]}) subjects "
            f"were compared by {SENTENCES[self.method]}. Whether the groups differ was tested by "
            f"{_STATISTICS[self.statistic]}, against {count} divisions of the subjects into groups of these sizes "
            f"(p = {formula}, one-sided)."
        )
        if self.models:
            several = "; the family-wise error over models was controlled by the most extreme t (max-T)"
            text += (
                f" Mean scores of models were compared between groups by Welch's t, {_TAILS[self.alternative]}, "
                f"against the same divisions{several if len(self.models) > 1 else ''}, "
                f"with {self.confidence:.0%} Welch intervals."
            )
        return f"{text} {self.note}".strip()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every subject's scores and both groups' means per model; without models, the null distribution."""
        from alignkit.rsa._inference._draw_groups import plot_groups

        return plot_groups(self, ax)
