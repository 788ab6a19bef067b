"""How much variance of RDMs over time models explain alone, and how much they share."""

from __future__ import annotations

import numpy as np

from alignkit._check import (
    NanPolicy,
    check_choice,
    check_count,
    check_fraction,
    check_nan_policy,
    check_not_negative,
    counted,
    join_names,
)
from alignkit._executor import Executor, as_executor
from alignkit._memory import as_bytes
from alignkit._random import as_rng
from alignkit._typing import RNGLike
from alignkit.meg._inputs import Inputs, read_inputs
from alignkit.meg._over_time import over_time
from alignkit.meg._sample_unit import UNTIMED
from alignkit.meg._undefined import names_of
from alignkit.meg._variance_result import VariancePartition
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import report_all
from alignkit.rsa._partial import PARTIAL_METHODS
from alignkit.rsa._shares import Shares, Sharing, commonalities, subsets_of
from alignkit.rsa._similarity_methods import undefined_rows

#: More models have more parts than anyone reads.
_MOST = 6


def variance_partition(
    models: object,
    data: object,
    /,
    *,
    method: str = "spearman",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> VariancePartition:
    r"""Part the variance of every participant's RDMs over time among two to six models.

    Parameters
    ----------
    models : RDM, array_like, path, or a sequence or mapping of them
        Model RDMs without an axis of time, as for :func:`timecourse`.
    data : RDM, RDMStore, array_like, path, or a sequence or mapping of them
        RDMs over time, as for :func:`timecourse`.
    method : {"spearman", "pearson"}
        Explain the ranks of dissimilarities by those of the models, or the dissimilarities themselves.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a model or in an RDM of the data: give NaN for that participant and time, leave those item pairs out of
        that fit alone, or raise.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items. Items are always matched by label.
    tolerance : float
        Seconds by which the times of participants may differ.
    n_bootstrap : int
        Resamples of participants for the intervals of the means; 0 for none.
    confidence : float
        Level of the intervals, expanded percentile ones as for :func:`timecourse`.
    memory : int or str
        Memory to work in, as for :func:`timecourse`.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the bootstrap.
    client : dask.distributed.Client, optional
        As for :func:`timecourse`.

    Returns
    -------
    VariancePartition

    Raises
    ------
    ValueError
        Fewer than two or more than six models, models with an axis of time, different items or times, an unknown
        option, or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.
    FileNotFoundError
        A path that is not there.

    Notes
    -----
    With :math:`R^2_A` the share of variance that least squares explains with the models A and an intercept, the part
    that exactly the models T have in common is :math:`\sum_{A\subseteq T}(-1)^{|T|-|A|}(R^2-R^2_{\setminus A})`;
    for a single model that is its unique variance. All parts add up to :math:`R^2`. Common parts can be negative:
    models that suppress one another explain more together than the sum of what each does. The shares are in-sample,
    as ``r2_in_sample`` of :func:`alignkit.rsa.regress`, and negligibly biased only for many more item pairs than
    models. Models that are sums of others have no unique variance.

    References
    ----------
    Nimon et al. (2008), doi:10.3758/BRM.40.2.457; over time: Hebart et al. (2018), doi:10.7554/eLife.32816.

    Examples
    --------
    >>> import numpy as np
    >>> animacy, size = [0.0, 1, 1, 1, 1, 0], [1.0, 0, 1, 1, 0, 1]
    >>> movie = np.array([[0.0, 1, 1, 1, 1, 0], [1.0, 0.1, 2, 1, 0.5, 1]])
    >>> result = variance_partition({"animacy": animacy, "size": size}, movie, method="pearson", n_bootstrap=0)
    >>> result.r2.round(2)
    array([[1.  , 0.71]])
    """
    check_choice("method", method, PARTIAL_METHODS)
    check_nan_policy(nan_policy)
    check_not_negative("tolerance", tolerance)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    n_bytes, generator, executor = as_bytes(memory), as_rng(rng), as_executor(client)
    given = read_inputs(models, data, None, on_mismatch, tolerance)
    _check_models(given)
    slices, names = given.slices, given.models.names
    shares = _shares(given, method, nan_policy, n_bytes, executor, progress=progress)
    report_all(_why_undefined(shares, given, nan_policy), nan_policy)
    parts = commonalities(shares.r2, len(names))
    r2 = shares.r2[-1]
    curves = np.concatenate([r2[None], parts])
    intervals = mean_interval(curves, 1, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator)
    return VariancePartition(
        r2=r2,
        alone=shares.r2[: len(names)],
        parts=parts,
        r2_mean=r2.mean(axis=0),
        r2_interval=intervals[:, 0],
        mean=parts.mean(axis=1),
        interval=intervals[:, 1:],
        times=slices.times,
        models=names,
        members=tuple(tuple(names[j] for j in subset) for subset in subsets_of(len(names))),
        subjects=slices.subjects,
        method=method,
        n_items=slices.n_items,
        n_pairs=int(shares.n_pairs.min(where=shares.n_pairs > 0, initial=slices.n_pairs)),
        nan_policy=nan_policy,
        aligned_by=given.aligned_by,
        metric=slices.metric,
        confidence=confidence,
        n_bootstrap=n_bootstrap if slices.n_subjects >= FEWEST else 0,
        note=_note(given),
    )


def _check_models(given: Inputs) -> None:
    names = given.models.names
    if given.models.times is not None:
        msg = "variance_partition takes models without an axis of time; choose one time with isel(time=...)."
        raise ValueError(msg)
    if not 2 <= len(names) <= _MOST:
        msg = f"variance is parted among 2 to {_MOST} models; got {len(names)}: {join_names(names)}."
        raise ValueError(msg)


def _shares(
    given: Inputs, method: str, nan_policy: NanPolicy, n_bytes: int, executor: Executor, *, progress: bool
) -> Shares:
    slices = given.slices
    shape = (slices.n_subjects, slices.n_times)
    shares = Shares(
        r2=np.full((2 ** len(given.rows) - 1, *shape), np.nan),
        n_pairs=np.zeros(shape, dtype=np.int64),
        missing=np.zeros(shape, dtype=bool),
        flat=np.zeros(shape, dtype=bool),
    )
    sharing = Sharing(given.rows, method, nan_policy)
    ordered = method == "spearman"
    for times, found in over_time(
        slices,
        sharing,
        ordered=ordered,
        n_bytes=n_bytes,
        progress=progress,
        title="variance partition",
        executor=executor,
    ):
        shares.r2[..., times] = found.r2
        for name in ("n_pairs", "missing", "flat"):
            getattr(shares, name)[:, times] = getattr(found, name)
    return shares


def _why_undefined(shares: Shares, given: Inputs, nan_policy: NanPolicy) -> dict[str, list[str]]:
    undefined = np.isnan(shares.r2[-1])
    if not undefined.any():
        return {}
    reasons: dict[str, list[str]] = {}
    names = np.array(given.models.names, dtype=object)
    missing = np.zeros_like(undefined)
    gaps = np.isnan(given.rows).any(axis=1)
    if nan_policy != "omit":
        reasons["models hold NaN (nan_policy='omit' leaves those pairs out)"] = names[gaps].tolist()
        missing = shares.missing
        reasons["the data hold NaN (nan_policy='omit' leaves those pairs out) for"] = names_of(missing, given)
    constant = undefined_rows(given.rows, "pearson")
    reasons["there is no variance to explain with in the models"] = names[constant].tolist()
    flat = undefined & shares.flat
    reasons["there is no variance to explain in"] = names_of(flat, given)
    if not constant.any() and not (gaps.any() and nan_policy != "omit"):
        rest = undefined & ~missing & ~flat
        what = f"too few item pairs, or none that differ, are left to fit {len(names)} models to"
        reasons[what] = names_of(rest, given)
    return reasons


def _note(given: Inputs) -> str:
    n = given.slices.n_subjects
    notes = [
        "" if given.slices.timed else UNTIMED,
        f"no interval: {counted(n, 'participant')}, of three that it needs" if n < FEWEST else "",
    ]
    return "; ".join(filter(None, notes))
