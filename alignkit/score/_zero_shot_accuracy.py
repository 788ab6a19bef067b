"""Zero-shot classification: images put into the class whose prompts they are nearest to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, check_count
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds
from alignkit.score._joint_space import (
    TIES,
    Ties,
    as_codes,
    as_unit_rows,
    check_same_width,
    count_above,
    expected_hits,
)

if TYPE_CHECKING:
    import pandas as pd

_MEASURES = ("top1", "top5", "mean_per_class_recall")
#: Multiplicities that are drawn before they are put to use.
_DRAWN = 1 << 22


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ZeroShotAccuracy(Result):
    """Zero-shot accuracy, each measure with its bootstrap interval over images (``_low``, ``_high``).

    Attributes
    ----------
    top1, top5 : float
        Share of images whose class is the best, or among the five best; ``top5`` is NaN below five classes, as in
        CLIP_benchmark.
    mean_per_class_recall : float
        Mean over the classes that have images of their share of images whose class is the best.
    chance : float
        One over the number of classes.
    n, n_classes, n_classes_seen : int
        Images, classes of the classifier, and those of them that have images.
    n_ties : int
        Images whose class ties with another.
    ties : str
        How these count.
    n_bootstrap : int
        Resamples behind the intervals.
    confidence : float
        Their level.
    per_image, per_image_top5 : ndarray, shape (images,), or None
        The credit of each image for ``top1`` and ``top5``, for paired comparisons of models. Not saved to files.
    """

    top1: float
    top1_low: float
    top1_high: float
    top5: float
    top5_low: float
    top5_high: float
    mean_per_class_recall: float
    mean_per_class_recall_low: float
    mean_per_class_recall_high: float
    chance: float
    n: int
    n_classes: int
    n_classes_seen: int
    n_ties: int
    ties: str
    n_bootstrap: int
    confidence: float
    per_image: FloatArray | None = None
    per_image_top5: FloatArray | None = None

    def __repr__(self) -> str:
        return (
            f"<ZeroShotAccuracy top-1 {self.top1:.4f} [{self.top1_low:.4f}, {self.top1_high:.4f}], top-5 "
            f"{self.top5:.4f}, mean per-class recall {self.mean_per_class_recall:.4f} of {self.n:,} images in "
            f"{self.n_classes:,} classes (chance {self.chance:.4f}), {self.n_ties:,} ties ({self.ties})>"
        )

    def metrics(self) -> dict[str, float]:
        """Return the measures under CLIP_benchmark's names."""
        return {"acc1": self.top1, "acc5": self.top5, "mean_per_class_recall": self.mean_per_class_recall}

    def to_dict(self) -> dict[str, Any]:
        """Return every field but those of single images in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_image"], content["per_image_top5"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per measure: value, low, high, number of images."""
        import pandas as pd

        rows = [(name, *(getattr(self, name + end) for end in ("", "_low", "_high")), self.n) for name in _MEASURES]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "n"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        tied = "shared equally" if self.ties == "share" else "counted as errors"
        return (
            f"Each of {self.n:,} images was classified zero-shot by the largest cosine between its features and "
            f"{self.n_classes:,} class weights (normalised means of prompts' normalised features), ties {tied}; "
            f"{self.confidence:.0%} intervals are percentiles of {self.n_bootstrap:,} bootstrap samples over images."
        )


def zero_shot_accuracy(
    image_features: object,
    classifier: object,
    targets: object,
    /,
    *,
    ties: Ties = "share",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ZeroShotAccuracy:
    """Score zero-shot classification: top-1, top-5 and mean per-class recall.

    Scores are cosines; two that differ by no more than 1e-12, which is what rounding leaves, are tied.

    Parameters
    ----------
    image_features : array_like, shape (images, channels)
        One row per image, of any length.
    classifier : array_like, shape (classes, channels)
        What :func:`zero_shot_classifier` returns.
    targets : array_like of int, shape (images,)
        The class of each image, a row of ``classifier``.
    ties : {"share", "wrong"}
        Classes that tie with the image's own share the places among the best (the expectation over random orders, so
        that equal scores throughout are at chance), or come before it. Published code takes whichever its sorting
        puts first. Classes of one name tie for every image, as ImageNet's two "missile" do.
    n_bootstrap : int
        Resamples of images; 0 for no intervals.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of the resamples.

    Returns
    -------
    ZeroShotAccuracy

    Raises
    ------
    ValueError
        Features with NaN or rows of zeros, other channels than the classifier's, targets beyond it, fewer than two
        classes, or an unknown option.
    TypeError
        Features that are no numbers, or targets that are no whole numbers.

    Examples
    --------
    >>> result = zero_shot_accuracy([[2, 0], [1, 0.1], [0, 1], [1, 0]], [[1, 0], [0, 1]], [0, 0, 1, 1], n_bootstrap=0)
    >>> result.top1, round(result.mean_per_class_recall, 3), result.top5
    (0.75, 0.75, nan)
    """
    check_choice("ties", ties, TIES)
    check_bootstrap(n_bootstrap, confidence)
    seed = check_count("seed", seed)
    x, weights = as_unit_rows("image_features", image_features), as_unit_rows("classifier", classifier)
    check_same_width("image_features", x, "classifier", weights)
    if len(weights) < 2:
        msg = "classifier must have at least two classes; it has one."
        raise ValueError(msg)
    codes = as_codes("targets", targets, len(weights), n=len(x))
    above, tied = count_above(x, weights, codes)
    one = np.ones(len(x), dtype=np.int64)
    first = expected_hits(above, tied, one, 1, ties)
    five = expected_hits(above, tied, one, 5, ties) if len(weights) >= 5 else np.full(len(x), np.nan)
    values, low, high = _summarise(codes, first, five, n_bootstrap, confidence, seed)
    named = {
        f"{name}{end}": float(column[i])
        for i, name in enumerate(_MEASURES)
        for end, column in (("", values), ("_low", low), ("_high", high))
    }
    return ZeroShotAccuracy(
        **named,
        chance=1 / len(weights),
        n=len(x),
        n_classes=len(weights),
        n_classes_seen=len(np.unique(codes)),
        n_ties=int((tied > 1).sum()),
        ties=ties,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        per_image=first,
        per_image_top5=five,
    )


def _summarise(
    codes: IntArray, first: FloatArray, five: FloatArray, n_bootstrap: int, confidence: float, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the three measures and the ends of their intervals; images are drawn by kind, of which there are few."""
    rows = np.column_stack([codes, first, five])
    rows[:, 2] = np.nan_to_num(five)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)  # sorted by class
    values = _measures(counts[None].astype(np.float64), kinds)
    samples = np.full((n_bootstrap, 3), np.nan)
    rng, step = np.random.default_rng(seed), max(1, _DRAWN // len(kinds))
    for start in range(0, n_bootstrap if len(codes) > 1 else 0, step):
        part = samples[start : start + step]
        part[:] = _measures(rng.multinomial(len(codes), counts / len(codes), size=len(part)), kinds)
    if np.isnan(five).all():
        values[:, 1] = samples[:, 1] = np.nan
    return values[0], *percentile_bounds(samples, confidence)


def _measures(times: Any, kinds: FloatArray) -> FloatArray:
    """Return the measures of each row of multiplicities of kinds; a class that no image was drawn of has no recall."""
    starts = np.flatnonzero(np.r_[True, np.diff(kinds[:, 0]) > 0])
    sizes = np.add.reduceat(times, starts, axis=1)
    right = np.add.reduceat(times * kinds[:, 1], starts, axis=1)
    recall = np.divide(right, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
    shares = times @ kinds[:, 1:] / times.sum(axis=1)[:, None]
    return np.column_stack([shares, recall.sum(axis=1) / (sizes > 0).sum(axis=1)])
