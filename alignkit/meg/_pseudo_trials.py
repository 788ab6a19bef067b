"""Pseudo-trials: averages of a few random trials of the same condition and fold."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from alignkit._check import check_count, counted, join_names
from alignkit._random import spawn
from alignkit._typing import AnyArray, IntArray, RNGLike
from alignkit.meg._trials import Design, Trials


def pseudo_trials(trials: Trials, /, *, size: int, repeat: int = 0, rng: RNGLike) -> Trials:
    """Return averages of ``size`` random trials of one condition and fold each.

    No trial is dropped: n trials make ``n // size`` groups (at least one) of nearly equal size, none smaller than
    ``size`` where there are that many. Each average is an unbiased estimate of its condition's mean; within a
    condition and fold, a trial in a group of 4 has 5/4 the weight of one in a group of 5, and the mean over groups is
    the mean over trials exactly where the groups are equal. Reading holds twice what is returned, and passes over the
    data once for as many samples as fit there.

    Parameters
    ----------
    trials : Trials
        Single trials.
    size : int
        Trials of a group; 1 changes nothing but the order.
    repeat : int
        Which of the independent groupings of ``rng``: 0, 1, 2, ...
    rng : numpy.random.Generator, int or None
        A number gives the same groups each time; a generator other ones at each call.

    Returns
    -------
    Trials
        Pseudo-trials in order of fold and condition.

    Raises
    ------
    TypeError
        ``size``, ``repeat`` or ``rng`` of the wrong kind.
    ValueError
        ``size`` below 1 or a negative ``repeat``.

    Warns
    -----
    RuntimeWarning
        Conditions with fewer than ``size`` trials in a fold: all of them make one pseudo-trial, with more noise.

    References
    ----------
    Guggenmos, Sterzer & Cichy (2018), NeuroImage 173, 434-447, doi:10.1016/j.neuroimage.2018.02.044

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.meg._as_trials import as_trials
    >>> epochs = np.random.default_rng(0).standard_normal((20, 4, 50))
    >>> trials = as_trials(epochs, by=["face", "house"] * 10, times=np.arange(50) / 100)
    >>> pseudo = pseudo_trials(trials, size=4, rng=0)
    >>> pseudo.design.condition
    array([0, 0, 1, 1])
    >>> pseudo.read(0, 1).shape
    (1, 4, 4)
    """
    size = check_count("size", size, 1)
    generator = spawn(rng, check_count("repeat", repeat) + 1)[-1]
    design = trials.design
    cells = _cells(design)
    _warn_of_few(design, cells, size)
    groups: list[IntArray] = []
    condition, fold = [], []
    for (where, what), members in cells.items():
        parts = np.array_split(generator.permutation(members), max(1, len(members) // size))
        groups += parts
        condition += [what] * len(parts)
        fold += [where] * len(parts)
    grouped = Design(
        np.array(condition, dtype=np.int64),
        design.labels,
        None if design.fold is None else np.array(fold, dtype=np.int64),
        design.folds,
    )
    return dataclasses.replace(trials, design=grouped, read=_Averages(trials, _averaging(groups, trials)))


def _cells(design: Design) -> dict[tuple[int, int], IntArray]:
    """Return the trials of each fold and condition that has any, in that order."""
    fold = np.zeros_like(design.condition) if design.fold is None else design.fold
    code = fold * design.n_conditions + design.condition
    order = np.argsort(code, kind="stable")
    found, firsts = np.unique(code[order], return_index=True)
    keys = [divmod(int(value), design.n_conditions) for value in found]
    return dict(zip(keys, np.split(order, firsts[1:]), strict=True))


def _warn_of_few(design: Design, cells: dict[tuple[int, int], IntArray], size: int) -> None:
    few = [what for (_, what), members in cells.items() if len(members) < size]
    if few:
        names = dict.fromkeys(design.labels[what] for what in few)
        where = "" if design.fold is None else " in a fold"
        warnings.warn(
            f"{counted(len(names), 'condition')} with fewer than {size} trials{where}, which make one pseudo-trial of "
            f"those there are: {join_names(names)}; make pseudo-trials of fewer trials, or leave these conditions out.",
            RuntimeWarning,
            stacklevel=3,
        )


def _averaging(groups: list[IntArray], trials: Trials) -> Any:
    """Return the sparse matrix (groups, trials) that averages."""
    from scipy import sparse

    sizes = np.array([len(group) for group in groups])
    weights = np.repeat(1.0 / sizes, sizes).astype(trials.dtype)
    pointers = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csr_array((weights, np.concatenate(groups), pointers), (len(groups), trials.design.n_trials))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Averages:
    """What reads pseudo-trials: ``averaging``, sparse (pseudo-trials, trials), times the trials."""

    trials: Trials
    averaging: Any

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Return an array of shape (stop - start, pseudo-trials, channels)."""
        n_groups, n_trials = self.averaging.shape
        out = np.empty((stop - start, n_groups, self.trials.n_channels), self.trials.dtype)
        at_once = max(1, (stop - start) * n_groups // n_trials)
        for first in range(start, stop, at_once):
            last = min(first + at_once, stop)
            for sample, values in enumerate(self.trials.read(first, last), first):
                out[sample - start] = self.averaging @ values
        return out
