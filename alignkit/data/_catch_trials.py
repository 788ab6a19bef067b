"""Catch trials: two items of one group and one of another, so that nobody who looks can miss the odd one."""

from __future__ import annotations

import numpy as np

from alignkit._typing import IntArray

#: Draws after which a catch trial may show three items that a participant also judges as an ordinary trial.
_TRIES = 50


def draw_catch_trials(
    groups: IntArray, n_people: int, n_each: int, taken: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return catch trials, the odd one last, shape (n_people, n_each, 3).

    The odd one is the item that was it least often so far; the pair comes from a random other group with two items.
    Nobody sees a trial twice while there are others, and none of them is among ``taken``, shape (k, 3), as far as that
    is possible.
    """
    pairs = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    large = np.array([group for group, members in enumerate(pairs) if len(members) > 1])
    used = {tuple(row) for row in np.sort(taken, axis=1).tolist()}
    odd_uses = np.zeros(len(groups))
    if len(large) == 1:  # its own items can never be the odd one
        odd_uses[groups == large[0]] = np.inf
    result = np.empty((n_people, n_each, 3), dtype=np.int64)
    for p in range(n_people):
        own: set[tuple[int, ...]] = set()
        for k in range(n_each):
            for _ in range(_TRIES):
                odd = int(np.argmin(odd_uses + 0.9 * rng.random(len(groups))))
                group = int(rng.choice(large[large != groups[odd]]))
                a, b = rng.choice(pairs[group], size=2, replace=False)
                key = tuple(sorted((int(a), int(b), odd)))
                if key not in used and key not in own:
                    break
            own.add(key)
            odd_uses[odd] += 1
            result[p, k] = a, b, odd
    return result
