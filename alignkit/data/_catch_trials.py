"""Catch trials: two items of one group and one of another, so that nobody who looks can miss the odd one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from alignkit._check import counted
from alignkit._typing import IntArray

#: Draws after which all trials that are left are listed, and one of these is drawn.
_TRIES = 50


def draw_catch_trials(
    groups: IntArray, n_each: int, ordinary: Sequence[IntArray], rng: np.random.Generator
) -> IntArray:
    """Return catch trials, the odd one last, shape (people, n_each, 3).

    The odd one is the item that was it least often so far; the pair comes from a random other group with two items.
    Nobody sees as a catch trial what is among their ordinary ones, nor a trial twice while there are others; and no
    catch trial is anybody's ordinary one, as far as that is possible.

    Parameters
    ----------
    groups : ndarray of int, shape (items,)
        Group of each item, at least two, one of them with two items.
    n_each : int
        Trials per person.
    ordinary : sequence of ndarray, shape (trials, 3)
        What each person sees otherwise.

    Raises
    ------
    ValueError
        A person whose ordinary trials are all that could be catch trials.
    """
    everybodys = _keys(np.concatenate([np.empty((0, 3), np.int64), *ordinary]))
    draw = _Draw(groups, rng)
    free = len(everybodys) < draw.n_possible or draw.n_like_catch(everybodys) < draw.n_possible
    result = np.empty((len(ordinary), n_each, 3), dtype=np.int64)
    for p, trials in enumerate(ordinary):
        own = _keys(trials)
        seen: set[_Key] = set()
        for k in range(n_each):
            trial = draw.one(everybodys, seen) if free else None
            if trial is None:
                trial = draw.one(own, seen) or draw.listed(own, seen) or draw.listed(own)
            if trial is None:
                msg = (
                    f"no catch trial is left for person {p + 1}, whose ordinary trials are all "
                    f"{counted(draw.n_possible, 'triplet')} of two items of a group and one of another; lower "
                    "n_answers, set catch=0, or add items."
                )
                raise ValueError(msg)
            seen.add(_key(trial))
            draw.count(trial)
            result[p, k] = trial
    return result


_Key = tuple[int, int, int]


class _Draw:
    """Draws catch trials, and knows how often each item was the odd one."""

    def __init__(self, groups: IntArray, rng: np.random.Generator) -> None:
        self.groups, self.rng = groups, rng
        self.members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
        self.large = np.array([group for group, members in enumerate(self.members) if len(members) > 1])
        self.odd_uses = np.zeros(len(groups))
        if len(self.large) == 1:  # its own items can never be the odd one
            self.odd_uses[groups == self.large[0]] = np.inf
        self.n_possible = sum(math.comb(len(own), 2) * (len(groups) - len(own)) for own in self.members)

    def n_like_catch(self, keys: set[_Key]) -> int:
        """Return how many of some trials could be catch trials."""
        groups = np.sort(self.groups[np.array(list(keys))], axis=1)
        return int(((groups[:, 0] == groups[:, 1]) != (groups[:, 1] == groups[:, 2])).sum())

    def one(self, *taken: set[_Key]) -> _Key | None:
        """Return a trial that is not taken, or None where no draw finds one."""
        for _ in range(_TRIES):
            odd = int(np.argmin(self.odd_uses + 0.9 * self.rng.random(len(self.groups))))
            group = int(self.rng.choice(self.large[self.large != self.groups[odd]]))
            a, b = (int(i) for i in self.rng.choice(self.members[group], size=2, replace=False))
            if not any(_key((a, b, odd)) in keys for keys in taken):
                return a, b, odd
        return None

    def listed(self, *taken: set[_Key]) -> _Key | None:
        """Return a trial that is not taken from a list of all, one whose odd one was it least; None: all are taken."""
        left = [
            (int(a), int(b), int(odd))
            for group in self.large
            for i, a in enumerate(self.members[group])
            for b in self.members[group][i + 1 :]
            for odd in np.flatnonzero(self.groups != group)
            if not any(_key((int(a), int(b), int(odd))) in keys for keys in taken)
        ]
        if not left:
            return None
        uses = self.odd_uses[[odd for _, _, odd in left]]
        return left[int(self.rng.choice(np.flatnonzero(uses == uses.min())))]

    def count(self, trial: _Key) -> None:
        """Note which item was the odd one."""
        self.odd_uses[trial[2]] += 1


def _key(trial: _Key) -> _Key:
    a, b, c = sorted(trial)
    return a, b, c


def _keys(trials: IntArray) -> set[_Key]:
    return {(a, b, c) for a, b, c in np.sort(trials, axis=1).tolist()}
