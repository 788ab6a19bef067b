"""The 29 classification and 2 retrieval tasks on which Perceptual Initialization is evaluated."""

from __future__ import annotations

import dataclasses
from typing import Literal

Family = Literal["ImageNet", "ImageNet-OOD", "VTAB", "fine-grained", "misc", "retrieval"]

_NONE = float("nan")

#: Key, name, family, main metric, test images, classes, random score.
_TASKS: tuple[tuple[str, str, Family, str, int, int, float], ...] = (
    ("imagenet1k", "ImageNet 1k", "ImageNet", "acc1", 50_000, 1000, 0.001),
    ("imagenetv2", "ImageNet v2", "ImageNet-OOD", "acc1", 10_000, 1000, 0.001),
    ("imagenet_sketch", "ImageNet Sketch", "ImageNet-OOD", "acc1", 50_889, 1000, 0.001),
    ("imagenet-a", "ImageNet-A", "ImageNet-OOD", "acc1", 7_500, 200, 0.008056),
    ("imagenet-o", "ImageNet-O", "ImageNet-OOD", "acc1", 2_000, 200, 0.006047),
    ("imagenet-r", "ImageNet-R", "ImageNet-OOD", "acc1", 30_000, 200, 0.006163),
    ("objectnet", "ObjectNet", "ImageNet-OOD", "acc1", 18_574, 113, 0.009481),
    ("vtab/caltech101", "Caltech-101", "VTAB", "mean_per_class_recall", 6_085, 102, 0.009804),
    ("cifar10", "CIFAR-10", "misc", "acc1", 10_000, 10, 0.1),
    ("vtab/cifar100", "CIFAR-100", "VTAB", "acc1", 10_000, 100, 0.01),
    ("vtab/clevr_count_all", "CLEVR Counts", "VTAB", "acc1", 15_000, 8, 0.125061),
    ("vtab/clevr_closest_object_distance", "CLEVR Distance", "VTAB", "acc1", 15_000, 6, 0.19052),
    ("vtab/dtd", "Describable Textures", "VTAB", "acc1", 1_880, 47, 0.021277),
    ("vtab/eurosat", "EuroSAT", "VTAB", "acc1", 5_400, 10, 0.101483),
    ("vtab/flowers", "Oxford Flowers-102", "VTAB", "mean_per_class_recall", 6_149, 102, 0.009804),
    ("vtab/kitti_closest_vehicle_distance", "KITTI Vehicle Distance", "VTAB", "acc1", 711, 4, 0.295289),
    ("vtab/pcam", "PatchCamelyon", "VTAB", "acc1", 32_768, 2, 0.5),
    ("vtab/pets", "Oxford-IIIT Pet", "VTAB", "mean_per_class_recall", 3_669, 37, 0.027027),
    ("vtab/resisc45", "RESISC45", "VTAB", "acc1", 6_300, 45, 0.022342),
    ("vtab/svhn", "SVHN", "VTAB", "acc1", 26_032, 10, 0.117897),
    ("cars", "Stanford Cars", "fine-grained", "acc1", 8_041, 196, 0.00516),
    ("country211", "Country211", "misc", "acc1", 21_100, 211, 0.004739),
    ("fgvc_aircraft", "FGVC Aircraft", "fine-grained", "mean_per_class_recall", 3_333, 100, 0.01),
    ("food101", "Food-101", "fine-grained", "acc1", 25_250, 101, 0.009901),
    ("gtsrb", "GTSRB", "misc", "acc1", 12_630, 43, 0.037604),
    ("mnist", "MNIST", "misc", "acc1", 10_000, 10, 0.10035),
    ("renderedsst2", "Rendered SST2", "misc", "acc1", 1_821, 2, 0.500001),
    ("stl10", "STL-10", "misc", "acc1", 8_000, 10, 0.1),
    ("voc2007", "Pascal VOC 2007", "misc", "acc1", 14_976, 20, 0.154038),
    ("retrieval/flickr_1k_test_image_text_retrieval", "Flickr", "retrieval", "mean_recall@1", 1_000, 0, _NONE),
    ("retrieval/mscoco_2014_5k_test_image_text_retrieval", "MSCOCO", "retrieval", "mean_recall@1", 5_000, 0, _NONE),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShotTask:
    """One task of a zero-shot evaluation, and how its scores are read."""

    key: str
    """What DataComp's evaluation calls it; CLIP_benchmark's name of the data set is the same or close to it."""
    name: str
    """The data set's name."""
    family: Family
    """Which average it belongs to."""
    metric: str
    """Its main metric: ``acc1``, ``mean_per_class_recall`` or ``mean_recall@1``."""
    n_images: int
    """Test images (single objects, cut out, in ``voc2007``)."""
    n_classes: int
    """Classes; 0 for retrieval."""
    random_score: float
    """What guessing scores on the main metric, as published; NaN for retrieval, where nothing is."""

    def normalised(self, score: float) -> float:
        """Return a score on a scale from 0, the random score, to 1; NaN where no random score is published."""
        return (score - self.random_score) / (1 - self.random_score)


def zero_shot_tasks() -> tuple[ZeroShotTask, ...]:
    """Return the 29 + 2 tasks: DataComp's list without SUN397, WinoGAViL, three of WILDS and four of fairness.

    Names, sizes, main metrics and random scores are facts of DataComp's ``tasklist.yml``, and the selection is that of
    the evaluation of Perceptual Initialization. The families are named there too; which tasks belong to
    ``"fine-grained"`` (cars, aircraft, food) and ``"misc"`` is decided here: VTAB keeps its own flowers and pets.
    DataComp's ``voc2007`` has one class per image; :func:`average_precision` is for its multi-label form.

    Returns
    -------
    tuple of ZeroShotTask

    References
    ----------
    Gadre et al. (2023), DataComp, https://doi.org/10.48550/arXiv.2304.14108; Hu et al. (2025), Perceptual
    Initialization, https://doi.org/10.48550/arXiv.2505.14204

    Examples
    --------
    >>> tasks = zero_shot_tasks()
    >>> len(tasks), sum(task.family == "retrieval" for task in tasks)
    (31, 2)
    >>> [task.key for task in tasks if task.metric == "mean_per_class_recall"]
    ['vtab/caltech101', 'vtab/flowers', 'vtab/pets', 'fgvc_aircraft']
    """
    return tuple(
        ZeroShotTask(
            key=key, name=name, family=family, metric=metric, n_images=images, n_classes=classes, random_score=chance
        )
        for key, name, family, metric, images, classes, chance in _TASKS
    )
