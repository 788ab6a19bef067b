"""What the study of perceptual initialisation on CIFAR-10 reads, written into a folder of its own.

*Pairs*: the 20,000 training JPEGs at hand, byte for byte, in webdataset shards, each with a caption that says its class
in one of eight templates. *Images of people*: half of the test images (500 a class) may give human judgements; the
*zero-shot images* are the other half, of which no judgement speaks.

*Judgements*, a table each with the columns ``reference, left, right, left_votes, right_votes, split``:

``cifar10h``
    Two images are as similar as two people, one asked about each, are likely to give them the same label: the dot
    product of CIFAR-10H's label distributions. Of left and right the more similar to the reference has the vote, and
    trials whose two similarities differ by less than `MARGIN` are not used. 40 % show an image of the reference's class
    and one of another; 30 % two of its class, which no class label can decide; 30 % two of other classes, one of which
    people confuse with it. Within a kind trials are drawn at random until enough are decided, so that images that
    people disagree about come more often than they are. What this says beyond the class is how typical an image is
    (two of the reference's class: in 99.6 % the one that people agree on more has the vote) and which classes look
    alike (two of others: people's mean confusions of classes alone foretell 89 %).
``labels``
    The control: the same references in the same order, one image of the same class against one of another, the class
    having the vote. What it lacks is all that people say beyond the class.
``material2afc``
    Votes about renders of materials, ties left out; the images squashed to `SIZE` pixels.

The split ``val`` of the first two is about images (a tenth of each class) that no trial of ``train`` shows; that of
``material2afc`` is its test set, which shares its hundred images with the training set. Everything is a pure function
of the seed.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import atomic_write, load_npz, read_json, write_json
from alignkit.data import CIFAR10H, load_cifar10h, load_material2afc
from alignkit.rsa import TwoAFC

#: Where a class's name goes; the same ones make the zero-shot prompts (`alignkit.score.fill_templates`).
TEMPLATES = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a small picture of a {}.",
    "a photo of one {}.",
    "a good photo of the {}.",
    "a low resolution image of a {}.",
    "this is a {}.",
    "the {} in a picture.",
)
PAIRS = Path("cifar10h", "cifar10_train20k_jpg.npz")
COLUMNS = ("reference", "left", "right", "left_votes", "right_votes", "split")
#: Shares of the kinds of trials; the least difference of two similarities; pixels of a side.
KINDS = {"class": 0.4, "within": 0.3, "across": 0.3}
MARGIN, SIZE = 0.1, 32
#: Share of images, and of trials, that are held out of a table's training split.
HELD_OUT = 0.1
#: Written last, with the settings of what lies beside it.
DONE = "data.json"
#: Draws are numbered, so that more of one changes no other.
_SPLIT, _HELD_OUT, _CAPTIONS, _TRIALS, _LABELS = range(5)
_CLASS, _OTHER = range(2)
#: Whom left and right of a kind are drawn from.
_SIDES = {"class": (_CLASS, _OTHER), "within": (_CLASS, _CLASS), "across": (_OTHER, _OTHER)}


@dataclasses.dataclass(frozen=True)
class PIData:
    """Where everything lies.

    Attributes
    ----------
    pairs : Path
        Folder of shards, for `alignkit.data.open_pairs`.
    zero_shot : Path
        Folder with a folder of JPEGs per class, for `alignkit.data.read_labelled_images`.
    judgements : dict of str to Path
        The tables, by name.
    images : dict of str to Path
        The folder that each table's paths start from.
    """

    pairs: Path
    zero_shot: Path
    judgements: dict[str, Path]
    images: dict[str, Path]


def write_pi_data(
    work: Path, root: Path, *, seed: int = 0, n_pairs: int = 20_000, n_trials: int = 20_000, n_shards: int = 8
) -> PIData:
    """Write pairs, images and judgements into ``work`` unless they are there, whole and of the same settings.

    Parameters
    ----------
    work : Path
        A folder, made if needed.
    root : Path
        The folder of real data: holds ``cifar10h/`` and ``material2afc/``.
    seed : int
        Of the division of the test images, captions and trials.
    n_pairs, n_trials : int
        Pairs, the classes taking turns; trials of ``cifar10h`` and of ``labels`` each.
    n_shards : int
        Tar files of the pairs.
    """
    found = PIData(
        pairs=work / "pairs",
        zero_shot=work / "zero_shot",
        judgements={name: work / f"{name}.csv" for name in ("cifar10h", "labels", "material2afc")},
        images={"cifar10h": work / "people", "labels": work / "people", "material2afc": work / "materials"},
    )
    settings = {"seed": seed, "n_pairs": n_pairs, "n_trials": n_trials, "n_shards": n_shards}
    if is_done(work, settings):
        return found
    data = load_cifar10h(root)
    people, zero_shot = split_test(data.target, seed)
    write_pairs(found.pairs, root / PAIRS, n=n_pairs, n_shards=n_shards, seed=seed)
    write_images(found.images["cifar10h"], data, people)
    for number, name in enumerate(data.classes):
        write_images(found.zero_shot / name, data, zero_shot[data.target[zero_shot] == number])
    write_cifar10h(found.judgements["cifar10h"], found.judgements["labels"], data, people, n=n_trials, seed=seed)
    write_material2afc(found.judgements["material2afc"], found.images["material2afc"], root)
    write_json(work / DONE, settings)
    return found


def is_done(work: Path, settings: dict[str, Any]) -> bool:
    """Return whether a folder (made if needed) holds everything, of these settings; it must not hold that of others."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / DONE).is_file():
        return False
    if (there := read_json(work / DONE)) != settings:
        msg = f"{work} holds data of other settings ({there}); give another folder."
        raise ValueError(msg)
    return True


def split_test(target: Any, seed: int) -> tuple[Any, Any]:
    """Return which test images people may speak of, half of each class, and which are left for zero-shot."""
    rng = drawer(seed, _SPLIT)
    halves = [(own := rng.permutation(np.flatnonzero(target == c)))[: len(own) // 2] for c in np.unique(target)]
    people = np.sort(np.concatenate(halves))
    return people, np.setdiff1d(np.arange(len(target)), people)


def write_pairs(folder: Path, source: Path, *, n: int, n_shards: int, seed: int) -> None:
    """Write the first so many training images, the classes taking turns, with one caption each, in shards."""
    arrays, _ = load_npz(source)
    data, offsets, labels, classes = (arrays[name] for name in ("data", "offsets", "labels", "classes"))
    drawn = drawer(seed, _CAPTIONS).integers(len(TEMPLATES), size=len(labels))
    chosen = in_turns(labels)[:n]
    made(folder)
    for shard, rows in enumerate(np.array_split(chosen, n_shards)):
        with (
            atomic_write(folder / f"{shard:05d}.tar") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for i in rows.tolist():
                caption = TEMPLATES[drawn[i]].format(classes[labels[i]])
                add_member(tar, f"{i:05d}.jpg", data[offsets[i] : offsets[i + 1]].tobytes())
                add_member(tar, f"{i:05d}.txt", caption.encode())


def write_images(folder: Path, data: CIFAR10H, images: Any) -> None:
    """Write test images as they are stored; a kill may leave one in half, but `DONE` comes last."""
    made(folder)
    for i in images.tolist():
        (folder / f"{data.labels[i]}.jpg").write_bytes(data.jpeg(i))


def in_turns(labels: Any) -> Any:
    """Return the positions so that the classes take turns, in the order of the file within each."""
    turn = np.empty(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        own = np.flatnonzero(labels == c)
        turn[own] = np.arange(len(own))
    return np.lexsort((labels, turn))


def add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Put a file into a tar, with nothing in it that the day or the machine would change."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def write_cifar10h(path: Path, labels_path: Path, data: CIFAR10H, people: Any, *, n: int, seed: int) -> None:
    """Write the judgements of CIFAR-10H about these images, and the control that class labels give."""
    rows, control = [], []
    for number, (split, images, m) in enumerate(divided(data.target, people, n, seed)):
        trials = human_trials(data, images, m, drawer(seed, _TRIALS, number))
        rows += cells(trials, votes_of(data.probs, trials), data.labels, split)
        of_class = label_trials(data.target, images, trials[:, 0], drawer(seed, _LABELS, number))
        control += cells(of_class, votes_of(np.eye(len(data.classes))[data.target], of_class), data.labels, split)
    write_table(path, rows)
    write_table(labels_path, control)


def divided(target: Any, people: Any, n: int, seed: int) -> list[tuple[str, Any, int]]:
    """Return the images of each split, those held out being a tenth of each class, and how many trials it gets."""
    rng = drawer(seed, _HELD_OUT)
    parts = [rng.permutation(people[target[people] == c]) for c in np.unique(target)]
    held_out = np.sort(np.concatenate([own[: round(HELD_OUT * len(own))] for own in parts]))
    few = round(HELD_OUT * n)
    return [("train", np.setdiff1d(people, held_out), n - few), ("val", held_out, few)]


def human_trials(data: CIFAR10H, images: Any, n: int, rng: np.random.Generator) -> Any:
    """Return reference, left and right of ``n`` trials that people's labels decide, the kinds mixed, shape (n, 3)."""
    ends = np.rint(np.cumsum(list(KINDS.values())) * n).astype(int)
    parts = [
        decided(data, images, kind, int(end - start), rng)
        for kind, start, end in zip(KINDS, [0, *ends[:-1]], ends, strict=True)
    ]
    return rng.permutation(np.concatenate(parts))


def decided(data: CIFAR10H, images: Any, kind: str, n: int, rng: np.random.Generator) -> Any:
    """Return the first ``n`` trials of a kind, of those drawn, whose similarities differ by the margin."""
    kept = np.empty((0, 3), dtype=np.int64)
    while len(kept) < n:
        reference = rng.choice(images, 8 * n)
        left, right = (draw_beside(data.target, images, reference, side, rng) for side in _SIDES[kind])
        trials = np.stack([reference, left, right], axis=1)
        trials = np.where(rng.random((len(trials), 1)) < 0.5, trials, trials[:, [0, 2, 1]])
        to_left, to_right = similarities(data.probs, trials)
        different = (left != reference) & (right != reference) & (left != right)
        kept = np.concatenate([kept, trials[different & (np.abs(to_left - to_right) >= MARGIN)]])
    return kept[:n]


def draw_beside(target: Any, images: Any, reference: Any, side: int, rng: np.random.Generator) -> Any:
    """Return one image for each reference, of its class or of any other."""
    n_classes = int(target.max()) + 1
    shift = 0 if side == _CLASS else rng.integers(1, n_classes, len(reference))
    wanted = (target[reference] + shift) % n_classes
    drawn = np.empty_like(reference)
    for c in range(n_classes):
        of_class = wanted == c
        drawn[of_class] = rng.choice(images[target[images] == c], int(of_class.sum()))
    return drawn


def label_trials(target: Any, images: Any, reference: Any, rng: np.random.Generator) -> Any:
    """Return trials about these references with one image of their class and one of another, on either side."""
    same = draw_beside(target, images, reference, _CLASS, rng)
    while (same == reference).any():
        same = np.where(same == reference, draw_beside(target, images, reference, _CLASS, rng), same)
    trials = np.stack([reference, same, draw_beside(target, images, reference, _OTHER, rng)], axis=1)
    return np.where(rng.random((len(trials), 1)) < 0.5, trials, trials[:, [0, 2, 1]])


def similarities(probs: Any, trials: Any) -> Any:
    """Return how likely two people give reference and left the same label, and reference and right, shape (2, n)."""
    reference, left, right = probs[trials.T]
    return np.stack([(reference * left).sum(axis=1), (reference * right).sum(axis=1)])


def votes_of(probs: Any, trials: Any) -> Any:
    """Return the vote of each trial, for the more similar one, shape (n, 2)."""
    to_left, to_right = similarities(probs, trials)
    return np.stack([to_left > to_right, to_right > to_left], axis=1).astype(np.int64)


def write_material2afc(path: Path, folder: Path, root: Path, size: int = SIZE) -> None:
    """Write the votes about materials, ties left out, and the images at so many pixels."""
    from PIL import Image

    data = load_material2afc(root)
    made(folder)
    names = tuple(f"{Path(label).stem}.png" for label in data.labels)
    for label, name in zip(data.labels, names, strict=True):
        with Image.open(data.image_folder / label) as image, atomic_write(folder / name) as file:
            small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            small.save(file, format="PNG")
    parts: tuple[tuple[str, TwoAFC], ...] = (("train", data.train), ("val", data.test))
    kept = [(split, trials.take(~trials.tied)) for split, trials in parts]
    write_table(path, [row for split, own in kept for row in cells(own.items, own.votes, names, split)])


def write_table(path: Path, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write judgements as a stage of training reads them."""
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def cells(trials: Any, votes: Any, labels: tuple[str, ...], split: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table; a label without an ending is a JPEG's."""
    names = [label if "." in label else f"{label}.jpg" for label in labels]
    pairs = zip(trials.tolist(), votes.tolist(), strict=True)
    return [(*(names[i] for i in items), *counts, split) for items, counts in pairs]


def made(folder: Path) -> Path:
    """Return a folder that is there now."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drawer(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one purpose."""
    return np.random.default_rng([seed, *key])
