"""How many of the pairs of items have been in a batch together so far: pairs that never were, taught nothing."""

from __future__ import annotations

import numpy as np

from alignkit.train._order import Order, Samples

#: With more items the matrix of pairs would take more memory than its figure is worth.
_MAX_ITEMS = 8192


class Coverage:
    """Count the pairs of items that shared a batch, up to any step, in whatever order steps are asked for.

    Examples
    --------
    >>> order = Order(n_samples=4, batch_size=2, seed=0)
    >>> Coverage(order).share(order.batch(0))  # one pair of six
    0.16666666666666666
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        n = order.n_samples
        self._together = np.zeros((n, n), dtype=bool) if n <= _MAX_ITEMS else None
        self._n_steps = 0

    def share(self, samples: Samples, /) -> float:
        """Return the share of all pairs that were together in this batch or one before; NaN for too many items."""
        n = self._order.n_samples
        if self._together is None or n < 2:
            return float("nan")
        epoch, within = divmod(int(samples.position[0]), n)
        step = epoch * self._order.steps_per_epoch + within // self._order.batch_size
        if step + 1 < self._n_steps:
            self._together[:] = False
            self._n_steps = 0
        for number in range(self._n_steps, step + 1):
            index = self._order.batch(number).index
            self._together[np.ix_(index, index)] = True
        self._n_steps = step + 1
        pairs = np.count_nonzero(self._together) - np.count_nonzero(self._together.diagonal())
        return float(pairs / (n * (n - 1)))
