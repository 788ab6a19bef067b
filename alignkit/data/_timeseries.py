"""Brain patterns from time series: each run modelled on its own, so that runs are independent folds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import (
    as_float_array,
    check_choice,
    check_count,
    check_not_negative,
    check_positive,
    join_names,
    shown,
)
from alignkit._typing import FloatArray
from alignkit.data._betas import source_names
from alignkit.data._block_averages import average_blocks
from alignkit.data._events import EventsLike
from alignkit.data._glm import GLM, HRF, Drift, NoiseModel, RunPatterns, fit_glm
from alignkit.data._nifti import Image, check_same_grid, open_images
from alignkit.data._patterns import Patterns
from alignkit.data._regions import Atlas, ImageLike, Names, find_regions
from alignkit.data._runs import REST, Run, find_runs
from alignkit.data._voxels import place, union_of, unusable

if TYPE_CHECKING:
    import pandas as pd

_REMEDY = "all images must share one grid; realign them, or bring them there with nilearn.image.resample_to_img."
#: What many programs write into a header that knows no repetition time.
_PLACEHOLDERS = (0.0, 1.0)
#: Seconds between volumes beyond which milliseconds were meant.
_SLOWEST = 60.0
#: What each option is by default, and the models that take it.
_OPTIONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "hrf": ("glover", ("glm",)),
    "drift": ("cosine", ("glm",)),
    "high_pass": (1 / 128, ("glm",)),
    "noise_model": ("ols", ("glm",)),
    "slice_time_ref": (0.0, ("glm",)),
    "lag": (5.0, ("blocks", "volumes")),
}


def read_timeseries(
    bold: ImageLike | Sequence[ImageLike],
    /,
    *,
    events: EventsLike | Sequence[EventsLike] | None = None,
    labels: Iterable[Any] | None = None,
    runs: Iterable[Any] | None = None,
    tr: float | None = None,
    mask: ImageLike | None = None,
    atlas: Atlas | None = None,
    names: Names | None = None,
    roi: str | Iterable[str] | None = None,
    model: Literal["glm", "blocks", "volumes"] = "glm",
    rest: str | Iterable[str] = REST,
    hrf: HRF = "glover",
    drift: Drift | None = "cosine",
    high_pass: float = 1 / 128,
    drift_order: int = 1,
    noise_model: NoiseModel = "ols",
    slice_time_ref: float = 0.0,
    confounds: pd.DataFrame | Sequence[pd.DataFrame | FloatArray] | None = None,
    lag: float = 5.0,
    keep_residuals: bool = True,
    resample: bool = False,
    progress: bool = True,
) -> Patterns:
    r"""Read brain patterns from fMRI time series: betas of a GLM per run, or averages of volumes.

    Every run is modelled and detrended by itself and nothing is scaled, so that the patterns of different runs are
    independent, as cross-validated distances need them.

    Parameters
    ----------
    bold : path, nibabel image, or sequence of these
        One 4-D image of all runs, one per run, or a 3-D image per volume (with ``runs``), of one grid; preprocessed as
        you wish, but not standardised over runs.
    events : path, DataFrame, or sequence of these, optional
        What was shown: a BIDS table (onset and duration in s, trial_type) per run, in order, or one attributes file
        with the label and the run of every volume. A table whose column run names several runs is refused, and so are
        events whose trial_type is n/a unless ``rest`` names it.
    labels : sequence of str, shape (volumes,), optional
        The label of every volume of all runs, in place of ``events``.
    runs : sequence, shape (volumes,), optional
        The run of every volume (or the name of each image). By default what the attributes file says, else each image
        is a run.
    tr : float, optional
        Seconds between volumes; by default what the header says.
    mask, atlas, names, roi, resample
        Which voxels to read, as in :func:`read_betas`.
    model : {"glm", "blocks", "volumes"}
        ``"glm"``: by nilearn, one beta per condition and run. ``"blocks"``: the mean of the detrended volumes of each
        event. ``"volumes"``: each detrended volume of each event.
    rest : str or sequence of str
        Labels that are no condition: the baseline of the GLM.
    hrf : {"glover", "spm", "glover + derivative", "spm + derivative"}
        Haemodynamic response of the GLM; the betas are those of the response, not of its derivative. Events without
        duration are impulses.
    drift : {"cosine", "polynomial"} or None
        Slow drifts in the GLM: cosines up to ``high_pass`` (Hz), or polynomials up to ``drift_order``.
    high_pass : float
        Cut-off frequency of cosine drifts in Hz; by default one cycle in 128 s, as in SPM (nilearn: 0.01). What changes
        more slowly is lost: with few blocks per condition and run, lower it.
    drift_order : int
        Order of polynomial drifts: in the GLM, and in the detrending of block averages.
    noise_model : {"ols", "ar1"}
        Noise of the GLM over time: independent, or autoregressive of order 1 per voxel. Residuals are whitened by it.
    slice_time_ref : float
        When in a volume's TR (0 to 1) its slices were taken: 0.5 after slice-time correction to the middle.
    confounds : DataFrame, or sequence of DataFrame or ndarray, shape (volumes of the run, regressors), optional
        Further regressors of the GLM, per run, such as head motion; without a constant. Of a table that fMRIPrep wrote
        choose columns, and fill the first row of derivatives: ``table[columns].fillna(0)``.
    lag : float
        Seconds by which the response trails the event (``"blocks"`` and ``"volumes"``).
    keep_residuals : bool
        Whether to keep what the models leave, from which the noise of the voxels is estimated; as large as the time
        series of these voxels.
    progress : bool
        Show a progress bar on stderr when runs take long.

    Returns
    -------
    Patterns
        With the residuals of each run and their degrees of freedom. Voxels with NaN, voxels that are constant within a
        run and voxels of regions that lie outside the image are left out, and counted in one warning and in
        ``dropped``.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Nothing where a file should be, or a folder.
    ValueError
        Damaged files, an image given twice, grids that differ, an unknown repetition time, labels or events that do not
        fit the volumes, runs in pieces, a design without unique betas, options of another model, or no voxel left.
    TypeError
        Arrays in place of images.

    References
    ----------
    Walther et al. (2016), Reliability of dissimilarity measures for multi-voxel pattern analysis,
    https://doi.org/10.1016/j.neuroimage.2015.12.012. nilearn: https://doi.org/10.5281/zenodo.8397156

    Examples
    --------
    >>> runs = read_timeseries(  # doctest: +SKIP
    ...     "bold.nii.gz", events="attributes.txt", tr=2.5, mask="mask.nii.gz"
    ... )
    >>> runs.rdm(metric="crossnobis")  # doctest: +SKIP
    <RDM 8 items (scissors, face, cat, ...), metric: crossnobis>
    """
    check_choice("model", model, ("glm", "blocks", "volumes"))
    glm = _check_glm(hrf, drift, high_pass, drift_order, noise_model, slice_time_ref)
    lag = check_not_negative("lag", lag)
    _check_options(model, glm, lag)
    opened = open_images("bold", bold)
    for image in opened:
        check_same_grid(opened[0], image, remedy=_REMEDY)
    seconds = _repetition_time(tr, opened)
    _check_high_pass(glm.high_pass, seconds)
    sizes = [image.n_volumes for image in opened]
    found = find_runs(sizes, events=events, labels=labels, runs=runs, tr=seconds, rest=rest)
    extra = _as_confounds(confounds, found, model)
    regions = find_regions(opened[0], mask=mask, atlas=atlas, names=names, roi=roi, resample=resample)
    union = union_of(regions)
    series = np.concatenate([image.voxels(union) for image in opened])
    fold_of = [run.name for run in found for _ in range(run.n_volumes)]
    nan, constant = unusable(series, fold_of)
    where = place(regions, nan, constant, opened[0])
    good = ~(nan | constant)
    series = series if good.all() else series[:, good]
    fitted = []
    for run, regressors in _shown(list(zip(found, extra, strict=True)), progress):
        values = series[run.volumes]
        if model == "glm":
            fitted.append(fit_glm(values, run.events, seconds, glm, run=run.name, confounds=regressors))
        else:
            fitted.append(
                average_blocks(values, run.events, seconds, lag=lag, drift_order=drift_order, rows=model, run=run.name)
            )
    made = {"images": [image.name for image in opened], **source_names(mask, atlas), "model": model, "tr": seconds}
    made |= _said(model, glm, lag, rest, confounds is not None)
    return _as_patterns(found, fitted, where, made, keep_residuals)


def _check_glm(
    hrf: HRF,
    drift: Drift | None,
    high_pass: float,
    drift_order: int,
    noise_model: NoiseModel,
    slice_time_ref: float,
) -> GLM:
    check_choice("hrf", hrf, ("glover", "spm", "glover + derivative", "spm + derivative"))
    if drift is not None:
        check_choice("drift", drift, ("cosine", "polynomial"))
    check_choice("noise_model", noise_model, ("ols", "ar1"))
    order = check_count("drift_order", drift_order)
    if not 0.0 <= check_not_negative("slice_time_ref", slice_time_ref) <= 1.0:
        msg = f"slice_time_ref is a part of the TR, between 0 and 1; got {slice_time_ref}."
        raise ValueError(msg)
    return GLM(hrf, drift, check_positive("high_pass", high_pass), order, noise_model, float(slice_time_ref))


def _check_options(model: str, glm: GLM, lag: float) -> None:
    """Raise when an option is given that the model does not take."""
    for name, (default, models) in _OPTIONS.items():
        if model not in models and (lag if name == "lag" else getattr(glm, name)) != default:
            msg = f"{name}= is only for model={' or '.join(map(repr, models))}; got model={model!r}."
            raise ValueError(msg)
    if model == "glm" and glm.drift != "cosine" and glm.high_pass != _OPTIONS["high_pass"][0]:
        msg = "high_pass= is only for drift='cosine'."
        raise ValueError(msg)
    if model == "glm" and glm.drift != "polynomial" and glm.drift_order != 1:
        msg = "drift_order= is only for drift='polynomial', or for averages of volumes."
        raise ValueError(msg)


def _repetition_time(tr: float | None, images: Sequence[Image]) -> float:
    """Return the seconds between volumes: those given, else those of the headers."""
    said = {image.tr for image in images if image.tr is not None}
    if tr is not None:
        given = check_positive("tr", tr)
        if given > _SLOWEST:
            msg = f"tr is the seconds between volumes; got {given:g}: are these milliseconds?"
            raise ValueError(msg)
        other = [seconds for seconds in said if seconds not in _PLACEHOLDERS and abs(seconds - given) > 1e-3 * given]
        if other:
            msg = (
                f"tr={given:g} s is used, although the header of {images[0].name} says {other[0]:g} s; leave tr= out "
                "to take the header's."
            )
            warnings.warn(msg, UserWarning, stacklevel=3)
        return given
    if len(said) != 1:
        what = "says no repetition time" if not said else f"say different repetition times ({sorted(said)} s)"
        who = f"the header of {images[0].name}" if not said else "the headers"
        msg = f"{who} {what}; give tr=, the seconds between volumes."
        raise ValueError(msg)
    seconds = said.pop()
    if seconds > _SLOWEST:
        msg = f"the header of {images[0].name} says {seconds:g} s between volumes; give tr=, which must be in seconds."
        raise ValueError(msg)
    return seconds


def _check_high_pass(high_pass: float, seconds: float) -> None:
    nyquist = 0.5 / seconds
    # nilearn, which would only warn, may round the other way just below
    if high_pass >= nyquist * (1 - 1e-9):
        msg = (
            f"high_pass= must be below the Nyquist frequency, {nyquist:.4g} Hz with a volume every {seconds:g} s; got "
            f"{high_pass:g} Hz, which leaves no frequency for the conditions."
        )
        raise ValueError(msg)


def _as_confounds(confounds: Any, runs: Sequence[Run], model: str) -> list[FloatArray | None]:
    if confounds is None:
        return [None] * len(runs)
    if model != "glm":
        msg = f"confounds are regressors of model='glm'; got model={model!r}."
        raise ValueError(msg)
    if hasattr(confounds, "columns"):
        confounds = [confounds]
    if not isinstance(confounds, Sequence) or len(confounds) != len(runs):
        msg = f"confounds must hold one table per run, {len(runs)} in all."
        raise ValueError(msg)
    tables: list[FloatArray | None] = []
    for run, table in zip(runs, confounds, strict=True):
        name = f"the confounds of run {run.name!r}"
        if isinstance(table, str | os.PathLike):
            msg = (
                f"{name} must be a table; read {shown(table)} with pandas.read_csv(..., sep='\\t') and choose columns."
            )
            raise TypeError(msg)
        array = as_float_array(name, table, ndim=2)
        if len(array) != run.n_volumes:
            msg = f"{name} must have a row per volume, {run.n_volumes}; got {len(array)}."
            raise ValueError(msg)
        if not np.isfinite(array).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
            which = shown(table.columns[column]) if hasattr(table, "columns") else column
            msg = (
                f"{name} hold NaN or infinity, the first in column {which} at volume {row}; BIDS writes n/a where a "
                "derivative begins: fill it, for example with 0."
            )
            raise ValueError(msg)
        tables.append(array)
    return tables


def _shown(items: Sequence[Any], progress: bool) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, desc="runs", unit="run", delay=2.0, disable=not progress)


def _said(model: str, glm: GLM, lag: float, rest: str | Iterable[str], confounded: bool) -> dict[str, Any]:
    """Return the options that the model used."""
    made: dict[str, Any] = {"rest": [rest] if isinstance(rest, str) else list(rest)}
    if model != "glm":
        return made | {"lag": lag, "drift_order": glm.drift_order}
    made |= {"hrf": glm.hrf, "drift": glm.drift, "noise_model": glm.noise_model, "slice_time_ref": glm.slice_time_ref}
    if glm.drift == "cosine":
        made["high_pass"] = glm.high_pass
    elif glm.drift == "polynomial":
        made["drift_order"] = glm.drift_order
    return made | {"confounds": confounded}


def _as_patterns(
    runs: Sequence[Run],
    fitted: Sequence[RunPatterns],
    where: dict[str, Any],
    made: dict[str, Any],
    keep_residuals: bool,
) -> Patterns:
    noise: dict[str, Any] = {}
    if keep_residuals:
        spent = [run.name for run, each in zip(runs, fitted, strict=True) if each.dof < 1]
        if spent:
            msg = (
                f"run(s) {join_names(spent)} leave nothing to estimate the noise from, as each mean is of one volume; "
                "do without residuals (keep_residuals=False)."
            )
            raise ValueError(msg)
        noise = {
            "residuals": _joined([each.residuals for each in fitted]),
            "residual_folds": tuple(run.name for run, each in zip(runs, fitted, strict=True) for _ in each.residuals),
            "dof": {run.name: each.dof for run, each in zip(runs, fitted, strict=True)},
        }
    return Patterns(
        _joined([each.values for each in fitted]),
        tuple(label for each in fitted for label in each.labels),
        tuple(run.name for run, each in zip(runs, fitted, strict=True) for _ in each.labels),
        **where,
        **noise,
        provenance={"made_by": "read_timeseries", **made},
    )


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    """Return parts below each other, read-only, so that nobody needs a copy."""
    whole = np.concatenate(parts)
    whole.flags.writeable = False
    return whole
