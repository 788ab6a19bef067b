"""What a permutation test of RDMs gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result, as_float_or_array
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._comparison import name_of
from alignkit.rsa._matrix_methods import SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Where the null distribution is summed up.
QUANTILES = (0.025, 0.05, 0.5, 0.95, 0.975)
#: Larger null distributions are not written to JSON.
_MOST_SAVED = 100_000
_TAILS = {"two-sided": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class PermutationTest(Result):
    """Similarities of RDMs, and how often RDMs with shuffled item labels are as similar.

    Attributes
    ----------
    statistic : float or ndarray, shape (*a.shape, *b.shape)
        Similarities, without the axis that was averaged over; a float for a single one.
    p : float or ndarray, same shape
        Share of the permutations whose statistic is at least as extreme: (k + 1)/(m + 1) of m random ones, k/m where
        all permutations were taken (the observed labels are one of them).
    p_corrected : float or ndarray, same shape
        Corrected for all of these comparisons (family-wise error, max-T): share of the permutations in which any of
        them, each divided by the standard deviation of its own null distribution, is at least as extreme.
    z : float or ndarray, same shape
        Distance from the mean of the null distribution in its standard deviations.
    null_mean, null_sd : float or ndarray, same shape
        Mean and standard deviation of the null distribution.
    null_quantiles : ndarray, shape (5, ...)
        Its quantiles at 2.5, 5, 50, 95 and 97.5 per cent.
    null : ndarray, shape (permutation, ...), or None
        The null distribution; None when it was read back from a file that was too small for it.
    n_permutations : int
        Permutations taken; 0 where no comparison is defined.
    exact : bool
        Whether these are all that there are.
    alternative : {"two-sided", "greater", "less"}
        Which statistics count as extreme.
    method, nan_policy : str
        As asked for.
    dims : tuple of str
        Names of the axes of ``statistic``.
    coords : dict
        Coordinates of those axes, as lists.
    average : str
        Axis that statistics were averaged over; empty for none.
    n_items : int
        Items whose labels were permuted.
    n_dropped : int
        Items left out because one side has no values for them.
    n_controls : int
        RDMs that were controlled for.
    partial : {"", "both", "first", "second"}
        Which side the controls were taken out of.
    note : str
        What to know about the numbers; otherwise empty.
    """

    statistic: float | np.ndarray[Any, np.dtype[np.float64]]
    p: float | np.ndarray[Any, np.dtype[np.float64]]
    p_corrected: float | np.ndarray[Any, np.dtype[np.float64]]
    z: float | np.ndarray[Any, np.dtype[np.float64]]
    null_mean: float | np.ndarray[Any, np.dtype[np.float64]]
    null_sd: float | np.ndarray[Any, np.dtype[np.float64]]
    null_quantiles: np.ndarray[Any, np.dtype[np.float64]]
    null: np.ndarray[Any, np.dtype[np.float64]] | None
    n_permutations: int
    exact: bool
    alternative: str
    method: str
    nan_policy: str
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    average: str
    n_items: int
    n_dropped: int
    n_controls: int
    partial: str
    note: str

    def __post_init__(self) -> None:
        as_float_or_array(self, "statistic", "p", "p_corrected", "z", "null_mean", "null_sd")

    def __repr__(self) -> str:
        count = f"{'all ' if self.exact else ''}{self.n_permutations:,}" if self.n_permutations else "no"
        kind = f"{count} permutations of {self.n_items} items"
        end = f"{self.alternative}, {kind}{f'; {self.note}' if self.note else ''}>"
        mean = f" (mean over {self.average})" if self.average else ""
        name = f"{name_of(self.method, self.partial)}{mean}"
        if np.ndim(self.statistic) == 0:
            value = f"{self.statistic:.4f}, p = {self.p:.4g}, z = {self.z:.2f}"
            return f"<PermutationTest {name} = {value}; {end}"
        corrected = np.asarray(self.p_corrected)
        found = f"{int((corrected <= 0.05).sum())} with corrected p <= 0.05" if self.n_permutations else "all undefined"
        return f"<PermutationTest {name}, {corrected.size} comparisons, {found}; {end}"

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, without a null distribution of more than 100,000 values."""
        huge = self.null is not None and self.null.size > _MOST_SAVED
        return Result.to_dict(dataclasses.replace(self, null=None) if huge else self)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per comparison: the axes, statistic, p, p_corrected, z, null_mean, null_sd, method.

        With controls, the method is called ``"partial spearman"`` or ``"semi-partial spearman"``.
        """
        import pandas as pd

        statistic = np.asarray(self.statistic)
        columns = axis_columns(self.dims, self.coords, statistic.shape)
        table = pd.DataFrame(columns, index=range(statistic.size))
        names = ("statistic", "p", "p_corrected", "z", "null_mean", "null_sd")
        values = {name: np.ravel(getattr(self, name)) for name in names}
        return table.assign(**values, method=name_of(self.method, self.partial), alternative=self.alternative)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        mean = f", averaged over {self.average}s," if self.average else ""
        controls = (
            f", controlling for {self.n_controls} RDM(s) (what they leave of the first RDM was permuted)"
            if self.n_controls
            else ""
        )
        if not self.n_permutations:
            return f"Similarity of RDMs ({SENTENCES[self.method]}) is undefined here and was not tested."
        count = f"all {self.n_permutations:,}" if self.exact else f"{self.n_permutations:,} random"
        formula = "k/m" if self.exact else "(k + 1)/(m + 1)"
        family = (
            "; family-wise error over all comparisons was controlled by the largest standardised statistic of each "
            "permutation (max-T)"
            if np.size(self.statistic) > 1
            else ""
        )
        return (
            f"Similarity of RDMs ({SENTENCES[self.method]}{controls}){mean} was tested against {count} permutations of "
            f"the {self.n_items} item labels, rows and columns together (Mantel, 1967); p = {formula}, "
            f"{_TAILS[self.alternative]}{family}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the null distribution with the statistic; for several comparisons, statistics over null intervals."""
        from alignkit.rsa._draw_inference import plot_permutation_test

        return plot_permutation_test(dataclasses.replace(self, method=name_of(self.method, self.partial)), ax)
