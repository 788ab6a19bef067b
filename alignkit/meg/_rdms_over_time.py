"""The loop over time: a stretch of trials is read, its noise whitened, its dissimilarities computed and handed on."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._threads import each_in_turn, n_threads
from alignkit._typing import AnyArray, BoolArray
from alignkit.meg._decisions import accuracy_levels
from alignkit.meg._estimators import Estimate, Estimator
from alignkit.meg._noise import Noise, stretches
from alignkit.meg._trials import Trials
from alignkit.rsa._arrays import Precision
from alignkit.rsa._patterns import Undefined

if TYPE_CHECKING:
    from tqdm import tqdm

#: What a stretch of trials takes besides itself while it is worked on, in copies of it.
_COPIES = 3
#: Square arrays of conditions, and of channels for each set of trials, that are held for each time.
_SQUARES = 4
_DOUBLE = 8
#: Times worked on at once, at most: enough to share out over threads.
_STEP = 16


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Computation:
    """RDMs over time of one participant: what is to be averaged over ``repeats`` (one, or groupings of pseudo-trials).

    ``base`` are the trials that are read, ``stretch`` times at once, of which ``step`` are worked on at once; each
    repeat reads them through it, and has a noise of its own. Where ``beside`` is not 0, so many threads read and work
    on ``step`` times each instead.
    """

    base: HeldTrials
    repeats: Sequence[Trials]
    noises: Sequence[Noise | None]
    estimator: Estimator
    dtype: Precision
    stretch: int
    step: int
    beside: int = 0

    @property
    def n_decisions(self) -> int | None:
        """Decisions behind every value, where the values can be stored as their counts."""
        return self.estimator.n_decisions if len(self.repeats) == 1 else None

    def run(self, write: Callable[[int, AnyArray], None], pending: BoolArray, *, progress: bool) -> list[Undefined]:
        """Hand the dissimilarities of all times that are pending to ``write``; return what of them is undefined.

        Values that are counted are handed on as counts if :attr:`n_decisions` says so.
        """
        undefined: dict[str, Undefined] = {}
        with self._bar(pending, progress) as bar:
            if pending.any():
                self._estimate_noise(bar)
            for start, found in self._steps(pending):
                write(start, found.values)
                for one in found.undefined:
                    _take_note(undefined, one)
                bar.update(len(found.values))
        return list(undefined.values())

    def _steps(self, pending: BoolArray) -> Iterator[tuple[int, Estimate]]:
        """Yield the first time and the dissimilarities of one step after the other."""
        parts = [(span, _cut(*span, self.step)) for span in stretches(pending, self.stretch)]
        if self.beside:
            steps = [step for _, part in parts for step in part]
            found = each_in_turn(lambda step: self._over(*step), steps, self.beside)
            yield from zip((start for start, _ in steps), found, strict=True)
            return
        for span, part in parts:
            with self.base.held(*span):
                for start, stop in part:
                    yield start, self._over(start, stop)

    def found(self) -> dict[str, Any]:
        """Return what was found of the noise, over all repeats."""
        every = [found for noise in self.noises if noise is not None and (found := noise.found())]
        names = every[0] if every else ()
        return {name: [min(one[name][0] for one in every), max(one[name][1] for one in every)] for name in names}

    def _bar(self, pending: BoolArray, progress: bool) -> tqdm[Any]:
        from tqdm import tqdm

        left = bool(pending.any())  # the noise is not estimated for nothing
        total = int(pending.sum()) + int(self._wanted.sum())
        return tqdm(total=total, desc="RDMs over time", unit="sample", disable=not (progress and left))

    @property
    def _wanted(self) -> BoolArray:
        noise = self.noises[0]
        return np.zeros(0, dtype=np.bool_) if noise is None else noise.wanted()

    def _estimate_noise(self, bar: tqdm[Any]) -> None:
        for start, stop in stretches(self._wanted, self.stretch):
            with self.base.held(start, stop):
                for trials, noise in zip(self.repeats, self.noises, strict=True):
                    assert noise is not None
                    noise.add(trials.read(start, stop))
            bar.update(stop - start)

    def _over(self, start: int, stop: int) -> Estimate:
        """Return the dissimilarities of a stretch, averaged over repeats."""
        total: AnyArray = np.zeros(0)
        undefined: list[Undefined] = []
        for number, (trials, noise) in enumerate(zip(self.repeats, self.noises, strict=True)):
            x = trials.read(start, stop)
            found = self.estimator.compute(x, None if noise is None else noise.over(x, start))
            undefined += found.undefined
            if len(self.repeats) == 1 and (found.counted == (self.n_decisions is not None)):
                return found
            values = self._plain(found).astype(np.float64)
            total = values if number == 0 else total + values
        return Estimate((total / len(self.repeats)).astype(self.dtype), undefined)

    def _plain(self, found: Estimate) -> AnyArray:
        if not found.counted:
            return found.values
        assert self.estimator.n_decisions is not None
        return accuracy_levels(self.estimator.n_decisions)[found.values]


class HeldTrials:
    """Trials of which one stretch of time is held in memory, to be read again and again."""

    def __init__(self, trials: Trials, *, hold: bool) -> None:
        self._read, self._hold = trials.read, hold
        self._start = 0
        self._held: AnyArray | None = None
        self.trials = dataclasses.replace(trials, read=self.read) if hold else trials

    def read(self, start: int, stop: int) -> AnyArray:
        """Return a stretch; a view of what is held, which those who read it here do not change."""
        if self._held is None:
            return self._read(start, stop)
        return self._held[start - self._start : stop - self._start]

    @contextlib.contextmanager
    def held(self, start: int, stop: int) -> Any:
        """Hold a stretch within a block, where that is worth while."""
        if self._hold:
            self._start, self._held = start, self._read(start, stop)
        try:
            yield
        finally:
            self._held = None


def _cut(first: int, last: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, last)) for start in range(first, last, step)]


def steps_beside(
    trials: Trials, repeats: Sequence[Trials], dtype: Precision, n_sets: int, memory: int, step: int
) -> int:
    """Return how many threads may read and work on ``step`` times each in ``memory`` bytes; 0 to hold a stretch.

    From memory a few samples of each trial are read as fast as all of them, and into less of it, which need not be had
    anew: fresh memory may take longer to be had than to be filled and worked on.
    """
    if not trials.in_memory or len(repeats) > 1 or n_sets or step < min(_STEP, trials.n_times):
        return 0
    size = trials.n_bytes + _work_of_a_time(trials, repeats, dtype, n_sets)
    return min(n_threads(), int(memory / (step * size)))


def times_at_once(trials: Trials, repeats: Sequence[Trials], dtype: Precision, n_sets: int, memory: int) -> int:
    """Return how many times fit into ``memory`` bytes, at least one.

    ``n_sets`` is the number of noise covariances that are held for each time.
    """
    size = trials.n_bytes + _work_of_a_time(trials, repeats, dtype, n_sets)
    return max(1, min(trials.n_times, int(memory / size)))


def stretch_and_step(
    trials: Trials, repeats: Sequence[Trials], dtype: Precision, n_sets: int, memory: int, by_time: bool = False
) -> tuple[int, int]:
    """Return how many times to read, and how many of them to work on, at once in ``memory`` bytes; at least one.

    A stretch costs a pass over the file whatever its length, so that what is read takes what the work leaves.
    ``by_time`` says that each thread works on one time after the other, so that only they take room to work in.
    """
    room, kept = 0.0, _work_of_a_time(trials, repeats, dtype, n_sets)
    if by_time:
        room, kept = kept, _outcome_of_a_time(trials, repeats, n_sets)
    beside = max(1, min(n_threads(), int(memory / (room + kept + trials.n_bytes)))) if by_time else 1
    left = memory - beside * room
    step = beside
    if beside == n_threads() or not by_time:
        step *= max(1, min(_STEP, int(left / 2 / kept)) // beside)
    step = min(step, trials.n_times)
    stretch = max(step, min(trials.n_times, int((left - step * kept) / trials.n_bytes)))
    return stretch, step


def _work_of_a_time(trials: Trials, repeats: Sequence[Trials], dtype: Precision, n_sets: int) -> float:
    """Return the bytes that a time takes while it is worked on, besides the trials that are read."""
    numbers = max(trials.dtype.itemsize, np.dtype(dtype).itemsize) / trials.dtype.itemsize
    size = repeats[0].n_bytes * _COPIES * numbers
    size += repeats[0].n_bytes if len(repeats) > 1 else 0
    size += _SQUARES * _DOUBLE * trials.design.n_conditions**2
    return size + _SQUARES * _DOUBLE * n_sets * trials.n_channels**2


def _outcome_of_a_time(trials: Trials, repeats: Sequence[Trials], n_sets: int) -> float:
    """Return the bytes that a time takes until the work on all times beside it is done."""
    size = float(repeats[0].n_bytes if len(repeats) > 1 else 0)
    size += _DOUBLE * trials.design.n_conditions**2 / 2
    return size + (_SQUARES - 1) * _DOUBLE * n_sets * trials.n_channels**2


def _take_note(known: dict[str, Undefined], one: Undefined) -> None:
    mask = one.mask.reshape(-1, one.mask.shape[-1]).any(axis=0)
    if one.reason in known:
        mask = mask | known[one.reason].mask
    known[one.reason] = Undefined(one.reason, mask, one.of)
