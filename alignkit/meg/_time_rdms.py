"""RDMs of one participant over time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import check_choice, check_not_negative, shown
from alignkit._memory import as_bytes
from alignkit._random import as_rng
from alignkit._threads import jobs
from alignkit._typing import AnyArray, PathLike, RNGLike
from alignkit.meg._as_trials import as_trials
from alignkit.meg._decisions import accuracy_levels
from alignkit.meg._estimators import KINDS, Covariance, Metric, check_options, check_trials, estimator_of
from alignkit.meg._noise import GivenNoise, Shrinkage, as_shrinkage
from alignkit.meg._preparation import check_in_use, groupings_of, noise_for, noise_mode, warn_of_units, windows_of
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._rdms_over_time import Computation, HeldTrials, steps_beside, stretch_and_step
from alignkit.meg._rdms_provenance import data_of, digest_of, methods_of
from alignkit.meg._trials import Trials
from alignkit.meg._windows import WindowMode
from alignkit.rsa._arrays import Precision
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._noise import NoiseKind
from alignkit.rsa._patterns import CrossValidation, MetricOptions
from alignkit.rsa._report_values import report_values


def time_rdms(
    data: Any,
    /,
    *,
    by: str | Sequence[Any] | None = None,
    folds: str | Sequence[Any] | None = None,
    metric: Metric = "crossnobis",
    cv: CrossValidation | None = None,
    covariance: Covariance = "shared",
    ridge: float = 0.01,
    variance_floor: float = 0.0,
    normalize: bool = False,
    noise: Any = "auto",
    noise_kind: NoiseKind = "precision",
    noise_from: Literal["training", "all"] = "training",
    shrinkage: Shrinkage = "ledoit-wolf",
    window: float | None = None,
    step: float | None = None,
    window_mode: WindowMode = "mean",
    pseudo_trials: int | None = None,
    pseudo_repeats: int = 20,
    times: Any = None,
    picks: Any = None,
    tmin: float | None = None,
    tmax: float | None = None,
    baseline: Sequence[float | None] | None = None,
    decim: int = 1,
    query: str | None = None,
    ch_types: str | Sequence[str] | None = None,
    dtype: Precision = "float64",
    out: PathLike | None = None,
    overwrite: bool = False,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
    n_jobs: int | None = None,
    verbose: bool | str | int | None = None,
) -> RDM | RDMStore:
    r"""Compute the RDM of all conditions at every time, for one participant.

    Data are read a stretch of time at a time, as many samples as ``memory`` allows; nothing is changed. The values do
    not depend on ``memory``, nor on the number of threads.

    Parameters
    ----------
    data : mne.Epochs, list of mne.Epochs or mne.Evoked, array_like of shape (trials, channels, times), or path
        Epochs (a list holds sessions), averages (each a trial of the condition in its comment), numbers with
        ``times``, or paths of ``-epo.fif`` and ``-ave.fif`` files. Any number of trials per condition and fold.
    by : str or sequence, optional
        What each trial shows: a column of ``epochs.metadata``, or one label per trial; by default its event's name.
        Items of the RDMs are in natural order of the labels.
    folds : str or sequence, optional
        Independent partition (session, run) of each trial: a column, one value per trial, or ``"file"``. Needed by
        cross-validated metrics and decoding.
    metric : str
        With :math:`x_i` the mean of condition i over trials, p channels, and P the noise precision:

        ================= ========================================================== ==================================
        metric            definition                                                 equals
        ================= ========================================================== ==================================
        correlation       :math:`1 - r(x_i, x_j)`                                    scipy, rsatoolbox, mne-rsa
        cosine            :math:`1 - x_i'x_j / (|x_i||x_j|)`                         scipy, mne-rsa
        euclidean         :math:`|x_i - x_j|`                                        scipy, mne-rsa
        sqeuclidean       :math:`|x_i - x_j|^2`                                      scipy; with normalize rsatoolbox
        mahalanobis       :math:`\sqrt{(x_i-x_j)'P(x_i-x_j)}`                        scipy with ``VI=P``
        sqmahalanobis     its square                                                 with normalize rsatoolbox
        crossnobis        :math:`\frac1p(x_i-x_j)_f'P(x_i-x_j)_g`, mean over folds   rsatoolbox given the same P;
                          f and g                                                    CoSMoMVPA has none; mne-rsa 1.0
                                                                                     has none, 1.1 takes its root (NaN
                                                                                     where negative)
        sqeuclidean_cv    p times crossnobis without whitening                       rsatoolbox times p; not mne-rsa
                                                                                     1.0, whose value is biased
        correlation_cv    :math:`1-c_{ij}/\sqrt{c_{ii}c_{jj}}`, c the covariance     Guggenmos et al. with two folds
                          over channels between folds
        cosine_cv         the same without taking the mean over channels out
        decoding          accuracy of a linear discriminant of i and j, equal        scikit-learn LDA with that
                          priors, one noise covariance for all pairs; chance is .5   covariance; nearest mean of
                                                                                     whitened data
        decoding_weighted signed distance of the test trials from that boundary,
                          in standard deviations of the noise; chance is 0
        svm               accuracy of a linear support vector machine (C = 1) on     scikit-learn ``SVC``; slow
                          whitened trials; chance is .5
        ================= ========================================================== ==================================

        Distances between folds and weighted decisions may be negative; nothing is clipped or rooted. Distances within
        the data are biased upward by noise, correlation distances downward where there is a signal
        (Guggenmos et al. 2018); those between folds are not.
    cv : {"leave-one-fold-out", "fold-pairs", "observation-pairs"}, optional
        What cross-validated distances pair, as for :func:`alignkit.rsa.rdm`. By default the first where every condition
        has equally many trials in all folds (all three agree then), else the last, which uses every trial:
        :math:`I_{ij}` is the mean of :math:`x_i'Px_j` over all pairs of trials from different folds, and the distance
        :math:`I_{ii}+I_{jj}-I_{ij}-I_{ji}`, of x less the mean over conditions of all their trials: in unbalanced
        designs the value depends on the origin, and a large offset would drown it. rsatoolbox's
        ``calc_rdm_unbalanced`` does not subtract that mean: it gives the same of patterns less it. Conditions that
        occur in a single fold give NaN and one warning.
    covariance : {"shared", "pairwise"}
        For decoding: one noise covariance for all pairs, or that of the two conditions' own training trials plus
        ``ridge`` times its mean diagonal (CoSMoMVPA, with which the published THINGS-MEG RDMs were made): noisier, and
        thousands of times the work.
    ridge : float
        For ``covariance="pairwise"``.
    variance_floor : float
        For correlation_cv and cosine_cv: :math:`c_{ii}` is at least this part of the variance within folds.
    normalize : bool
        Divide by the number of channels (sqeuclidean, sqmahalanobis, sqeuclidean_cv).
    noise : {"auto", "time", "epoch", "baseline"}, None, array_like, NoisePrecision or mne.Covariance
        Multivariate noise normalisation: what whitens the channels. ``"auto"`` is ``"time"`` for decoding, ``"epoch"``
        for crossnobis and Mahalanobis distances, None for the others and for pairwise covariances. An array has shape
        (channels, channels), or (times, channels, channels) for one at each time. The names clash between packages:

        ============ ============================================ ==================== =================== ============
        here         covariance                                   Guggenmos (megmvpa)  THINGS-EEG2         rsatoolbox
        ============ ============================================ ==================== =================== ============
        ``time``     one at each time                             "time"                                   one per call
        ``epoch``    at each time, then the mean over times       "epoch"              ``mvnn_dim="time"``
        ``baseline`` at each time before 0 s, then the mean       "baseline"
        (none)       over the samples of each single trial                             ``"epochs"``
        ============ ============================================ ==================== =================== ============

        Each is the covariance of the trials around the means of their conditions, over degrees of freedom (trials less
        conditions), shrunk once for all conditions; megmvpa and THINGS-EEG2 shrink for each condition and average.
        Channels of several types are brought to the same mean variance by type first. Where the data are of lower
        rank than channels (signal-space separation, projections, average reference), only so many directions are kept.
        Correlations take the symmetric root, which keeps channels apart.
    noise_kind : {"precision", "covariance"}
        What an array given as ``noise`` is.
    noise_from : {"training", "all"}
        Whether cross-validation estimates the noise, for every fold, from the trials of all others (whose condition
        means the residuals are taken from), or once from all trials, as users of rsatoolbox do. The latter is a leak:
        what differs between folds is taken for noise and made small, so that values of pure noise lie above zero, or
        chance, the more the fewer trials there are for each channel. Some published pipelines (THINGS-EEG2) mix test
        trials in. Without cross-validation it is always that of all trials.
    shrinkage : {"ledoit-wolf", "none"} or float
        The weight of equal variances: that of Ledoit & Wolf (scikit-learn's ``LedoitWolf`` of the residuals), none, or
        a number from 0 to 1.
    window, step : float, optional
        Length of sliding windows and seconds from one to the next (by default one sample).
    window_mode : {"mean", "concat"}
        Average the samples of a window, or put them side by side as features.
    pseudo_trials : int, optional
        Average so many random trials of a condition (and fold) before anything else.
    pseudo_repeats : int
        Random groupings whose RDMs are averaged.
    times, picks, tmin, tmax, baseline, decim, query, ch_types, verbose
        What is read of the data, as in MNE: seconds of an array's samples; channels; first and last time; the
        interval whose mean is subtracted; every how manieth sample; trials; types of an array's channels; messages.
    dtype : {"float64", "float32"}
        Precision of products and values; sums over folds are float64 in any case.
    out : path, optional
        A folder ``*.zarr`` that each stretch is written to as it is done. The same call goes on where a killed one
        ended, with the same bits; a folder of another computation is refused, unless ``overwrite`` replaces it.
    overwrite : bool
        Start anew, whatever ``out`` holds.
    memory : int or str
        Bytes to work in, besides what is returned.
    progress : bool
        Show a bar with the time that is left.
    rng : numpy.random.Generator, int or None
        For pseudo-trials.
    n_jobs : int, optional
        Threads that work side by side, as in MNE (-1: one for each processor); by default as many as the BLAS may use
        (``OMP_NUM_THREADS``). The numbers are the same for any.

    Returns
    -------
    RDM or RDMStore
        With the axis ``"time"``, in seconds; the store where ``out`` is given. ``provenance["methods"]`` is the text
        that a Methods section needs.

    Raises
    ------
    ValueError
        An unknown metric or option, one that the metric does not take, fewer than two conditions, folds that are
        missing or do not fit, noise that cannot be estimated or inverted, or data that cannot be read.
    TypeError
        Data or options of the wrong kind.
    FileNotFoundError
        A file that is not there.
    FileExistsError
        ``out`` holds another computation.

    Warns
    -----
    RuntimeWarning
        Undefined dissimilarities, with the conditions behind them; channels of several types that are not whitened,
        so that each type weighs by its unit; channels that are flat; times that are rather milliseconds, or of more
        than there is.

    See Also
    --------
    alignkit.rsa.rdm : The same of patterns without time.

    References
    ----------
    Guggenmos, Sterzer & Cichy (2018), doi:10.1016/j.neuroimage.2018.02.044. Crossnobis: Walther et al. (2016),
    doi:10.1016/j.neuroimage.2015.12.012. Shrinkage: Ledoit & Wolf (2004), doi:10.1016/S0047-259X(03)00096-4. Decoding
    as a dissimilarity over time: Cichy, Pantazis & Oliva (2014), doi:10.1038/nn.3635. THINGS-MEG: Hebart et al. (2023),
    doi:10.7554/eLife.82580.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> shown = np.tile(["cat", "dog", "car", "cup"], 12)
    >>> session = np.repeat([1, 2, 3], 16)
    >>> epochs = generator.standard_normal((48, 10, 30))  # trials, channels, samples
    >>> rdms = time_rdms(epochs, by=shown, folds=session, times=np.arange(30) / 100 - 0.1, metric="crossnobis")
    >>> rdms
    <RDM 4 items (car, cat, cup, ...), time: 30, metric: crossnobis>
    """
    options = MetricOptions(cv, normalize, variance_floor=check_not_negative("variance_floor", variance_floor))
    check_options(metric, options, covariance)
    mode = noise_mode(noise, metric, covariance)
    check_in_use(mode, noise_kind, shrinkage, ridge=ridge, covariance=covariance)
    check_choice("noise_from", noise_from, ("training", "all"))
    check_choice("dtype", dtype, ("float64", "float32"))
    _check_out(out)
    n_bytes, shrinkage, generator = as_bytes(memory), as_shrinkage(shrinkage), as_rng(rng)
    trials = as_trials(
        data,
        by=by,
        folds=folds,
        times=times,
        picks=picks,
        tmin=tmin,
        tmax=tmax,
        baseline=baseline,
        decim=decim,
        query=query,
        ch_types=ch_types,
        verbose=verbose,
    )
    trials = windows_of(trials, window, step, window_mode)
    check_trials(metric, trials, cv)
    warn_of_units(trials, mode, covariance)
    base = HeldTrials(trials, hold=True)
    repeats = groupings_of(base.trials, pseudo_trials, pseudo_repeats, generator if rng is None else rng)
    by_fold = KINDS[metric].folds and noise_from == "training"
    before = 0.0 if window is None else -window / 2
    noises = [noise_for(mode, noise_kind, one, shrinkage, by_fold, dtype, before) for one in repeats]
    estimator = estimator_of(metric, repeats[0].design, options, covariance=covariance, ridge=ridge, dtype=dtype)
    n_sets = 0 if noises[0] is None else noises[0].n_sets_at_each_time
    decodes = KINDS[metric].decodes  # which shares each step out over threads of its own
    by_time = decodes and metric != "svm" and covariance == "shared"
    with jobs(n_jobs):
        at_once = stretch_and_step(trials, repeats, dtype, n_sets, n_bytes, by_time)
        side_by_side = 0 if decodes else steps_beside(trials, repeats, dtype, n_sets, n_bytes, at_once[1])
        computation = Computation(base, repeats, noises, estimator, dtype, *at_once, side_by_side)
        known = _provenance(trials, metric, options, computation, covariance, ridge)
        known |= _provenance_of_grouping(window, step, window_mode, pseudo_trials, pseudo_repeats, rng, out)
        if out is None:
            return _in_memory(trials, metric, computation, known, progress)
        return _on_disk(out, trials, metric, computation, known, progress, overwrite=overwrite)


def _check_out(out: object) -> None:
    if out is not None and not isinstance(out, str | os.PathLike):
        msg = f"out must be the path of a folder *.zarr; got {shown(out)}."
        raise TypeError(msg)


def _provenance(
    trials: Trials, metric: str, options: MetricOptions, computation: Computation, covariance: str, ridge: float
) -> dict[str, Any]:
    noise = computation.noises[0]
    known = data_of(trials) | ({"noise": None} if noise is None else noise.provenance())
    known |= {"dtype": computation.dtype}
    takes = KINDS[metric].takes
    known |= {name: getattr(options, name) for name in ("normalize", "variance_floor") if name in takes}
    if "cv" in takes:
        known["cv"] = computation.estimator.cv
    if "covariance" in takes:
        known |= {"covariance": covariance} | ({"ridge": ridge} if covariance == "pairwise" else {})
    return known


def _provenance_of_grouping(
    window: float | None,
    step: float | None,
    mode: str,
    size: int | None,
    repeats: int,
    rng: RNGLike,
    out: PathLike | None,
) -> dict[str, Any]:
    known: dict[str, Any] = {} if window is None else {"window": window, "step": step, "window_mode": mode}
    if size is not None:
        seed = int(rng) if isinstance(rng, int | np.integer) else None
        if seed is None and out is not None:
            msg = "pseudo-trials are random; with out= give a whole number as rng=, so that a killed run can go on."
            raise ValueError(msg)
        known |= {"pseudo_trials": size, "pseudo_repeats": repeats, "seed": seed}
    return known


def _in_memory(trials: Trials, metric: str, computation: Computation, known: dict[str, Any], progress: bool) -> RDM:
    n = trials.design.n_conditions
    values = np.empty((trials.n_times, n * (n - 1) // 2), dtype=computation.dtype)
    levels = None if computation.n_decisions is None else accuracy_levels(computation.n_decisions)

    def write(start: int, found: AnyArray) -> None:
        values[start : start + len(found)] = found if levels is None else levels[found]

    pending = np.ones(trials.n_times, dtype=np.bool_)
    undefined = computation.run(write, pending, progress=progress)
    report_values(undefined, n, trials.design.labels, "propagate", stacklevel=4)
    known |= computation.found()
    known["methods"] = methods_of(metric, n, trials.times, known)
    coords, labels = {"time": trials.times}, trials.design.labels
    return condensed_rdm(values, labels, dims=("time",), coords=coords, metric=metric, provenance=known)


def _on_disk(
    out: PathLike,
    trials: Trials,
    metric: str,
    computation: Computation,
    known: dict[str, Any],
    progress: bool,
    *,
    overwrite: bool,
) -> RDMStore:
    n = trials.design.n_conditions
    noise = computation.noises[0]
    known["data"] = digest_of(trials, noise.matrices if isinstance(noise, GivenNoise) else None)
    known["methods"] = methods_of(metric, n, trials.times, known)
    with RDMStore.create(
        out,
        labels=trials.design.labels,
        times=trials.times,
        metric=metric,
        provenance=known,
        dtype=computation.dtype,
        n_decisions=computation.n_decisions,
        overwrite=overwrite,
    ) as store:
        undefined = computation.run(lambda start, found: store.write(start, found), ~store.done, progress=progress)
    report_values(undefined, n, trials.design.labels, "propagate", stacklevel=4)
    return RDMStore.open(out)
