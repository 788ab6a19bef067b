"""What a stretch of time says: similarities of the models to every participant, and the participants' ceiling."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._measures import Measure, measure_of
from alignkit.rsa._bures import Configurations
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._kernels._products import whole_products
from alignkit.rsa._partial import control_basis, scaled, without
from alignkit.rsa._pooling import plain_of, pools
from alignkit.rsa._pools import GramPool, Pool
from alignkit.rsa._rank import whole_ranks
from alignkit.rsa._similarity_methods import standardise, undefined_rows
from alignkit.rsa._subjects import each_pool, valid_pairs

#: How participants are averaged where that is no option of :func:`alignkit.rsa.noise_ceiling`.
NORMALIZED_RANK = "normalized-rank"


@dataclasses.dataclass(slots=True, eq=False)
class Judged:
    """Outcome of a stretch: ``similarity`` and ``n_pairs`` (model, subject, time), all others (subject, time).

    ``missing`` marks RDMs with NaN, ``flat`` those without similarity to anything, ``negative`` is how far from
    Euclidean they are (Bures); ``model_negative``, shape (model,), how far the models are.
    """

    similarity: FloatArray
    n_pairs: IntArray
    lower: FloatArray
    upper: FloatArray
    missing: BoolArray
    flat: BoolArray
    negative: FloatArray
    model_negative: FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Models, prepared once, and how they and the participants are compared; ``pooling`` is empty for no ceiling."""

    models: AnyArray
    options: Options
    pooling: str
    measure: Measure | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        controls = self.options.controls
        complete = not np.isnan(self.models).any() and not (controls is not None and np.isnan(controls).any())
        measure = measure_of(self.models, self.options) if complete else None
        object.__setattr__(self, "measure", measure)

    @property
    def nbytes(self) -> int:
        """Bytes of the models, as they came and prepared, that go to the workers of a cluster."""
        return 2 * self.models.nbytes

    @property
    def leaves_rest(self) -> bool:
        """Whether the controls are taken out of the data, so that its ceiling is that of what they leave."""
        return self.options.controls is not None and self.options.partial != "first"

    def __call__(self, rows: AnyArray) -> Judged:
        """Judge RDMs of shape (subject, time, pairs)."""
        n_subjects, n_times, n_pairs = rows.shape
        flat = rows.reshape(-1, n_pairs)
        missing = np.isnan(flat.max(axis=-1)) if flat.dtype.kind == "f" else np.zeros(len(flat), dtype=bool)
        judged = Judged(
            similarity=np.full((len(self.models), n_subjects, n_times), np.nan),
            n_pairs=np.zeros((len(self.models), n_subjects, n_times), dtype=np.int64),
            lower=np.full((n_subjects, n_times), np.nan),
            upper=np.full((n_subjects, n_times), np.nan),
            missing=missing.reshape(n_subjects, n_times),
            flat=undefined_rows(flat, self._plain).reshape(n_subjects, n_times),
            negative=np.zeros((n_subjects, n_times)),
            model_negative=np.zeros(len(self.models)),
        )
        if self.measure is None or missing.any():
            self._judge_with_gaps(rows, judged)
        else:
            self._judge_complete(rows, self.measure, judged)
        return judged

    @property
    def _plain(self) -> str:
        method = plain_of(self.options.method)
        return {"bures": "cosine", "bures-metric": "rho-a"}.get(method, method)

    def _judge_complete(self, rows: AnyArray, measure: Measure, judged: Judged) -> None:
        flat = rows.reshape(-1, rows.shape[-1])
        prepared = measure.prepare(flat)
        judged.similarity[:] = measure.against(prepared).reshape(judged.similarity.shape)
        judged.n_pairs[:] = rows.shape[-1]
        if isinstance(prepared, Configurations):
            judged.negative[:] = prepared.negative.reshape(judged.negative.shape)
            judged.model_negative[:] = measure.negative
        if not self.pooling or len(rows) < 2:
            return
        every = np.ones(rows.shape[-1], dtype=bool)
        if self.leaves_rest:
            found = _direction_pools(prepared, rows.shape)
        elif self.pooling == NORMALIZED_RANK:
            ranks = prepared if self.options.controls is None else np.asarray(whole_ranks(flat))
            found = _rank_pools(ranks, rows.shape)
        else:
            ready = prepared if self.options.controls is None else None
            found = pools(rows, self.options.method, self.pooling, every, self.options.sigma_k, prepared=ready)
        for time, pool in enumerate(found):
            judged.lower[:, time], judged.upper[:, time] = _bounds(pool, len(rows))

    def _judge_with_gaps(self, rows: AnyArray, judged: Judged) -> None:
        rows = rows.astype(np.float64) if rows.dtype.kind != "f" else rows
        compared = compare_rows(self.models, rows.reshape(-1, rows.shape[-1]), self.options)
        judged.similarity[:] = compared.values.reshape(judged.similarity.shape)
        judged.n_pairs[:] = compared.n_pairs.reshape(judged.n_pairs.shape)
        judged.negative[:] = compared.negative[1].reshape(judged.negative.shape)
        judged.model_negative[:] = compared.negative[0]
        if not self.pooling or len(rows) < 2:
            return
        valid = valid_pairs(rows, self.options.nan_policy)
        if self.leaves_rest or self.pooling == NORMALIZED_RANK:
            self._bounds_of_directions(rows, valid, judged)
            return
        method, sigma_k = self.options.method, self.options.sigma_k
        found = each_pool(rows, valid, method, self.pooling, sigma_k, lambda _, pool: _bounds(pool, len(rows)))
        for time, (lower, upper) in found.items():
            judged.lower[:, time], judged.upper[:, time] = lower, upper

    def _bounds_of_directions(self, rows: AnyArray, valid: BoolArray, judged: Judged) -> None:
        controls = self.options.controls if self.leaves_rest else None
        if controls is not None:
            among = ~np.isnan(controls).any(axis=0)
            if self.options.nan_policy != "omit" and not among.all():
                return
            valid = valid & among
        for time, mask in enumerate(valid):
            part = rows[:, time][:, mask]
            if mask.sum() < 2 or np.isnan(part).any():
                continue
            directions = scaled(part, self.options.method, self.options.backend)
            if controls is not None:
                directions = without(
                    directions, control_basis(scaled(controls[:, mask], self.options.method, self.options.backend))
                )
            (pool,) = _direction_pools(directions, (len(rows), 1, part.shape[1]))
            judged.lower[:, time], judged.upper[:, time] = _bounds(pool, len(rows))


def _direction_pools(directions: FloatArray, shape: tuple[int, ...]) -> list[Pool]:
    """Return the pools of rows of unit norm that are averaged and compared as they are."""
    every = np.ones(shape[-1], dtype=bool)
    return pools(directions.reshape(shape), "cosine", "rank", every, prepared=directions)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _RankPool:
    """Participants whose ranks, of shape (subject, pairs) and unit length, are averaged; formed where that is asked."""

    ranks: AnyArray

    @property
    def n_together(self) -> int:
        return 1

    def bounds(self, weights: FloatArray) -> FloatArray:
        return self._pool().bounds(weights)

    def halves(self, first: BoolArray) -> FloatArray:
        return self._pool().halves(first)

    def _pool(self) -> Pool:
        return _direction_pools(standardise(self.ranks), (len(self.ranks), 1, self.ranks.shape[1]))[0]


def _rank_pools(ranks: AnyArray, shape: tuple[int, ...]) -> list[Pool]:
    """Return the pools of whole ranks that are averaged at unit length: their products are exact, and say all."""
    made: list[Pool] = []
    for own in ranks.reshape(shape).swapaxes(0, 1):
        crossed, squares, _ = whole_products(own, own)
        norms = np.sqrt(np.where(squares > 0, squares, np.nan))
        gram = crossed / norms[:, None] / norms
        made.append(GramPool(gram, np.sqrt(np.diagonal(gram)), _RankPool(own)))
    return made


def _bounds(pool: Pool, n_subjects: int) -> FloatArray:
    """Return (lower, upper) of every participant, shape (2, subject)."""
    return pool.bounds(np.ones((1, n_subjects)))[0]
