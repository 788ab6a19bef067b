"""Models against RDMs of the sensors around every sensor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import (
    NanPolicy,
    check_choice,
    check_count,
    check_fraction,
    check_nan_policy,
    counted,
    join_names,
)
from alignkit._memory import as_bytes
from alignkit._random import as_rng
from alignkit._threads import jobs
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray, RNGLike
from alignkit.meg._as_trials import as_trials
from alignkit.meg._estimators import KINDS, Metric, check_options, check_trials, estimator_of
from alignkit.meg._judge import Judge
from alignkit.meg._model_rows import Models, as_models, rows_of
from alignkit.meg._noise import Shrinkage, as_shrinkage
from alignkit.meg._participants import check_alike, participants_of
from alignkit.meg._patch_rdms import PatchNoise, PatchSearch
from alignkit.meg._preparation import noise_mode, windows_of
from alignkit.meg._rdms_provenance import data_of, methods_of
from alignkit.meg._searchlight_result import Searchlight
from alignkit.meg._sensors import Sensors, as_adjacency, patches_of
from alignkit.meg._slices import Source, align_slices
from alignkit.meg._trials import Trials
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._matrix_methods import COMPARISON_METHODS, SENTENCES, ComparisonMethod
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import report_undefined
from alignkit.rsa._patterns import CrossValidation, MetricOptions
from alignkit.rsa._report_values import report_values


def searchlight(
    data: Any,
    models: object,
    /,
    *,
    radius: float | None = None,
    n_neighbors: int | None = None,
    adjacency: Any = None,
    by: str | Sequence[Any] | Mapping[Any, Sequence[Any]] | None = None,
    folds: str | Sequence[Any] | Mapping[Any, Sequence[Any]] | None = None,
    metric: Metric = "crossnobis",
    cv: CrossValidation | None = None,
    noise: Any = "auto",
    noise_from: Literal["training", "all"] = "training",
    shrinkage: Shrinkage = "ledoit-wolf",
    window: float | None = None,
    step: float | None = None,
    method: ComparisonMethod = "spearman",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    times: Any = None,
    picks: Any = None,
    tmin: float | None = None,
    tmax: float | None = None,
    baseline: Sequence[float | None] | None = None,
    decim: int = 1,
    query: str | None = None,
    ch_types: str | Sequence[str] | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
    n_jobs: int | None = None,
    verbose: bool | str | int | None = None,
) -> Searchlight:
    """Compare models with the RDMs of the sensors around each sensor, at every time.

    What is found around a sensor is what :func:`time_rdms` of those sensors alone, and :func:`timecourse`, would give.
    Types of sensors are searched one by one and never mixed.

    Parameters
    ----------
    data : mne.Epochs, list of mne.Epochs or mne.Evoked, array_like of shape (trials, channels, times), path or mapping
        As for :func:`time_rdms`, of one participant, or of several by name, who must have the same sensors.
    models : RDM, array_like, path, or a sequence or mapping of them
        Model RDMs, as for :func:`timecourse`, without an axis of time.
    radius : float, optional
        Metres around a sensor within which others belong to its patch.
    n_neighbors : int, optional
        Nearest others that belong to a patch; 0: each sensor by itself (for ``"euclidean"``, ``"sqeuclidean_cv"`` and
        other metrics that a single number has).
    adjacency : array_like or sparse matrix, shape (channels, channels), optional
        Which channels touch. By default what ``mne.channels.find_ch_adjacency`` finds; a patch is a sensor and those
        that touch it, unless ``radius`` or ``n_neighbors`` says otherwise.
    by, folds, metric, cv, noise_from, shrinkage
        As for :func:`time_rdms`; ``by`` and ``folds`` of several participants may be mappings by name.
    noise : {"auto", "time", "epoch", "baseline"}, None, array_like or mne.Covariance
        As for :func:`time_rdms`, estimated for each patch; an array is a covariance of all channels.
    window, step
        As for :func:`time_rdms`; the samples of a window are averaged.
    method, nan_policy, on_mismatch
        As for :func:`timecourse`.
    times, picks, tmin, tmax, baseline, decim, query, ch_types, verbose
        As for :func:`time_rdms`.
    n_bootstrap : int
        Resamples of participants for the interval of the mean; 0 for none.
    confidence : float
        Level of the interval (expanded percentiles; Hesterberg, 2015).
    memory : int or str
        Bytes to work in; data that take more are read once for every group of sensors that fits.
    progress : bool
        Show a bar of sensors with the time that is left.
    rng : numpy.random.Generator, int or None
        Seed of the bootstrap.
    n_jobs : int, optional
        Threads that work side by side, as for :func:`time_rdms`; the numbers are the same for any.

    Returns
    -------
    Searchlight
        Maps of models over sensors and times, with ``plot_topomap()``, ``to_evoked()``, and ``adjacency`` for tests:
        ``cluster_test(result, model="model")`` uses it.

    Raises
    ------
    ValueError
        Options that do not fit or go together, sensors without positions where these are needed, participants with
        different sensors, conditions or times, models of other items, or undefined values under ``nan_policy="raise"``.
    TypeError
        Data, models or options of the wrong kind.
    FileNotFoundError
        A path that is not there.

    References
    ----------
    Kriegeskorte, Goebel and Bandettini (2006), doi:10.1073/pnas.0600244103; over sensors and time: Su et al. (2012),
    doi:10.1109/PRNI.2012.26.

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> epochs = generator.standard_normal((48, 6, 10))  # trials, channels, samples
    >>> shown, session = np.tile(["cat", "dog", "car", "cup"], 12), np.repeat([1, 2, 3], 16)
    >>> line = np.eye(6) + np.eye(6, k=1) + np.eye(6, k=-1)
    >>> living = np.array([0.0, 1, 1, 1, 1, 0])  # car, cat, cup, dog
    >>> found = searchlight(epochs, living, adjacency=line, by=shown, folds=session, times=np.arange(10) / 100)
    >>> found.similarity.shape  # model, participant, sensor, time
    (1, 1, 6, 10)
    """
    options = MetricOptions(cv)
    check_options(metric, options, "shared")
    _check(method, nan_policy, noise_from, radius, n_neighbors)
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    mode = noise_mode(noise, metric, "shared")
    mode = mode.covariance if hasattr(mode, "precision") and hasattr(mode, "covariance") else mode
    n_bytes, generator = as_bytes(memory), as_rng(rng)
    own_models = as_models("model", models)
    if own_models.times is not None:
        msg = "the models of a searchlight have no axis of time; choose one of their times with sel(time=...)."
        raise ValueError(msg)
    wanted = PatchNoise(
        mode,
        as_shrinkage(shrinkage),
        KINDS[metric].folds and noise_from == "training",
        0.0 if window is None else -window / 2,
    )
    selection = {"times": times, "picks": picks, "tmin": tmin, "tmax": tmax, "baseline": baseline, "decim": decim}
    selection |= {"query": query, "ch_types": ch_types, "verbose": verbose}
    everybody = []
    for one in participants_of(data, by, folds):
        trials = as_trials(one.data, by=one.by, folds=one.folds, **selection)
        everybody.append((one.name, windows_of(trials, window, step, "mean")))
        _check_participant(everybody, metric, cv)
    first = everybody[0][1]
    sensors = Sensors.of(first)
    touching, patches = _patches(sensors, adjacency, radius, n_neighbors, metric)
    pairs, rows = _aligned(first, own_models, on_mismatch)
    judge = Judge(rows, Options(method, nan_policy), "")
    searches = []
    for name, trials in everybody:
        estimator = estimator_of(metric, trials.design, options, covariance="shared", ridge=0.01, dtype="float64")
        searches.append((name, PatchSearch(trials, patches, estimator, wanted, judge, pairs, n_bytes)))
    with jobs(n_jobs):
        similarity = np.stack([_search(one, name, nan_policy, progress=progress) for name, one in searches], axis=1)
    grouping = {} if window is None else {"window": window, "step": step, "window_mode": "mean"}
    return Searchlight(
        similarity=similarity,
        mean=similarity.mean(axis=1),
        interval=mean_interval(similarity, 1, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator),
        times=first.times,
        models=own_models.names,
        subjects=tuple(name for name, _ in everybody),
        sensors=sensors,
        adjacency=touching,
        patch_sizes=np.array([len(patch) for patch in patches]),
        method=method,
        metric=metric,
        n_items=first.design.n_conditions,
        confidence=confidence,
        n_bootstrap=n_bootstrap if len(everybody) >= FEWEST else 0,
        methods=_methods(searches[0][1], metric, method, grouping, len(everybody), (radius, n_neighbors)),
    )


def _check(method: str, nan_policy: str, noise_from: str, radius: float | None, n_neighbors: int | None) -> None:
    check_choice("method", method, COMPARISON_METHODS)
    check_nan_policy(nan_policy)
    check_choice("noise_from", noise_from, ("training", "all"))
    if radius is not None and n_neighbors is not None:
        msg = "radius and n_neighbors both say how large a patch is; give one of them."
        raise ValueError(msg)


def _check_participant(everybody: Sequence[tuple[str, Trials]], metric: str, cv: str | None) -> None:
    """Raise unless the last participant is what the metric needs and like the first."""
    (first_name, first), (name, trials) = everybody[0], everybody[-1]
    check_trials(metric, dataclasses.replace(trials, channels=("", "")), cv)  # their number is that of a patch
    if trials is first:
        return
    names = [f"the data of {one!r}" for one in (first_name, name)]
    check_alike((names[0], first.design.labels, first.times), (names[1], trials.design.labels, trials.times))
    if trials.channels != first.channels:
        apart = sorted(set(first.channels) ^ set(trials.channels)) or ["their order"]
        msg = (
            f"{names[0]} and {names[1]} differ in their good channels ({join_names(apart)}); interpolate bad ones "
            "first (interpolate_bads()), or pick those that all have."
        )
        raise ValueError(msg)


def _patches(
    sensors: Sensors, adjacency: Any, radius: float | None, n_neighbors: int | None, metric: str
) -> tuple[BoolArray, list[IntArray]]:
    """Return which sensors touch, and the patch of each sensor."""
    touching = None if adjacency is None else as_adjacency(adjacency, len(sensors))
    if touching is None:
        touching = _touching(sensors, optional=radius is not None or n_neighbors is not None)
    patches = patches_of(sensors, touching, radius, n_neighbors)
    if touching is None:
        touching = np.eye(len(sensors), dtype=np.bool_)
        for i, patch in enumerate(patches):
            touching[i, patch] = touching[patch, i] = True
    alone = [sensors.names[i] for i, patch in enumerate(patches) if len(patch) == 1]
    if alone and metric in ("correlation", "cosine", "correlation_cv", "cosine_cv"):
        msg = (
            f"metric={metric!r} is undefined for a single sensor, and {join_names(alone)} would be searched alone; use "
            "'euclidean' or 'sqeuclidean_cv', or larger patches."
        )
        raise ValueError(msg)
    return touching, patches


def _touching(sensors: Sensors, *, optional: bool) -> BoolArray | None:
    try:
        return sensors.adjacency()
    except ValueError:
        if not optional:
            raise
        return None


def _aligned(trials: Trials, models: Models, on_mismatch: OnMismatch) -> tuple[IntArray | None, AnyArray]:
    """Return where the pairs of the models lie among those of the data, and the models' rows."""
    n = trials.design.n_conditions
    n_pairs = n * (n - 1) // 2

    def read(start: int, stop: int) -> AnyArray:
        return np.zeros((1, stop - start, n_pairs))

    own = Source("the data", ("subject",), trials.design.labels, trials.times, trials.n_times, n_pairs, None, read)
    slices, aligned = align_slices([own], models.named, on_mismatch, 0.0)
    return slices.pairs[0], rows_of(aligned)


def _search(search: PatchSearch, name: str, nan_policy: NanPolicy, *, progress: bool) -> FloatArray:
    """Return the similarities of one participant; warn of what is undefined."""
    from tqdm import tqdm

    title = "searchlight" if name == "subject" else f"searchlight, {name}"
    with tqdm(total=len(search.patches), desc=title, unit="sensor", disable=not progress) as bar:
        values, undefined = search.run(bar)
    trials = search.trials
    known = [one for one in undefined if one.mask.any()]
    if known:
        policy: NanPolicy = "raise" if nan_policy == "raise" else "propagate"
        if nan_policy != "omit":
            report_values(known, trials.design.n_conditions, trials.design.labels, policy, stacklevel=4)
    elif np.isnan(values).any():
        where = np.argwhere(np.isnan(values).any(axis=0))
        names = [f"{trials.channels[i]} at {trials.times[t]:g} s" for i, t in where]
        reason = "models or dissimilarities are NaN or have no variance"
        report_undefined(reason, names, nan_policy, stacklevel=4)
    return values


def _methods(
    search: PatchSearch,
    metric: str,
    method: str,
    grouping: dict[str, Any],
    n_subjects: int,
    size: tuple[float | None, int | None],
) -> str:
    trials, (radius, n_neighbors) = search.trials, size
    noise = search.noise.of(trials, np.arange(trials.n_channels))
    known = data_of(trials) | grouping | ({"noise": None} if noise is None else noise.provenance())
    if search.estimator.cv is not None:
        known["cv"] = search.estimator.cv
    text = methods_of(metric, trials.design.n_conditions, trials.times, known)
    patch = "the sensors that touch it"
    if radius is not None:
        patch = f"the sensors within {1000 * radius:g} mm"
    elif n_neighbors is not None:
        patch = f"its {counted(n_neighbors, 'nearest sensor')}" if n_neighbors else "no other"
    several = f" The numbers are those of the first of {n_subjects} participants." if n_subjects > 1 else ""
    return (
        f"{text} This was done around each sensor, with {patch} of its type, and the RDMs were compared with "
        f"{counted(len(search.judge.models), 'model RDM')} by {SENTENCES[method]}.{several}"
    )
