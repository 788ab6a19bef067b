"""Curves that lie on one another in a figure: how they are drawn so that all are seen, and what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._typing import FloatArray

#: Curves that are nowhere further apart, as a share of all curves' height, look like one.
_WIDTH = 0.01
#: What rounding may make of similarities.
_ROUNDING = 1e-9
#: Points of a dash.
_DASH = 4.0


@dataclasses.dataclass(frozen=True, slots=True)
class Hidden:
    """What is drawn before a curve and lies on it everywhere.

    Parameters
    ----------
    n_below : int
        Curves under it.
    equal_to : int or None
        The first curve that it is equal to, not only near.
    """

    n_below: int = 0
    equal_to: int | None = None

    @property
    def dashes(self) -> dict[str, Any]:
        """Line style that leaves gaps where the curves below are seen; empty where there are none."""
        return {"linestyle": (0.0, (_DASH, _DASH * (2.0**self.n_below - 1)))} if self.n_below else {}

    def label(self, name: str, names: Sequence[str], /) -> str:
        """Return what a legend calls the curve: by its name, and by whose it is equal to."""
        return name if self.equal_to is None else f"{name} (equal to {names[self.equal_to]})"


def hidden_curves(curves: Sequence[FloatArray], /) -> list[Hidden]:
    """Return what each curve, in the order in which they are drawn, would hide.

    Parameters
    ----------
    curves : sequence of ndarray, shape (times,)
        NaN where a curve has no value, and hides nothing; curves of other lengths are never the same.

    Examples
    --------
    >>> first, other = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> [one.n_below for one in hidden_curves([first, other, first])]
    [0, 0, 1]
    """
    values = np.concatenate([np.ravel(one) for one in curves]) if len(curves) else np.empty(0)
    there = values[np.isfinite(values)]
    near = _WIDTH * float(np.ptp(there)) if there.size else 0.0
    found = []
    for k, curve in enumerate(curves):
        gaps = [_gap(curve, one) for one in curves[:k]]
        equal = [j for j, gap in enumerate(gaps) if gap <= _ROUNDING]
        found.append(Hidden(sum(gap <= max(near, _ROUNDING) for gap in gaps), equal[0] if equal else None))
    return found


def _gap(a: FloatArray, b: FloatArray) -> float:
    """Return how far the curve ``a`` is from ``b`` at most: infinitely where ``b`` lacks values or ``a`` has none."""
    there = np.isfinite(a)
    if a.shape != b.shape or not there.any() or not np.isfinite(b[there]).all():
        return float("inf")
    return float(np.abs(a[there] - b[there]).max())
