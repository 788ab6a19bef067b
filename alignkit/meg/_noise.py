"""What ``noise=`` means: how the covariance of the noise is had, and the roots that whiten a stretch of times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np

from alignkit._check import as_float_array, check_choice, check_probability, join_names, require
from alignkit._threads import each, one_blas_thread
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._covariance import Covariances, NoNoiseError, ResidualPlan, covariances_at
from alignkit.meg._trials import Trials
from alignkit.meg._whiten import Whitening, refuse_singular, solid_rank
from alignkit.rsa._noise import check_matrix, root_of_precision

NoiseMode = Literal["time", "epoch", "baseline"]
MODES: tuple[NoiseMode, ...] = ("time", "epoch", "baseline")
Shrinkage = Literal["ledoit-wolf", "none"] | float


def as_shrinkage(value: object) -> Shrinkage:
    """Return how covariances are shrunk, or raise where it is neither a name nor a weight."""
    if isinstance(value, str):
        check_choice("shrinkage", value, ("ledoit-wolf", "none"))
        return value  # type: ignore[return-value]
    return check_probability("shrinkage", value)  # type: ignore[arg-type]


def types_of(channel_types: Sequence[str]) -> tuple[IntArray, ...]:
    """Return the positions of the channels of each type of sensor."""
    names = np.array(channel_types)
    return tuple(np.flatnonzero(names == name) for name in dict.fromkeys(channel_types))


class EstimatedNoise:
    """Noise estimated from the trials themselves: at each time, or as the mean of its covariances over times.

    A mean over times is made first, of the data that :meth:`wanted` asks for and :meth:`add` takes; then :meth:`over`
    returns what whitens a stretch of times.
    """

    def __init__(
        self,
        trials: Trials,
        mode: NoiseMode,
        *,
        shrinkage: Shrinkage = "ledoit-wolf",
        by_fold: bool = True,
        dtype: Any = np.float64,
        before: float = 0.0,
    ) -> None:
        check_choice("noise", mode, MODES)
        self.mode, self.shrinkage, self.dtype = mode, as_shrinkage(shrinkage), np.dtype(dtype)
        self.rank, self.types = trials.rank, types_of(trials.channel_types)
        self.plan = ResidualPlan.of(trials.design, by_fold=by_fold)
        self._times, self._before = trials.times, before
        self._sum: FloatArray | None = None
        self._n = 0
        self._range = (np.inf, -np.inf)
        self._whitening: Whitening | None = None
        if mode == "baseline" and not self.wanted().any():
            msg = f"noise='baseline' needs samples before 0 s; the first is at {trials.times[0]:g} s."
            raise ValueError(msg)
        # rounding may hide it from the covariance itself
        n_times = 1 if mode == "time" else int(self.wanted().sum())
        few = bool((self.plan.dof * n_times < self.rank).any())
        if few and self.shrinkage in ("none", 0) and self.rank == trials.n_channels:
            refuse_singular(trials.n_channels, self.rank)

    def wanted(self) -> BoolArray:
        """Return at which times :meth:`add` needs the data, shape (times,)."""
        if self.mode == "time":
            return np.zeros(len(self._times), dtype=np.bool_)
        return self._times < self._before if self.mode == "baseline" else np.ones(len(self._times), dtype=np.bool_)

    def add(self, x: AnyArray) -> None:
        """Take data into the mean over times; ``x`` has shape (times, trials, channels)."""
        # threads take a few times at once, so that few covariances wait to be summed, in the order of time
        for start in range(0, len(x), 8):
            for found in self._estimate(x[start : start + 8]):
                if found is None:  # such as the only sample of a baseline, which is zero
                    continue
                self._sum = found.matrices if self._sum is None else self._sum + found.matrices
                self._n += 1

    def over(self, x: AnyArray, start: int = 0) -> Whitening:
        """Return what whitens ``x``, shape (times, trials, channels), of times from position ``start`` on."""
        if self.mode == "time":
            matrices = np.empty((self.n_sets, len(x), x.shape[2], x.shape[2]))
            found = self._estimate(x, matrices)
            if None in found:
                time = self._times[start + found.index(None)]
                msg = (
                    f"the noise is zero at {time:g} s, where no trial differs from the mean of its condition; pass "
                    "noise='epoch', or leave that time out."
                )
                raise ValueError(msg)
            return self._as_whitening(matrices, 1)
        if self._whitening is None:
            if self._sum is None:
                msg = "the noise is zero: no trial ever differs from the mean of its condition; use noise=None."
                raise ValueError(msg)
            self._whitening = self._as_whitening((self._sum / self._n)[:, None], self._n)
        return self._whitening

    def _estimate(self, x: AnyArray, into: FloatArray | None = None) -> list[Covariances | None]:
        """Return the covariances of every time, or put their matrices into (sets, times, channels, channels).

        None stands for a time without noise.
        """

        def at(t: int) -> Covariances | None:
            try:
                found = covariances_at(
                    x[t], self.plan, shrinkage=self.shrinkage, rank=self.rank, types=self.types, dtype=self.dtype
                )
            except NoNoiseError:
                return None
            if into is None:
                return found
            into[:, t] = found.matrices
            return Covariances(into[:, t], found.weights)

        found = each(at, range(len(x)))
        weights = [float(weight) for one in found if one is not None for weight in one.weights]
        self._range = (min([self._range[0], *weights]), max([self._range[1], *weights]))
        return found

    def _as_whitening(self, matrices: FloatArray, n_times: int) -> Whitening:
        # where the data are of reduced rank, what no residual reaches cannot be told from what is not there
        full = self.rank == matrices.shape[-1]
        kept = np.full(len(matrices), self.rank) if full else np.minimum(self.rank, self.plan.dof * n_times)
        return Whitening(matrices, self.rank, kept, self.types, self.dtype)

    @property
    def n_sets(self) -> int:
        """Number of covariances: one outside each fold, and one of all trials."""
        return self.plan.n_sets

    @property
    def n_sets_at_each_time(self) -> int:
        """Number of covariances that every time adds to those in memory."""
        return self.n_sets if self.mode == "time" else 0

    def provenance(self) -> dict[str, Any]:
        """Return what was asked for, in JSON's types."""
        outside = "training" if self.n_sets > 1 else "all"
        return {"noise": self.mode, "shrinkage": self.shrinkage, "noise_from": outside, "rank": self.rank}

    def found(self) -> dict[str, Any]:
        """Return what was found: the range of the weights of the target, and of the degrees of freedom."""
        dof = self.plan.dof
        return {"shrinkage_range": list(self._range), "noise_dof": [int(dof.min()), int(dof.max())]}


class GivenNoise:
    """Noise known beforehand: a precision or covariance, one for all times or one for each."""

    n_sets = 1
    n_sets_at_each_time = 0

    def __init__(self, whitening: Whitening, kind: str, rank: int) -> None:
        self._whitening, self._kind, self._rank = whitening, kind, rank

    @classmethod
    @one_blas_thread()
    def of(cls, noise: Any, kind: str, trials: Trials, *, dtype: Any = np.float64) -> Self:
        """Return the noise that a user gave: an array, a NoisePrecision or an mne.Covariance.

        Raises
        ------
        ValueError
            Another shape, other channels, an asymmetric or indefinite matrix, or a rank below that of the data.
        TypeError
            Values that are not real numbers.
        """
        check_choice("noise_kind", kind, ("precision", "covariance"))
        types, rank = types_of(trials.channel_types), trials.rank
        if type(noise).__module__.partition(".")[0] == "mne":
            matrices, rank = _of_mne(noise, trials)
            kind = "covariance"
        elif hasattr(noise, "precision") and hasattr(noise, "covariance"):
            matrices, kind = _of_result(noise), "covariance"
        else:
            matrices = _of_array(noise, trials)
        name = "noise" if len(matrices) == 1 else "noise[{}]"
        checked = [check_matrix(name.format(i), one, kind, trials.n_channels) for i, one in enumerate(matrices)]
        if kind == "precision":
            for one in checked:
                root_of_precision(one)
        elif rank == trials.rank < trials.n_channels:
            # which directions the data do not have, a matrix that has them all cannot tell; nor does it matter
            rank = max(rank, min(solid_rank(one, types) for one in checked))
        kept, stack = np.array([rank]), np.stack(checked)[None]
        whitening = Whitening(stack, rank, kept, types, np.dtype(dtype), inverted=kind == "precision")
        return cls(whitening, kind, trials.rank)

    @property
    def matrices(self) -> FloatArray:
        """What was given, shape (1, times or 1, channels, channels)."""
        return self._whitening.matrices

    def wanted(self) -> BoolArray:
        """Return that no data is needed."""
        return np.zeros(0, dtype=np.bool_)

    def add(self, x: AnyArray) -> None:
        """Take no data."""

    def over(self, x: AnyArray, start: int = 0) -> Whitening:
        """Return what whitens ``x``, of times from position ``start`` on."""
        every = self._whitening
        if not every.by_time:
            return every
        part = every.matrices[:, start : start + len(x)]
        return Whitening(part, every.rank, every.kept, every.types, every.dtype, every.inverted)

    def provenance(self) -> dict[str, Any]:
        """Return what was given, in JSON's types."""
        each_time = " per time" if self._whitening.by_time else ""
        return {"noise": f"given {self._kind}{each_time}", "rank": min(self._whitening.rank, self._rank)}

    def found(self) -> dict[str, Any]:
        """Return nothing: none of it is estimated."""
        return {}


Noise = EstimatedNoise | GivenNoise


def noise_of(
    trials: Trials,
    mode: Any,
    *,
    kind: str = "precision",
    shrinkage: Shrinkage = "ledoit-wolf",
    by_fold: bool = True,
    dtype: Any = np.float64,
    step: int = 8,
) -> Noise:
    """Return the noise of trials, with the mean over times made where ``mode`` asks for one; see :func:`time_rdms`.

    Parameters
    ----------
    trials : Trials
    mode : {"time", "epoch", "baseline"}, array, NoisePrecision or mne.Covariance
    kind : {"precision", "covariance"}
        What an array is.
    shrinkage : {"ledoit-wolf", "none"} or float
    by_fold : bool
        Estimate it outside each fold, besides from all trials.
    dtype : dtype
        Of the products.
    step : int
        Samples that are read at once.
    """
    if not isinstance(mode, str):
        return GivenNoise.of(mode, kind, trials, dtype=dtype)
    noise = EstimatedNoise(trials, mode, shrinkage=shrinkage, by_fold=by_fold, dtype=dtype)  # type: ignore[arg-type]
    for start, stop in stretches(noise.wanted(), step):
        noise.add(trials.read(start, stop))
    return noise


def stretches(wanted: BoolArray, step: int) -> Iterator[tuple[int, int]]:
    """Yield the first position and the end of stretches of at most ``step`` wanted positions."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], wanted, [False])).astype(np.int8)))
    for first, end in edges.reshape(-1, 2).tolist():
        for start in range(first, end, step):
            yield start, min(start + step, end)


def _of_array(noise: Any, trials: Trials) -> list[FloatArray]:
    """Return one matrix, or one for each time."""
    array = as_float_array("noise", noise)
    if array.ndim == 2:
        return [array]
    if array.ndim != 3 or len(array) != trials.n_times:
        msg = (
            f"noise must have shape ({trials.n_channels}, {trials.n_channels}), one matrix of the channels, or "
            f"({trials.n_times}, {trials.n_channels}, {trials.n_channels}), one for each time; got {array.shape}."
        )
        raise ValueError(msg)
    return list(array)


def _of_result(noise: Any) -> list[FloatArray]:
    if noise.covariance.ndim != 2:
        msg = (
            "noise holds one matrix per fold; give one for all, or leave the estimate to noise='time' or 'epoch', "
            "which use the training folds."
        )
        raise ValueError(msg)
    return [noise.covariance]


def _of_mne(noise: Any, trials: Trials) -> tuple[list[FloatArray], int]:
    """Return the covariance of an mne.Covariance as mne whitens with it, and its rank."""
    names = list(noise["names"])
    missing = [name for name in trials.channels if name not in names]
    if missing:
        msg = f"noise, an mne.Covariance, does not hold the channel(s) {join_names(missing)}."
        raise ValueError(msg)
    if trials.info is None:
        at = [names.index(name) for name in trials.channels]
        return [_dense(noise)[np.ix_(at, at)]], trials.rank
    mne = require("mne", "meg")
    prepared = mne.cov.prepare_noise_cov(
        noise, trials.info, list(trials.channels), rank=dict(trials.rank_by_type), verbose="error"
    )
    kept = prepared["eig"] > 0
    root = np.sqrt(prepared["eig"][kept, None]) * prepared["eigvec"][kept]
    return [root.T @ root], int(kept.sum())


def _dense(noise: Any) -> FloatArray:
    data = np.asarray(noise["data"], dtype=np.float64)
    return np.diag(data) if data.ndim == 1 else data
