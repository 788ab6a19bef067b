"""How often tests over subjects reject in experiments that are drawn from pilot data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._executor import Executor, Threads
from alignkit._random import spawn
from alignkit._threads import one_blas_thread
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import pair_index
from alignkit.rsa._inference._flip_power import every_sign

#: What says which tests of subjects' scores, shape (tests, n), reject.
_Test = Callable[[FloatArray], BoolArray]
#: Experiments drawn by one child of a seed.
_BLOCK = 64
#: Up to so many subjects all sign flips are taken; of more, so many random ones, the same in all experiments.
_ALL_FLIPS, _FLIPS = 10, 999


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Experiments:
    """Experiments like a pilot's.

    ``data`` has shape (subject, pairs), ``models`` (model, pairs), ``contrasts`` (tests, models) and ``two_sided``
    (tests,). ``n_items`` is at most the number of items of the pilot. ``flips``: sign flips in place of t tests.
    """

    data: FloatArray
    models: FloatArray
    contrasts: FloatArray
    two_sided: BoolArray
    method: str
    alpha: float
    n_items: int
    flips: bool = False


@one_blas_thread()
def rejections(
    study: Experiments,
    n_subjects: Sequence[int],
    n_simulations: int,
    rng: np.random.Generator,
    tick: Callable[[int], object],
    executor: Executor | None = None,
) -> FloatArray:
    """Return how many of ``n_simulations`` experiments reject, shape (tests, n_subjects).

    Subjects are drawn with replacement, their deviations from the pilot's mean widened by sqrt(S/(S-1)), as a
    pilot's own variance is too small by that; fewer items than the pilot's are drawn without replacement, since
    copies of an item would tell nothing new.
    """
    *blocks, of_tests = spawn(rng, -(-n_simulations // _BLOCK) + 1)
    tests = tuple((n, _flip_test(study, n, of_tests) if study.flips else _t_test(study, n)) for n in n_subjects)
    sizes = [min(_BLOCK, n_simulations - start) for start in range(0, n_simulations, _BLOCK)]
    drawn = _Drawn(study, tests, _scores(study.data, study.models, study))
    count = np.zeros((len(study.two_sided), len(n_subjects)))
    found = (executor or Threads()).map(_rejected, list(zip(sizes, blocks, strict=True)), (drawn,))
    for size, rejected in zip(sizes, found, strict=True):
        count += rejected
        tick(size)
    return count


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What experiments are drawn from, and what tests them, for every number of subjects."""

    study: Experiments
    tests: tuple[tuple[int, _Test], ...]
    #: Scores of the pilot's subjects over all of its items.
    whole: FloatArray

    @property
    def nbytes(self) -> int:
        """Bytes that go to the workers of a cluster."""
        return self.study.data.nbytes + self.study.models.nbytes


def _rejected(drawn: _Drawn, block: tuple[int, np.random.Generator]) -> FloatArray:
    """Return how many experiments of one generator reject, shape (tests, n_subjects)."""
    study, (size, rng) = drawn.study, block
    count = np.zeros((len(study.two_sided), len(drawn.tests)))
    n_pilot = n_items_of(study.data.shape[1])
    for _ in range(size):
        scores = drawn.whole
        if study.n_items < n_pilot:
            pairs = _pairs_of(np.sort(rng.permutation(n_pilot)[: study.n_items]), n_pilot)
            scores = _scores(study.data[:, pairs], study.models[:, pairs], study)
        for k, (n, rejects) in enumerate(drawn.tests):
            count[:, k] += rejects(scores[:, rng.integers(scores.shape[1], size=n)])
    return count


def _scores(data: FloatArray, models: FloatArray, study: Experiments) -> FloatArray:
    """Return what is tested of every subject, shape (tests, subjects), with the variance of the population."""
    found = study.contrasts @ np.asarray(compare_rows(models, data, Options(study.method)).values)
    mean = found.mean(axis=1, keepdims=True)
    widened: FloatArray = mean + (found - mean) * np.sqrt(len(data) / (len(data) - 1))
    return widened


def _pairs_of(items: IntArray, n_items: int) -> IntArray:
    rows, columns = np.triu_indices(len(items), k=1)
    return np.asarray(pair_index(items[rows], items[columns], n_items))


def _t_test(study: Experiments, n: int) -> Callable[[FloatArray], BoolArray]:
    """Return what says which t tests of ``n`` subjects' scores, shape (tests, n), reject."""
    from scipy.stats import t as student

    two_sided = study.two_sided
    limit = student.isf(np.where(two_sided, study.alpha / 2, study.alpha), n - 1)

    def rejects(x: FloatArray) -> BoolArray:
        mean = x.mean(axis=1)
        error = x.std(axis=1, ddof=1) / np.sqrt(n)
        # one subject drawn n times has no variance, and no test
        flat = x.max(axis=1) == x.min(axis=1)
        t = np.divide(mean, error, out=np.zeros_like(mean), where=~flat & (error > 0))
        return np.asarray(np.where(two_sided, np.abs(t), t) > limit)

    return rejects


def _flip_test(study: Experiments, n: int, rng: np.random.Generator) -> Callable[[FloatArray], BoolArray]:
    """Return what says which sign flips of ``n`` subjects' scores, shape (tests, n), reject.

    With the sum of squares the same in all flips, sums are ordered as t is.
    """
    exact = n <= _ALL_FLIPS
    signs = every_sign(n) if exact else rng.choice([-1.0, 1.0], size=(n, _FLIPS))

    def rejects(x: FloatArray) -> BoolArray:
        own, flipped = x.sum(axis=1), x @ signs
        two_sided = study.two_sided
        own, flipped = np.where(two_sided, np.abs(own), own), np.where(two_sided[:, None], np.abs(flipped), flipped)
        extreme = (flipped >= (own - 1e-12 * np.abs(x).sum(axis=1))[:, None]).sum(axis=1)
        p = extreme / signs.shape[1] if exact else (extreme + 1) / (signs.shape[1] + 1)
        return np.asarray((p <= study.alpha) & (x.max(axis=1) != x.min(axis=1)))

    return rejects
