"""Models against people's RDMs over time, each model that unfolds followed at its own times."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.meg import TimeCourse, timecourse
from alignkit.rsa import RDM
from alignkit.rsa._container import condensed_rdm
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.score._meg_sets import Movie
from alignkit.score._moving import Moving
from alignkit.score._row import Settings


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """Time courses within each person, with their ceiling, and of people's mean RDM."""

    course: TimeCourse
    group: FloatArray
    """Similarity to the mean RDM of the first people, shape (model, time): what the papers give."""

    def only(self, names: Sequence[str]) -> TimeCourse:
        """Return the time courses of these models."""
        course = self.course
        rows = [course.position(name) for name in names]
        return dataclasses.replace(
            course,
            similarity=course.similarity[rows],
            mean=course.mean[rows],
            interval=course.interval[:, rows],
            models=tuple(names),
        )


def follow(
    models: Mapping[str, RDM | Moving],
    movie: Movie,
    labels: tuple[str, ...],
    n_group: int | None,
    settings: Settings,
) -> Courses:
    """Compare models, at least one of them without times, with all people at all times.

    Within a person, pairs without a number on either side are left out of that comparison. One warning names what is
    undefined.
    """
    times, subjects = movie.times, movie.subjects
    n = len(times)
    similarity = np.full((len(models), len(subjects), n), np.nan)
    group = np.full((len(models), n), np.nan)
    bounds = np.full((2, len(subjects), n), np.nan)
    still = {name: model for name, model in models.items() if isinstance(model, RDM)}
    found: TimeCourse | None = None
    for where, values in movie.stretches(labels):
        people = _people(values, labels, subjects, times[where])
        mean = _mean(values[:n_group], labels, times[where])
        found = _compare(still, people, settings, ceiling=True)
        bounds[:, :, where] = found.lower_per_subject, found.upper_per_subject
        alone = _compare(still, mean, settings)
        for k, (name, model) in enumerate(models.items()):
            if isinstance(model, RDM):
                own = found.models.index(name)
                similarity[k, :, where], group[k, where] = found.similarity[own], alone.similarity[own, 0]
            else:
                similarity[k, :, where], group[k, where] = _moving(model, people, mean, settings)
    assert found is not None
    _tell_undefined(tuple(models), similarity)
    course = _joined(found, tuple(models), similarity, bounds, times, settings)
    return Courses(course, group)


def _people(values: AnyArray, labels: tuple[str, ...], subjects: tuple[str, ...], times: FloatArray) -> RDM:
    return condensed_rdm(values, labels, dims=("subject", "time"), coords={"subject": list(subjects), "time": times})


def _mean(values: AnyArray, labels: tuple[str, ...], times: FloatArray) -> RDM:
    """Return the mean over people, of those who have a number; NaN where nobody has."""
    there = ~np.isnan(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0).sum(axis=0, dtype=np.float64)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return condensed_rdm(mean, labels, dims=("time",), coords={"time": times})


def _compare(models: Mapping[str, RDM], people: RDM, settings: Settings, *, ceiling: bool = False) -> TimeCourse:
    with warnings.catch_warnings():
        # every stretch would say it again
        warnings.simplefilter("ignore", RuntimeWarning)
        return timecourse(
            models,
            people,
            method=settings.method,  # type: ignore[arg-type]
            nan_policy="omit",
            ceiling=ceiling,
            n_bootstrap=0,
        )


def _moving(model: Moving, people: RDM, mean: RDM, settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Return the similarity of a model at its own times, shape (subject, time), and to the mean RDM, shape (time,)."""
    times = people.coords["time"]
    together = condensed_rdm(
        np.concatenate([people.values, mean.values[None]]),
        people.labels,
        dims=("subject", "time"),
        coords={"subject": [*people.coords["subject"].tolist(), "mean"], "time": times},
    )
    found = np.full(together.shape, np.nan)
    for position, where in model.runs(times):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            own = {"model": model.rdm(position)}
        found[:, where] = _compare(own, together.isel(time=where), settings).similarity[0]
    return found[:-1], found[-1]


def _tell_undefined(names: tuple[str, ...], similarity: FloatArray) -> None:
    counts = np.isnan(similarity).any(axis=1).sum(axis=1).tolist()
    bad = [f"{name} ({n})" for name, n in zip(names, counts, strict=True) if n]
    if bad:
        msg = (
            f"models whose similarity to people is undefined at some times (how many): {', '.join(bad)}; their areas "
            "are NaN. A model's RDM needs two different values."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)


def _joined(
    found: TimeCourse,
    names: tuple[str, ...],
    similarity: FloatArray,
    bounds: FloatArray,
    times: FloatArray,
    settings: Settings,
) -> TimeCourse:
    """Return the stretches as one time course; ``found`` is any of them."""
    n_bootstrap = settings.n_bootstrap if similarity.shape[1] >= FEWEST else 0
    interval = mean_interval(
        similarity,
        1,
        n_bootstrap=n_bootstrap,
        confidence=settings.confidence,
        rng=np.random.default_rng(settings.seed),
    )
    return dataclasses.replace(
        found,
        similarity=similarity,
        mean=similarity.mean(axis=1),
        interval=interval,
        lower=bounds[0].mean(axis=0),
        upper=bounds[1].mean(axis=0),
        lower_per_subject=bounds[0],
        upper_per_subject=bounds[1],
        times=times,
        models=names,
        confidence=settings.confidence,
        n_bootstrap=n_bootstrap,
    )
