"""A trained model's paired differences to what it is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from alignkit.score import Difference, ScoreRow
from alignkit.score._row import rank_key


def differences_to_first(
    rows: Sequence[ScoreRow], spread: Callable[[int], tuple[float, float]], /
) -> tuple[Difference, ...]:
    """Return the first row's difference to every other, the better one of the two first.

    ``spread(k)`` is the interval of the first value minus that of row ``k``.
    """
    found = []
    for k, other in itertools.islice(enumerate(rows), 1, None):
        first, second = sorted((rows[0], other), key=rank_key)
        gap, (low, high) = rows[0].value - other.value, spread(k)
        if first is other:
            gap, low, high = -gap, -high, -low
        found.append(
            Difference(
                better=first.model,
                other=second.model,
                part=first.part,
                measure=first.measure,
                difference=gap,
                low=low,
                high=high,
                over=first.over,
            )
        )
    return tuple(found)
