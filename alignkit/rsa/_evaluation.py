"""What an evaluation of models gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._result import Result
from alignkit.rsa._evaluation_text import evaluation_text, shown_score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from alignkit.rsa._draw_evaluation import Correction


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation(Result):
    """Scores of models with standard errors, intervals and tests, beside the noise ceiling.

    Attributes
    ----------
    models : tuple of str
        Names of the models.
    score : ndarray, shape (model,)
        Mean over subjects of the similarity to each subject's RDM.
    per_subject : ndarray, shape (model, subject)
        Each of these similarities.
    se : ndarray, shape (model,)
        Standard errors over what is generalised to.
    interval : ndarray, shape (2, model)
        Lower and upper ends.
    t_zero, p_zero, p_zero_fdr, p_zero_max : ndarray, shape (model,)
        Score over standard error; p of the test against zero, by itself, by the false discovery rate, and by the
        largest statistic of all models (family-wise). NaN where the level cannot be reached.
    difference, se_difference : ndarray, shape (model, model)
        Row minus column, and its standard error.
    t_pairwise, p_pairwise, p_pairwise_fdr, p_pairwise_max : ndarray, shape (model, model)
        Tests of the differences, two-sided; NaN on the diagonal.
    ceiling_difference, se_ceiling_difference : ndarray, shape (model,)
        Score less the lower bound of the noise ceiling.
    t_ceiling, p_ceiling, p_ceiling_fdr, p_ceiling_max : ndarray, shape (model,)
        Tests of that, two-sided: a small p says that a model misses what is explainable, or exceeds it.
    why_zero, why_ceiling : tuple of str
        Per model, why there is no p-value; empty where there is one.
    why_pairwise : tuple of tuple of str
        The same for every pair of models.
    ceiling_lower, ceiling_upper : float
        The noise ceiling.
    lower_per_subject, upper_per_subject : ndarray, shape (subject,)
        Similarity of each subject to the mean of the others, and of all.
    ceiling_interval : ndarray, shape (2, 2)
        Intervals of the lower (first row) and the upper bound: percentiles of the resamples, moved to the bound.
    subjects : list
        Names of the subjects.
    generalize : {"subjects", "items", "both"}
        What standard errors, intervals and tests speak of.
    method, pooling, sigma_k : str
        How RDMs are compared, and how subjects are averaged.
    test_zero, test_pairwise, test_ceiling : {"sign-flip", "permutation", "t"}
        Which test was used.
    exact_zero, exact_pairwise : bool
        Whether all sign flips or permutations were taken.
    interval_kind : {"t", "percentile", "bca"}
        Which interval.
    alternative : {"greater", "less", "two-sided"}
        Of the tests against zero.
    alpha, confidence : float
        Level of the tests and of the intervals.
    fdr_method : {"bh", "by"}
        Which false discovery rate.
    fixed_ceiling : bool
        Whether the tests against the ceiling took it as known.
    dof : int
        Degrees of freedom of t tests and t intervals.
    n_subjects, n_items, n_pairs : int
        What it rests on.
    n_dropped : int
        Items without any value, left out.
    n_bootstrap, n_undefined : int
        Resamples, and those left out because a score is undefined.
    n_permutations : int
        Sign flips or permutations of the test against zero; 0 for t tests.
    nan_policy, aligned_by : str
        As asked for; whether rows were matched by label or by position.
    seed : int or None
        Seed, where ``rng`` was a number.
    coverage : float
        What 95 % intervals of this kind covered in simulations of no larger a design; NaN where that was not measured.
    note : str
        What to know about the numbers; otherwise empty.
    n_controls : int
        RDMs that were controlled for.
    fitted : tuple of str
        What every model is, where any of them is fitted, so that all scores are of held-out items and subjects;
        otherwise empty, as all that follows.
    components : tuple of tuple of str
        The RDMs that every model is made of.
    weights : tuple of tuple of float
        Their weights when models are fitted to all items and subjects.
    in_sample : ndarray, shape (model,)
        Scores of those fits on what they were fitted to: no measure of how alike models and subjects are.
    n_folds, n_subject_folds : int
        Folds of items and of subjects (1: not held out).
    n_cv, n_repeats : int
        Random assignments to folds in every resample, and of the scores.
    """

    models: tuple[str, ...]
    score: np.ndarray[Any, np.dtype[np.float64]]
    per_subject: np.ndarray[Any, np.dtype[np.float64]]
    se: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    t_zero: np.ndarray[Any, np.dtype[np.float64]]
    p_zero: np.ndarray[Any, np.dtype[np.float64]]
    p_zero_fdr: np.ndarray[Any, np.dtype[np.float64]]
    p_zero_max: np.ndarray[Any, np.dtype[np.float64]]
    difference: np.ndarray[Any, np.dtype[np.float64]]
    se_difference: np.ndarray[Any, np.dtype[np.float64]]
    t_pairwise: np.ndarray[Any, np.dtype[np.float64]]
    p_pairwise: np.ndarray[Any, np.dtype[np.float64]]
    p_pairwise_fdr: np.ndarray[Any, np.dtype[np.float64]]
    p_pairwise_max: np.ndarray[Any, np.dtype[np.float64]]
    ceiling_difference: np.ndarray[Any, np.dtype[np.float64]]
    se_ceiling_difference: np.ndarray[Any, np.dtype[np.float64]]
    t_ceiling: np.ndarray[Any, np.dtype[np.float64]]
    p_ceiling: np.ndarray[Any, np.dtype[np.float64]]
    p_ceiling_fdr: np.ndarray[Any, np.dtype[np.float64]]
    p_ceiling_max: np.ndarray[Any, np.dtype[np.float64]]
    why_zero: tuple[str, ...]
    why_pairwise: tuple[tuple[str, ...], ...]
    why_ceiling: tuple[str, ...]
    ceiling_lower: float
    ceiling_upper: float
    lower_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    upper_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    ceiling_interval: np.ndarray[Any, np.dtype[np.float64]]
    subjects: list[Any]
    generalize: str
    method: str
    pooling: str
    sigma_k: str
    test_zero: str
    test_pairwise: str
    test_ceiling: str
    exact_zero: bool
    exact_pairwise: bool
    interval_kind: str
    alternative: str
    alpha: float
    confidence: float
    fdr_method: str
    fixed_ceiling: bool
    dof: int
    n_subjects: int
    n_items: int
    n_pairs: int
    n_dropped: int
    n_bootstrap: int
    n_undefined: int
    n_permutations: int
    nan_policy: str
    aligned_by: str
    seed: int | None
    coverage: float
    note: str
    n_controls: int = 0
    fitted: tuple[str, ...] = ()
    components: tuple[tuple[str, ...], ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    in_sample: np.ndarray[Any, np.dtype[np.float64]] = dataclasses.field(default_factory=lambda: np.zeros(0))
    n_folds: int = 0
    n_subject_folds: int = 0
    n_cv: int = 0
    n_repeats: int = 0

    def __repr__(self) -> str:
        best = np.argsort(-np.where(np.isnan(self.score), -np.inf, self.score), kind="stable")[:3]
        shown = ", ".join(shown_score(self, int(k)) for k in best)
        more = len(self.models) - len(best)
        over = {"subjects": "new subjects", "items": "new items", "both": "new subjects and items"}[self.generalize]
        partial, held = "partial " if self.n_controls else "", " on held-out data" if self.fitted else ""
        return (
            f"<Evaluation {partial}{self.method}{held}: {shown}{f' and {more} more' if more else ''}; ceiling "
            f"{self.ceiling_lower:.3f} to {self.ceiling_upper:.3f}; to {over}, "
            f"{counted(self.n_subjects, 'subject')}, {self.n_items} items{f'; {self.note}' if self.note else ''}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per model: score, error, interval, and the tests against zero and against the ceiling.

        Where p is NaN, ``why_zero`` and ``why_ceiling`` say why.
        """
        import pandas as pd

        names = ["score", "se", "t_zero", "p_zero", "p_zero_fdr", "p_zero_max", "ceiling_difference"]
        names += ["p_ceiling", "p_ceiling_fdr", "p_ceiling_max"]
        columns = {name: getattr(self, name) for name in names}
        table = pd.DataFrame({"model": list(self.models), **columns})
        table.insert(3, "lower", self.interval[0])
        table.insert(4, "upper", self.interval[1])
        return table.assign(
            why_zero=list(self.why_zero), why_ceiling=list(self.why_ceiling), generalize=self.generalize
        )

    def pairs(self) -> pd.DataFrame:
        """Return one row per pair of models: difference, error, t, p, corrected p, and why there is none."""
        import pandas as pd

        rows, columns = np.triu_indices(len(self.models), k=1)
        names = ("difference", "se_difference", "t_pairwise", "p_pairwise", "p_pairwise_fdr", "p_pairwise_max")
        return pd.DataFrame(
            {
                "model": [self.models[i] for i in rows],
                "other": [self.models[j] for j in columns],
                **{name: getattr(self, name)[rows, columns] for name in names},
                "why_pairwise": [self.why_pairwise[i][j] for i, j in zip(rows, columns, strict=True)],
            }
        )

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        return evaluation_text(self)

    def plot(self, ax: Axes | None = None, *, correction: Correction = "max") -> Axes:
        """Draw scores as bars with intervals, subjects, the ceiling and marks of significance.

        A star: above zero (or below, or not zero, as was tested). A triangle: below the ceiling's lower bound, whose
        interval stands at the right. Each line above the bars leads from a dot at one model to ticks at those that it
        beats.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw.
        correction : {"max", "fdr", "none"}
            Which p-values the marks stand for.

        Returns
        -------
        matplotlib Axes
        """
        from alignkit.rsa._draw_evaluation import plot_evaluation

        return plot_evaluation(self, ax, correction)

    def add_to_report(self, report: Any, *, title: str = "Models beside the noise ceiling", **options: Any) -> None:
        """Add the figure, with the Methods sentences as its caption, and the table of models to an ``mne.Report``.

        ``options`` go to its ``add_figure`` and ``add_html`` (``section``, ``tags``, ``replace``).

        Raises
        ------
        TypeError
            Anything but such a report.
        """
        from alignkit._mne_report import add_figures, add_table

        # made when it is asked for: a report that is none leaves no figure open
        figures = (("", self.plot().get_figure(root=True)) for _ in range(1))
        add_figures(report, figures, title=title, methods=self.methods_text(), options=options)
        add_table(report, self.to_dataframe(), title=f"{title}: all numbers", options=options)
