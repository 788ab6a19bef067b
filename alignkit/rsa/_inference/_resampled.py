"""What a bootstrap yields."""

from __future__ import annotations

import dataclasses

from alignkit._typing import FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Scores and noise ceilings of every resample.

    Attributes
    ----------
    scores : ndarray, shape (resample, model)
        Mean similarity of every model to the subjects that were drawn, each as often as it was drawn; NaN where that
        of one of them is undefined.
    lower, upper : ndarray, shape (resample,)
        Noise ceilings of the resample. Copies of one subject leave together and count once in the mean over subjects;
        NaN where they are undefined: one subject alone, fewer than three different items, a similarity that is NaN.
    """

    scores: FloatArray
    lower: FloatArray
    upper: FloatArray
