"""p-values of one participant's curve, given its values under permuted labels."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.meg._neighbours import components, neighbours
from alignkit.rsa._sign_flips import SIDES, Tail, corrected_p, directed

Correction = Literal["max", "cluster"]
#: Share of times beyond the threshold of clusters where there is nothing.
_FORMING = 0.05
#: Share of the largest deviation that rounding may make up: nearer values are ties.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LabelP:
    """p-values at every time, shape (times,): each by itself, and corrected over time."""

    p: FloatArray
    corrected: FloatArray


def label_p(
    observed: FloatArray, null: FloatArray, tail: Tail, correction: Correction, *, exact: bool, centred: bool
) -> LabelP:
    """Return the p-values of ``observed``, shape (times,), given ``null``, shape (m, times).

    ``centred`` says that permuted values are around 0; deviations are from their mean otherwise. ``exact`` says that
    ``null`` holds all permutations, the observed one included.
    """
    tested = ~np.isnan(observed)
    p, corrected = np.full((2, len(observed)), np.nan)
    if not tested.any():
        return LabelP(p, corrected)
    everything = null[:, tested] if exact else np.vstack([null[:, tested], observed[tested]])
    middle = 0.0 if centred else everything.mean(axis=0)
    spread = everything.std(axis=0)
    # where permuting changes nothing there is nothing to see
    spread = np.where(spread > _ROUNDING * np.abs(everything).max(axis=0), spread, np.inf)
    own, z = (observed[tested] - middle) / spread, (null[:, tested] - middle) / spread
    extreme, deviations = directed(own, tail), directed(z, tail)
    tolerance = _ROUNDING * np.maximum(np.abs(deviations).max(axis=0), np.abs(extreme))
    count = (deviations >= extreme - tolerance).sum(axis=0)
    p[tested] = count / len(z) if exact else (count + 1) / (len(z) + 1)
    if correction == "max":
        corrected[tested] = corrected_p(extreme, deviations.max(axis=1), exact=exact)
    else:
        corrected[tested] = _by_cluster(own, z, np.flatnonzero(tested), tail, exact=exact)
    return LabelP(p, corrected)


def _by_cluster(own: FloatArray, z: FloatArray, at: IntArray, tail: Tail, *, exact: bool) -> FloatArray:
    """Return the p-value of the cluster that each time is in, 1 for none; ``at`` are the positions of the times."""
    from scipy.stats import norm

    from alignkit.meg._kernels_maps import largest_mass

    side, threshold = SIDES[tail], float(norm.isf(_FORMING / (2 if tail == "two-sided" else 1)))
    whole = np.full((len(z) + 1, int(at[-1]) + 1), np.nan)  # times without a value part clusters
    whole[:-1, at], whole[-1, at] = z, own
    values = whole[-1]
    member = (values > threshold).astype(np.int64) * (side >= 0) - (values < -threshold).astype(np.int64) * (side <= 0)
    labels = components(member, neighbours(values.shape))
    mass = np.bincount(labels, weights=values)[1:].astype(np.float64)
    share = corrected_p(directed(mass, tail), largest_mass(whole[:-1], threshold, side, None), exact=exact)
    return np.concatenate([[1.0], share])[labels][at]
