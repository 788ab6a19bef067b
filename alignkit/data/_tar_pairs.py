"""Pairs in webdataset shards: members of one key, found once and then read by a seek."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from alignkit._threads import each
from alignkit._typing import IntArray
from alignkit.data._pair_captions import BadSampleError, captions_of
from alignkit.data._pair_images import MAX_IMAGE, what_is_wrong
from alignkit.data._pair_index import PairIndex, kept_index, make_index, named_bad
from alignkit.data._tar_members import Member, tar_members

IMAGES = ("jpg", "jpeg", "png", "webp")
_TEXTS = ("txt", "json")
#: Bytes of a caption with what else its .json says.
_MAX_TEXT = 1 << 20
#: Columns of a shard's table: the image, the text, whether the text is JSON, and where the name ends among the keys.
_N_COLUMNS = 6
_KEY_END = 5


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TarPairs:
    """Pairs of several shards, numbered through."""

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    indices: tuple[PairIndex, ...]
    ends: IntArray
    tokenised: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pairs of each shard."""
        return tuple(len(index.table) for index in self.indices)

    @property
    def bad(self) -> tuple[tuple[str, str], ...]:
        """Samples that were left out, and why."""
        return named_bad(self.indices, self.labels)

    def name(self, i: int) -> str:
        """Return the shard and the key."""
        shard, row = self._find(i)
        index = self.indices[shard]
        start = int(index.table[row - 1, _KEY_END]) if row else 0
        key = index.keys[start : int(index.table[row, _KEY_END])].tobytes()
        return f"{self.labels[shard]}/{key.decode()}"

    def image_bytes(self, i: int) -> bytes:
        """Return the image as it is stored."""
        shard, row = self._find(i)
        offset, size, *_ = self.indices[shard].table[row].tolist()
        return read_at(self.paths[shard], offset, size)

    def text(self, i: int) -> tuple[str, ...]:
        """Return the captions."""
        shard, row = self._find(i)
        _, _, offset, size, is_json, _ = self.indices[shard].table[row].tolist()
        return captions_of(read_at(self.paths[shard], offset, size), is_json=bool(is_json))

    def _find(self, i: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self.ends, i, side="right"))
        return shard, i - int(self.ends[shard - 1]) if shard else i


def open_tar_pairs(paths: Sequence[Path], labels: Sequence[str], folder: Path | None, *, decode: bool) -> TarPairs:
    """Index shards, or read their indices from ``folder``.

    Raises
    ------
    FileNotFoundError, ValueError
        A shard that is missing, truncated or damaged; the sentence names it.
    """

    def index(path: Path) -> PairIndex:
        make = functools.partial(_index, path, decode)
        return kept_index(folder, path, {"decode": decode}, _N_COLUMNS, make)

    indices = tuple(each(index, paths))
    return TarPairs(tuple(paths), tuple(labels), indices, np.cumsum([len(index.table) for index in indices]))


def _index(path: Path, decode: bool) -> PairIndex:
    samples = [
        (key, list(members))
        for key, members in itertools.groupby(keyed_members(path, (*IMAGES, *_TEXTS)), key=operator.itemgetter(0))
    ]
    counts = Counter(key for key, _ in samples)
    rows, keys, bad = [], bytearray(), {}
    with open(path, "rb") as file:
        for key, members in samples:
            try:
                if counts[key] > 1:
                    reason = "its key comes more than once in the shard"
                    raise BadSampleError(reason)
                row = _check_sample(file, dict(by_ending(members)), decode)
            except BadSampleError as error:
                bad[key] = str(error)
                continue
            keys += key.encode()
            rows.append((*row, len(keys)))
    return make_index(rows, _N_COLUMNS, bad, keys=bytes(keys))


def keyed_members(path: Path, endings: Sequence[str]) -> Iterator[tuple[str, str, Member]]:
    """Yield key, ending and member of every file with one of these endings; others are never read."""
    for member in tar_members(path):
        where = PurePosixPath(member.name)
        stem, dot, ending = where.name.partition(".")
        if dot and stem and (ending := ending.lower()) in endings:
            key = str(where.parent / stem).encode("utf-8", "surrogateescape")
            yield key.decode("utf-8", "backslashreplace"), ending, member


def by_ending(members: Sequence[tuple[str, str, Member]]) -> Iterator[tuple[str, Member]]:
    """Yield ``"image"`` or the ending, and the member, of each file of a sample; each kind may come once."""
    kinds = Counter("image" if ending in IMAGES else ending for _, ending, _ in members)
    for kind, count in kinds.items():
        if count > 1:
            reason = f"it has {count} files with its {kind}"
            raise BadSampleError(reason)
    for _, ending, member in members:
        yield "image" if ending in IMAGES else ending, member


def _check_sample(file: IO[bytes], members: dict[str, Member], decode: bool) -> tuple[int, int, int, int, int]:
    text = members.get("txt") or members.get("json")
    image = members.get("image")
    if image is None or text is None:
        reason = "it has no image" if image is None else "it has no caption (.txt or .json)"
        raise BadSampleError(reason)
    is_json = text.name.lower().endswith(".json")
    captions_of(member_bytes(file, text, _MAX_TEXT), is_json=is_json)
    wrong = what_is_wrong(member_bytes(file, image, MAX_IMAGE), decode=decode)
    if wrong is not None:
        raise BadSampleError(wrong)
    return image.offset, image.size, text.offset, text.size, int(is_json)


def member_bytes(file: IO[bytes], member: Member, limit: int) -> bytes:
    """Return what a member holds, or raise BadSampleError where it is no plain file or too large."""
    ending = PurePosixPath(member.name).suffix
    if not member.plain:
        reason = f"its {ending} is a link or another special file"
        raise BadSampleError(reason)
    if member.size > limit:
        reason = f"its {ending} has {member.size:,} bytes, more than the {limit:,} allowed"
        raise BadSampleError(reason)
    file.seek(member.offset)
    return file.read(member.size)


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Return bytes of a shard that was gone through before."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            content = file.read(size)
    except FileNotFoundError as error:
        msg = f"the shard {path} is missing; it was there when it was opened."
        raise FileNotFoundError(msg) from error
    if len(content) != size:
        msg = f"the shard {path} is shorter than when it was indexed; open its pairs again."
        raise ValueError(msg)
    return content
