"""Image-text pairs from shards to batches on one core, beside webdataset with open_clip's transforms."""

from __future__ import annotations

import io
import itertools
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks._harness import Line, Timing, arguments, in_turn, keep, largest_difference, peer

#: Images, images of a batch, pixels of the shorter side, and pixels of the result.
_SIZES = (384, 64, 256, 224)
_SMALL = (12, 4, 48, 32)
#: How many times as fast as webdataset and open_clip, at least.
_PROMISED = {"none": 1.0, "crop": 1.0, "pi": 1.0}


def main() -> None:
    small = arguments(__doc__).parse_args().small
    for name, install in (("torch", "'alignkit[train]'"), ("open_clip", "open_clip_torch"), ("webdataset", None)):
        if peer(name, install) is None:
            return
    import torch
    from threadpoolctl import threadpool_limits

    import alignkit.train.pi._kept_images as kept_images

    torch.set_num_threads(1)
    # as of more images than can be kept: all are decoded in every epoch
    none_kept = mock.patch.object(kept_images, "_KEPT_BYTES", 0)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1), none_kept:
        keep("pair_pipeline", measured(Path(folder), *(_SMALL if small else _SIZES), small=small), small=small)


def measured(folder: Path, n: int, batch_size: int, edge: int, size: int, *, small: bool) -> list[Line]:
    """Return the lines of the table, after a check that both sides read the same pairs."""
    import webdataset

    from alignkit.data import open_pairs

    shards = write_shards(folder, n, edge)
    difference = same_pairs(shards, size)
    contents = [sample["jpg"] for sample in webdataset.DataPipeline(*reading(shards))]
    functions: dict[str, Callable[[], Any]] = {
        "decoded": lambda: [decoded(content) for content in contents],
        "resized": lambda: [decoded(content).resize((size, size), 3) for content in contents],
    }
    pairs = open_pairs(shards)
    for name in _PROMISED:
        functions[f"ours {name}"] = ours(pairs, name, batch_size, size)
        functions[f"theirs {name}"] = theirs(shards, name, batch_size, size)
    timings = in_turn(functions, repeats=1 if small else 7, clock=time.process_time)
    what = f"{n} pairs of JPEGs of {edge} pixels or more to batches of {batch_size} at {size} pixels, time of one core"
    lines = []
    for name, promised in _PROMISED.items():
        own, rival = timings[f"ours {name}"], timings[f"theirs {name}"]
        note = f"{rates(n, own)} images/s; rival {rates(n, rival)}, decoding {rates(n, timings['decoded'])}"
        floor = (timings["resized"], "decoding and resizing alone")
        lines.append(
            Line(f"{what}: {name}", "webdataset and open_clip", own, rival, *floor, promised, difference, note)
        )
    alone = (timings["decoded"], "decoding alone")
    return [*lines, Line(f"{what}: crop", "", timings["ours crop"], None, *alone, 0, difference)]


def rates(n: int, timing: Timing) -> str:
    return f"{n / timing.median:,.0f}"


def decoded(content: bytes) -> Any:
    """Return a JPEG's pixels, with as little around it as PIL allows."""
    from PIL import Image

    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def ours(pairs: Any, name: str, batch_size: int, size: int) -> Callable[[], Any]:
    """Return a function that makes the batches of an epoch with alignkit."""
    from alignkit.models import Preprocess
    from alignkit.train._order import Order
    from alignkit.train.pi._augment import Augmentation
    from alignkit.train.pi._pair_batches import PairBatches

    order = Order(n_samples=len(pairs), batch_size=batch_size, seed=0)
    batches = PairBatches(pairs, Preprocess.clip(size), augmentation=Augmentation.preset(name))
    epochs = itertools.count()

    def epoch() -> float:
        first = next(epochs) * order.steps_per_epoch
        total = 0.0
        for step in range(first, first + order.steps_per_epoch):
            samples = order.batch(step)
            total += len(batches.captions(samples)) + float(batches.images(samples)[0, 0, 0, 0])
        return total

    return epoch


def theirs(shards: list[Path], name: str, batch_size: int, size: int) -> Callable[[], Any]:
    """Return a function that makes the batches of an epoch as open_clip's own training reads webdataset."""
    import webdataset

    pipeline = [
        *reading(shards),
        webdataset.shuffle(5000, initial=1000),
        webdataset.decode("pilrgb"),
        webdataset.rename(image="jpg", text="txt"),
        webdataset.map_dict(image=rivals_transform(name, size)),
        webdataset.to_tuple("image", "text"),
        webdataset.batched(batch_size),
    ]

    def epoch() -> float:
        return sum(len(texts) + float(images[0, 0, 0, 0]) for images, texts in webdataset.DataPipeline(*pipeline))

    return epoch


def reading(shards: list[Path]) -> list[Any]:
    """Return webdataset's stages up to the members of each sample."""
    import webdataset

    return [webdataset.SimpleShardList([str(path) for path in shards]), webdataset.tarfile_to_samples()]


def rivals_transform(name: str, size: int) -> Any:
    """Return open_clip's transform with the settings of one of our presets; blur and mirror, which it lacks, put in."""
    import open_clip
    from PIL import ImageFilter
    from torchvision import transforms

    if name == "none":
        return open_clip.image_transform(size, is_train=False)
    if name == "crop":
        return open_clip.image_transform(size, is_train=True)
    settings = {
        "scale": (0.2, 1.0), "color_jitter": (0.4, 0.4, 0.4, 0.1), "color_jitter_prob": 0.8, "gray_scale_prob": 0.2
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unused augmentation")  # they are used, though timm is not
        transform = open_clip.image_transform(size, is_train=True, aug_cfg=settings)
    rng = np.random.default_rng(0)
    blur = transforms.Lambda(lambda image: image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.1, 2.0)))))
    transform.transforms[-2:-2] = [transforms.RandomApply([blur], 0.5), transforms.RandomHorizontalFlip()]
    return transform


def same_pairs(shards: list[Path], size: int) -> float:
    """Return the largest difference of undistorted images; keys and captions must be the same."""
    import webdataset

    from alignkit.data import open_pairs
    from alignkit.models import Preprocess

    pairs, preprocess, transform = open_pairs(shards), Preprocess.clip(size), rivals_transform("none", size)
    numbers = {pairs.name(i): i for i in range(len(pairs))}
    differences = []
    for sample in webdataset.DataPipeline(*reading(shards), webdataset.decode("pilrgb")):
        i = numbers.pop(f"{Path(sample['__url__']).name}/{sample['__key__']}")
        assert pairs.caption(i) == sample["txt"]
        differences.append(largest_difference(preprocess(pairs.image(i)), transform(sample["jpg"]), limit=1e-6))
    assert not numbers, "webdataset reads fewer pairs"
    return max(differences)


def write_shards(folder: Path, n: int, edge: int) -> list[Path]:
    """Write two shards of blurred blots with noise, which JPEG packs about as well as photos."""
    paths = [folder / f"{k:05d}.tar" for k in range(2)]
    samples = enumerate(pictures(n, edge))
    for path, some in zip(paths, (itertools.islice(samples, n // 2), samples), strict=True):
        with tarfile.open(path, "w") as tar:
            for number, content in some:
                for ending, member in (("jpg", content), ("txt", f"picture number {number}".encode())):
                    info = tarfile.TarInfo(f"{number:06d}.{ending}")
                    info.size = len(member)
                    tar.addfile(info, io.BytesIO(member))
    return paths


def pictures(n: int, edge: int) -> Iterator[bytes]:
    """Yield JPEGs of several widths and heights, the shorter of them ``edge`` pixels."""
    from PIL import Image

    rng = np.random.default_rng(3)
    for _ in range(n):
        longer = int(edge * rng.uniform(1, 1.5))
        width, height = (edge, longer) if rng.random() < 0.5 else (longer, edge)
        blots = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((width, height))
        noisy = np.asarray(blots, dtype=np.float32) + rng.normal(0, 8, (height, width, 1))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        yield buffer.getvalue()


if __name__ == "__main__":
    main()
