"""Retrieval between images and their captions, in both directions, by counting what comes before the first match."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, check_count, shown
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._grouping import sum_groups
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals
from alignkit.rsa._odd_one_out import TIE_TOLERANCE
from alignkit.score._joint_space import (
    TIES,
    Ties,
    as_codes,
    as_unit_rows,
    check_same_width,
    count_above,
    expected_hits,
    in_blocks,
)

if TYPE_CHECKING:
    import pandas as pd

_DIRECTIONS = ("image_retrieval", "text_retrieval")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class RetrievalRecall(Result):
    """Recall at k in both directions, with bootstrap intervals over images and their captions.

    Attributes
    ----------
    k : tuple of int
        How many candidates are looked at.
    image_retrieval, image_retrieval_low, image_retrieval_high : ndarray, shape (k,)
        Share of captions whose image is among the k best (text to image), and its interval. NaN with fewer than k
        candidates.
    text_retrieval, text_retrieval_low, text_retrieval_high : ndarray, shape (k,)
        Share of images of which at least one caption is among the k best (image to text), and its interval.
    mean_recall_at_1 : float
        Mean of both directions at k = 1, the main metric of DataComp's retrieval tasks; NaN where 1 was not asked for.
    n_images, n_texts : int
        Candidates of either direction.
    n_distractors : int
        Images without a caption: candidates, but no queries.
    n_ties : int
        Queries of either direction whose best match ties with a false candidate.
    ties : str
        How these count.
    n_bootstrap : int
        Resamples behind the intervals.
    confidence : float
        Their level.
    per_text, per_image : ndarray, shape (texts, k) and (images, k), or None
        The credit of each query, for paired comparisons; NaN for distractors. Not saved to files.
    """

    k: tuple[int, ...]
    image_retrieval: FloatArray
    image_retrieval_low: FloatArray
    image_retrieval_high: FloatArray
    text_retrieval: FloatArray
    text_retrieval_low: FloatArray
    text_retrieval_high: FloatArray
    mean_recall_at_1: float
    n_images: int
    n_texts: int
    n_distractors: int
    n_ties: int
    ties: str
    n_bootstrap: int
    confidence: float
    per_text: FloatArray | None = None
    per_image: FloatArray | None = None

    def __repr__(self) -> str:
        recalls = "; ".join(
            f"{name.replace('_', ' ')} " + ", ".join(f"R@{k} {v:.4f}" for k, v in zip(self.k, values, strict=True))
            for name, values in ((name, getattr(self, name)) for name in _DIRECTIONS)
        )
        return f"<RetrievalRecall {recalls}; {self.n_images:,} images, {self.n_texts:,} texts>"

    def metrics(self) -> dict[str, float]:
        """Return the measures under the names of CLIP_benchmark, and DataComp's ``mean_recall@1``."""
        named = {
            f"{name}_recall@{k}": float(value)
            for name in _DIRECTIONS
            for k, value in zip(self.k, getattr(self, name), strict=True)
        }
        return named | ({"mean_recall@1": self.mean_recall_at_1} if 1 in self.k else {})

    def to_dict(self) -> dict[str, Any]:
        """Return every field but those of single queries in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_text"], content["per_image"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per direction and k: value, low, high."""
        import pandas as pd

        parts = [
            pd.DataFrame({"direction": name, "k": self.k, "value": getattr(self, name)}).assign(
                low=getattr(self, f"{name}_low"), high=getattr(self, f"{name}_high")
            )
            for name in _DIRECTIONS
        ]
        return pd.concat(parts, ignore_index=True)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        tied = "shared equally" if self.ties == "share" else "counted as misses"
        return (
            f"Recall at k = {', '.join(map(str, self.k))} is the share of {self.n_texts:,} captions whose image, and "
            f"of {self.n_images - self.n_distractors:,} images of which at least one caption, is among the k nearest "
            f"by cosine (ties {tied}); {self.confidence:.0%} intervals are percentiles of {self.n_bootstrap:,} "
            "bootstrap samples over images, with their captions."
        )


def retrieval_recall(
    image_features: object,
    text_features: object,
    image_of_text: object,
    /,
    *,
    k: Sequence[int] = (1, 5, 10),
    ties: Ties = "share",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> RetrievalRecall:
    """Score retrieval between images and any number of captions of each.

    The rank of a query's best match is one more than the candidates with a larger cosine; cosines no more than 1e-12
    apart, which is what rounding leaves, are tied. Scores are held in blocks, never all of them.

    Parameters
    ----------
    image_features : array_like, shape (images, channels)
        One row per image, of any length.
    text_features : array_like, shape (texts, channels)
        One row per caption, of any length.
    image_of_text : array_like of int, shape (texts,)
        The row of each caption's image, in any order.
    k : sequence of int
        How many candidates are looked at.
    ties : {"share", "wrong"}
        Candidates that tie with the best match come in any order (the expectation is counted: with captions that are
        the same for two images, half), or before it.
    n_bootstrap : int
        Resamples of images, each with its captions; 0 for no intervals.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of the resamples.

    Returns
    -------
    RetrievalRecall

    Raises
    ------
    ValueError
        Features with NaN or rows of zeros, of different channels, numbers of images that do not exist, or no k.
    TypeError
        Features that are no numbers, or numbers of images that are no whole numbers.

    Notes
    -----
    Without ties and distractors the values are those of CLIP_benchmark's ``image_retrieval_recall@k`` (text to image)
    and ``text_retrieval_recall@k`` (image to text).

    Examples
    --------
    >>> result = retrieval_recall([[1, 0], [0, 1]], [[1, 0.1], [1, 0.2], [0.5, 1]], [0, 1, 1], k=[1], n_bootstrap=0)
    >>> result.image_retrieval.round(3).tolist(), result.text_retrieval.tolist()
    ([0.667], [1.0])
    """
    check_choice("ties", ties, TIES)
    check_bootstrap(n_bootstrap, confidence)
    seed, asked = check_count("seed", seed), _as_k(k)
    images, texts = as_unit_rows("image_features", image_features), as_unit_rows("text_features", text_features)
    check_same_width("image_features", images, "text_features", texts)
    image_of = as_codes("image_of_text", image_of_text, len(images), n=len(texts))
    to_image, tied_texts = _credits(*_count_for_texts(images, texts, image_of), asked, len(images), ties)
    to_text, tied_images = _credits(*_count_for_images(images, texts, image_of), asked, len(texts), ties)
    captioned = np.bincount(image_of, minlength=len(images)) > 0
    to_text[~captioned] = np.nan
    named = _summarise(to_image, to_text, image_of, captioned, n_bootstrap, confidence, seed)
    at_1 = asked.index(1) if 1 in asked else None
    means = np.nan if at_1 is None else (named["image_retrieval"][at_1] + named["text_retrieval"][at_1]) / 2
    return RetrievalRecall(
        **named,
        k=asked,
        mean_recall_at_1=float(means),
        n_images=len(images),
        n_texts=len(texts),
        n_distractors=int((~captioned).sum()),
        n_ties=tied_texts + tied_images,
        ties=ties,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        per_text=to_image,
        per_image=to_text,
    )


def _as_k(k: object) -> tuple[int, ...]:
    if not isinstance(k, Sequence) or isinstance(k, str) or not k:
        msg = f"k must be a sequence of whole numbers, such as (1, 5, 10); got {shown(k)}."
        raise ValueError(msg)
    return tuple(check_count("k", one, 1) for one in k)


def _count_for_texts(images: FloatArray, texts: FloatArray, image_of: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return, for each text, the images above its own, those at its score, and how many of these are its own: one."""
    above, tied = count_above(texts, images, image_of)
    return above, tied, np.ones_like(tied)


def _count_for_images(images: FloatArray, texts: FloatArray, image_of: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return, for each image, the texts above its best, those at its score, and how many of these are its own.

    What is said of an image without texts means nothing.
    """
    above, tied, own = (np.zeros(len(images), dtype=np.int64) for _ in range(3))
    by_image = np.argsort(image_of, kind="stable")
    starts = np.searchsorted(image_of[by_image], np.arange(len(images) + 1))

    def count(part: slice) -> None:
        scores = images[part] @ texts.T
        columns = by_image[starts[part.start] : starts[part.stop]]
        rows = image_of[columns] - part.start
        matches = scores[rows, columns]
        best = np.full(len(scores), -np.inf)
        np.maximum.at(best, rows, matches)
        # a place that is no image's own holds no number to compare with
        best[np.isinf(best)] = 0.0
        own[part] = np.bincount(rows[matches - best[rows] >= -TIE_TOLERANCE], minlength=len(scores))
        scores -= best[:, None]
        above[part] = np.count_nonzero(scores > TIE_TOLERANCE, axis=1)
        tied[part] = np.count_nonzero(scores >= -TIE_TOLERANCE, axis=1) - above[part]

    in_blocks(count, len(images), len(texts))
    return above, tied, own


def _credits(
    above: IntArray, tied: IntArray, own: IntArray, k: tuple[int, ...], n_candidates: int, ties: Ties
) -> tuple[FloatArray, int]:
    """Return the credit of each query at each k, and how many queries have a false candidate at their best score."""
    columns = [
        expected_hits(above, tied, own, one, ties) if one <= n_candidates else np.full(len(above), np.nan) for one in k
    ]
    return np.stack(columns, axis=1), int(((tied > own) & (own > 0)).sum())


def _summarise(
    to_image: FloatArray,
    to_text: FloatArray,
    image_of: IntArray,
    captioned: Any,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> dict[str, FloatArray]:
    """Return both directions' means with the ends of their intervals; an image is drawn with all its texts."""
    n_images, n_k = len(to_text), to_image.shape[1]
    n_texts = np.bincount(image_of, minlength=n_images).astype(np.float64)
    totals = np.hstack([sum_groups(to_image, image_of, n_images), to_text])[captioned]
    sizes = np.repeat(np.column_stack([n_texts, np.ones(n_images)])[captioned], n_k, axis=1)
    low, high = cluster_intervals(
        totals, sizes, n_bootstrap=n_bootstrap, confidence=confidence, rng=np.random.default_rng(seed)
    )
    values = totals.sum(axis=0) / sizes.sum(axis=0)
    return {
        f"{name}{end}": column[i * n_k : (i + 1) * n_k]
        for i, name in enumerate(_DIRECTIONS)
        for end, column in (("", values), ("_low", low), ("_high", high))
    }
