"""The loop of a searchlight: the RDMs of the sensors around each sensor, compared with models as they are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._decisions import accuracy_levels
from alignkit.meg._estimators import Estimator
from alignkit.meg._judge import Judge
from alignkit.meg._noise import Noise, Shrinkage
from alignkit.meg._preparation import noise_for
from alignkit.meg._rdms_over_time import Computation, HeldTrials, times_at_once
from alignkit.meg._trials import Trials
from alignkit.rsa._patterns import Undefined
from alignkit.rsa._similarity_methods import RANK_METHODS

if TYPE_CHECKING:
    from tqdm import tqdm

#: Sensors whose patches are shared out over threads between two steps of the progress bar.
_TOGETHER = 16
#: Trials that are read at once, as a share of the memory.
_READING = 8


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PatchNoise:
    """What noise is asked for: ``mode`` as for :func:`time_rdms`, a matrix being a covariance of all channels."""

    mode: Any
    shrinkage: Shrinkage
    by_fold: bool
    before: float

    def of(self, trials: Trials, patch: IntArray) -> Noise | None:
        """Return the noise of the trials of a patch."""
        mode = self.mode
        if mode is not None and not isinstance(mode, str) and type(mode).__module__.partition(".")[0] != "mne":
            mode = np.asarray(mode)[..., patch[:, None], patch]
        return noise_for(mode, "covariance", trials, self.shrinkage, self.by_fold, "float64", self.before)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PatchSearch:
    """Everything that the patches of one participant share.

    ``pairs`` says where the pairs of the models lie among those of the data; None: where they are.
    """

    trials: Trials
    patches: Sequence[IntArray]
    estimator: Estimator
    noise: PatchNoise
    judge: Judge
    pairs: IntArray | None
    memory: int

    def run(self, bar: tqdm[Any]) -> tuple[FloatArray, list[Undefined]]:
        """Return the similarities, shape (model, sensor, time), and which dissimilarities are undefined."""
        shape = (len(self.judge.models), len(self.patches), self.trials.n_times)
        values, undefined = np.full(shape, np.nan), []
        for sensors in self._groups():
            channels = np.unique(np.concatenate([self.patches[i] for i in sensors]))
            held = self._held(channels)

            def search(i: int, held: AnyArray = held, channels: IntArray = channels) -> list[Undefined]:
                return self._search(i, held, channels, values[:, i])

            for start in range(0, len(sensors), _TOGETHER):
                part = sensors[start : start + _TOGETHER]
                undefined += [one for found in each(search, part) for one in found]
                bar.update(len(part))
        return values, undefined

    def _groups(self) -> Iterator[list[int]]:
        """Yield sensors whose patches are held in half of the memory together."""
        per_channel = self.trials.n_bytes // self.trials.n_channels * self.trials.n_times
        most = max(1, self.memory // 2 // per_channel)
        group: list[int] = []
        channels: set[int] = set()
        for i, patch in enumerate(self.patches):
            if group and len(channels | set(patch.tolist())) > most:
                yield group
                group, channels = [], set()
            group.append(i)
            channels |= set(patch.tolist())
        yield group

    def _held(self, channels: IntArray) -> AnyArray:
        trials = self.trials
        held = np.empty((trials.n_times, trials.design.n_trials, len(channels)), dtype=trials.dtype)
        step = max(1, self.memory // _READING // trials.n_bytes)
        for start in range(0, trials.n_times, step):
            stop = min(start + step, trials.n_times)
            held[start:stop] = trials.read(start, stop)[..., channels]
        return held

    def _search(self, sensor: int, held: AnyArray, channels: IntArray, out: FloatArray) -> list[Undefined]:
        patch = self.patches[sensor]
        own = self._trials_of(patch, held, np.searchsorted(channels, patch))
        noise = self.noise.of(own, patch)
        n_sets = 0 if noise is None else noise.n_sets_at_each_time
        step = times_at_once(own, [own], "float64", n_sets, self.memory // (4 * _TOGETHER))
        computation = Computation(HeldTrials(own, hold=False), [own], [noise], self.estimator, "float64", step, step)
        n_decisions = computation.n_decisions
        plain = n_decisions is not None and self.judge.options.method not in RANK_METHODS
        levels = accuracy_levels(n_decisions) if plain and n_decisions else None

        def compare(start: int, found: AnyArray) -> None:
            rows = found if levels is None else levels[found]
            rows = rows if self.pairs is None else rows[:, self.pairs]
            out[:, start : start + len(rows)] = self.judge(rows[None]).similarity[:, 0]

        return computation.run(compare, np.ones(own.n_times, dtype=np.bool_), progress=False)

    def _trials_of(self, patch: IntArray, held: AnyArray, where: IntArray) -> Trials:
        trials = self.trials
        kind = trials.channel_types[patch[0]]
        rank = min(trials.rank_by_type.get(kind, trials.rank), len(patch))

        def read(start: int, stop: int) -> AnyArray:
            return held[start:stop][..., where]

        return dataclasses.replace(
            trials,
            channels=tuple(trials.channels[i] for i in patch),
            channel_types=(kind,) * len(patch),
            read=read,
            rank=rank,
            rank_by_type={kind: rank},
            info=None,
        )
