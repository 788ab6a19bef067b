"""Triplets of images with a teacher's similarities, drawn, computed and written a block at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import as_flag, check_choice, check_count, check_same_labels, require
from alignkit._threads import each_in_turn
from alignkit._typing import AnyArray, IntArray, PathLike
from alignkit.align._clusters import Clusters
from alignkit.align._feature_rows import FeatureRows, as_feature_rows
from alignkit.align._open_triplets import SUFFIXES, open_triplets
from alignkit.align._sample_triplets import (
    BLOCK,
    Sampling,
    Weight,
    as_groups,
    as_rules,
    check_sampling,
    group_numbers,
    sample_block,
)
from alignkit.align._teacher_similarities import odd_one_last, teacher_similarities
from alignkit.align._triplet_file import TripletFile
from alignkit.align._triplet_folder import Sink, open_sink

Arm = Literal["aligned", "untransformed", "shuffled"]
#: Tells the random numbers that exchange pictures from those that draw triplets.
_EXCHANGE = 1 << 31


def write_triplets(
    features: object,
    groups: object,
    /,
    *,
    out: PathLike,
    n: int,
    sampling: Sampling | Sequence[Sampling] = "cluster_border",
    arm: Arm = "aligned",
    weight: Weight = "group",
    layer: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = False,
) -> TripletFile:
    r"""Draw triplets of images, and write them with a teacher's similarities to learn from.

    The similarity of two images is the dot product of the teacher's features :math:`x_i^\top x_j`; the softmax of the
    three of a triplet is the soft label of AligNet's students [1]_. The most similar pair is written first, so that the
    last image is the odd one out. Triplets are written block by block: the same call goes on where a killed one
    stopped, and features on disk may be larger than memory.

    Parameters
    ----------
    features : Features, path-like or array_like, shape (items, channels)
        The teacher's, with names of the images: after a transform (``alignkit align apply``) for the arm
        ``"aligned"``, as they are for ``"untransformed"``. A path of features that ``alignkit extract`` wrote, or of a
        ``.npy`` array beside a list of names, is not read into memory.
    groups : Clusters or array_like of int or str, shape (items,)
        What the rule is about; clusters of named items are matched by name.
    out : path-like
        ``.npz`` (one file in the published layout), ``.zarr`` (a folder, the fastest), ``.parquet`` (a folder with a
        file for each block; needs pyarrow).
    n : int
        Number of triplets.
    sampling, weight, seed
        As in :func:`sample_triplets`.
    arm : {"aligned", "untransformed", "shuffled"}
        What students are compared by. ``"shuffled"`` are the triplets and similarities of the aligned arm with the same
        seed, with every picture exchanged for another one: what can be learned from them is nothing about pictures.
    layer : str, optional
        Of features with several.
    overwrite : bool
        Replace other triplets of that name.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TripletFile

    Raises
    ------
    ValueError
        Features without names, transformed features for the arm ``"untransformed"``, features that are not finite,
        groups that do not fit the features or the rule, or another suffix.
    TypeError
        Counts that are not whole, or features that are not numbers.
    FileNotFoundError
        No such features, or no folder to write to.
    FileExistsError
        Other triplets, or something else, of that name.
    BlockingIOError
        Another process writes them.
    ImportError
        Parquet without pyarrow.

    References
    ----------
    .. [1] Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels,
       Nature. doi:10.1038/s41586-025-09631-6

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from alignkit.models import Features
    >>> teacher = Features.from_array([[2.0, 0.1], [1.9, 0.3], [0.2, 2.0], [0.1, 1.8]], ["cat", "dog", "car", "bus"])
    >>> out = pathlib.Path(tempfile.mkdtemp(), "t.zarr")
    >>> triplets = write_triplets(teacher, ["animal", "animal", "vehicle", "vehicle"], out=out, n=1000)
    >>> triplets
    <TripletFile 't.zarr': 1,000 triplets of 4 images (aligned, cluster_border)>
    >>> indices, similarities = triplets.block(0, 1000)
    >>> bool((similarities[:, 0] >= similarities[:, 1:].max(axis=1)).all())
    True
    """
    path = Path(out)
    check_choice("the suffix of out", path.suffix.lower(), SUFFIXES)
    n, seed = check_count("n", n, 1), check_count("seed", seed)
    overwrite, progress = as_flag("overwrite", overwrite), as_flag("progress", progress)
    check_choice("arm", arm, get_args(Arm))
    if path.suffix.lower() == ".parquet":
        require("pyarrow", "scale")
    rows = as_feature_rows(features, layer=layer)
    names = _names(rows, arm)
    numbers = _matched(groups, names)
    rules = as_rules(sampling)
    named = " + ".join(rules)
    settings = _settings(rows, numbers, {"arm": arm, "sampling": named, "weight": weight, "seed": seed})
    drawn = as_groups(numbers)
    check_sampling(drawn, rules, weight)
    exchange = _exchange(len(names), arm, seed)

    def block(number: int, x: AnyArray) -> tuple[IntArray, AnyArray]:
        size = min(BLOCK, n - number * BLOCK)
        triplets = sample_block(drawn, number, size, rules, weight, seed)
        similarities = teacher_similarities(x, triplets)
        _check_similarities(triplets, similarities, names)
        triplets, similarities = odd_one_last(triplets, similarities)
        return (triplets if exchange is None else exchange[triplets]), similarities

    job = _Job(path, names, n, settings, overwrite)
    job.run(rows, block, progress)
    return open_triplets(path)


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    names: tuple[str, ...]
    n: int
    settings: Mapping[str, Any]
    overwrite: bool

    def run(
        self, rows: FeatureRows, block: Callable[[int, AnyArray], tuple[IntArray, AnyArray]], progress: bool
    ) -> None:
        """Write the blocks that are missing."""
        from tqdm import tqdm

        with self._sink() as sink:
            missing = sink.missing()
            if missing:
                with (
                    rows.indexable(self.path.parent) as x,
                    tqdm(
                        total=self.n, unit="triplet", unit_scale=True, desc=self.path.name, disable=not progress
                    ) as bar,
                ):
                    bar.update(self.n - sum(min(BLOCK, self.n - one * BLOCK) for one in missing))
                    found = each_in_turn(lambda one: block(one, x), missing)
                    for number, (triplets, similarities) in zip(missing, found, strict=True):
                        sink.write(number, triplets, similarities)
                        bar.update(len(triplets))
            sink.finish()

    @contextmanager
    def _sink(self) -> Iterator[Sink]:
        sink = open_sink(self.path, self.names, self.n, BLOCK, self.settings, overwrite=self.overwrite)
        try:
            yield sink
        finally:
            sink.release()


def _names(rows: FeatureRows, arm: str) -> tuple[str, ...]:
    if rows.labels is None:
        msg = f"the features {rows.name!r} have no names; students find the images by them, so give labels."
        raise ValueError(msg)
    if arm == "untransformed" and "transform" in rows.manifest:
        msg = f"the features {rows.name!r} are transformed; the arm 'untransformed' takes those from before."
        raise ValueError(msg)
    return rows.labels


def _matched(groups: object, names: tuple[str, ...]) -> IntArray:
    """Return the group of each image, in the images' order."""
    if isinstance(groups, str | os.PathLike):
        groups = Clusters.load(groups)
    numbers = group_numbers(groups)
    if len(numbers) != len(names):
        msg = f"groups must hold one group per item of the features: expected {len(names):,}, got {len(numbers):,}."
        raise ValueError(msg)
    own = getattr(groups, "labels", None)
    if own is None or own == names:
        return numbers
    check_same_labels("the clusters", own, "the features", names)
    place = {name: i for i, name in enumerate(own)}
    return numbers[[place[name] for name in names]]


def _settings(rows: FeatureRows, numbers: IntArray, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells these triplets from others."""
    transform = rows.manifest.get("transform")
    return {
        **asked,
        "source": rows.name,
        "transform": transform if isinstance(transform, dict) else None,
        "features_sha256": rows.fingerprint(),
        "groups_sha256": hashlib.sha256(np.ascontiguousarray(numbers, dtype="<i8").data).hexdigest(),
    }


def _exchange(n: int, arm: str, seed: int) -> IntArray | None:
    if arm != "shuffled":
        return None
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_EXCHANGE,))).permutation(n)


def _check_similarities(triplets: IntArray, similarities: AnyArray, names: tuple[str, ...]) -> None:
    if np.isfinite(similarities).all():
        return
    row = int(np.argmin(np.isfinite(similarities).all(axis=1)))
    images = ", ".join(repr(names[i]) for i in triplets[row])
    msg = f"the similarities of {images} are not finite: the features of one of them hold NaN or are too large."
    raise ValueError(msg)
