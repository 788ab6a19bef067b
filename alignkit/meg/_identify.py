"""Whether people's M/EEG matches their own models better than other people's."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._check import (
    NanPolicy,
    check_choice,
    check_count,
    check_nan_policy,
    check_not_negative,
    counted,
    join_names,
    shown,
)
from alignkit._random import as_rng
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray, RNGLike
from alignkit.meg._curves import stretch
from alignkit.meg._identify_result import Identification
from alignkit.meg._identity_scores import judge_owners, owner_orders
from alignkit.meg._model_rows import Models, as_models
from alignkit.meg._sample_unit import UNTIMED, at_time
from alignkit.meg._slices import Slices, Source, align_slices, as_sources, check_same_times
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._matrix_methods import COMPARISON_METHODS, ComparisonMethod
from alignkit.rsa._nan import report_undefined

#: Distances, of which a small one is a likeness.
_DISTANCES = ("bures-metric",)
#: Values that are read at a time.
_BLOCK = 1 << 23
#: With fewer people no permutation of owners gives p below .01.
_FEW = 5


def identify(
    models: Mapping[str, object],
    people: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    window: tuple[float | None, float | None] | None = None,
    other: object = None,
    n_permutations: int = 10_000,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    rng: RNGLike = None,
) -> Identification:
    r"""Compare everybody's RDMs over time with everybody's model: is the own one the most alike.

    The similarity of person i's RDMs to the model of person j is :math:`s_{ij} = \frac{1}{T} \sum_t
    \mathrm{corr}(d_i(t), m_j(t))`. Person i is identified where :math:`s_{ii}` is the largest of row i.

    Parameters
    ----------
    models : mapping of str to RDM, array_like or path
        For every person, by name, the RDM of the own model, with an axis ``"time"`` of the same times as the data, or
        without one (then the same model is compared at all times).
    people : RDM, RDMStore, array_like, path, or a sequence or mapping of them
        The same people's RDMs with the axes ``("subject", "time")``, or one per person: of items and sessions that no
        model was trained on, or the result says nothing about people.
    method : str
        Any method of :func:`alignkit.rsa.compare` that gives similarities.
    window : tuple of float or None, optional
        First and last second to average over, both included; None is the first or the last. By default all samples.
    other : RDM, RDMStore, array_like, path, or a sequence or mapping of them, optional
        The same people's RDMs from other sessions, over the same items and times: how well everybody is told by these
        is what a model can be expected to reach.
    n_permutations : int
        Random permutations of who owns which model; where there are no more than that (7 people: 5,040), each is taken
        once and the test is exact.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a model or in the data: give NaN; leave item pairs that are NaN in a person's RDM or in any model at a
        time out of that person's comparisons with all models at that time, so that all models are compared over the
        same pairs (and samples at which a comparison stays undefined out of all); or raise.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items. Items are always matched by label.
    tolerance : float
        Seconds by which times may differ.
    rng : numpy Generator, int or None
        Seed of the permutations.

    Returns
    -------
    Identification

    Raises
    ------
    ValueError
        Models of other people than there are data of, fewer than two people, different items or times, unknown
        options, or undefined values under ``nan_policy="raise"``.
    TypeError
        Models without names, or values that are not real numbers.
    FileNotFoundError
        A path that is not there.

    Notes
    -----
    A model that suits everybody well is the most alike to many people, and hides that the others suit their owners;
    reliable RDMs are more alike to all models, which changes no row's order. Accuracies are therefore also given after
    the mean over people of each model was taken off. That mean is the same whoever owns the model, so that permuting
    owners remains a fair test, and the mean of own minus others is the same with and without it: where one number has
    to be chosen, choose that one. All means are over the same people, who share models: their p-values hold for these
    people and models, not for a population.

    References
    ----------
    Identification of people: Finn et al. (2015), doi:10.1038/nn.4135; permutation tests: Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import RDM
    >>> people = np.random.default_rng(0).random((4, 3, 45))
    >>> data = RDM(people + 0.1, dims=["subject", "time"], coords={"subject": list("abcd"), "time": [0.0, 0.1, 0.2]})
    >>> models = {name: RDM(one, dims=["time"], coords={"time": [0.0, 0.1, 0.2]}) for name, one in zip("abcd", people)}
    >>> identify(models, data).test("rank-1")
    IdentificationTest(name='rank-1', value=1.0, chance=0.25, p=0.041666666666666664, p_corrected=0.041666666666666664)
    """
    _check_options(models, method, n_permutations, nan_policy, tolerance)
    generator = as_rng(rng)
    given = _read(models, people, other, on_mismatch, tolerance)
    where = stretch(given.slices.times, *_as_window(window), "window") if given.slices.n_times > 1 else slice(0, 1)
    found = _compare(given, where, Options(method, nan_policy))
    kept, note = _kept(found, given, where, nan_policy)
    orders, exact = owner_orders(len(given.names), n_permutations, generator)
    over_time = found.to_models[kept]
    sessions = None if found.to_others is None else found.to_others[kept]
    every = given.slices.n_pairs
    same = f"NaN left out: each person is compared with all models over the same pairs, {found.n_pairs:,} of {every:,}"
    gaps = f"{same} or more" if found.n_pairs < every else ""
    few = f"{len(given.names)} people: no p-value can be below 0.01" if len(given.names) < _FEW else ""
    return Identification(
        over_time=over_time,
        people=given.names,
        tests=judge_owners(over_time.mean(axis=0), orders, exact=exact),
        sessions_over_time=sessions,
        session_tests=() if sessions is None else judge_owners(sessions.mean(axis=0), orders, exact=exact),
        method=method,
        times=given.slices.times[where][kept],
        timed=given.slices.timed,
        n_items=given.slices.n_items,
        n_pairs=found.n_pairs,
        n_permutations=len(orders),
        exact=exact,
        nan_policy=nan_policy,
        aligned_by=given.aligned_by,
        metric=given.slices.metric,
        note="; ".join(filter(None, ["" if given.slices.timed else UNTIMED, few, gaps, note])),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """Everybody's models, shape (people, model time, pairs), and their RDMs, the first in ``slices``.

    ``other`` says where everybody's RDMs of other sessions are among them.
    """

    names: tuple[str, ...]
    models: AnyArray
    slices: Slices
    other: IntArray | None
    aligned_by: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Similarities of people to models, and to the other sessions, shape (time, people, people)."""

    to_models: FloatArray
    to_others: FloatArray | None
    n_pairs: int


def _check_options(models: object, method: str, n_permutations: int, nan_policy: str, tolerance: float) -> None:
    check_choice("method", method, tuple(name for name in COMPARISON_METHODS if name not in _DISTANCES))
    check_nan_policy(nan_policy)
    check_count("n_permutations", n_permutations, 1)
    check_not_negative("tolerance", tolerance)
    if not isinstance(models, Mapping):
        msg = f"models must be a mapping of people's names to the RDMs of their models; got {shown(models)}."
        raise TypeError(msg)
    if len(models) < 2:
        msg = f"models holds {counted(len(models), 'model')}; nobody can be told from others with fewer than two."
        raise ValueError(msg)


def _as_window(window: object) -> tuple[float | None, float | None]:
    if window is None:
        return None, None
    if not isinstance(window, tuple | list) or len(window) != 2:
        msg = f"window must be a pair (start, end) in seconds, None for the first or last; got {shown(window)}."
        raise ValueError(msg)
    return window[0], window[1]


def _read(
    models: Mapping[str, object], people: object, other: object, on_mismatch: OnMismatch, tolerance: float
) -> _Given:
    """Return models and data of the same people, over the same items and times, in the order of the data."""
    stacks = [(str(name), as_models("model", {str(name): one}, tolerance=tolerance)) for name, one in models.items()]
    sources = as_sources(people)
    others = [] if other is None else as_sources(other)
    named = [pair for _, one in stacks for pair in one.named]
    slices, aligned = align_slices([*sources, *others], named, on_mismatch, tolerance)
    names = _names_of(sources)
    _check_names("models", [name for name, _ in stacks], "the data", names)
    for name, one in stacks:
        _check_model(name, one, slices, tolerance)
    by_name = {name: rdm for (name, _), rdm in zip(stacks, aligned[-len(named) :], strict=True)}
    where = None
    if others:
        theirs = _names_of(others)
        _check_names("the data", names, "other", theirs)
        where = np.array([len(names) + theirs.index(name) for name in names])
    bare = None in [one.labels for one in [*sources, *others]] + [one.labels for one in aligned]
    rows = [by_name[name].values.reshape(-1, slices.n_pairs) for name in names]
    longest = max(len(row) for row in rows)
    stack = np.stack([np.broadcast_to(row, (longest, slices.n_pairs)) for row in rows])
    return _Given(tuple(names), stack, slices, where, "position" if bare else "label")


def _names_of(sources: Sequence[Source]) -> list[str]:
    """Return whose RDMs are read, by name."""
    names = [name for source in sources for name in source.subjects]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        msg = f"{join_names(repeated)} are several people's names; name everybody differently, as their models are."
        raise ValueError(msg)
    return names


def _check_names(called_a: str, a: Sequence[str], called_b: str, b: Sequence[str]) -> None:
    only_a, only_b = [name for name in a if name not in b], [name for name in b if name not in a]
    if only_a or only_b:
        parts = [f"only {who} has {join_names(only)}" for who, only in ((called_a, only_a), (called_b, only_b)) if only]
        msg = (
            f"{called_a} and {called_b} are of different people ({'; '.join(parts)}); give both of the same people, "
            "by the same names (sel(subject=...) chooses)."
        )
        raise ValueError(msg)


def _check_model(name: str, model: Models, slices: Slices, tolerance: float) -> None:
    if len(model.names) > 1:
        msg = f"the model of {name!r} holds {len(model.names)} models; give one model for each person."
        raise ValueError(msg)
    if model.times is None:
        return
    own = model.times if model.timed else None
    data = slices.times if slices.timed else None
    check_same_times((f"the model of {name!r}", own, model.n_times), ("the data", data, slices.n_times), tolerance)


def _compare(given: _Given, where: slice, options: Options) -> _Found:
    slices, n = given.slices, len(given.names)
    n_times = where.stop - where.start
    to_models = np.empty((n_times, n, n))
    to_others = None if given.other is None else np.empty((n_times, n, n))
    fewest = slices.n_pairs
    step = max(1, _BLOCK // (slices.n_subjects * slices.n_pairs))
    for start in range(where.start, where.stop, step):
        block = slices.read(start, min(start + step, where.stop)).astype(np.float64, copy=False)
        for position in range(block.shape[1]):
            time = start + position
            rows = block[:, position]
            models = given.models[:, time if given.models.shape[1] > 1 else 0].astype(np.float64, copy=False)
            compared = compare_rows(rows[:n], _same_pairs(models, options), options)
            to_models[time - where.start] = compared.values
            fewest = min(fewest, int(compared.n_pairs.min(where=compared.n_pairs > 0, initial=slices.n_pairs)))
            if to_others is not None and given.other is not None:
                others = _same_pairs(rows[given.other], options)
                to_others[time - where.start] = compare_rows(rows[:n], others, options).values
    return _Found(to_models, to_others, fewest)


def _same_pairs(rows: AnyArray, options: Options) -> AnyArray:
    """Return rows without the pairs that any of them lacks, where such pairs are left out; empty rows lack none."""
    missing = np.isnan(rows)
    gaps = missing[~missing.all(axis=1)].any(axis=0)
    return np.where(gaps, np.nan, rows) if options.nan_policy == "omit" and gaps.any() else rows


def _kept(found: _Found, given: _Given, where: slice, nan_policy: NanPolicy) -> tuple[BoolArray, str]:
    """Return the samples that means are over, and what there is to say of others."""
    undefined = np.isnan(found.to_models)
    everything = undefined if found.to_others is None else undefined | np.isnan(found.to_others)
    broken = np.asarray(everything.any(axis=(1, 2)))
    every = np.ones(len(broken), dtype=bool)
    if not broken.any():
        return every, ""
    times = given.slices.times[where]
    if nan_policy == "omit" and not broken.all():
        first = at_time(float(times[broken][0]), timed=given.slices.timed)
        note = (
            f"{counted(int(broken.sum()), 'sample')}, the first at {first}, left out: comparisons are undefined there"
        )
        warnings.warn(f"{note}.", RuntimeWarning, stacklevel=3)
        return ~broken, note
    names = given.names
    models = [names[k] for k in np.flatnonzero(undefined.all(axis=1).any(axis=0))]
    people = [names[k] for k in np.flatnonzero(everything.all(axis=2).any(axis=0))]
    at_fault = [f"the model of {name}" for name in models] + [f"the data of {name}" for name in people]
    cells = [f"{names[i]} with the model of {names[j]}" for i, j in np.argwhere(undefined.any(axis=0))]
    omit = "" if nan_policy == "omit" else " (nan_policy='omit' leaves such pairs and samples out)"
    report_undefined(f"NaN or nothing to compare{omit} in", at_fault or cells, nan_policy, stacklevel=3)
    return every, ""
