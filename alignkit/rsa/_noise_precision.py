"""The precision of the noise: what weighs the channels in Mahalanobis and crossnobis distances."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, check_count, check_finite, join_names
from alignkit._result import Result
from alignkit._threads import one_blas_thread
from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._noise import inverse
from alignkit.rsa._repeats import average_repeats, number_by_name
from alignkit.rsa._shrinkage import METHODS, SENTENCE, Shrinkage

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class NoisePrecision(Result):
    """Noise precision and covariance, and how they were estimated. With folds, arrays have a first axis of folds.

    Attributes
    ----------
    precision, covariance : ndarray, shape (channels, channels) or (folds, channels, channels)
    shrinkage : float or ndarray, shape (folds,)
        Weight of the target: 0 is the sample covariance, 1 the target alone.
    dof, n_rows : int or ndarray, shape (folds,)
        Degrees of freedom, and rows of residuals.
    folds : list of str or None
        Names of the folds, where they have names.
    method : str
        As asked.
    """

    precision: FloatArray
    covariance: FloatArray
    shrinkage: float | np.ndarray[Any, np.dtype[np.float64]]
    dof: int | np.ndarray[Any, np.dtype[np.int64]]
    n_rows: int | np.ndarray[Any, np.dtype[np.int64]]
    folds: list[str] | None
    method: str

    def __repr__(self) -> str:
        n_folds = f"{len(self.precision)} folds, " if self.precision.ndim == 3 else ""
        low, high = np.min(self.shrinkage), np.max(self.shrinkage)
        weight = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
        return (
            f"<NoisePrecision {self.precision.shape[-1]} channels, {n_folds}{self.method}, shrinkage {weight}, "
            f"{int(np.min(self.dof)):,} degrees of freedom>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per fold: fold, method, shrinkage, dof, n_rows, n_channels."""
        import pandas as pd

        names: list[Any] = ["all"] if self.precision.ndim == 2 else self.folds or list(range(len(self.precision)))
        columns = {name: np.atleast_1d(getattr(self, name)) for name in ("shrinkage", "dof", "n_rows")}
        return pd.DataFrame({"fold": names, "method": self.method, **columns, "n_channels": self.precision.shape[-1]})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        each = f" for each of {len(self.precision)} folds" if self.precision.ndim == 3 else ""
        weights = ", ".join(f"{value:.3f}" for value in np.atleast_1d(self.shrinkage))
        dof = ", ".join(f"{value:,}" for value in np.atleast_1d(self.dof).tolist())
        shrunk = f" (weight of the target {weights})" if self.method.startswith("shrinkage") else ""
        return (
            f"The noise precision of {self.precision.shape[-1]} channels is the inverse of {SENTENCE[self.method]}"
            f"{shrunk}, estimated{each} from residuals with {dof} degrees of freedom."
        )


def noise_precision(
    residuals: object,
    /,
    *,
    method: Shrinkage = "shrinkage_eye",
    dof: int | Sequence[int] | None = None,
    labels: Iterable[Any] | None = None,
    folds: Iterable[Any] | None = None,
) -> NoisePrecision:
    r"""Estimate the precision (inverse covariance) of the noise of channels.

    Parameters
    ----------
    residuals : array_like, shape (rows, channels) or (folds, rows, channels), or a list of one array per fold
        Residuals of a model, or trials themselves with ``labels``. The mean of every channel is taken out.
    method : {"shrinkage_eye", "shrinkage_diag", "diag", "full"}
        With :math:`S` the sample covariance over n rows:

        ============== ============================================================= ==================================
        method         covariance                                                    equals
        ============== ============================================================= ==================================
        shrinkage_eye  :math:`(1-w)S + w\,\mathrm{tr}(S)/p\,I`, times n / dof        sklearn ``ledoit_wolf`` x n / dof;
                                                                                     rsatoolbox
        shrinkage_diag off-diagonal of S times :math:`1-w`                           rsatoolbox (its default)
        diag           the variances alone                                           rsatoolbox
        full           S with the divisor dof; must have full rank                   rsatoolbox, ``numpy.cov``
        ============== ============================================================= ==================================
    dof : int or sequence of int, optional
        Degrees of freedom, one for each fold where there are folds; at most the rows. By default the rows less one,
        with ``labels`` the rows less the conditions. Residuals of a regression have lost one for each regressor.
    labels : sequence of str, shape (rows,), optional
        The condition of each row; its mean (within the fold) is taken out.
    folds : sequence, shape (rows,), optional
        The run or session of each row, for one precision per fold.

    Returns
    -------
    NoisePrecision
        To be passed to :func:`rdm` as ``noise``.

    Raises
    ------
    ValueError
        Channels without variance, too few rows, more degrees of freedom than rows, or a covariance without inverse.
    TypeError
        Values that are not real numbers.

    References
    ----------
    Ledoit & Wolf (2004), doi:10.1016/S0047-259X(03)00096-4. Schaefer & Strimmer (2005), doi:10.2202/1544-6115.1175.

    Examples
    --------
    >>> residuals = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 2.0, 3.0]
    >>> noise_precision(residuals, method="diag").covariance.diagonal().round(1)
    array([1.2, 2.8, 6.6])
    """
    check_choice("method", method, tuple(METHODS))
    parts, names, several = _parts(residuals, folds)
    labels_of = _labels_of(labels, folds, parts, names)
    shown = [str(i) for i in range(len(parts))] if several else [""]
    cases = zip(parts, labels_of, _dofs(dof, len(parts)), names or shown, strict=True)
    found = [_estimate(*case, method) for case in cases]
    fields = found[0] if not several else {name: np.array([one[name] for one in found]) for name in found[0]}
    return NoisePrecision(**fields, folds=names, method=method)


def _parts(residuals: object, folds: Iterable[Any] | None) -> tuple[list[FloatArray], list[str] | None, bool]:
    """Return one array per fold, the folds' names where they have any, and whether there are folds."""
    several = isinstance(residuals, list | tuple) and len(residuals) > 0 and np.ndim(residuals[0]) == 2
    arrays = [as_float_array(f"residuals[{i}]", one) for i, one in enumerate(residuals)] if several else []  # type: ignore[arg-type, var-annotated]
    if not several:
        array = as_float_array("residuals", residuals)
        if array.ndim not in (2, 3):
            msg = f"residuals must have shape (rows, channels) or (folds, rows, channels); got {array.shape}."
            raise ValueError(msg)
        arrays = [array] if array.ndim == 2 else list(array)
        several = array.ndim == 3
    if len({part.shape[-1] for part in arrays}) != 1 or 0 in arrays[0].shape:
        msg = f"all residuals must hold the same channels; got shapes {join_names(part.shape for part in arrays)}."
        raise ValueError(msg)
    for part in arrays:
        check_finite("residuals", part)
    if folds is None:
        return arrays, None, several
    if several:
        msg = "residuals come with folds of their own (a list or three axes); leave folds= out."
        raise ValueError(msg)
    codes, names = number_by_name(as_labels("folds", folds, len(arrays[0]), unique=False))
    return [arrays[0][codes == k] for k in range(len(names))], list(names), True


def _labels_of(
    labels: Iterable[Any] | None, folds: Iterable[Any] | None, parts: Sequence[AnyArray], names: list[str] | None
) -> list[tuple[str, ...] | None]:
    """Return the labels of the rows of every fold."""
    if labels is None:
        return [None] * len(parts)
    if folds is None and len(parts) > 1:
        msg = "labels= needs residuals of shape (rows, channels); name the fold of each row with folds=."
        raise ValueError(msg)
    texts = as_labels("labels", labels, sum(map(len, parts)), unique=False)
    if folds is None or names is None:
        return [texts]
    of = as_labels("folds", folds, len(texts), unique=False)
    return [tuple(text for text, fold in zip(texts, of, strict=True) if fold == name) for name in names]


def _dofs(dof: int | Sequence[int] | None, n: int) -> list[int | None]:
    if dof is None:
        return [None] * n
    if np.ndim(dof) == 0:
        return [check_count("dof", dof, 1)] * n
    values: list[int | None] = [check_count("dof", value, 1) for value in np.asarray(dof).tolist()]
    if len(values) != n:
        msg = f"dof must be one number, or one for each of {n} folds; got {len(values)}."
        raise ValueError(msg)
    return values


@one_blas_thread()
def _estimate(
    rows: FloatArray, labels: tuple[str, ...] | None, dof: int | None, fold: str, method: str
) -> dict[str, Any]:
    where = f" in fold {fold!r}" if fold else ""
    n_means = 1
    if labels is not None:
        means, distinct = average_repeats(rows, labels)
        number = {name: i for i, name in enumerate(distinct)}
        rows, n_means = rows - means[[number[label] for label in labels]], len(distinct)
    if len(rows) - n_means < 1:
        msg = f"residuals has {len(rows)} row(s){where} and {n_means} mean(s) to take out: nothing is left."
        raise ValueError(msg)
    rows = rows - rows.mean(axis=0)
    still = np.flatnonzero(np.abs(rows).max(axis=0) == 0)
    if still.size:
        names = join_names(still.tolist())
        msg = f"residuals has channels that never vary{where}: {names}; leave them out of the patterns as well."
        raise ValueError(msg)
    dof = len(rows) - n_means if dof is None else dof
    if dof > len(rows):
        msg = f"dof must be at most the number of rows of residuals{where}; got {dof:,} for {len(rows):,} rows."
        raise ValueError(msg)
    covariance, weight = METHODS[method](rows, dof)
    try:
        precision = inverse(f"the covariance{where}", covariance)
    except ValueError as error:
        msg = f"{str(error).rstrip('.')} ({len(rows)} rows); use method='shrinkage_eye'."
        raise ValueError(msg) from error
    found = {"precision": precision, "covariance": covariance, "shrinkage": weight}
    return {**found, "dof": dof, "n_rows": len(rows)}
