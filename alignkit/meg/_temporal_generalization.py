"""Decoders and distances of one time at all other times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import check_choice, check_count, check_fraction, counted, join_names
from alignkit._memory import as_bytes
from alignkit._random import as_rng
from alignkit._threads import jobs
from alignkit._typing import AnyArray, BoolArray, FloatArray, RNGLike
from alignkit.meg._across_times import distances_across_times, undefined_across_times
from alignkit.meg._as_trials import as_trials
from alignkit.meg._decisions import Tally
from alignkit.meg._decoding_times import decode_across_times
from alignkit.meg._estimators import UNDECIDED
from alignkit.meg._generalization_result import TemporalGeneralization
from alignkit.meg._leave_one_out import decisions_by_condition, leave_one_fold_out
from alignkit.meg._noise import Noise, Shrinkage, as_shrinkage, stretches
from alignkit.meg._participants import Participant, check_alike, participants_of
from alignkit.meg._preparation import groupings_of, noise_for, noise_mode, warn_of_units, windows_of
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._rdms_over_time import HeldTrials, times_at_once
from alignkit.meg._rdms_provenance import data_of, methods_of
from alignkit.meg._trials import Design, Trials
from alignkit.meg._whiten import Whitening
from alignkit.meg._windows import WindowMode
from alignkit.rsa._container import RDM
from alignkit.rsa._crossvalidated import APART
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import items_of_pairs, name_items, report_note
from alignkit.rsa._noise import NoiseKind

if TYPE_CHECKING:
    from tqdm import tqdm

AcrossMetric = Literal["decoding", "crossnobis", "sqeuclidean_cv"]
_QUANTITIES = {
    "decoding": "decoding accuracy",
    "crossnobis": "crossnobis distance",
    "sqeuclidean_cv": "squared Euclidean distance (cross-validated)",
}
#: Training times that are learned from, and tested at all times, together.
_TOGETHER = 32


def temporal_generalization(
    data: Any,
    /,
    *,
    by: str | Sequence[Any] | Mapping[Any, Sequence[Any]] | None = None,
    folds: str | Sequence[Any] | Mapping[Any, Sequence[Any]] | None = None,
    metric: AcrossMetric = "decoding",
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
    keep_pairs: bool = False,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
    n_jobs: int | None = None,
    verbose: bool | str | int | None = None,
) -> TemporalGeneralization:
    r"""Train on the trials of one time and test at all others, for all pairs of conditions.

    A code that stays the same fills a square; one that changes all the time leaves a diagonal. RDMs, rather than
    patterns, are compared across times by :func:`rdm_generalization`.

    Parameters
    ----------
    data : mne.Epochs, list of mne.Epochs or mne.Evoked, array_like of shape (trials, channels, times), path or mapping
        As for :func:`time_rdms`, of one participant, or of several by name.
    by, folds : str or sequence, optional
        As for :func:`time_rdms`; sequences for several participants in a mapping by name. Folds are needed: two at
        least, two conditions at least.
    metric : {"decoding", "crossnobis", "sqeuclidean_cv"}
        ``"decoding"``: accuracy of the linear discriminant of each pair, with the training time's means and noise
        covariance, of the test trials at the other time. ``"crossnobis"``: the distance between times t and u,

        .. math:: D_{ij}(t, u) = \frac1p \langle (x_i - x_j)_{t,k}, P (x_i - x_j)_{u,l} \rangle,

        the mean over trials from different folds k and l, for p channels; negative where a difference turns round.
        ``"sqeuclidean_cv"``: p times that without whitening. The diagonals are the means over pairs of
        :func:`time_rdms`.
    noise, noise_kind, noise_from, shrinkage
        As for :func:`time_rdms`: the noise that whitens is that of the training time, or of the epoch.
    window, step, window_mode, pseudo_trials, pseudo_repeats
        As for :func:`time_rdms`.
    times, picks, tmin, tmax, baseline, decim, query, ch_types, verbose
        As for :func:`time_rdms`.
    keep_pairs : bool
        Keep the value of every pair of conditions, besides their mean.
    n_bootstrap : int
        Resamples of participants for the interval of the mean; 0 for none.
    confidence : float
        Level of the interval (expanded percentiles; Hesterberg, 2015).
    memory : int or str
        Bytes to work in, besides what is returned.
    progress : bool
        Show a bar with the time that is left.
    rng : numpy.random.Generator, int or None
        For pseudo-trials and the bootstrap.
    n_jobs : int, optional
        Threads that work side by side, as for :func:`time_rdms`; the numbers are the same for any.

    Returns
    -------
    TemporalGeneralization
        A matrix of training by test times for each participant. Tests over time (:func:`cluster_test`,
        :func:`max_test`, :func:`tfce_test`) take it, against ``popmean=result.chance``.

    Raises
    ------
    ValueError
        Fewer than two folds or conditions, options that do not fit, participants with different conditions or times.
    TypeError
        RDMs, or data or options of the wrong kind.
    FileNotFoundError
        A file that is not there.

    Warns
    -----
    RuntimeWarning
        Pairs of conditions that no fold can decide, which are left out of the mean.

    Notes
    -----
    The mean crossnobis distance over pairs is one matrix product over all conditions and channels for all times; the
    decoders of one training time are one product with the test trials of every time.

    References
    ----------
    King and Dehaene (2014), doi:10.1016/j.tics.2014.01.002.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> epochs = generator.standard_normal((48, 10, 6))  # trials, channels, samples
    >>> shown, session = np.tile(["face", "house"], 24), np.repeat([1, 2, 3], 16)
    >>> epochs[shown == "face", :, 3:] += generator.standard_normal((10, 1))
    >>> found = temporal_generalization(epochs, by=shown, folds=session, times=np.arange(-3, 3) / 10)
    >>> found.mean.shape, bool(found.mean[3:, 3:].min() > 0.8)
    ((6, 6), True)
    """
    check_choice("metric", metric, tuple(_QUANTITIES))
    check_choice("noise_from", noise_from, ("training", "all"))
    check_count("n_bootstrap", n_bootstrap)
    check_fraction("confidence", confidence)
    _refuse_rdms(data)
    mode = noise_mode(noise, metric, "shared")
    n_bytes, shrinkage, generator = as_bytes(memory), as_shrinkage(shrinkage), as_rng(rng)
    selection = {"times": times, "picks": picks, "tmin": tmin, "tmax": tmax, "baseline": baseline, "decim": decim}
    selection |= {"query": query, "ch_types": ch_types, "verbose": verbose}

    def prepared(one: Participant) -> _Prepared:
        trials = windows_of(as_trials(one.data, by=one.by, folds=one.folds, **selection), window, step, window_mode)
        _check_design(one, trials.design)
        warn_of_units(trials, mode, "shared", stacklevel=4)
        base = HeldTrials(trials, hold=True)
        repeats = groupings_of(base.trials, pseudo_trials, pseudo_repeats, generator if rng is None else rng)
        before = 0.0 if window is None else -window / 2
        by_fold = noise_from == "training"
        noises = [noise_for(mode, noise_kind, each, shrinkage, by_fold, "float64", before) for each in repeats]
        n_sets = 0 if noises[0] is None else noises[0].n_sets_at_each_time
        at_once = times_at_once(trials, repeats, "float64", n_sets, n_bytes // 2)
        return _Prepared(base, trials, tuple(repeats), tuple(noises), metric, at_once, keep_pairs)

    people = participants_of(data, by, folds)
    found, first = [], None
    for one in people:
        ready = prepared(one)
        key = (one.called(), ready.trials.design.labels, ready.trials.times)
        first = first or (ready, key)
        check_alike(first[1], key)
        with jobs(n_jobs):
            found.append(_across(ready, one.name, progress=progress))
        _report(ready)
    ready = first[0]  # type: ignore[index]
    grouping = {} if window is None else {"window": window, "step": step, "window_mode": window_mode}
    if pseudo_trials is not None:
        grouping |= {"pseudo_trials": pseudo_trials, "pseudo_repeats": pseudo_repeats, "seed": None}
    values = np.stack([_mean_over_pairs(one) if keep_pairs else one for one in found])
    return TemporalGeneralization(
        values=values,
        mean=values.mean(axis=0),
        interval=mean_interval(values, 0, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator),
        pairs=np.stack(found) if keep_pairs else None,
        train_times=ready.trials.times,
        test_times=ready.trials.times,
        subjects=tuple(one.name for one in people),
        labels=ready.trials.design.labels,
        quantity=_QUANTITIES[metric],
        chance=0.5 if metric == "decoding" else 0.0,
        metric=metric,
        reference="",
        confidence=confidence,
        n_bootstrap=n_bootstrap if len(people) >= FEWEST else 0,
        methods=_methods(ready, grouping, len(people)),
        note="",
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """Trials of one participant, their groupings, and the noise of each."""

    base: HeldTrials
    trials: Trials
    repeats: tuple[Trials, ...]
    noises: tuple[Noise | None, ...]
    metric: str
    at_once: int
    keep_pairs: bool

    def test(self, x: AnyArray, others: AnyArray, design: Design, whitening: Whitening | None) -> FloatArray:
        """Return what is learned from ``x`` at the times of ``others``."""
        mean = not self.keep_pairs
        if self.metric == "decoding":
            roots = None if whitening is None else whitening.roots
            return decode_across_times(x, others, design, roots, mean=mean)
        found = distances_across_times(x, others, design, whitening, mean=mean)
        return found / x.shape[-1] if self.metric == "crossnobis" else found

    @property
    def undefined(self) -> BoolArray:
        """Pairs of conditions without a value, shape (pairs,)."""
        design = self.repeats[0].design
        if self.metric == "decoding":
            return Tally.of(decisions_by_condition(leave_one_fold_out(design))).undefined
        return undefined_across_times(design)


def _refuse_rdms(data: Any) -> None:
    one = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    one = one[0] if isinstance(one, list | tuple) and one else one
    if isinstance(one, RDM | RDMStore):
        msg = "temporal_generalization takes trials; RDMs over time are compared across times by rdm_generalization."
        raise TypeError(msg)


def _check_design(one: Participant, design: Design) -> None:
    if design.n_folds < 2 or design.n_conditions < 2:
        msg = (
            f"{one.called() if one.name != 'subject' else 'the data'} has {counted(design.n_conditions, 'condition')} "
            f"in {counted(design.n_folds, 'fold')}; two of both are needed (folds= names the session or run of each "
            "trial)."
        )
        raise ValueError(msg)


def _across(ready: _Prepared, name: str, *, progress: bool) -> FloatArray:
    """Return the values of one participant, the mean over groupings."""
    from tqdm import tqdm

    trials = ready.trials
    wanted = ready.noises[0].wanted() if ready.noises[0] is not None else np.zeros(0, dtype=np.bool_)
    total = len(ready.repeats) * (trials.n_times + int(wanted.sum()))
    title = "generalization" if name == "subject" else f"generalization, {name}"
    with tqdm(total=total, desc=title, unit="sample", disable=not progress) as bar:
        if trials.n_times <= ready.at_once:
            with ready.base.held(0, trials.n_times):
                return _mean_of_groupings(ready, wanted, bar)
        return _mean_of_groupings(ready, wanted, bar)


def _mean_of_groupings(ready: _Prepared, wanted: BoolArray, bar: tqdm[Any]) -> FloatArray:
    total = np.zeros(0)
    for number, (trials, noise) in enumerate(zip(ready.repeats, ready.noises, strict=True)):
        for start, stop in stretches(wanted, ready.at_once):
            assert noise is not None
            noise.add(trials.read(start, stop))
            bar.update(stop - start)
        found = _of_grouping(ready, trials, noise, bar)
        total = found if number == 0 else total + found
    return total / len(ready.repeats)


def _of_grouping(ready: _Prepared, trials: Trials, noise: Noise | None, bar: tqdm[Any]) -> FloatArray:
    every = np.ones(trials.n_times, dtype=np.bool_)
    rows = []
    for start, stop in stretches(every, min(ready.at_once, _TOGETHER)):
        x = trials.read(start, stop)
        whitening = None if noise is None else noise.over(x, start)
        parts = [
            ready.test(x, trials.read(*test), trials.design, whitening) for test in stretches(every, ready.at_once)
        ]
        rows.append(np.concatenate(parts, axis=1))
        bar.update(stop - start)
    return np.concatenate(rows)


def _mean_over_pairs(pairs: FloatArray) -> FloatArray:
    defined = ~np.isnan(pairs).all(axis=(0, 1))
    return np.asarray(pairs[..., defined].mean(axis=-1)) if defined.any() else np.full(pairs.shape[:2], np.nan)


def _report(ready: _Prepared) -> None:
    """Warn of pairs without a value."""
    design = ready.repeats[0].design
    names = name_items(design.labels, items_of_pairs(ready.undefined, design.n_conditions))
    if names:
        reason = UNDECIDED if ready.metric == "decoding" else APART["observation-pairs"]
        report_note(f"{reason}, whose pairs are left out of the mean: {join_names(names)}", stacklevel=4)


def _methods(ready: _Prepared, grouping: dict[str, Any], n_subjects: int) -> str:
    trials, noise = ready.trials, ready.noises[0]
    known = data_of(trials) | grouping
    known |= {"noise": None} if noise is None else noise.provenance() | noise.found()
    if ready.metric != "decoding":
        known["cv"] = "observation-pairs"
    n = trials.design.n_conditions
    text = methods_of(ready.metric, n, trials.times, known)
    learned = "Discriminants" if ready.metric == "decoding" else "Patterns"
    several = f" The numbers are those of the first of {n_subjects} participants." if n_subjects > 1 else ""
    return (
        f"{text} {learned} of each time were tested at all times (King and Dehaene, 2014), and values averaged over "
        f"{counted(n * (n - 1) // 2, 'pair')} of conditions.{several}"
    )
