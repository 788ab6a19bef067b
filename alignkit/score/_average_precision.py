"""Zero-shot tagging: how well each class's images come before all others, where images have several classes."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, check_count
from alignkit._result import Result
from alignkit._threads import one_blas_thread
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds
from alignkit.rsa._odd_one_out import TIE_TOLERANCE
from alignkit.score._joint_space import as_unit_rows, check_same_width

if TYPE_CHECKING:
    import pandas as pd

#: Multiplicities of images that are held at once.
_DRAWN = 1 << 21


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class AveragePrecision(Result):
    """Average precision over classes, with its bootstrap interval over images.

    Attributes
    ----------
    mean_average_precision, low, high : float
        Mean over the classes that any image has, and its interval.
    per_class : ndarray, shape (classes,)
        Average precision of each class; NaN where no image has it.
    chance : float
        Mean over these classes of the share of images that have it: what equal scores throughout reach.
    n, n_classes, n_classes_seen : int
        Images, classes, and those of them that any image has.
    n_bootstrap : int
        Resamples behind the interval.
    confidence : float
        Its level.
    resampled : ndarray, shape (n_bootstrap,), or None
        The mean in each resample, for paired comparisons: at one seed, the same images are drawn for every model. Not
        saved to files.
    """

    mean_average_precision: float
    low: float
    high: float
    per_class: FloatArray
    chance: float
    n: int
    n_classes: int
    n_classes_seen: int
    n_bootstrap: int
    confidence: float
    resampled: FloatArray | None = None

    def __repr__(self) -> str:
        return (
            f"<AveragePrecision {self.mean_average_precision:.4f} [{self.low:.4f}, {self.high:.4f}] of {self.n:,} "
            f"images, mean of {self.n_classes_seen:,} classes (chance {self.chance:.4f})>"
        )

    def metrics(self) -> dict[str, float]:
        """Return the measure under CLIP_benchmark's name."""
        return {"mean_average_precision": self.mean_average_precision}

    def to_dict(self) -> dict[str, Any]:
        """Return every field but the resamples in JSON's own types."""
        content = Result.to_dict(self)
        del content["resampled"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per class."""
        import pandas as pd

        return pd.DataFrame({"class": np.arange(self.n_classes), "average_precision": self.per_class})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Average precision of the cosines between {self.n:,} images' features and class weights was computed for "
            f"each class (ties form one threshold) and averaged over {self.n_classes_seen:,} classes; "
            f"the {self.confidence:.0%} interval is of {self.n_bootstrap:,} bootstrap samples over images."
        )


def average_precision(
    image_features: object,
    classifier: object,
    targets: object,
    /,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> AveragePrecision:
    r"""Score zero-shot classification of images that have several classes, by mean average precision (mAP).

    .. math:: \mathrm{AP} = \sum_t (R_t - R_{t-1}) P_t

    with precision and recall of the images whose score reaches threshold t; without interpolation, as scikit-learn's
    ``average_precision_score`` and CLIP_benchmark's multi-label tasks (``voc2007_multilabel``) have it. Images whose
    scores tie (cosines no more than 1e-12 apart) pass a threshold together, in whatever order they come.

    Parameters
    ----------
    image_features : array_like, shape (images, channels)
        One row per image, of any length: precision compares images, and cosines with them.
    classifier : array_like, shape (classes, channels)
        What :func:`zero_shot_classifier` returns.
    targets : array_like of bool, shape (images, classes)
        Whether each image has each class: booleans, or 0 and 1.
    n_bootstrap : int
        Resamples of images; 0 for no interval.
    confidence : float
        Level of the interval.
    seed : int
        Seed of the resamples.

    Returns
    -------
    AveragePrecision
        Classes that no image has are left out of the mean, and said in a warning.

    Raises
    ------
    ValueError
        Features with NaN or rows of zeros, targets of another shape or with other values than 0 and 1, or none at all.
    TypeError
        Features or targets that are no numbers.

    Notes
    -----
    A resample shows some images twice, at one score, and average precision is a little higher there; of few images the
    interval may lie above the value.

    Examples
    --------
    >>> result = average_precision([[1, 0], [1, 1], [0, 1]], [[1, 0], [0, 1]], [[1, 0], [0, 1], [1, 1]], n_bootstrap=0)
    >>> result.per_class.round(3).tolist()
    [0.833, 1.0]
    """
    check_bootstrap(n_bootstrap, confidence)
    seed = check_count("seed", seed)
    x, weights = as_unit_rows("image_features", image_features), as_unit_rows("classifier", classifier)
    check_same_width("image_features", x, "classifier", weights)
    has = _as_flags(targets, (len(x), len(weights)))
    seen = np.asarray(has.any(axis=0))
    if not seen.any():
        msg = "targets must hold at least one class of one image; none has any."
        raise ValueError(msg)
    if not seen.all():
        absent = int((~seen).sum())
        msg = f"no image has {absent} of {len(seen)} classes; the mean is that of the others. Leave such classes out."
        warnings.warn(msg, stacklevel=2)
    per_class, samples = _precisions(x, weights, has, n_bootstrap, seed)
    low, high = percentile_bounds(samples[:, None], confidence)
    return AveragePrecision(
        mean_average_precision=float(per_class[seen].mean()),
        low=float(low[0]),
        high=float(high[0]),
        per_class=per_class,
        chance=float(has[:, seen].mean()),
        n=len(x),
        n_classes=len(weights),
        n_classes_seen=int(seen.sum()),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        resampled=samples,
    )


def _as_flags(targets: object, shape: tuple[int, int]) -> BoolArray:
    flags = as_float_array("targets", targets)
    if flags.shape != shape or not np.isin(flags, (0, 1)).all():
        msg = f"targets must be 0 or 1 for each of {shape[0]:,} images and {shape[1]:,} classes; got "
        msg += f"shape {flags.shape}." if flags.shape != shape else "other values."
        raise ValueError(msg)
    return flags.astype(bool)


@one_blas_thread()
def _precisions(
    x: FloatArray, weights: FloatArray, has: BoolArray, n_bootstrap: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the average precision of each class, and its mean over classes in each resample of images."""
    rng, n = np.random.default_rng(seed), len(x)
    scores = weights @ x.T
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=1)
    ends = [np.flatnonzero(np.r_[row[:-1] - row[1:] > TIE_TOLERANCE, True]) for row in ordered]

    def of_classes(times: FloatArray) -> FloatArray:
        columns = [_weighted(times[:, o], h[o], e) for o, h, e in zip(order, has.T, ends, strict=True)]
        return np.stack(columns, axis=1)

    samples = np.full(n_bootstrap, np.nan)
    step = max(1, _DRAWN // n)
    for start in range(0, n_bootstrap if n > 1 else 0, step):
        part = samples[start : start + step]
        drawn: Any = rng.multinomial(n, np.full(n, 1 / n), size=len(part))
        found = of_classes(drawn.astype(np.float64))
        known = ~np.isnan(found)  # a resample may lack all images of a class
        sums = np.where(known, found, 0.0).sum(axis=1)
        part[:] = np.divide(sums, known.sum(axis=1), out=np.full(len(part), np.nan), where=known.any(axis=1))
    return of_classes(np.ones((1, n)))[0], samples


def _weighted(times: FloatArray, has: BoolArray, ends: Any) -> FloatArray:
    """Return average precision, with each image counted ``times``, images in the order of falling scores."""
    reached = np.cumsum(times, axis=1)[:, ends]
    true = np.cumsum(times * has, axis=1)[:, ends]
    precision = np.divide(true, reached, out=np.zeros(true.shape), where=reached > 0)
    gained = np.diff(true, axis=1, prepend=0.0)
    total = true[:, -1]
    return np.divide((gained * precision).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
