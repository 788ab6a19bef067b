"""What a pilot says of tests of models: effects, variances, and how uncertain both are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._executor import Executor
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._inference._flip_power import MOST as MOST_FLIPPED
from alignkit.rsa._inference._flip_power import flip_power
from alignkit.rsa._inference._resampled_scores import resampled_scores
from alignkit.rsa._inference._t_power import needed_noncentrality, t_power
from alignkit.rsa._inference._variance_parts import VarianceParts, variance_parts

#: Most subjects that are looked at.
MOST = 1000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PilotTest:
    """One test with one number of items; the pilot's own values first, then those of its resamples.

    The variance of the mean of S subjects is ``own``/S + ``shared``.
    """

    effect: FloatArray
    own: FloatArray
    shared: float
    #: Degrees of freedom are those of the fewer: of subjects or of these.
    n_items: float
    alpha: float
    two_sided: bool
    #: Sign flips in place of a t test.
    flips: bool

    def power(self, n_subjects: Sequence[int], tails: tuple[float, float]) -> FloatArray:
        """Return the power, and that at two quantiles of the resamples, shape (3, n_subjects)."""
        n = np.array(n_subjects, dtype=np.float64)
        return self._power(n, self._noncentrality(n, tails))

    def needed(self, target: float, tails: tuple[float, float]) -> FloatArray:
        """Return the fewest subjects with that power, and those at two quantiles, shape (3,); fewer come first."""
        n = np.arange(2.0, MOST + 1)
        limit = needed_noncentrality(self._df(n), self.alpha, target, two_sided=self.two_sided)
        noncentrality = self._noncentrality(n, tails)
        enough = noncentrality >= limit
        if self.flips:
            few = n <= MOST_FLIPPED
            enough[:, few] = self._power(n[few], noncentrality[:, few]) >= target
        found = np.where(enough.any(axis=1), n[enough.argmax(axis=1)], np.nan)
        return found[[0, 2, 1]]

    def _power(self, n: FloatArray, noncentrality: FloatArray) -> FloatArray:
        power = t_power(noncentrality, self._df(n), self.alpha, two_sided=self.two_sided)
        if self.flips:
            for k in np.flatnonzero(n <= MOST_FLIPPED):
                effect = noncentrality[:, k] / np.sqrt(n[k])
                power[:, k] = flip_power(effect, int(n[k]), self.alpha, two_sided=self.two_sided)
        return power

    def _df(self, n: FloatArray) -> FloatArray:
        return np.minimum(n, self.n_items) - 1

    def _noncentrality(self, n: FloatArray, tails: tuple[float, float]) -> FloatArray:
        """Return noncentralities, shape (3, n): of the pilot, and two quantiles of the resamples."""
        effect = np.abs(self.effect) if self.two_sided else self.effect
        with np.errstate(divide="ignore", invalid="ignore"):
            values = effect[:, None] / np.sqrt(self.own[:, None] / n + self.shared)
        values = np.where(np.isinf(values), np.nan, values)  # resamples of one subject alone have no variance
        quantiles = np.full((2, values.shape[1]), np.nan)
        known = ~np.isnan(values[1:]).all(axis=0)  # none where scores are the same in every resample
        quantiles[:, known] = np.nanquantile(values[1:, known], tails, axis=0)
        return np.concatenate([values[:1], quantiles])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PilotPower:
    """What a pilot says of all tests; ``resampled`` are its effects and variances over subjects, (2, B, tests)."""

    effect: FloatArray
    variance: FloatArray
    resampled: FloatArray
    parts: VarianceParts | None
    n_items: int
    both: bool

    @property
    def components(self) -> FloatArray:
        """Parts a, b and c, shape (3, tests)."""
        if self.parts is None:
            nothing = np.full_like(self.variance, np.nan)
            return np.stack([self.variance, nothing, nothing])
        return np.stack([self.parts.subjects, self.parts.items, self.parts.single])

    def of(self, test: int, n_items: int, *, alpha: float, two_sided: bool, flips: bool) -> PilotTest:
        """Return one test with so many items."""
        effect = np.append(self.effect[test], self.resampled[0, :, test])
        variance = np.append(self.variance[test], self.resampled[1, :, test])
        own, shared = variance, 0.0
        if self.parts is not None:
            a, b, c = self.components[:, test]
            if self.both:
                own, shared = np.full_like(variance, a + c / n_items), float(b / n_items)
            elif n_items != self.n_items and a + c > 0:
                # the variance over subjects is a + c/N: its part of single measurements falls with the items
                own = variance * (a + c / n_items) / (a + c / self.n_items)
        return PilotTest(effect, own, shared, n_items if self.both else np.inf, alpha, two_sided, flips)


def measured(
    data: FloatArray,
    models: FloatArray,
    contrasts: FloatArray,
    subject_counts: IntArray,
    item_counts: IntArray | None,
    *,
    method: str,
    both: bool,
    tick: Callable[[int], object],
    executor: Executor | None = None,
) -> PilotPower:
    """Return what a pilot says of the tests ``contrasts``, shape (tests, models).

    ``both`` says that effects of resamples are those of subjects and items together.

    Raises
    ------
    ValueError
        RDMs that have no similarity to anything.
    """
    scores = contrasts @ np.asarray(compare_rows(models, data, Options(method)).values)
    if np.isnan(scores).any():
        msg = f"{method} is undefined for some of these RDMs (their values are all equal or all zero); leave them out."
        raise ValueError(msg)
    n = len(data)
    effect, variance = scores.mean(axis=1), scores.var(axis=1, ddof=1)
    weights = subject_counts / n
    means = weights @ scores.T
    # about the pilot's mean first: squares of values far from 0 lose digits
    centred = scores - effect[:, None]
    spread = weights @ np.square(centred).T - np.square(weights @ centred.T)
    variances = np.maximum(spread, 0.0) * (n / (n - 1)) ** 2
    variances[variances < 1e-12 * variance] = 0.0
    if item_counts is None:
        return PilotPower(effect, variance, np.stack([means, variances]), None, n_items_of(data.shape[1]), both)
    n_items = item_counts.shape[1]
    resampled = resampled_scores(
        data,
        models,
        method,
        item_counts=item_counts,
        subject_counts=subject_counts,
        ceilings=False,
        tick=tick,
        executor=executor,
    )
    parts = variance_parts(resampled, contrasts, n, n_items)
    if both:
        means = resampled["both"].scores @ contrasts.T
        means = means - np.nanmean(means, axis=0)
        # both at once spread too far: the noise of single measurements enters with either
        means *= np.sqrt(parts.variance(n, n_items, new_items=True)) / np.nanstd(means, axis=0, ddof=1)
        means += effect
    return PilotPower(effect, variance, np.stack([means, variances]), parts, n_items, both)
