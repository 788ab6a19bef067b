"""Features that unfold over time: models whose layers are named by milliseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignkit._typing import FloatArray, PathLike
from alignkit.models import Features
from alignkit.models._time_names import is_after_onset, named_times
from alignkit.rsa import RDM, rdm
from alignkit.score._candidates import named_apart, open_candidates, open_one
from alignkit.score._row import Settings
from alignkit.score._suite import Candidate

if TYPE_CHECKING:
    from alignkit.models import Transform

#: The layer that a model over time gives besides: its mean over the response.
_OUTPUT = "output"
#: Seconds: times are sums of steps, and not what is written for them.
_TINY = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """The RDMs of a model that unfolds over time, for the items of one data set."""

    candidate: Candidate
    labels: tuple[str, ...]
    metric: str
    times: FloatArray
    """Seconds of its layers, ascending."""
    layers: tuple[str, ...]
    """Their names, in that order."""

    def rdm(self, position: int) -> RDM:
        """Return its RDM at one of its own times."""
        x = self.candidate.take(self.labels, self.layers[position])
        return rdm(x, metric=self.metric, labels=self.labels)  # type: ignore[call-overload]

    def runs(self, times: FloatArray) -> Iterator[tuple[int, slice]]:
        """Give (own time, which of ``times`` it stands for): the nearest, and the first or last beyond its ends.

        Half way between two it is the earlier: nothing is ahead of its time.
        """
        nearest = np.searchsorted((self.times[:-1] + self.times[1:]) / 2, times - _TINY)
        starts = np.flatnonzero(np.diff(nearest, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(times)], strict=True):
            yield int(nearest[start]), slice(int(start), int(stop))

    def beyond(self, times: FloatArray) -> FloatArray:
        """Return which of ``times`` lie farther than half a step before its first time or behind its last."""
        half = np.diff(self.times).max() / 2 + _TINY
        return times[(times < self.times[0] - half) | (times > self.times[-1] + half)]


def time_layers(layers: Sequence[str]) -> dict[str, float]:
    """Return the layers that are named as times are, with their seconds, in ascending order; none where one is."""
    found = {name: named_times([name]) for name in layers}
    times = {name: float(value[0]) for name, value in found.items() if value is not None}
    return dict(sorted(times.items(), key=lambda pair: pair[1])) if len(times) > 1 else {}


def as_moving(candidate: Candidate, labels: tuple[str, ...], settings: Settings) -> Moving | None:
    """Return what unfolds over time of a candidate; None where it has one layer."""
    times = time_layers(tuple(candidate.layers))
    if not times:
        return None
    return Moving(candidate, labels, settings.metric, np.array(list(times.values())), tuple(times))


def open_over_time(
    features: Features | PathLike | Sequence[Features | PathLike], layer: str | None, transform: Transform | None
) -> list[Candidate]:
    """Open everything that is to be scored; models over time keep all their times, unless one layer is asked for.

    What is scored of these where time plays no part is their layer ``output``, else the mean of their features from
    0 ms on.

    Raises
    ------
    ValueError
        As :func:`open_candidates` does, or a transform for a model over time.
    TypeError
        Neither paths nor features.
    """
    sources = list(features) if isinstance(features, list | tuple) else [features]
    if not sources:
        return open_candidates([], layer, (), transform)
    found: list[Candidate] = []
    for source in sources:
        opened = open_one(source)
        times = {} if layer is not None else time_layers(opened.layers)
        found += [_over_time(opened, times, transform)] if times else open_candidates(opened, layer, (), transform)
    return named_apart(found)


def _over_time(features: Features, times: dict[str, float], transform: Transform | None) -> Candidate:
    if transform is not None:
        msg = f"the transform {transform.name!r} takes one layer, and {features.name!r} has times; choose with layer=."
        raise ValueError(msg)
    candidate = open_candidates(features, None, list(times), None)[0]
    if _OUTPUT in features.layers:
        x = open_candidates(features, _OUTPUT, (), None)[0].x
    else:
        late = [name for name, after in zip(times, is_after_onset(list(times.values())), strict=True) if after]
        x = sum((candidate.layers[name]() for name in late[1:]), start=candidate.layers[late[0]]()) / len(late)
    return dataclasses.replace(candidate, name=features.name, x=x)
