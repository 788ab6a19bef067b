"""Models against RDMs over time: every participant, every sample, and the noise ceiling, in one pass."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from alignkit._check import (
    NanPolicy,
    check_choice,
    check_count,
    check_fraction,
    check_nan_policy,
    check_not_negative,
    join_names,
)
from alignkit._executor import Executor, as_executor
from alignkit._memory import as_bytes
from alignkit._random import as_rng
from alignkit._threads import jobs
from alignkit._typing import FloatArray, PathLike, RNGLike
from alignkit.meg._inputs import Inputs, read_inputs
from alignkit.meg._judge import NORMALIZED_RANK, Judge, Judged
from alignkit.meg._judged_file import JudgedFile
from alignkit.meg._over_time import over_time
from alignkit.meg._sample_unit import UNTIMED
from alignkit.meg._slices import Slices
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.meg._undefined import model_names, names_of, why_undefined
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._matrix_methods import BURES, COMPARISON_METHODS, WHITENED, ComparisonMethod
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import report_all, report_note
from alignkit.rsa._partial import PARTIAL_METHODS
from alignkit.rsa._pooling import Pooling, pooling_note
from alignkit.rsa._sigma_k import check_sigma_k, of_items
from alignkit.rsa._similarity_methods import RANK_METHODS

TimePooling = Pooling | Literal["normalized-rank"]
Side = Literal["both", "models", "data"]
_SIDES: dict[str, Literal["both", "first", "second"]] = {"both": "both", "models": "first", "data": "second"}
#: Bytes that a value of a model takes: as it came and prepared.
_MODEL_BYTES = 16
_FEW = {
    1: "one participant: there is nobody to compare with, so that no ceiling is defined, and no interval",
    2: "two participants: the lower bound is their one similarity, and the upper bound is loose (each is half the "
    "mean); no interval",
}


def timecourse(
    models: object,
    data: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    pooling: TimePooling = "rank",
    sigma_k: object = None,
    controls: object = None,
    partial: Side = "both",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    ceiling: bool = True,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    resume: PathLike | None = None,
    progress: bool = False,
    rng: RNGLike = None,
    n_jobs: int | None = None,
    client: object = None,
) -> TimeCourse:
    r"""Compare model RDMs with every participant's RDMs over time, and find the noise ceiling.

    Parameters
    ----------
    models : RDM, array_like, path, or a sequence or mapping of them
        Model RDMs: single ones, or stacked along one axis. Where they have an axis ``"time"`` of their own, each of
        their times is compared with each time of the data.
    data : RDM, RDMStore, array_like, path, or a sequence or mapping of them
        RDMs with the axes ``("subject", "time")`` or ``("time",)``: one of all participants, or one per participant.
        Stores (``.zarr``) are read a stretch of time at a time. RDMs of any other modality can take the place of the
        models: fusion of M/EEG and fMRI is ``timecourse(fmri_rdms, meg_rdms)``.
    method : str
        Any method of :func:`alignkit.rsa.compare`.
    pooling : {"rank", "raw", "rsatoolbox", "normalized-rank"}
        How participants are averaged for the ceiling, as in :func:`alignkit.rsa.noise_ceiling`: by default on the scale
        of the method, mean ranks ranked again for methods of ranks. ``"normalized-rank"``, for spearman: mean of ranks
        of unit length, compared as they are (both bounds come out a little higher, and nothing is ranked again).
    sigma_k : array_like, shape (items,) or (items, items), optional
        Variances or covariance of the items' pattern estimates, in the order of the (first) data, for the whitened
        methods.
    controls : RDM or array_like, or a sequence or mapping of them, optional
        RDMs to regress out, the same at all times, for ``"pearson"`` and ``"spearman"``.
    partial : {"both", "models", "data"}
        Which side the controls leave: both (partial correlation), or one alone (semi-partial). The ceiling is that of
        the data as it is compared: where the controls leave it, of what they leave, averaged at unit length.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a model or in an RDM of the data: give NaN for that participant and time, leave those item pairs out of
        that comparison alone (out of the ceiling of that time for all), or raise. No time affects another.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items. Items are always matched by label.
    tolerance : float
        Seconds by which the times of participants may differ.
    ceiling : bool
        Find the noise ceiling. The Bures methods have none.
    n_bootstrap : int
        Resamples of participants for the interval of the mean; 0 for none.
    confidence : float
        Level of the interval, an expanded percentile one: plain percentiles are too short for few participants.
    memory : int or str
        Memory to work in, besides models and data that are in memory already: bytes, or a text such as ``"1 GB"``.
    resume : path, optional
        A file (``.npz``) that comparisons are kept in as they are done: the same call goes on where a killed one
        stopped, with the same numbers, and that of another comparison is refused. It stays until you remove it.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the bootstrap.
    n_jobs : int, optional
        Threads that work side by side, as for :func:`time_rdms`; the numbers are the same for any.
    client : dask.distributed.Client, optional
        Share stretches of time out over the workers of a cluster, with the same bits; by default, threads of this
        process take them. Stretches are read here and sent: no worker needs the files, and no more wait at a time than
        ``memory`` takes.

    Returns
    -------
    TimeCourse

    Raises
    ------
    ValueError
        Different items or times, axes that are neither participants, models nor time, options that do not go
        together, too little memory, or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.
    FileNotFoundError
        A path that is not there.
    FileExistsError
        ``resume`` holds the start of another comparison.

    Notes
    -----
    Every RDM is ranked (or centred, or whitened) once; all models, partial correlations and the ceiling follow from
    products. Models are compared within each participant and then averaged: a model's similarity to the group's mean
    RDM could exceed the ceiling. The numbers are the same for any number of threads or workers.

    References
    ----------
    Cichy et al. (2014), doi:10.1038/nn.3635; ceilings: Nili et al. (2014), doi:10.1371/journal.pcbi.1003553;
    intervals: Hesterberg (2015), doi:10.1080/00031305.2015.1089789.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import RDM
    >>> animacy = np.array([0.0, 1, 1, 1, 1, 0])
    >>> movie = np.stack([[0.3, 0.1, 0.2, 0.1, 0.4, 0.3], animacy + [0, 0.1, 0.2, 0, 0, 0.1]])
    >>> people = RDM(np.stack([movie, movie + 0.1]), dims=["subject", "time"], coords={"time": [0.0, 0.1]})
    >>> timecourse({"animacy": animacy}, people, n_bootstrap=0).mean.round(2)
    array([[-0.43,  0.84]])
    """
    scale = _checked(method, pooling, controls, partial, nan_policy, ceiling=ceiling)
    check_not_negative("tolerance", tolerance)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    n_bytes, generator, executor = as_bytes(memory), as_rng(rng), as_executor(client)
    given = read_inputs(models, data, controls, on_mismatch, tolerance)
    slices = given.slices
    sigma = _sigma_k(sigma_k, method, slices)
    options = Options(method, nan_policy, "auto", sigma, given.controls, _SIDES[partial])
    with jobs(n_jobs):
        judged = _judge(given, options, scale, n_bytes, resume, executor, progress=progress)
    report_all(why_undefined(judged, given, method, nan_policy, ceiling=bool(scale)), nan_policy)
    negative = _negative(judged, given, method)
    report_note(negative)
    similarity = judged.similarity
    if given.models.times is not None:
        similarity = similarity.reshape(-1, given.models.n_times, slices.n_subjects, slices.n_times).swapaxes(1, 2)
    return TimeCourse(
        similarity=similarity,
        mean=similarity.mean(axis=1),
        interval=mean_interval(similarity, 1, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator),
        lower=judged.lower.mean(axis=0),
        upper=judged.upper.mean(axis=0),
        lower_per_subject=judged.lower,
        upper_per_subject=judged.upper,
        times=slices.times,
        models=given.models.names,
        subjects=slices.subjects,
        model_times=given.models.times,
        method=method,
        pooling=scale,
        n_items=slices.n_items,
        n_pairs=int(judged.n_pairs.min(where=judged.n_pairs > 0, initial=slices.n_pairs)),
        controls=given.control_names,
        partial=partial if controls is not None else "",
        nan_policy=nan_policy,
        aligned_by=given.aligned_by,
        metric=slices.metric,
        confidence=confidence,
        n_bootstrap=n_bootstrap if slices.n_subjects >= FEWEST else 0,
        note=_note(given, method, scale, negative, ceiling=ceiling),
    )


def _checked(method: str, pooling: str, controls: object, partial: str, nan_policy: str, *, ceiling: bool) -> str:
    """Return the pooling of the ceiling, empty for none, or raise where options do not go together."""
    check_choice("method", method, COMPARISON_METHODS)
    check_choice("pooling", pooling, (*get_args(Pooling), NORMALIZED_RANK))
    check_choice("partial", partial, _SIDES)
    check_nan_policy(nan_policy)
    if pooling == NORMALIZED_RANK and method != "spearman":
        msg = f"pooling={NORMALIZED_RANK!r} is for method='spearman'; got method={method!r} (pooling='rank' fits it)."
        raise ValueError(msg)
    if controls is None and partial != "both":
        msg = f"partial={partial!r} says which side the controls leave; give controls."
        raise ValueError(msg)
    if controls is not None and method not in PARTIAL_METHODS:
        msg = f"controls are for the methods {' and '.join(map(repr, PARTIAL_METHODS))}; got method={method!r}."
        raise ValueError(msg)
    if controls is not None and partial != "models" and pooling in ("raw", "rsatoolbox"):
        msg = (
            f"pooling={pooling!r} averages the data as they are, but the controls are taken out of them; leave "
            "pooling='rank', or take the controls out of the models alone (partial='models')."
        )
        raise ValueError(msg)
    return pooling if ceiling and method not in BURES else ""


def _sigma_k(sigma_k: object, method: str, slices: Slices) -> FloatArray | None:
    """Return ``sigma_k``, which is in the order of the first data, for the items that are compared."""
    if sigma_k is None:
        return None
    if method not in WHITENED:
        msg = f"sigma_k is for the methods {' and '.join(map(repr, WHITENED))}; {method!r} does not weigh pairs."
        raise ValueError(msg)
    own = slices.sources[0]
    checked = check_sigma_k(sigma_k, n_items_of(own.n_pairs))
    if own.labels is None or slices.labels is None or own.labels == slices.labels:
        return checked
    position = {label: i for i, label in enumerate(own.labels)}
    return of_items(checked, [position[label] for label in slices.labels])


def _judge(
    given: Inputs,
    options: Options,
    pooling: str,
    n_bytes: int,
    resume: PathLike | None,
    executor: Executor,
    *,
    progress: bool,
) -> Judged:
    """Judge every stretch of time; as many models at once as half of the memory holds."""
    slices, n_rows = given.slices, len(given.rows)
    file = JudgedFile.of(resume, given, options, pooling)
    judged = file.judged
    together = min(n_rows, max(1, n_bytes // (2 * _MODEL_BYTES * slices.n_pairs)))
    left = n_bytes - together * _MODEL_BYTES * slices.n_pairs
    ordered = options.method in RANK_METHODS and pooling != "raw"
    for first in range(0, n_rows, together):
        part = slice(first, first + together)
        done = np.asarray(file.done[part].all(axis=0))
        if done.all():
            continue
        # the ceiling does not depend on the models
        judge = Judge(given.rows[part], options, pooling if first == 0 else "")
        for times, found in over_time(
            slices,
            judge,
            ordered=ordered,
            n_bytes=left,
            progress=progress,
            title="time course",
            done=done,
            executor=executor,
        ):
            judged.similarity[part, :, times], judged.n_pairs[part, :, times] = found.similarity, found.n_pairs
            if first == 0:
                for name in ("lower", "upper", "missing", "flat", "negative"):
                    getattr(judged, name)[:, times] = getattr(found, name)
            judged.model_negative[part] = np.maximum(judged.model_negative[part], found.model_negative)
            file.done[part, times] = True
            file.keep()
    file.keep(now=True)
    return judged


def _negative(judged: Judged, given: Inputs, method: str) -> str:
    """Return what a Bures comparison did to RDMs that are not Euclidean."""
    names = [*model_names(judged.model_negative > 0, given), *names_of(judged.negative > 0, given)]
    if not names:
        return ""
    share = max(judged.model_negative.max(), judged.negative.max())
    return (
        f"{method} takes squared Euclidean distances; the negative eigenvalues of these RDMs were set to zero: "
        f"{join_names(names)} (up to {share:.1%})"
    )


def _note(given: Inputs, method: str, pooling: str, negative: str, *, ceiling: bool) -> str:
    """Return what to know about the numbers."""
    notes = [
        "" if given.slices.timed else UNTIMED,
        _FEW.get(given.slices.n_subjects, ""),
        f"{method} has no mean RDM in closed form, and therefore no ceiling" if ceiling and method in BURES else "",
        pooling_note(method, pooling).rstrip(".") if pooling else "",
        negative,
    ]
    return "; ".join(filter(None, notes))
