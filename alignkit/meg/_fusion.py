"""RDMs of M/EEG over time against the RDMs of another modality's participants."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_choice, join_names
from alignkit._random import as_rng
from alignkit._typing import FloatArray, PathLike, RNGLike
from alignkit.meg._fusion_result import Fusion
from alignkit.meg._mean_rdms import mean_rdms
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._slices import Slices, align_slices, as_sources, opened
from alignkit.meg._timecourse import timecourse
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._ceiling import noise_ceiling
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._nan import report_undefined
from alignkit.rsa._pooling import Pooling, PoolingMethod, check_pooling

Over = Literal["meg", "other", "both"]


def fusion(
    meg: object,
    other: RDM | PathLike | Mapping[str, Any] | Any,
    /,
    *,
    over: Over = "meg",
    method: PoolingMethod = "spearman",
    pooling: Pooling = "rank",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    memory: int | str = "1 GB",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> Fusion:
    """Find when M/EEG has the geometry that another modality finds in a region.

    :func:`timecourse` takes single RDMs of another modality as models; this takes those of its participants, averages
    them on the scale of the method, and says how well they agree.

    Parameters
    ----------
    meg : RDM, RDMStore, array_like, path, or a sequence or mapping of them
        RDMs over time, of one or several participants, as for :func:`timecourse`.
    other : RDM, array_like, path, or a mapping of them
        RDMs of the other modality (fMRI, behaviour, single units), one region or several by name: each a single RDM, or
        one of every participant along its one axis. Items are matched by label.
    over : {"meg", "other", "both"}
        Whose participants are compared and averaged. ``"meg"``: each with the mean RDM of the other modality, to
        generalize over M/EEG participants. ``"other"``: the mean M/EEG RDM of each time with each participant of the
        other modality, to generalize over those. ``"both"``: the same people in both, each with themselves, matched by
        the names on the axis ``"subject"``, or in order where there are none.
    method : str
        Any method of :func:`alignkit.rsa.noise_ceiling`.
    pooling : {"rank", "raw", "rsatoolbox"}
        How participants are averaged, as in :func:`alignkit.rsa.noise_ceiling`.
    nan_policy, on_mismatch, tolerance, n_bootstrap, confidence, memory, progress, rng, client
        As for :func:`timecourse`.

    Returns
    -------
    Fusion
        Its ``course`` is a :class:`TimeCourse` of the regions.

    Raises
    ------
    ValueError
        Different items or times, regions with more than one axis or different participants, participants that cannot
        be matched, or options that do not go together.
    TypeError
        Values that are not real numbers.
    FileNotFoundError
        A path that is not there.

    References
    ----------
    Cichy, Pantazis and Oliva (2014), doi:10.1038/nn.3635; (2016), doi:10.1093/cercor/bhw135.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import RDM
    >>> generator = np.random.default_rng(0)
    >>> early, late = generator.random((2, 45))
    >>> share = np.linspace(0, 1, 5)[:, None]
    >>> meg = RDM(
    ...     (1 - share) * early + share * late + 0.1 * generator.random((6, 5, 45)),
    ...     dims=["subject", "time"],
    ...     coords={"time": np.arange(5) / 10},
    ... )
    >>> fmri = {"V1": early + 0.1 * generator.random((8, 45)), "IT": late + 0.1 * generator.random((8, 45))}
    >>> found = fusion(meg, {name: RDM(x, dims=["subject"]) for name, x in fmri.items()}, n_bootstrap=0)
    >>> found.regions, [float(found.course.times[k]) for k in found.course.mean.argmax(axis=1)]
    (('V1', 'IT'), [0.0, 0.4])
    """
    check_choice("over", over, ("meg", "other", "both"))
    check_pooling(method, pooling)
    regions = _regions(other)
    options = Options(method, nan_policy)
    shared: dict[str, Any] = {"method": method, "nan_policy": nan_policy, "on_mismatch": on_mismatch}
    course_options = shared | {"pooling": pooling, "tolerance": tolerance, "confidence": confidence}
    course_options |= {"memory": memory, "progress": progress, "n_bootstrap": n_bootstrap, "rng": rng}
    course_options["client"] = client
    if over == "meg":
        means = {name: _mean(one, options, pooling) for name, one in regions.items()}
        course = timecourse(means, meg, **course_options)
    elif over == "other":
        course = _over_others(meg, regions, options, pooling, course_options)
    else:
        course = _over_both(meg, regions, course_options)
    ceilings = [_ceiling(one, method, pooling, nan_policy) for one in regions.values()]
    return Fusion(
        course=course,
        regions=tuple(regions),
        n_other=np.array([len(one.values) for one in regions.values()]),
        other_lower=np.array([low for low, _ in ceilings]),
        other_upper=np.array([high for _, high in ceilings]),
        over=over,
        pooling=pooling,
    )


def _regions(other: object) -> dict[str, RDM]:
    """Return every region with its participants along one axis, called ``"subject"``."""
    named = dict(other) if isinstance(other, Mapping) else {"other": other}
    if not named:
        msg = "other is empty; give the RDMs of at least one region."
        raise ValueError(msg)
    return {str(name): _region(str(name), one) for name, one in named.items()}


def _region(name: str, given: object) -> RDM:
    called = f"the region {name!r}"
    one = opened(called, given)
    if isinstance(one, RDMStore) or "time" in one.dims or len(one.dims) > 1:
        axes = ("time",) if isinstance(one, RDMStore) else one.dims
        msg = f"{called} has the axes {axes}; a region has none, or one of participants (choose others with isel())."
        raise ValueError(msg)
    coords = {"subject": one.coords[one.dims[0]]} if one.dims and one.dims[0] in one.coords else {}
    values = one.values if one.dims else one.values[None]
    return condensed_rdm(values, one.labels, dims=("subject",), coords=coords, metric=one.metric)


def _mean(region: RDM, options: Options, pooling: Pooling) -> RDM:
    if len(region.values) == 1:
        return condensed_rdm(region.values[0], region.labels)
    return condensed_rdm(mean_rdms(region.values[:, None], options, pooling)[0], region.labels)


def _ceiling(region: RDM, method: PoolingMethod, pooling: Pooling, nan_policy: NanPolicy) -> tuple[float, float]:
    if len(region.values) < 2:
        return float("nan"), float("nan")
    found = noise_ceiling(region, method=method, pooling=pooling, nan_policy=nan_policy, n_bootstrap=0)
    return float(found.lower), float(found.upper)


def _over_others(
    meg: object, regions: dict[str, RDM], options: Options, pooling: Pooling, course_options: dict[str, Any]
) -> TimeCourse:
    """Return the time course of which the other modality's participants are the participants."""
    slices, _ = align_slices(as_sources(meg), [], course_options["on_mismatch"], course_options["tolerance"])
    mean = condensed_rdm(
        _means_over_time(slices, options, pooling), slices.labels, dims=("time",), coords={"time": slices.times}
    )
    found = []
    for name, region in regions.items():
        data = RDM(
            np.asarray(region.values)[:, None],
            labels=region.labels,
            dims=("subject", "time"),
            coords=dict(region.coords) | {"time": np.zeros(1)},
        )
        quiet = course_options | {"ceiling": False, "n_bootstrap": 0}
        found.append(timecourse({name: mean}, data, **quiet))
    _check_people([one.subjects for one in found], list(regions))
    similarity = np.concatenate([one.similarity[..., 0] for one in found])
    nothing = np.full((similarity.shape[1], slices.n_times), np.nan)
    return dataclasses.replace(
        found[0],
        **_averages(similarity, course_options),
        lower=nothing[0],
        upper=nothing[0],
        lower_per_subject=nothing,
        upper_per_subject=nothing,
        times=slices.times,
        models=tuple(regions),
        model_times=None,
        n_pairs=min(one.n_pairs for one in found),
        metric=slices.metric,
        note=f"curves are those of the other modality's participants; M/EEG: mean of {slices.n_subjects}",
    )


def _means_over_time(slices: Slices, options: Options, pooling: Pooling) -> FloatArray:
    """Return the mean RDM of all M/EEG participants at every time, a few times at once."""
    if slices.n_subjects == 1:
        return slices.read(0, slices.n_times)[0].astype(np.float64)
    step = max(1, (1 << 24) // (slices.n_subjects * slices.n_pairs))
    starts = range(0, slices.n_times, step)
    parts = [mean_rdms(slices.read(start, min(start + step, slices.n_times)), options, pooling) for start in starts]
    return np.concatenate(parts)


def _over_both(meg: object, regions: dict[str, RDM], course_options: dict[str, Any]) -> TimeCourse:
    """Return the time course of people who were measured by both."""
    firsts = {name: condensed_rdm(one.values[0], one.labels) for name, one in regions.items()}
    quiet = course_options | {"ceiling": False, "n_bootstrap": 0, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what is undefined: said once, below
        every = timecourse(firsts, meg, **course_options | {"n_bootstrap": 0})
        rows = {name: _partners(name, one, every.subjects) for name, one in regions.items()}
        similarity = np.empty_like(every.similarity)
        for i, data in enumerate(_one_by_one(meg, course_options)):
            own = {name: condensed_rdm(one.values[rows[name][i]], one.labels) for name, one in regions.items()}
            similarity[:, i] = timecourse(own, {every.subjects[i]: data}, **quiet).similarity[:, 0]
    undefined = np.argwhere(np.isnan(similarity).any(axis=0))
    names = [f"{every.subjects[s]} at {every.times[t]:g} s" for s, t in undefined]
    reason = "RDMs of either modality hold NaN (nan_policy='omit' leaves those pairs out) or are all equal"
    report_undefined(reason, names, course_options["nan_policy"], stacklevel=4)
    return dataclasses.replace(every, **_averages(similarity, course_options))


def _one_by_one(meg: object, course_options: dict[str, Any]) -> Iterator[RDM]:
    """Yield the RDMs over time of one participant after the other."""
    slices, _ = align_slices(as_sources(meg), [], course_options["on_mismatch"], course_options["tolerance"])
    for source, pairs in zip(slices.sources, slices.pairs, strict=True):
        one = dataclasses.replace(slices, sources=(source,), pairs=(pairs,), subjects=source.subjects)
        for values in one.read(0, slices.n_times):
            yield condensed_rdm(values, slices.labels, dims=("time",), coords={"time": slices.times})


def _partners(name: str, region: RDM, subjects: tuple[str, ...]) -> list[int]:
    """Return which RDM of a region belongs to each M/EEG participant."""
    names = [str(one) for one in region.coords["subject"].tolist()] if "subject" in region.coords else None
    if names is not None and set(names) == set(subjects):
        return [names.index(one) for one in subjects]
    if names is None and len(region.values) == len(subjects):
        return list(range(len(subjects)))
    has = f"{len(region.values)} participants" if names is None else f"the participants {join_names(names)}"
    msg = (
        f"over='both' needs the same people in both; the region {name!r} has {has}, the M/EEG data "
        f"{join_names(subjects)}. Name the axis 'subject' alike, or choose those that both have with sel()."
    )
    raise ValueError(msg)


def _check_people(people: list[tuple[str, ...]], regions: list[str]) -> None:
    for name, one in zip(regions[1:], people[1:], strict=True):
        if one != people[0]:
            msg = (
                f"over='other' averages over participants, and the regions {regions[0]!r} and {name!r} have different "
                f"ones ({join_names(people[0])}; {join_names(one)})."
            )
            raise ValueError(msg)


def _averages(similarity: FloatArray, course_options: dict[str, Any]) -> dict[str, Any]:
    n_bootstrap, confidence = course_options["n_bootstrap"], course_options["confidence"]
    generator = as_rng(course_options["rng"])
    return {
        "similarity": similarity,
        "mean": similarity.mean(axis=1),
        "interval": mean_interval(similarity, 1, n_bootstrap=n_bootstrap, confidence=confidence, rng=generator),
        "n_bootstrap": n_bootstrap if similarity.shape[1] >= FEWEST else 0,
    }
