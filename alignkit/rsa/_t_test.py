"""Whether scores are above zero, and whether models differ, over subjects."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from alignkit._check import as_float_array, check_choice
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._comparison import Comparison
from alignkit.rsa._condensed import as_host
from alignkit.rsa._nan import report_undefined

if TYPE_CHECKING:
    import pandas as pd

Alternative = Literal["two-sided", "greater", "less"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SubjectTest(Result):
    """Student's t tests of scores over subjects.

    Attributes
    ----------
    mean, sem, t, p : ndarray, shape (scores,)
        Mean over subjects, its standard error, and the test of the mean against zero.
    difference, t_difference, p_difference : ndarray, shape (scores, scores)
        Of every two scores, subject by subject (row minus column), two-sided; NaN on the diagonal of the tests.
    names : tuple of str
        What the scores are.
    n_subjects : int
        Subjects; the tests have one degree of freedom less.
    alternative : str
        Of the tests against zero.
    """

    mean: np.ndarray[Any, np.dtype[np.float64]]
    sem: np.ndarray[Any, np.dtype[np.float64]]
    t: np.ndarray[Any, np.dtype[np.float64]]
    p: np.ndarray[Any, np.dtype[np.float64]]
    difference: np.ndarray[Any, np.dtype[np.float64]]
    t_difference: np.ndarray[Any, np.dtype[np.float64]]
    p_difference: np.ndarray[Any, np.dtype[np.float64]]
    names: tuple[str, ...]
    n_subjects: int
    alternative: str

    def __repr__(self) -> str:
        if len(self.names) == 1:
            found = f"mean {self.mean[0]:.4f} ± {self.sem[0]:.4f}, t = {self.t[0]:.3f}, p = {self.p[0]:.3g}"
        else:
            found = f"{len(self.names)} scores, {int((self.p < 0.05).sum())} with p < .05 (uncorrected)"
        return f"<SubjectTest {found}; {self.alternative}, {self.n_subjects} subjects>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per score: mean, standard error, t and p against zero."""
        import pandas as pd

        columns = {"score": list(self.names), "mean": self.mean, "sem": self.sem, "t": self.t, "p": self.p}
        return pd.DataFrame(columns).assign(n_subjects=self.n_subjects, alternative=self.alternative)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        side = "two-sided" if self.alternative == "two-sided" else f"one-sided ({self.alternative})"
        return (
            f"Scores of {self.n_subjects} subjects were tested against zero by {side} t tests, and against each other "
            f"by two-sided paired t tests ({self.n_subjects - 1} degrees of freedom, not corrected for multiple tests)."
        )


def t_test(scores: object, /, *, dim: str = "subject", alternative: Alternative = "greater") -> SubjectTest:
    r"""Test scores over subjects: each against zero, and every two against each other.

    :math:`t = \bar x / (s / \sqrt S)` with S - 1 degrees of freedom, as scipy's ``ttest_1samp`` and ``ttest_rel`` and
    rsatoolbox's ``eval_fixed``. It generalises to new subjects who see the same items. Correlations of few subjects are
    hardly normal: see :func:`permutation_test` for a test that assumes nothing of the kind.

    Parameters
    ----------
    scores : Comparison or array_like, shape (..., subjects)
        What :func:`compare` gives for models and people's RDMs, or scores with subjects along the last axis.
    dim : str
        Axis of a comparison that holds the subjects.
    alternative : {"greater", "less", "two-sided"}
        Of the tests against zero.

    Returns
    -------
    SubjectTest

    Raises
    ------
    ValueError
        Fewer than two subjects, no such axis, or an unknown alternative.
    TypeError
        Scores that are not real numbers.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> t_test([0.1, 0.3, 0.2, 0.25])
    <SubjectTest mean 0.2125 ± 0.0427, t = 4.977, p = 0.00779; greater, 4 subjects>
    """
    check_choice("alternative", alternative, get_args(Alternative))
    rows, names = _read(scores, dim)
    n = rows.shape[1]
    if n < 2:
        msg = f"a t test needs at least two subjects; got {n}."
        raise ValueError(msg)
    differences = rows[:, None] - rows
    mean, sem, t, p = _student(rows, alternative)
    difference, _, t_pair, p_pair = _student(differences, "two-sided")
    same = np.eye(len(rows), dtype=bool)
    constant = np.flatnonzero(np.isnan(t) & np.isfinite(mean))
    report_undefined("the scores of all subjects are equal for", [names[i] for i in constant], "propagate")
    missing = np.flatnonzero(np.isnan(mean))
    report_undefined("scores are NaN for", [names[i] for i in missing], "propagate")
    t_pair[same] = p_pair[same] = np.nan
    return SubjectTest(mean, sem, t, p, difference, t_pair, p_pair, names, n, alternative)


def _read(scores: object, dim: str) -> tuple[FloatArray, tuple[str, ...]]:
    """Return scores, shape (scores, subjects), and what they are called."""
    if not isinstance(scores, Comparison):
        values = np.atleast_1d(as_float_array("scores", scores))
        rows = values.reshape(-1, values.shape[-1])
        return rows, tuple(f"score {i}" for i in range(len(rows)))
    check_choice("dim", dim, scores.dims)
    axis = scores.dims.index(dim)
    values = np.moveaxis(as_host(scores.values), axis, -1)
    others = [name for name in scores.dims if name != dim]
    shown = [scores.coords.get(name, list(range(size))) for name, size in zip(others, values.shape[:-1], strict=True)]
    names = [
        ", ".join(f"{name} {where[i]}" for name, where, i in zip(others, shown, index, strict=True)) or scores.method
        for index in np.ndindex(*values.shape[:-1])
    ]
    return values.reshape(-1, values.shape[-1]), tuple(names)


def _student(x: FloatArray, alternative: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return mean, standard error, t and p over the last axis; t and p are NaN without variance."""
    from scipy.stats import t as student

    n = x.shape[-1]
    mean, sem = x.mean(axis=-1), x.std(axis=-1, ddof=1) / np.sqrt(n)
    # exactly: rounding in a mean must not make a variance of what has none
    sem = np.where(x.max(axis=-1) == x.min(axis=-1), 0.0, sem)
    t = np.divide(mean, sem, out=np.full_like(mean, np.nan), where=sem > 0)
    tail = {"greater": t, "less": -t, "two-sided": np.abs(t)}[alternative]
    p = student.sf(tail, n - 1) * (2.0 if alternative == "two-sided" else 1.0)
    return mean, sem, t, np.asarray(p)
