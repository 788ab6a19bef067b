"""What a permutation of item labels within each participant gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.meg._time_test import TAILS
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._matrix_methods import SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_CORRECTIONS = {
    "max": "the largest standardised value of all times in every permutation (Nichols and Holmes, 2002)",
    "cluster": "the heaviest cluster of neighbouring times in every permutation (Maris and Oostenveld, 2007), which "
    "licenses no claim about onsets or extents (Sassenhagen and Draschkow, 2019)",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelTest(Drawn):
    """Models against each participant's RDMs over time, tested by permuting item labels, and how many pass.

    Attributes
    ----------
    similarity : ndarray, shape (model, subject, time)
        Similarity of the model to the participant's RDM.
    p : ndarray, same shape
        Of each time by itself, not corrected.
    p_corrected : ndarray, same shape
        Corrected over time, for each participant and model by itself.
    significant : ndarray of bool, same shape
        Where ``p_corrected`` <= ``alpha``.
    n_significant : ndarray of int, shape (model, time)
        Participants that pass at this time.
    p_count : ndarray, shape (model, time)
        Probability that so many or more pass where nobody shows an effect (binomial); it holds for all times
        together. NaN where no participant has a value.
    times : ndarray, shape (time,)
        Seconds, or sample numbers.
    models, subjects : tuple of str
        Names.
    method : str
        How RDMs were compared.
    tail : {"greater", "less", "two-sided"}
        Which similarities are extreme.
    correction : {"max", "cluster"}
        How p-values were corrected over time.
    alpha : float
        Level at which a participant passes.
    n_permutations : int
        Permutations taken.
    exact : bool
        Whether these are all that there are.
    n_items : int
        Items whose labels were permuted.
    metric : str or None
        What the dissimilarities of the data are.
    note : str
        What to know about the numbers; otherwise empty.
    """

    similarity: np.ndarray[Any, np.dtype[np.float64]]
    p: np.ndarray[Any, np.dtype[np.float64]]
    p_corrected: np.ndarray[Any, np.dtype[np.float64]]
    significant: np.ndarray[Any, np.dtype[np.bool_]]
    n_significant: np.ndarray[Any, np.dtype[np.int64]]
    p_count: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    models: tuple[str, ...]
    subjects: tuple[str, ...]
    method: str
    tail: str
    correction: str
    alpha: float
    n_permutations: int
    exact: bool
    n_items: int
    metric: str | None
    note: str

    @classmethod
    def of(cls, similarity: FloatArray, p: FloatArray, p_corrected: FloatArray, *, alpha: float, **fields: Any) -> Self:
        """Return the result of p-values, with the participants counted that pass."""
        from scipy.stats import binom

        significant = np.asarray(p_corrected <= alpha)
        number = significant.sum(axis=1)
        defined = (~np.isnan(p_corrected)).sum(axis=1)
        p_count = np.where(defined > 0, binom.sf(number - 1, defined, alpha), np.nan)
        return cls(
            similarity, p, p_corrected, significant, number, p_count, alpha=alpha, **fields
        )  # fmt: skip

    @property
    def n_subjects(self) -> int:
        """Number of participants."""
        return len(self.subjects)

    def __repr__(self) -> str:
        count = f"{'all ' if self.exact else ''}{self.n_permutations:,} permutations of {self.n_items} items"
        note = f"; {self.note}" if self.note else ""
        cluster = " by cluster (says nothing about onsets or extents)" if self.correction == "cluster" else ""
        lines = [f"\n  {name}: {self._best(k)}" for k, name in enumerate(self.models[:6])]
        more = f"\n  and {len(self.models) - 6} more models" if len(self.models) > 6 else ""
        return (
            f"<LabelTest {self.method}, {counted(self.n_subjects, 'participant')}, {counted(len(self.times), 'sample')}"
            f"; {self.tail}, {count}; participants with corrected p <= {self.alpha:g}{cluster}{note}"
            f"{''.join(lines)}{more}>"
        )

    def _best(self, k: int) -> str:
        if np.isnan(self.similarity[k]).all():
            return "NaN"
        j = int(np.argmax(self.n_significant[k]))
        most = f"{self.n_significant[k, j]} of {self.n_subjects}"
        return f"at most {most}, at time {self.times[j]:g} (p = {self.p_count[k, j]:.3g})"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per model, participant and time: similarity, p, p_corrected, significant."""
        import pandas as pd

        axes = {"model": self.models, "participant": self.subjects, "time": self.times}
        columns = axis_columns(tuple(axes), axes, self.similarity.shape)
        columns |= {name: getattr(self, name).ravel() for name in ("similarity", "p", "p_corrected", "significant")}
        return pd.DataFrame(columns).assign(method=self.method, tail=self.tail)

    def counts(self) -> pd.DataFrame:
        """Return one row per model and time: how many participants pass, of how many, and the binomial p."""
        import pandas as pd

        axes = {"model": self.models, "time": self.times}
        table = pd.DataFrame(axis_columns(tuple(axes), axes, self.n_significant.shape))
        defined = (~np.isnan(self.p_corrected)).sum(axis=1).ravel()
        return table.assign(n_significant=self.n_significant.ravel(), n_subjects=defined, p_count=self.p_count.ravel())

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        count = f"all {self.n_permutations:,}" if self.exact else f"{self.n_permutations:,} random"
        what = f"RDMs ({self.metric})" if self.metric else "RDMs"
        return (
            f"{what} of {counted(self.n_subjects, 'participant')} at {counted(len(self.times), 'time')} were compared "
            f"with {counted(len(self.models), 'model RDM')} by {SENTENCES[self.method]}, and tested within each "
            f"participant against {count} permutations of the {self.n_items} item labels, the same at all times "
            f"(p = {'k/m' if self.exact else '(k + 1)/(m + 1)'}, {TAILS[self.tail]}), corrected over time by "
            f"{_CORRECTIONS[self.correction]}. The number of participants with corrected p <= {self.alpha:g} was "
            "compared with the binomial distribution of that number where nobody shows an effect (Donhauser et al., "
            "2018)."
        )

    def _title(self) -> str:
        return "Label permutation test"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how many participants pass at every time, a line for each model."""
        from alignkit.meg._draw_time_test import plot_label_test

        return plot_label_test(self, ax)
