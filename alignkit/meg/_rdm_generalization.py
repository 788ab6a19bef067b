"""RDMs of one time against those of all other times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from alignkit._check import (
    NanPolicy,
    check_choice,
    check_count,
    check_fraction,
    check_nan_policy,
    check_not_negative,
    counted,
)
from alignkit._memory import as_bytes, in_bytes
from alignkit._random import as_rng
from alignkit._typing import AnyArray, FloatArray, RNGLike
from alignkit.meg._generalization_result import TemporalGeneralization
from alignkit.meg._mean_rdms import mean_rdms
from alignkit.meg._measures import measure_of
from alignkit.meg._slices import Slices, align_slices, as_sources
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._matrix_methods import COMPARISON_METHODS, DISTANCES, SENTENCES, ComparisonMethod
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import report_undefined
from alignkit.rsa._pooling import Pooling, check_pooling, checked_sigma_k, describe_pooling
from alignkit.rsa._sigma_k import of_items
from alignkit.rsa._similarity_methods import RANK_METHODS

#: Bytes that a value takes on its way: as it was read, ranked, and prepared.
_BYTES = 32
Read = Callable[[int, int], AnyArray]


def rdm_generalization(
    rdms: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    reference: Literal["self", "others"] = "self",
    pooling: Pooling = "rank",
    sigma_k: object = None,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
) -> TemporalGeneralization:
    """Compare the RDM of every time with the RDMs of all other times: how long a geometry lasts.

    Patterns may change while distances between them stay: decoders then fail across times
    (:func:`temporal_generalization`) where RDMs agree.

    Distances within the data are larger between conditions with fewer trials, at all times and in everybody: such RDMs
    agree before anything is shown. Those between folds (crossnobis) do not.

    Parameters
    ----------
    rdms : RDM, RDMStore, array_like, path, or a sequence or mapping of them
        RDMs with the axes ``("subject", "time")`` or ``("time",)``: one of all participants, or one per participant, as
        for :func:`timecourse`.
    method : str
        Any method of :func:`alignkit.rsa.compare`.
    reference : {"self", "others"}
        ``"self"``: RDMs of the same participant, a symmetric matrix. Its diagonal is 1 and neighbouring times share
        noise, which looks like a lasting geometry. ``"others"``: each participant's RDM at one time (columns) with
        the mean of all others' at another (rows), which share no noise; the diagonal is the lower noise ceiling of
        :func:`timecourse`.
    pooling : {"rank", "raw", "rsatoolbox"}
        How the others are averaged, as in :func:`alignkit.rsa.noise_ceiling`.
    sigma_k : array_like, shape (items,) or (items, items), optional
        Variances or covariance of the items' pattern estimates, in the order of the (first) RDMs, for the whitened
        methods.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in an RDM: give NaN for that time, leave those item pairs out of each comparison alone, or raise.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    tolerance : float
        Seconds by which the times of participants may differ.
    n_bootstrap : int
        Resamples of participants for the interval of the mean; 0 for none.
    confidence : float
        Level of the interval (expanded percentiles; Hesterberg, 2015).
    memory : int or str
        Memory to work in. RDMs of all times that do not fit are ranked again for every stretch of times that does.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the bootstrap.

    Returns
    -------
    TemporalGeneralization
        ``train_times`` are those of the reference.

    Raises
    ------
    ValueError
        Axes that are neither participants nor time, different items or times, one participant and no others, options
        that do not go together, too little memory, or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.
    FileNotFoundError
        A path that is not there.

    References
    ----------
    King and Dehaene (2014), doi:10.1016/j.tics.2014.01.002; leaving one participant out: Nili et al. (2014),
    doi:10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import RDM
    >>> values = np.array([[1.0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5], [6, 5, 4, 3, 2, 1]])
    >>> rdm_generalization(RDM(values, dims=["time"], coords={"time": [0.0, 0.1, 0.2]})).mean.round(2)
    array([[ 1.  ,  0.94, -1.  ],
           [ 0.94,  1.  , -0.94],
           [-1.  , -0.94,  1.  ]])
    """
    _check(method, reference, pooling, nan_policy)
    check_not_negative("tolerance", tolerance)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    n_bytes, generator = as_bytes(memory), as_rng(rng)
    slices, _ = align_slices(as_sources(rdms), [], on_mismatch, tolerance)
    if reference == "others" and slices.n_subjects < 2:
        msg = "reference='others' compares a participant with others, and there is one; use reference='self'."
        raise ValueError(msg)
    options = Options(method, nan_policy, "auto", _sigma_k(sigma_k, method, slices))
    if reference == "self":
        values = np.concatenate([_with_itself(one, options, n_bytes, progress) for one in _one_by_one(slices)])
    else:
        values = _with_others(slices, options, pooling, n_bytes, progress)
    _report(values, slices, nan_policy)
    return TemporalGeneralization(
        values=values,
        mean=values.mean(axis=0),
        interval=mean_interval(values, 0, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator),
        pairs=None,
        train_times=slices.times,
        test_times=slices.times,
        subjects=slices.subjects,
        labels=slices.labels or (),
        quantity=f"{method} {'distance' if method in DISTANCES else 'similarity'}",
        chance=0.0,
        metric=slices.metric or "",
        reference=reference,
        confidence=confidence,
        n_bootstrap=n_bootstrap if slices.n_subjects >= FEWEST else 0,
        methods=_methods(slices, method, reference, pooling),
        note="" if slices.timed else "the data has no times: samples are numbered from 0",
    )


def _check(method: str, reference: str, pooling: str, nan_policy: str) -> None:
    check_choice("method", method, COMPARISON_METHODS)
    check_choice("reference", reference, ("self", "others"))
    check_nan_policy(nan_policy)
    check_choice("pooling", pooling, ("rank", "raw", "rsatoolbox"))
    if reference == "others":
        check_pooling(method, pooling)


def _sigma_k(sigma_k: object, method: str, slices: Slices) -> FloatArray | None:
    """Return ``sigma_k``, which is in the order of the first data, for the items that are compared."""
    own = slices.sources[0]
    sigma, _ = checked_sigma_k(sigma_k, method, n_items_of(own.n_pairs))
    if sigma is None or own.labels is None or slices.labels is None:
        return sigma
    position = {label: i for i, label in enumerate(own.labels)}
    return of_items(sigma, [position[label] for label in slices.labels])


def _one_by_one(slices: Slices) -> Iterator[Slices]:
    """Yield the participants of every source by themselves: less is held at a time."""
    first = 0
    for source, pairs in zip(slices.sources, slices.pairs, strict=True):
        own = slices.subjects[first : first + len(source.subjects)]
        first += len(own)
        yield dataclasses.replace(slices, sources=(source,), pairs=(pairs,), subjects=own)


def _with_itself(slices: Slices, options: Options, n_bytes: int, progress: bool) -> FloatArray:
    read = slices.read_ordered if options.method in RANK_METHODS else slices.read
    values = np.full((slices.n_subjects, slices.n_times, slices.n_times), np.nan)
    for rows, columns, found in _blocks(slices, read, read, options, n_bytes, progress, symmetric=True):
        values[:, rows, columns] = found
        values[:, columns, rows] = found.swapaxes(1, 2)
    return values


def _with_others(slices: Slices, options: Options, pooling: Pooling, n_bytes: int, progress: bool) -> FloatArray:
    def others(start: int, stop: int) -> AnyArray:
        return mean_rdms(slices.read(start, stop), options, pooling, others=True)

    values = np.full((slices.n_subjects, slices.n_times, slices.n_times), np.nan)
    read = slices.read_ordered if options.method in RANK_METHODS else slices.read
    for rows, columns, found in _blocks(slices, others, read, options, n_bytes, progress, symmetric=False):
        values[:, rows, columns] = found
    return values


def _blocks(
    slices: Slices, first: Read, second: Read, options: Options, n_bytes: int, progress: bool, *, symmetric: bool
) -> Iterator[tuple[slice, slice, FloatArray]]:
    """Yield stretches of two axes of time and the similarities between them, shape (subject, times, times)."""
    from tqdm import tqdm

    per_time = 2 * _BYTES * slices.n_subjects * slices.n_pairs
    step = n_bytes // per_time
    if step < 1:
        msg = (
            f"two times of {slices.n_items:,} items and {counted(slices.n_subjects, 'participant')} take "
            f"{in_bytes(per_time)}; raise memory."
        )
        raise ValueError(msg)
    cuts = [(start, min(start + step, slices.n_times)) for start in range(0, slices.n_times, step)]
    with tqdm(total=slices.n_times, desc="RDM generalization", unit="sample", disable=not progress) as bar:
        for i, rows in enumerate(cuts):
            x = first(*rows)
            against = [_against(own, options) for own in x]
            for columns in cuts[i:] if symmetric else cuts:
                y = x if symmetric and columns == rows else second(*columns)
                found = [function(own) for function, own in zip(against, y, strict=True)]
                yield slice(*rows), slice(*columns), np.stack(found)
            bar.update(rows[1] - rows[0])


def _against(x: AnyArray, options: Options) -> Callable[[AnyArray], FloatArray]:
    """Return what compares RDMs of one participant, shape (times, pairs), with others; they are prepared once."""
    measure = None if _has_nan(x) else measure_of(x, options)

    def compare(y: AnyArray) -> FloatArray:
        if measure is not None and not _has_nan(y):
            return measure.against(measure.prepare(y))
        return np.asarray(compare_rows(_floats(x), _floats(y), options).values)

    return compare


def _has_nan(x: AnyArray) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(x.max(axis=-1)).any())


def _floats(x: AnyArray) -> AnyArray:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _report(values: FloatArray, slices: Slices, nan_policy: NanPolicy) -> None:
    undefined = np.isnan(values).all(axis=1)  # at one time, whatever it is compared with
    unit = " s" if slices.timed else ""
    names = [f"{slices.subjects[s]} at {slices.times[t]:g}{unit}" for s, t in np.argwhere(undefined)]
    if not names and np.isnan(values).any():
        names = [f"{slices.times[t]:g}{unit}" for t in np.flatnonzero(np.isnan(values).any(axis=(0, 2)))]
    report_undefined(
        "RDMs hold NaN (nan_policy='omit' leaves those pairs out) or have no variance", names, nan_policy, stacklevel=4
    )


def _methods(slices: Slices, method: str, reference: str, pooling: str) -> str:
    what = f" of {slices.metric} dissimilarities" if slices.metric else ""
    start = (
        f"RDMs{what} of {counted(slices.n_subjects, 'participant')} ({slices.n_items} items) at "
        f"{counted(slices.n_times, 'time')} from {slices.times[0]:g} to {slices.times[-1]:g} s were compared across "
        f"times by {SENTENCES[method]}"
    )
    if reference == "self":
        return f"{start}, within each participant."
    return (
        f"{start}: each participant's RDM at one time with the mean of all others' at another, which were "
        f"{describe_pooling(method, pooling)}."
    )
