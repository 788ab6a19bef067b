"""What one model reaches on one zero-shot set: its measures, what guessing reaches, and the credit of every image."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.data import ZeroShotSet
from alignkit.data._zero_shot_names import plain_name
from alignkit.rsa._intervals import percentile_bounds
from alignkit.score._average_precision import AveragePrecision, average_precision
from alignkit.score._fill_templates import fill_templates
from alignkit.score._retrieval_recall import RetrievalRecall, retrieval_recall
from alignkit.score._zero_shot_accuracy import ZeroShotAccuracy, zero_shot_accuracy
from alignkit.score._zero_shot_classifier import zero_shot_classifier
from alignkit.score._zero_shot_tasks import ZeroShotTask, zero_shot_tasks

#: CLIP_benchmark's names of measures, and how people call them.
MEASURES = {
    "acc1": "top-1 accuracy",
    "acc5": "top-5 accuracy",
    "mean_per_class_recall": "mean per-class recall",
    "mean_average_precision": "mean average precision",
    "mean_recall@1": "mean R@1 of both directions",
    **{f"image_retrieval_recall@{k}": f"R@{k} text to image" for k in (1, 5, 10)},
    **{f"text_retrieval_recall@{k}": f"R@{k} image to text" for k in (1, 5, 10)},
}
_MAIN = {"classification": "acc1", "multilabel": "mean_average_precision", "retrieval": "mean_recall@1"}
_KS = (1, 5, 10)
#: Resampled images that are held at once.
_DRAWN = 1 << 22

Scored = ZeroShotAccuracy | AveragePrecision | RetrievalRecall


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A model's results on a set: name, value and interval of each measure, by CLIP_benchmark's names."""

    result: Scored
    measures: dict[str, tuple[float, float, float]]


def texts_of(found: ZeroShotSet, /) -> tuple[list[str], IntArray]:
    """Return the texts that a set compares its images with, and the class or image of each."""
    if found.kind == "retrieval":
        texts = [text for captions in found.captions for text in captions]
        return texts, np.repeat(np.arange(len(found)), [len(captions) for captions in found.captions])
    prompts = fill_templates(found.class_names, found.templates)
    return list(prompts.texts), prompts.classes_of_rows


def measured(
    found: ZeroShotSet,
    images: object,
    texts: object,
    owners: IntArray,
    /,
    *,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> Measured:
    """Score features of a set's images and texts."""
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "confidence": confidence, "seed": seed_of(found, seed)}
    if found.kind == "retrieval":
        recall = retrieval_recall(images, texts, owners, k=_KS, **options)
        return Measured(recall, _of_retrieval(recall, owners, options["seed"]))
    classifier = zero_shot_classifier(texts, owners)
    if found.kind == "multilabel":
        tagged = average_precision(images, classifier, found.targets, **options)
        return Measured(tagged, {"mean_average_precision": (tagged.mean_average_precision, tagged.low, tagged.high)})
    accuracy = zero_shot_accuracy(images, classifier, found.targets, **options)
    fields = {"acc1": "top1", "acc5": "top5", "mean_per_class_recall": "mean_per_class_recall"}
    measures = {
        name: (getattr(accuracy, field), getattr(accuracy, f"{field}_low"), getattr(accuracy, f"{field}_high"))
        for name, field in fields.items()
        if name != "acc5" or accuracy.n_classes >= 5
    }
    return Measured(accuracy, measures)


def shuffled(
    found: ZeroShotSet, images: object, texts: object, owners: IntArray, /, *, n_shuffles: int, seed: int
) -> dict[str, float]:
    """Return the mean of each measure over shuffles of which class, or which image, a text belongs to."""
    rng = np.random.default_rng([seed_of(found, seed), 1])
    values: list[Mapping[str, float]] = []
    weights = None if found.kind == "retrieval" else zero_shot_classifier(texts, owners)
    for _ in range(n_shuffles):
        scored: Scored
        if weights is None:
            scored = retrieval_recall(images, texts, rng.permutation(owners), k=_KS, n_bootstrap=0)
        elif found.kind == "multilabel":
            scored = average_precision(images, rng.permutation(weights), found.targets, n_bootstrap=0)
        else:
            scored = zero_shot_accuracy(images, rng.permutation(weights), found.targets, n_bootstrap=0)
        values.append(scored.metrics())
    return {name: float(np.mean([value[name] for value in values])) for name in (values[0] if values else ())}


def guessing(found: ZeroShotSet, scored: Measured, /) -> dict[str, float]:
    """Return what each measure is expected to be without any knowledge."""
    if found.kind == "multilabel":
        assert isinstance(scored.result, AveragePrecision)
        return {"mean_average_precision": scored.result.chance}
    if found.kind == "classification":
        n = len(found.class_names)
        chance = {"acc1": 1 / n, "acc5": 5 / n, "mean_per_class_recall": 1 / n}
    else:
        own = np.array([len(captions) for captions in found.captions])
        total = int(own.sum())
        chance = {f"image_retrieval_recall@{k}": k / len(found) for k in _KS if k <= len(found)}
        for k in (k for k in _KS if k <= total):
            # none of k different captions is one of the image's own
            misses = np.prod([np.maximum(total - own - j, 0) / (total - j) for j in range(k)], axis=0)
            chance[f"text_retrieval_recall@{k}"] = float(1 - misses.mean())
        chance["mean_recall@1"] = (chance["image_retrieval_recall@1"] + chance["text_retrieval_recall@1"]) / 2
    return {name: chance[name] for name in scored.measures if name in chance}


def task_of(found: ZeroShotSet, /) -> ZeroShotTask | None:
    """Return which of the 29 + 2 tasks a set is, by its name and what is asked."""
    return _task(found.name, found.kind)


def main_measure(found: ZeroShotSet, /) -> str:
    """Return by which measure models are ranked on a set: the task's own where it is one."""
    return main_measure_of(found.name, found.kind)


def main_measure_of(name: str, kind: str, /) -> str:
    """Return that measure of a set by its name and what is asked (classification, multilabel or retrieval)."""
    task = _task(name, kind)
    return _MAIN[kind] if task is None else task.metric


def _task(name: str, kind: str) -> ZeroShotTask | None:
    plain = plain_name(name)
    retrieval = {"classification": False, "retrieval": True}.get(kind)
    return next(
        (one for one in zero_shot_tasks() if plain_name(one.key) == plain and (one.family == "retrieval") == retrieval),
        None,
    )


def credits(found: ZeroShotSet, scored: Measured, measure: str, /) -> FloatArray | float:
    """Return one number for each image whose mean is the main measure; the measure itself where there are none."""
    result = scored.result
    if isinstance(result, AveragePrecision):
        return result.mean_average_precision
    if isinstance(result, RetrievalRecall):
        totals, sizes = _retrieval_parts(result, texts_of(found)[1])
        return np.asarray((totals * len(totals) / sizes.sum(axis=0)).mean(axis=1))
    assert result.per_image is not None
    if measure == "acc1":
        return result.per_image
    targets = found.targets
    sizes_of = np.bincount(targets)
    return np.asarray(result.per_image * len(targets) / (result.n_classes_seen * sizes_of[targets]))


def resampled(
    found: ZeroShotSet, scores: list[Measured], measure: str, /, *, n_bootstrap: int, seed: int
) -> FloatArray:
    """Return the main measure in each resample of images, shape (n_bootstrap, models), the same images for all."""
    if found.kind == "multilabel":
        columns = [one.result.resampled for one in scores if isinstance(one.result, AveragePrecision)]
        return np.stack([column for column in columns if column is not None], axis=1)
    if found.kind == "retrieval":
        owners = texts_of(found)[1]
        parts = [_retrieval_parts(one.result, owners) for one in scores if isinstance(one.result, RetrievalRecall)]
        return _draw_means(parts, n_bootstrap, seed_of(found, seed))
    per_image = [one.result.per_image for one in scores if isinstance(one.result, ZeroShotAccuracy)]
    right = np.stack([column for column in per_image if column is not None], axis=1)
    if measure == "acc1":
        ones = np.ones((len(right), 1))
        return _draw_means([(column[:, None], ones) for column in right.T], n_bootstrap, seed_of(found, seed))
    return _draw_recalls(right, found.targets.astype(np.int64), n_bootstrap, seed_of(found, seed))


def seed_of(found: ZeroShotSet, seed: int, /) -> int:
    """Return a set's own seed, whatever other sets are scored with it."""
    return int(np.random.SeedSequence((seed, zlib.crc32(found.name.encode()))).generate_state(1)[0])


def _of_retrieval(recall: RetrievalRecall, owners: IntArray, seed: int) -> dict[str, tuple[float, float, float]]:
    parts = _retrieval_parts(recall, owners)
    samples = _draw_means([parts], recall.n_bootstrap, seed)
    (low,), (high,) = percentile_bounds(samples, recall.confidence)
    measures = {"mean_recall@1": (recall.mean_recall_at_1, float(low), float(high))}
    for name in ("image_retrieval", "text_retrieval"):
        columns = zip(recall.k, *(getattr(recall, name + end) for end in ("", "_low", "_high")), strict=True)
        measures |= {
            f"{name}_recall@{k}": (float(value), float(below), float(above))
            for k, value, below, above in columns
            if math.isfinite(value)
        }
    return measures


def _retrieval_parts(recall: RetrievalRecall, owners: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return what each image adds to R@1 of both directions, and to what it is divided by; each (images, 2)."""
    assert recall.per_text is not None
    assert recall.per_image is not None
    n = len(recall.per_image)
    to_image = np.bincount(owners, weights=recall.per_text[:, 0], minlength=n)
    return (
        np.stack([to_image, recall.per_image[:, 0]], axis=1),
        np.stack([np.bincount(owners, minlength=n), np.ones(n)], axis=1).astype(np.float64),
    )


def _draw_means(parts: list[tuple[FloatArray, FloatArray]], n_bootstrap: int, seed: int) -> FloatArray:
    """Return, for each resample and each of several pairs of totals and sizes, the mean of the ratios of their sums."""
    totals = np.concatenate([total for total, _ in parts], axis=1)
    sizes = np.concatenate([np.broadcast_to(size, total.shape) for total, size in parts], axis=1)
    samples = np.full((n_bootstrap, len(parts)), np.nan)
    for place, times in _drawn(len(totals), n_bootstrap, seed):
        ratios = (times @ totals) / (times @ sizes)
        samples[place] = ratios.reshape(len(times), len(parts), -1).mean(axis=2)
    return samples


def _draw_recalls(right: FloatArray, targets: IntArray, n_bootstrap: int, seed: int) -> FloatArray:
    """Return the mean per-class recall of each model in each resample; a class that was not drawn has none."""
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(targets[order]) > 0])
    samples = np.full((n_bootstrap, right.shape[1]), np.nan)
    for place, times in _drawn(len(right), n_bootstrap, seed):
        sorted_ = times[:, order]
        sizes = np.add.reduceat(sorted_, starts, axis=1)
        for model, column in enumerate(right[order].T):
            hits = np.add.reduceat(sorted_ * column, starts, axis=1)
            recall = np.divide(hits, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
            samples[place, model] = recall.sum(axis=1) / (sizes > 0).sum(axis=1)
    return samples


def _drawn(n: int, n_bootstrap: int, seed: int) -> Any:
    """Yield parts of the resamples: which, and how often each image was drawn in them."""
    if n < 2:
        return
    rng, step = np.random.default_rng([seed, 2]), max(1, _DRAWN // n)
    for start in range(0, n_bootstrap, step):
        many = min(step, n_bootstrap - start)
        flat = rng.integers(n, size=(many, n)) + n * np.arange(many)[:, None]
        times = np.bincount(flat.ravel(), minlength=many * n).reshape(many, n).astype(np.float64)
        yield slice(start, start + many), times
