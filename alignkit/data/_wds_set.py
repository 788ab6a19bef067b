"""Zero-shot sets in CLIP_benchmark's webdataset folders: ``test/0.tar`` and so on, beside their class names."""

from __future__ import annotations

import dataclasses
import io
import itertools
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names, shown
from alignkit._io import check_file
from alignkit._threads import each
from alignkit._typing import AnyArray, IntArray, PathLike
from alignkit.data._image_text_pairs import ImageTextPairs
from alignkit.data._pair_captions import BadSampleError
from alignkit.data._pair_images import MAX_IMAGE, BrokenImageError, decode_image, what_is_wrong
from alignkit.data._tar_members import Member
from alignkit.data._tar_pairs import IMAGES, by_ending, keyed_members, member_bytes, open_tar_pairs, read_at
from alignkit.data._zero_shot_names import described, read_lines
from alignkit.data._zero_shot_set import Kind, ZeroShotSet

if TYPE_CHECKING:
    from PIL.Image import Image

_SPLIT = "test"
_KINDS: dict[str, Kind] = {"classification": "classification", "multilabel": "multilabel", "retrieval": "retrieval"}
_ENDINGS = {"classification": "cls", "multilabel": "npy"}
_MAX_SHARDS = 100_000
#: A class number, or one number for each of some thousand classes.
_MAX_LABEL = {"cls": 64, "npy": 1 << 20}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ShardImages:
    """Images in several shards, numbered through."""

    paths: tuple[Path, ...]
    keys: tuple[str, ...]
    table: IntArray
    """Shard, offset and size of each."""

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, i: int) -> str:
        """Return the shard and the key."""
        return f"{self.paths[int(self.table[i, 0])].name}/{self.keys[i]}"

    def image(self, i: int) -> Image:
        """Return an image in RGB."""
        shard, offset, size = self.table[i].tolist()
        try:
            return decode_image(read_at(self.paths[shard], offset, size))
        except BrokenImageError as error:
            msg = f"{self.name(i)} cannot be used: {error}."
            raise ValueError(msg) from error


def is_wds(folder: Path, /) -> bool:
    """Return whether a folder is laid out as CLIP_benchmark's webdatasets."""
    return (folder / _SPLIT / "nshards.txt").is_file() or (folder / _SPLIT / "0.tar").is_file()


def open_wds_set(
    folder: Path,
    /,
    *,
    name: str,
    class_names: Sequence[str] | None,
    templates: Sequence[str] | None,
    root: PathLike | None,
    decode: bool,
) -> ZeroShotSet:
    """Go through the shards of a set once.

    Raises
    ------
    FileNotFoundError
        A shard that ``nshards.txt`` promises, or that file, is missing.
    ValueError
        A truncated shard, an unknown type of set, or words for the classes that are not there.
    """
    kind = _kind(folder)
    paths = _shards(folder)
    if kind == "retrieval":
        return _retrieval(name, paths, decode)
    names, texts = described(name, _listed(folder, "classnames.txt", class_names), _templates(folder, templates), root)
    found = each(lambda path: _index(path, _ENDINGS[kind], len(names), decode), paths)
    rows = [(shard, *row) for shard, (part, _) in enumerate(found) for row in part]
    bad = [(f"{path.name}/{key}", why) for path, (_, part) in zip(paths, found, strict=True) for key, why in part]
    table = np.array([(shard, offset, size) for shard, _, _, offset, size in rows], dtype=np.int64).reshape(-1, 3)
    targets: AnyArray = np.array([target for _, _, target, _, _ in rows])
    if not rows:
        targets = np.empty((0,) if kind == "classification" else (0, len(names)), dtype=np.int64)
    return ZeroShotSet(
        name=name,
        kind=kind,
        images=ShardImages(tuple(paths), tuple(key for _, key, _, _, _ in rows), table),
        class_names=names,
        templates=texts,
        targets=targets,
        bad=tuple(bad),
    )


def _kind(folder: Path) -> Kind:
    path = folder / "dataset_type.txt"
    if not path.exists():
        return "classification"
    lines = read_lines(path)
    word = lines[0].lower() if lines else ""
    if word not in _KINDS:
        msg = f"{path} must say classification, multilabel or retrieval; it says {shown(word)}."
        raise ValueError(msg)
    return _KINDS[word]


def _shards(folder: Path) -> list[Path]:
    path = folder / _SPLIT / "nshards.txt"
    if not path.exists():
        msg = f"{path} is missing; it holds how many shards ({folder / _SPLIT}/0.tar, 1.tar ...) there are."
        raise FileNotFoundError(msg)
    words = "".join(read_lines(check_file(path)))
    if not (words.isascii() and words.isdecimal() and len(words) < 10) or not 0 < int(words) <= _MAX_SHARDS:
        msg = f"{path} must hold the number of shards, from 1 to {_MAX_SHARDS:,}; it says {shown(words)}."
        raise ValueError(msg)
    paths = [folder / _SPLIT / f"{number}.tar" for number in range(int(words))]
    missing = [shard.name for shard in paths if not shard.is_file()]
    if missing:
        msg = f"{folder / _SPLIT} lacks {join_names(missing)} of the {len(paths):,} shards that nshards.txt promises."
        raise FileNotFoundError(msg)
    return paths


def _listed(folder: Path, file: str, given: Sequence[str] | None) -> Sequence[str] | None:
    path = folder / file
    return read_lines(path) or None if given is None and path.exists() and path.stat().st_size else given


def _templates(folder: Path, given: Sequence[str] | None) -> Sequence[str] | None:
    lines = _listed(folder, "zeroshot_classification_templates.txt", given)
    return None if lines is None else [line for line in lines if line]


def _retrieval(name: str, paths: Sequence[Path], decode: bool) -> ZeroShotSet:
    source = open_tar_pairs(paths, [path.name for path in paths], None, decode=decode)
    pairs = ImageTextPairs(source)
    # a file holds all captions of an image, one a line
    captions = tuple(
        tuple(line.strip() for text in pairs.captions(i) for line in text.splitlines() if line.strip())
        for i in range(len(pairs))
    )
    return ZeroShotSet(
        name=name,
        kind="retrieval",
        images=pairs,
        targets=np.empty(0, dtype=np.int64),
        captions=captions,
        bad=pairs.bad,
    )


def _index(path: Path, ending: str, n_classes: int, decode: bool) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return key, target, offset and size of the samples of a shard, and which are left out."""
    members = keyed_members(path, (*IMAGES, ending))
    samples = [(key, list(parts)) for key, parts in itertools.groupby(members, key=operator.itemgetter(0))]
    counts = Counter(key for key, _ in samples)
    rows, bad = [], {}
    with open(path, "rb") as file:
        for key, parts in samples:
            try:
                if counts[key] > 1:
                    reason = "its key comes more than once in the shard"
                    raise BadSampleError(reason)
                rows.append((key, *_check_sample(file, dict(by_ending(parts)), ending, n_classes, decode)))
            except BadSampleError as error:
                bad[key] = str(error)
    return rows, list(bad.items())


def _check_sample(
    file: IO[bytes], members: Mapping[str, Member], ending: str, n_classes: int, decode: bool
) -> tuple[Any, int, int]:
    image, label = members.get("image"), members.get(ending)
    if image is None or label is None:
        reason = "it has no image" if image is None else f"it has no .{ending}"
        raise BadSampleError(reason)
    content = member_bytes(file, label, _MAX_LABEL[ending])
    target = _as_class(content) if ending == "cls" else _as_flags(content, n_classes)
    wrong = what_is_wrong(member_bytes(file, image, MAX_IMAGE), decode=decode)
    if wrong is not None:
        raise BadSampleError(wrong)
    return target, image.offset, image.size


def _as_class(content: bytes) -> int:
    text = content.strip()
    if not text.isdigit() or len(text) > 9:
        reason = f"its .cls is no class number but {shown(content, 40)}"
        raise BadSampleError(reason)
    return int(text)


def _as_flags(content: bytes, n_classes: int) -> AnyArray:
    """Return which classes an image has, from the bytes of a ``.npy`` without pickled objects."""
    try:
        with io.BytesIO(content) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if shape != (n_classes,) or dtype.kind not in "biuf":
                reason = f"its .npy holds shape {shape}, and there are {n_classes:,} classes"
                raise BadSampleError(reason)
            flags: AnyArray = np.frombuffer(file.read(), dtype=dtype)
    except BadSampleError:
        raise
    except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        reason = f"its .npy is damaged ({' '.join(str(error).split())[:100]})"
        raise BadSampleError(reason) from error
    if flags.shape != (n_classes,) or not np.isin(flags, (0, 1)).all():
        reason = f"its .npy must hold 0 or 1 for each of {n_classes:,} classes"
        raise BadSampleError(reason)
    return flags.astype(bool)
